"""Runs and judgements as trec_eval reads them, so that other tools can check our numbers.

A run: `query Q0 passage rank score tag`, a line for each passage found. Qrels: `query 0 passage
grade`. Fields end at white space, so ids must hold none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from homing.dataset.tables import atomic
from homing.errors import UsageError
from homing.types import Qrel, Run

_TAG = re.compile(r"\S+")


def write_run(run: Run, path: Path, tag: str) -> None:
    """Write a run; trec_eval, which sorts by score and then by name, ranks it as we do.

    Equal scores are told apart by the least step that a float32 has.

    Raises:
        UsageError: If an id or the tag holds white space.
    """
    lines = []
    for row, query_id in enumerate(run.query_ids):
        scores = _strictly_falling(run.scores[row])
        for rank, passage_id in enumerate(run.ranked_ids(row), start=1):
            fields = (query_id, "Q0", passage_id, str(rank), f"{scores[rank - 1]:.9g}", tag)
            lines.append(" ".join(_checked(field, path) for field in fields))
    _write_lines(path, lines)


def write_qrels(qrels: Iterable[Qrel], path: Path) -> None:
    """Write judgements.

    Raises:
        UsageError: If an id holds white space.
    """
    lines = [
        f"{_checked(q.query_id, path)} 0 {_checked(q.passage_id, path)} {q.grade}" for q in qrels
    ]
    _write_lines(path, lines)


def read_qrels(path: Path) -> list[Qrel]:
    """Return the judgements of a file, in its order.

    Raises:
        UsageError: If it cannot be read or a line is not `query 0 passage grade`.
    """
    qrels = []
    for number, fields in _fields(path, 4, "query 0 passage grade"):
        try:
            qrels.append(Qrel(fields[0], fields[2], int(fields[3])))
        except ValueError as error:
            raise UsageError(f"{path}, line {number}: the grade {fields[3]!r} is none.") from error
    return qrels


def read_run(path: Path, passage_ids: Sequence[str]) -> Run:
    """Return the run of a file over a corpus; passages by score, equal ones in corpus order.

    The ranks in the file are not looked at, as trec_eval does not look at them.

    Raises:
        UsageError: If it cannot be read, or names a passage that the corpus lacks.
    """
    position_of = {passage_id: position for position, passage_id in enumerate(passage_ids)}
    found: dict[str, dict[int, float]] = {}
    for number, fields in _fields(path, 6, "query Q0 passage rank score tag"):
        if fields[2] not in position_of:
            raise UsageError(
                f"{path}, line {number}: there is no passage {fields[2]!r} in this dataset."
            )
        try:
            score = float(fields[4])
        except ValueError as error:
            raise UsageError(f"{path}, line {number}: the score {fields[4]!r} is none.") from error
        found.setdefault(fields[0], {})[position_of[fields[2]]] = score
    return _assemble(found, tuple(passage_ids))


def _assemble(found: Mapping[str, Mapping[int, float]], passage_ids: tuple[str, ...]) -> Run:
    depth = max((len(scores) for scores in found.values()), default=0)
    ranking = np.full((len(found), depth), -1, dtype=np.int64)
    scores = np.full((len(found), depth), -np.inf, dtype=np.float32)
    for row, by_position in enumerate(found.values()):
        ranked = sorted(by_position.items(), key=lambda item: (-item[1], item[0]))
        ranking[row, : len(ranked)] = [position for position, _ in ranked]
        scores[row, : len(ranked)] = [score for _, score in ranked]
    return Run(tuple(found), passage_ids, ranking, scores)


def _strictly_falling(scores: np.ndarray) -> np.ndarray:
    falling = np.array(scores, dtype=np.float32)
    for i in range(1, len(falling)):
        if np.isfinite(falling[i]) and falling[i] >= falling[i - 1]:
            falling[i] = np.nextafter(falling[i - 1], np.float32(-np.inf))
    return falling


def _checked(field: str, path: Path) -> str:
    if not _TAG.fullmatch(field):
        raise UsageError(
            f"{path} cannot be written: TREC files end a field at white space, and {field!r} "
            "is empty or holds some. Give the dataset ids without blanks."
        )
    return field


def _fields(path: Path, n: int, form: str) -> Iterable[tuple[int, list[str]]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) != n:
            raise UsageError(f"{path}, line {number}: {n} fields were expected ({form}).")
        yield number, fields


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
