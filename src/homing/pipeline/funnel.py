"""What became of the written questions, as counts for the report and labels for a look at them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from homing.curation.building import Built
from homing.curation.roundtrip import Easy
from homing.dataset.tables import write_table
from homing.pipeline.filtering import FilterStep, Sifted
from homing.types import Question


def funnel_of(
    questions: Sequence[Question], sifted: Sifted, built: Built, easy: Easy, *, has_judge: bool
) -> dict[str, Any]:
    """Return the counts as JSON-able values.

    `n_written`, `n_kept`; `steps`, the filters that ran and the split, each with `filter`, `n_in`,
    `n_out` and `reasons`; `too_easy`, a row for each writer and kind with `n` of `of`; and with a
    judge `answers`: `n_extra` further answers came in, so many of each of the `grades`, and
    `n_elsewhere` were left out because they lie on another side of the split.

    Args:
        questions: All that were written.
        easy: Of the questions in the dataset.
    """
    reasons = dict(Counter(rejection.reason for rejection in built.dropped))
    split = FilterStep("split", len(sifted.questions), len(built.kept), reasons)
    steps = [*sifted.steps, *([split] if sifted.questions else [])]
    funnel = {
        "n_written": len(questions),
        "n_kept": len(built.kept),
        "steps": [asdict(step) for step in steps],
        "too_easy": [
            {"writer": writer, "kind": kind, "n": n, "of": of}
            for (writer, kind), (n, of) in easy.counts.items()
        ],
    }
    if has_judge:
        grades = {str(grade): n for grade, n in sorted(built.more_answers.items())}
        n_extra = sum(grades.values())
        funnel["answers"] = {
            "n_extra": n_extra,
            "grades": grades,
            "n_elsewhere": built.n_elsewhere,
        }
    return funnel


def save_labels(easy: Mapping[str, bool], path: Path) -> int:
    """Return how many questions were labelled: a row each of `_id` and `too_easy`."""
    import pyarrow as pa

    schema = pa.schema([("_id", pa.string()), ("too_easy", pa.bool_())])
    return write_table(easy.items(), path, schema)
