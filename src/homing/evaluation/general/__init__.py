"""What a model should still be able to do after tuning: questions that are not the user's."""
