"""A job's settings as the arguments of the libraries' Trainers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from homing.ranks import n_ranks
from homing.retrieval.encoders import has_fast_bf16
from homing.training.contrast import LOG_TAU, TEMPERATURE_RATE
from homing.training.layers import layer_rates
from homing.training.settings import TrainingSettings

SAVE_EVERY_STEPS = 50
"""A stopped job loses at most this many steps; a checkpoint is three times the model's size."""
CHECKPOINTS_KEPT = 2
"""The last one may hold the first steps of a divergence."""


def trainer_arguments(
    settings: TrainingSettings,
    checkpoints: Path,
    n_steps: int,
    device: str,
    save_every: int = SAVE_EVERY_STEPS,
) -> dict[str, Any]:
    """Return the keywords of the Trainers' arguments that all recipes share."""
    return {
        "output_dir": str(checkpoints),
        "num_train_epochs": settings.n_epochs,
        "per_device_train_batch_size": settings.batch_passages,
        "learning_rate": settings.peak_rate,
        "warmup_steps": round(settings.warmup_fraction * n_steps),
        "lr_scheduler_type": "linear",
        "weight_decay": settings.weight_decay,
        "optim": "adamw_torch_fused",
        "bf16": has_fast_bf16(device),
        "use_cpu": device == "cpu",
        "seed": settings.seed,
        "save_strategy": "steps",
        "save_steps": save_every,
        "save_total_limit": 1,
        "eval_strategy": "no",
        "logging_steps": max(1, n_steps // 200),
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_pin_memory": device.startswith("cuda"),
    }


def weights_arguments(
    model: Any,
    settings: TrainingSettings,
    checkpoints: Path,
    n_steps: int,
    *,
    save_every: int,
    rate_factor: float = 1.0,
) -> dict[str, Any]:
    """Return the same with all that `settings.full` says of how the weights are trained.

    Args:
        model: A SentenceTransformer of which the frozen layers are frozen.
        n_steps: Of the whole job.
        save_every: Steps between two checkpoints.
        rate_factor: Multiplies every learning rate.
    """
    full, peak = settings.full, settings.peak_rate * rate_factor
    rates = layer_rates(model, peak, full.layer_decay)
    if full.learn_temperature:
        rates[rf"^{LOG_TAU}$"] = TEMPERATURE_RATE * peak
    arguments = trainer_arguments(settings, checkpoints, n_steps, model.device.type, save_every)
    arguments |= {
        "learning_rate": peak,
        "learning_rate_mapping": rates,
        "gradient_accumulation_steps": full.accumulate,
        "save_total_limit": CHECKPOINTS_KEPT,
    }
    if n_ranks() > 1:
        # Buffers are constants here, and a process with fewer parts would not be there to send them
        arguments |= {"ddp_broadcast_buffers": False, "ddp_find_unused_parameters": True}
    return arguments


def n_steps_of(n_batches: int, settings: TrainingSettings) -> int:
    """Return the steps of a job whose epochs have so many batches."""
    return -(-n_batches // settings.full.accumulate) * settings.n_epochs
