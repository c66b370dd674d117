"""Models in training: loaded without dropout, saved whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from homing.errors import UsageError
from homing.retrieval.models import load_sentence_transformer
from homing.retrieval.towers import input_modules, towers_of
from homing.training.settings import OF_WEIGHTS, TrainingSettings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def load_for_training(base_model: str, settings: TrainingSettings) -> SentenceTransformer:
    """Return the model with every dropout at zero (deterministic, and much faster on CPU).

    Raises:
        UsageError: If it has two towers, and the recipe would train but one of them unasked.
    """
    import torch

    model = load_sentence_transformer(
        base_model, max_tokens=settings.max_tokens, device=settings.device
    )
    if settings.recipe in OF_WEIGHTS and towers_of(model) is not None:
        raise UsageError(
            f"{base_model} has a tower of its own for questions, and --recipe {settings.recipe} "
            "trains models that have one for both. Take --recipe query, or the model that this one "
            "was made from."
        )
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep the libraries' own bars and hints off stderr while our progress is shown."""
    import datasets
    import transformers

    level = transformers.logging.get_verbosity()
    had_bars = transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(level)
        datasets.enable_progress_bars()
        if had_bars:
            transformers.logging.enable_progress_bar()


def save_model(model: SentenceTransformer, out: Path) -> None:
    """Write the model beside its place, then move it there, so that no half model is seen."""
    scratch = out.with_name(f".{out.name}.partial")
    shutil.rmtree(scratch, ignore_errors=True)
    for module in input_modules(model):
        backend = getattr(getattr(module, "tokenizer", None), "backend_tokenizer", None)
        if backend is not None:
            # They are set anew by every call; what the last one left would make the bytes its own.
            backend.no_padding()
            backend.no_truncation()
    model.save_pretrained(str(scratch), create_model_card=False)
    out.mkdir(parents=True, exist_ok=True)
    for entry in scratch.iterdir():
        target = out / entry.name
        if target.is_dir():
            shutil.rmtree(target)
        entry.replace(target)
    scratch.rmdir()
