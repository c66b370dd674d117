"""What exporting cost, in the model card: a table of the exports that lie with a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from homing.numbers import bare_percent, byte_size, counted, plain, point_range, points
from homing.types.evaluation import Interval

HEADING = "## Exports"
SECTION = re.compile(rf"{HEADING}\n.*?(?=\n## |\Z)", re.DOTALL)
BEFORE = "## Made with"
"""The section stands in front of this one, or at the end of a card without it."""


@dataclass(frozen=True, slots=True)
class ExportFacts:
    """An export beside the model that it was made from, on the same texts and questions.

    Attributes:
        name: Such as "onnx-int8".
        n_bytes: Of the weights that it runs with; None where that was not counted.
        mean_cosine: Of each vector to the model's own.
        least_cosine: The least of them.
        ndcg: nDCG@10 of the export in [0, 1]; None where there were no questions.
        difference: The same minus the model's, paired.
        n_queries: How many questions that is about.
    """

    name: str
    mean_cosine: float
    least_cosine: float
    n_bytes: int | None = None
    ndcg: float | None = None
    difference: Interval | None = None
    n_queries: int = 0


def with_exports(card: str, exports: Sequence[ExportFacts]) -> str:
    """Return the card with a table of the exports, in place of an earlier one; none for none."""
    bare = SECTION.sub("", card)
    if not exports:
        return card if bare == card else _closed(bare)
    head, found, tail = bare.partition(BEFORE)
    parts = [head.rstrip("\n"), _section(exports), (found + tail).strip("\n")]
    return "\n\n".join(part for part in parts if part) + "\n"


def _closed(card: str) -> str:
    """Return the card without the gap that a section leaves which was taken out."""
    return re.sub(r"\n{3,}", "\n\n", card).rstrip("\n") + "\n"


def _section(exports: Sequence[ExportFacts]) -> str:
    n_queries = max(export.n_queries for export in exports)
    about = "Each was compared with the model itself: the cosine of its vectors"
    if n_queries:
        about += f", and nDCG@10 on {counted(n_queries, 'test question')}, in percent"
    lines = [
        f"{HEADING}\n\n{about}.\n",
        "| export | size | mean cosine | least cosine | nDCG@10 | against the model, 95 % |",
        "|---|---|---|---|---|---|",
    ]
    lines += [f"| {' | '.join(_cells(export))} |" for export in exports]
    return "\n".join(lines)


def _cells(export: ExportFacts) -> list[str]:
    difference = export.difference
    return [
        export.name,
        "–" if export.n_bytes is None else plain(byte_size(export.n_bytes)),
        f"{export.mean_cosine:.5f}",
        f"{export.least_cosine:.5f}",
        "–" if export.ndcg is None else bare_percent(export.ndcg),
        f"{points(difference.value)} ({point_range(difference)})" if difference else "–",
    ]
