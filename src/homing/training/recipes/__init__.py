"""The ways to tune: one file each, `tune(job) -> TrainingLog` in every one."""
