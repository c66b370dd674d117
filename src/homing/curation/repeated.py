"""Questions that say the same in other words, over the whole set: the first one stays.

Two questions are near-duplicates when the cosine of their vectors reaches the threshold and they
hold the same numbers: models hardly tell 2020 from 2021, people do.

Cost: one vector a question (1.5 kB at 384 dimensions, 300 MB for 200,000), and a product with every
kept question before it. That is quadratic, but 200,000 questions that are all kept take 15 TFLOP,
107 s on two cores, which is less than their embedding. Scores are held in tiles of some 32 MB.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from homing.curation.rejections import reject
from homing.progress import track
from homing.types import Encoder, FloatArray, Question, Rejection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Codes = NDArray[np.int64]
    Flags = NDArray[np.bool_]

THRESHOLD = 0.9
BLOCK = 1024
"""Questions compared at a time."""
TILE = 8192
"""Earlier questions that they are compared with at a time."""
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def drop_repeated(
    questions: Sequence[Question], encoder: Encoder, *, threshold: float = THRESHOLD
) -> tuple[list[Question], list[Rejection]]:
    """Return the questions without near-duplicates of earlier ones, which are rejected.

    The reason is "near_duplicate_question"; the detail quotes the earlier question, which may be
    about another passage. Only kept questions count as earlier ones. Questions that differ in form
    alone are found without vectors, by `filter_questions`.

    Args:
        encoder: Its `encode_queries` is used; a `CachedEncoder` shares the vectors with the round
            trip.
        threshold: Cosine from which two questions are the same, in (0, 1].
    """
    first = _first_alike(questions, encoder, threshold)
    kept: list[Question] = []
    rejections = []
    for question, like in zip(questions, first, strict=True):
        if like < 0:
            kept.append(question)
            continue
        detail = f"It says the same as an earlier question: {questions[like].text[:300]!r}."
        rejections.append(reject(question, "near_duplicate_question", detail))
    return kept, rejections


def _first_alike(questions: Sequence[Question], encoder: Encoder, threshold: float) -> Codes:
    """Return for each question the position of an earlier kept one that it repeats, or -1."""
    import numpy as np

    vectors = encoder.encode_queries([question.text for question in questions])
    numbers = _number_codes(questions)
    found = np.full(len(questions), -1, dtype=np.int64)
    kept = np.empty(0, dtype=np.int64)
    with track("Comparing questions", len(questions)) as progress:
        for start in range(0, len(questions), BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(questions)))
            for tile in range(0, len(kept), TILE):
                earlier = kept[tile : tile + TILE]
                alike = _alike(vectors, numbers, rows, earlier, threshold)
                is_new = (found[rows] < 0) & alike.any(axis=1)
                found[rows[is_new]] = earlier[alike[is_new].argmax(axis=1)]
            rows = rows[found[rows] < 0]
            alike = _alike(vectors, numbers, rows, rows, threshold)
            # One after the other: a question that is dropped drops no other.
            for i in np.flatnonzero(np.tril(alike, -1).any(axis=1)):
                before = np.flatnonzero(alike[i, :i] & (found[rows[:i]] < 0))
                if len(before):
                    found[rows[i]] = rows[before[0]]
            kept = np.concatenate([kept, rows[found[rows] < 0]])
            progress.advance(min(BLOCK, len(questions) - start))
    return found


def _alike(
    vectors: FloatArray, numbers: Codes, rows: Codes, columns: Codes, threshold: float
) -> Flags:
    """Return bool (n_rows, n_columns): which questions are near-duplicates of which."""
    import numpy as np

    # Rounding must not part a question from itself at a threshold of 1.
    least = np.float32(threshold - 1e-6)
    alike: Flags = vectors[rows] @ vectors[columns].T >= least
    alike &= numbers[rows][:, None] == numbers[columns][None, :]
    return alike


def _number_codes(questions: Sequence[Question]) -> Codes:
    """Return int64 (n,), equal for questions that hold the same numbers."""
    import numpy as np

    codes: dict[frozenset[str], int] = {}
    sets = (frozenset(NUMBER.findall(question.text)) for question in questions)
    return np.array([codes.setdefault(numbers, len(codes)) for numbers in sets], dtype=np.int64)
