"""All test questions for the page's explorer, within a budget of bytes.

Every passage is stored once and named by a number; questions name the first few of each contender.
Where that is too much, first the passages are cut shorter and fewer of them named, and only then
questions left out, those with the smallest change first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from homing.reporting.data import ReportData
from homing.reporting.highlighting import common_words
from homing.reporting.labels import Suspicion
from homing.reporting.looks import styles
from homing.reporting.naming import short_name
from homing.reporting.outcomes import compared_pair, rank_changes, shorten
from homing.reporting.packing import pack
from homing.reporting.passages import PassageTable
from homing.reporting.ranks import Ranked, judged_queries

MAX_PACKED = 2_250_000
"""Characters of base64: with the libraries and all else the page stays below 3 MB."""
MAX_QUESTION_LENGTH = 400
MAX_RIGHT = 20
"""So many right passages of one question are named; few questions have more than one."""
FIRST_CHARACTER = 48
"""Of positions among a question's passages: "0", and those that follow it in Unicode."""
EXTENTS = ((5, (1200, 700, 450)), (3, (320, 240, 180, 120)))
"""(passages for each contender, characters of each), the most generous first."""
WIDEST = EXTENTS[0][0]


def explorer_payload(
    data: ReportData,
    answers: Mapping[str, Ranked],
    suspicions: Sequence[Suspicion],
    limit: int = MAX_PACKED,
) -> str:
    """Return the packed data of the explorer; "" where no two contenders have answers.

    Args:
        answers: As `rank_all` returns them, `WIDEST` passages wide.
        limit: In characters.
    """
    pair = compared_pair(data, answers)
    if pair is None:
        return ""
    n = len(judged_queries(data))
    for width, lengths in EXTENTS:
        payload = _payload(data, answers, suspicions, range(n), width)
        packed = _pack_shortened(payload, lengths, limit)
        if packed:
            return packed
    width, lengths = EXTENTS[-1]
    changes = rank_changes(answers[pair[0]], answers[pair[1]])
    by_change = sorted(changes, key=lambda change: -abs(change.change))
    while n > 1:
        n = n * 3 // 4
        rows = sorted(change.row for change in by_change[:n])
        payload = _payload(data, answers, suspicions, rows, width)
        packed = _pack_shortened(payload, lengths, limit)
        if packed:
            return packed
    return ""


def _pack_shortened(payload: Mapping[str, Any], lengths: Sequence[int], limit: int) -> str:
    """Return the payload with the longest passages that fit; "" where none do."""
    for length in lengths:
        texts = [shorten(text, length) for text in payload["texts"]]
        common = common_words(payload["questions"], texts)
        packed = pack({**payload, "texts": texts, "common": common}, limit)
        if packed is not None:
            return packed
    return ""


def _payload(
    data: ReportData,
    answers: Mapping[str, Ranked],
    suspicions: Sequence[Suspicion],
    rows: Sequence[int],
    width: int,
) -> dict[str, Any]:
    """Return all that the explorer shows of some questions, its passages in full."""
    pair = compared_pair(data, answers)
    assert pair is not None
    names, looks, query_ids = list(answers), styles(data), judged_queries(data)
    kept = {row: number for number, row in enumerate(rows)}
    asked = [query_ids[row] for row in rows]
    passages = PassageTable(data)
    ranks = np.stack([answer.first_right[list(rows)] for answer in answers.values()], axis=1)
    return {
        "total": len(query_ids),
        "depth": min(answer.depth for answer in answers.values()),
        "width": width,
        "names": [short_name(data, name) for name in names],
        "styles": [looks[name] for name in names],
        "pair": [names.index(name) for name in pair],
        "questions": [shorten(data.query_texts.get(q, q), MAX_QUESTION_LENGTH) for q in asked],
        "ranks": ranks.ravel().tolist(),
        **_named_passages(data, answers, rows, width, passages),
        **passages.columns(),
        "slices": _slices(data, query_ids, kept),
        "suspects": [[kept[s.row], s.reason] for s in suspicions if s.row in kept],
    }


def _named_passages(
    data: ReportData,
    answers: Mapping[str, Ranked],
    rows: Sequence[int],
    width: int,
    passages: PassageTable,
) -> dict[str, Any]:
    """Return which passages each question meets, and in which order each contender has them.

    A question's `met` passages are the right ones, then those that are found. Each is -1 where it
    is met for the first time, and so has the next number, else how far back its number lies; the
    contenders' `orders` are positions in `met`, one character each, a blank where there is none.
    """
    query_ids = judged_queries(data)
    met, n_right, wrong = [], [], []
    orders: list[str] = []
    for row in rows:
        answering = data.relevant[query_ids[row]]
        right = [passage_id for passage_id, grade in answering.items() if grade >= 1]
        right = right[:MAX_RIGHT]
        position = {passage_id: n for n, passage_id in enumerate(right)}
        for answer in answers.values():
            for p in answer.top[row, :width].tolist():
                if p < 0:
                    orders.append(" ")
                    continue
                place = position.setdefault(answer.passage_ids[p], len(position))
                orders.append(chr(FIRST_CHARACTER + place))
        judged = data.judged.get(query_ids[row], {})
        wrong.append([n for p, n in position.items() if judged.get(p, 1) < 1])
        met.append([passages.step_to(passage_id) for passage_id in position])
        n_right.append(len(right))
    return {"met": met, "nRight": n_right, "orders": "".join(orders), "wrong": wrong}


def _slices(data: ReportData, query_ids: Sequence[str], kept: Mapping[int, int]) -> list[list[int]]:
    """Return the rows of each slice as steps from one to the next, which are small numbers."""
    row_of = {query_id: row for row, query_id in enumerate(query_ids)}
    found = []
    for part in data.evaluation.slices:
        ids = (data.evaluation.query_ids[row] for row in part.rows.tolist())
        rows = sorted(kept[row_of[q]] for q in ids if q in row_of and row_of[q] in kept)
        found.append(np.diff(np.array([0, *rows], dtype=np.int64)).tolist())
    return found
