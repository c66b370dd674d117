"""Questions that repeat their passage word for word: finding it then takes no understanding.

A word of the question is copied when it lies in a run of at least `MIN_RUN` words that stands in
the passage just so, in the same order and without a gap; case and punctuation do not count. In
scripts without spaces a run takes `MIN_RUN_CHARACTERS`, which are about as many words. Shorter
runs are what terms are made of ("net loss per share" is the longest of them).

For a measure: of the questions that people asked about Wikipedia (XQuAD, in English) 12 % are
copied by more than half, of those that gpt-3.5-turbo and Mistral-7B wrote about annual reports
8 to 9 %.

Cost: linear in the words of questions and passages; the runs of one passage at a time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from homing.curation.rejections import reject
from homing.types import Passage, Question, Rejection
from homing.words import UNSPACED, words_of

MIN_RUN = 4
MIN_RUN_CHARACTERS = 8
CHARACTER = re.compile(f"[{UNSPACED}]")
OFFLINE_WRITER = "extractive"

Run = tuple[str, ...]


def copied_fraction(question: str, passage: str) -> float:
    """Return the share of the question's words that are copied from the passage, in [0, 1].

    0.0 for a question of fewer words than a run has. Adjoining runs may stand in different places
    of the passage.
    """
    return _fraction(words_of(question), words_of(passage), {})


def drop_copied(
    questions: Sequence[Question], passages: Mapping[str, Passage], *, most: float
) -> tuple[list[Question], list[Rejection]]:
    """Return the questions of which at most the share `most` is copied, and the others rejected.

    The reason is "copied_text". Exempt are the questions of the offline writer and masked ones,
    which are made of the passage's words and hide them in training, and those about a passage
    that is not given.

    Args:
        passages: Passage id -> passage.
        most: Share of a question's words that may be copied, in [0, 1]; 1 keeps every question.
    """
    fractions = _fractions(questions, passages)
    kept: list[Question] = []
    rejections = []
    for question, fraction in zip(questions, fractions, strict=True):
        if fraction <= most:
            kept.append(question)
            continue
        detail = f"{fraction:.0%} of its words stand in its passage in a row; at most {most:.0%}."
        rejections.append(reject(question, "copied_text", detail))
    return kept, rejections


def _fractions(questions: Sequence[Question], passages: Mapping[str, Passage]) -> list[float]:
    """Return what each question copies; passage by passage, so that each is read once."""
    asked: dict[str, list[int]] = {}
    for i, question in enumerate(questions):
        is_exempt = bool(question.masked) or question.writer == OFFLINE_WRITER
        if not is_exempt and question.passage_id in passages:
            asked.setdefault(question.passage_id, []).append(i)
    fractions = [0.0] * len(questions)
    for passage_id, rows in asked.items():
        words = words_of(passages[passage_id].text)
        runs: dict[int, set[Run]] = {}
        for i in rows:
            fractions[i] = _fraction(words_of(questions[i].text), words, runs)
    return fractions


def _fraction(question: Sequence[str], passage: Sequence[str], runs: dict[int, set[Run]]) -> float:
    """Return the copied share; `runs` keeps the passage's runs, by length, for its next question.

    Every longer run is made of runs of the least length, so that those alone are looked up.
    """
    n_characters = sum(map(bool, map(CHARACTER.fullmatch, question)))
    n = MIN_RUN_CHARACTERS if 2 * n_characters > len(question) else MIN_RUN
    if n not in runs:
        runs[n] = set(_runs(passage, n))
    end, n_copied = 0, 0
    for start, run in enumerate(_runs(question, n)):
        if run in runs[n]:
            n_copied += start + n - max(start, end)
            end = start + n
    return n_copied / len(question) if question else 0.0


def _runs(words: Sequence[str], n: int) -> list[Run]:
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
