"""Two finished evaluations side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from homing.errors import UsageError
from homing.evaluation.comparing import Changes, compare_evaluations
from homing.evaluation.files import JSON_NAME, load_evaluation
from homing.pipeline.copies import on_copies
from homing.pipeline.job import EVALUATION, plural
from homing.types import Interval


@dataclass(frozen=True)
class Compared:
    """Two evaluations compared, for people and for programs."""

    changes: Changes

    def as_json(self) -> dict[str, Any]:
        """Return the one object that `--json` prints."""
        return {
            "n_common": self.changes.n_common,
            "n_only": list(self.changes.n_only),
            "n_passages": list(self.changes.n_passages),
            "changes": [asdict(change) for change in self.changes.changes],
            "won": {_title(pair): list(ids) for pair, ids in self.changes.won.items()},
            "lost": {_title(pair): list(ids) for pair, ids in self.changes.lost.items()},
        }

    @property
    def text(self) -> str:
        """A table of the measures in both, and how many questions turned."""
        found = self.changes
        lines = [f"{plural(found.n_common, 'question')} in common.", *_warnings(found), ""]
        rows = [("contender", "measure", "first", "second", "difference", "95 % interval", "p")]
        rows += [
            (
                _title((c.name, c.other)),
                c.measure,
                f"{100 * c.before:.1f}",
                f"{100 * c.after:.1f}",
                f"{100 * c.difference.value:+.1f}",
                _interval(c.difference),
                f"{c.p_value:.3f}",
            )
            for c in found.changes
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines += ["  ".join(_cells(row, widths)).rstrip() for row in rows]
        lines.append("")
        for pair, won in found.won.items():
            lines.append(
                f"{_title(pair)}: {plural(len(won), 'question')} found among the first five in the "
                f"second alone, {len(found.lost[pair]):,} in the first alone."
            )
        return "\n".join(lines)


@on_copies(write=False, n_places=2)
def compare(
    a: str | Path, b: str | Path, *, pairs: Sequence[str] | None = None, seed: int = 0
) -> Compared:
    """Return how two finished evaluations differ.

    Args:
        a: A workspace, or the folder of an evaluation (`homing evaluate … --out`).
        b: Another one; differences are b minus a.
        pairs: "NAME=NAME": contenders of `a` and `b` to set side by side; None pairs equal names.

    Raises:
        UsageError: If one holds no evaluation, or they have nothing in common.
    """
    return Compared(
        compare_evaluations(
            load_evaluation(evaluation_folder(Path(a))),
            load_evaluation(evaluation_folder(Path(b))),
            pairs=[_parse_pair(text) for text in pairs] if pairs else None,
            seed=seed,
        )
    )


def evaluation_folder(path: Path) -> Path:
    """Return the folder of the evaluation that a workspace, or a folder itself, holds.

    Raises:
        UsageError: If there is none.
    """
    for folder in (path, path / EVALUATION):
        if (folder / JSON_NAME).is_file():
            return folder
    raise UsageError(
        f"{path} holds no finished evaluation. Make one with: homing evaluate DATASET "
        f"--contender NAME=SPEC --out {path}"
    )


def _parse_pair(text: str) -> tuple[str, str]:
    name, equals, other = (part.strip() for part in text.partition("="))
    if not (name and other) and equals:
        raise UsageError(f"{text!r} is no pair of contenders: NAME=NAME, such as tuned=tuned-2.")
    return name, other if equals else name


def _warnings(found: Changes) -> list[str]:
    lines = []
    if any(found.n_only):
        first, second = found.n_only
        lines.append(f"Left out: {first:,} that only the first asked, {second:,} the second.")
    if found.n_passages[0] != found.n_passages[1]:
        lines.append(
            "The corpora differ in size ({:,} and {:,} passages): part of a difference may be "
            "theirs.".format(*found.n_passages)
        )
    return lines


def _title(pair: tuple[str, str]) -> str:
    return pair[0] if pair[0] == pair[1] else f"{pair[0]} → {pair[1]}"


def _interval(difference: Interval) -> str:
    return f"{100 * difference.low:+.1f} to {100 * difference.high:+.1f}"


def _cells(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Return the cells of a line: the first two to the left, the numbers to the right."""
    return [
        cell.ljust(width) if i < 2 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
