"""Training on any dataset, without a workspace."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from homing.dataset import load_dataset
from homing.errors import UsageError
from homing.pipeline.copies import on_copies
from homing.pipeline.job import StageResult
from homing.pipeline.language_models import LEDGER, ledger_beside
from homing.pipeline.training import (
    FULL,
    MODEL_FILES,
    choice_of,
    group_of,
    train,
    training_settings,
)
from homing.pipeline.training_summary import describe_trained, summary_of
from homing.progress import say
from homing.settings import load_settings

NOT_BETTER = "not-better"
"""Where `reranker` leaves what did not beat the first stage on dev."""


@on_copies(write=True)
def train_dataset(
    source: str | Path,
    out: str | Path,
    *,
    split: str | None = None,
    config: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> StageResult:
    """Tune on any dataset without a workspace, save the model in `out`, and say so."""
    settings = load_settings(config, overrides)
    _refuse_foreign(Path(out))
    with group_of(settings.engine, Path(out), str(Path(out).absolute())) as group:
        log = train(
            load_dataset(source),
            out=out,
            base_model=settings.train.base_model,
            settings=training_settings(settings.train),
            split=split,
            dev_fraction=settings.curate.dev_fraction,
            base_url=settings.train.base_url,
            ledger=ledger_beside(source, settings.write.ledger, out),
            group=group,
            **choice_of(settings.train, is_default=False),
        )
    is_there = any((Path(out) / name).is_file() for name in MODEL_FILES)
    summary = {**summary_of(log), "model": str(out) if is_there else None}
    text = describe_trained(summary)
    say(f"train: {text} in {log.seconds:.1f} s")
    where = f"Model: {out}" if is_there else f"No model in {out}"
    return StageResult("train", True, round(log.seconds, 3), summary, f"{text}\n{where}")


def _refuse_foreign(out: Path) -> None:
    """Raise `UsageError` if a folder holds something else than a model, or one in the making."""
    if out.is_file():
        raise UsageError(f"{out} is a file. Choose a folder for the model.")
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if names and not names & {*MODEL_FILES, "checkpoints", FULL, NOT_BETTER, LEDGER}:
        raise UsageError(
            f"{out} exists, is not empty and holds no model, so nothing was written. "
            "Choose a new folder for the model."
        )
