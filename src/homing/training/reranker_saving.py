"""What becomes of a reranker: handed over if it helps, put aside with a warning if it does not."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from homing.retrieval.models import EMBEDDED_MODEL
from homing.training.best import BestWeights
from homing.training.cross_encoders import is_cross_encoder, load_for_pairs
from homing.training.job import TrainingJob
from homing.training.merging import Merge
from homing.training.models import save_model

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

NOT_BETTER = "not-better"
"""Folder in the output for a model that does not beat the first stage on dev."""
CARD = "README.md"

BETTER_CARD = """# A reranker tuned by Homing

A cross-encoder that reads a question together with a passage: {base}, tuned.

{note}

    from sentence_transformers import CrossEncoder

    model = CrossEncoder("{name}")
    scores = model.predict([("question", "first passage"), ("question", "second passage")])

Behind a first stage, measured on questions of your own:

    homing evaluate DATASET --contender base={stage} --contender words=bm25 \\
        --contender first='fusion(words,base)' --contender read='rerank(first,{name})'
"""

NOT_BETTER_CARD = """# Not to be deployed

{note}

This cross-encoder ({base}, tuned) makes search slower and finds no more. It is kept for those who
want to look: as a whole, or fused with the first stage, it may still be compared by
`homing evaluate`. What helps is more questions, or a base model that is a cross-encoder already,
such as cross-encoder/ms-marco-MiniLM-L6-v2.
"""


@dataclass(frozen=True, slots=True)
class Floor:
    """What a reranker must beat on dev.

    Attributes:
        first_stage: nDCG@10 of the first stage; None without dev.
        base: The same, read again by the base model, where that is a cross-encoder.
    """

    first_stage: float | None = None
    base: float | None = None

    @property
    def score(self) -> float | None:
        """The higher of the two."""
        return max((s for s in (self.first_stage, self.base) if s is not None), default=None)

    @property
    def is_base(self) -> bool:
        """Whether the base cross-encoder itself beats the first stage."""
        return self.base is not None and self.base > (self.first_stage or 0.0)


def save_reranker(
    job: TrainingJob, model: CrossEncoder, best: BestWeights, merge: Merge, floor: Floor
) -> str:
    """Save what may be deployed, if anything may; return what is to be known of it.

    Args:
        model: After training; its weights are replaced by those that are kept.
    """
    tried = max((score for step, score in best.dev if step), default=None)
    if best.kept == "tuned":
        if best.step:
            best.restore(model)
        else:
            merge.apply(model)
        note = _note(job, floor, tried, "is kept")
    elif floor.is_base:
        model = load_for_pairs(job.base_model, job.settings)
        note = _note(job, floor, tried, "was not better than its base model, which is kept")
    else:
        merge.apply(model)
        note = _note(
            job, floor, tried, f"was not better: no model is handed over, see {NOT_BETTER}/"
        )
        save_model(model, job.out / NOT_BETTER)
        for entry in (job.out / NOT_BETTER).iterdir():
            _remove(job.out / entry.name)
        text = _card(job, note, is_better=False)
        (job.out / NOT_BETTER / CARD).write_text(text, encoding="utf-8")
        (job.out / CARD).write_text(text, encoding="utf-8")
        return note
    _remove(job.out / NOT_BETTER)
    save_model(model, job.out)
    (job.out / CARD).write_text(_card(job, note, is_better=True), encoding="utf-8")
    return note


def _remove(path: Path) -> None:
    """Remove what an earlier run left, so that it is not taken for what this one made."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _note(job: TrainingJob, floor: Floor, tried: float | None, fate: str) -> str:
    if floor.first_stage is None or tried is None:
        return "There were no dev questions, so nothing says whether it is better than no reranker."
    base = "" if floor.base is None else f", read again by the base model {floor.base:.3f}"
    return (
        f"On dev, nDCG@10 of the first stage was {floor.first_stage:.3f}{base}, read again by the "
        f"trained model {tried:.3f}; it {fate}."
    )


def _card(job: TrainingJob, note: str, *, is_better: bool) -> str:
    """Return the card in Markdown."""
    own = EMBEDDED_MODEL if is_cross_encoder(job.base_model) else job.base_model
    stage = job.settings.reranker.first_stage or own
    text = BETTER_CARD if is_better else NOT_BETTER_CARD
    return text.format(base=job.base_model, note=note, name=job.out.name, stage=stage)
