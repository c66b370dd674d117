"""What became of the written questions, as counts for the report and labels for a look at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from homing.curation.building import Built
from homing.curation.roundtrip import Easy
from homing.dataset.tables import write_table
from homing.pipeline.filtering import FilterStep


def funnel_of(
    n_written: int,
    steps: Sequence[FilterStep],
    n_kept: int,
    easy: Easy,
    answers: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the counts as JSON-able values.

    `n_written`, `n_kept`; `steps`, each with `filter`, `n_in`, `n_out` and `reasons`; `too_easy`, a
    row for each writer and kind with `n` of `of`; and with a judge `answers`.

    Args:
        n_written: How many questions there were.
        steps: The filters that ran, and the split.
        n_kept: How many questions are in the dataset.
        easy: Of these.
        answers: From `answers_of`; None without a judge.
    """
    funnel = {
        "n_written": n_written,
        "n_kept": n_kept,
        "steps": [asdict(step) for step in steps],
        "too_easy": [
            {"writer": writer, "kind": kind, "n": n, "of": of}
            for (writer, kind), (n, of) in easy.counts.items()
        ],
    }
    if answers is not None:
        funnel["answers"] = dict(answers)
    return funnel


def split_step(n_in: int, n_out: int, reasons: Mapping[str, int]) -> list[FilterStep]:
    """Return the split as the last of the steps; none where no question came so far."""
    return [FilterStep("split", n_in, n_out, dict(reasons))] if n_in else []


def answers_of(built: Built) -> dict[str, Any]:
    """Return how many further answers a judge found, as JSON-able values.

    `n_extra` came in, so many of each of the `grades`, and `n_elsewhere` were left out because they
    lie on another side of the split.
    """
    grades = {str(grade): n for grade, n in sorted(built.more_answers.items())}
    n_extra = sum(grades.values())
    return {"n_extra": n_extra, "grades": grades, "n_elsewhere": built.n_elsewhere}


def save_labels(easy: Mapping[str, bool], path: Path) -> int:
    """Return how many questions were labelled: a row each of `_id` and `too_easy`."""
    import pyarrow as pa

    schema = pa.schema([("_id", pa.string()), ("too_easy", pa.bool_())])
    return write_table(easy.items(), path, schema)
