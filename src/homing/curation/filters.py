"""Questions that would teach nothing, or something wrong, become rejections.

Every check looks at form alone and errs on the side of keeping. Cost: linear in the
questions and in the passages asked about: 35 s for 200,000 about 100,000 passages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from homing.context_phrases import context_phrase
from homing.curation.boilerplate import boilerplate_reason
from homing.curation.languages import other_language
from homing.curation.rejections import reject
from homing.curation.repetitions import content_keys, find_repetitions
from homing.curation.spans import codes_of
from homing.language import guess_language
from homing.types import Passage, Question, Rejection, passage_input
from homing.words import content_words

MIN_CONTENT_WORDS = 2
MAX_WORDS = 64
MIN_LETTERS = 0.5
MIN_DEFINED_LETTERS = 5
GARBLED = re.compile("\ufffd|\\(cid:\\d+\\)|[\ue000-\uf8ff]|(\\S)\\1{9,}")


def filter_questions(
    questions: Sequence[Question],
    passages: Mapping[str, Passage],
    groups: Mapping[str, str] | None = None,
) -> tuple[list[Question], list[Rejection]]:
    """Return the questions worth keeping, in their order, and a rejection for each other one.

    Reasons: "no_letters", "too_short" (fewer than two content words, and no "what is septicemia"),
    "too_long", "garbled", "about_the_context" ("according to the passage"), "passage_missing",
    "boilerplate_passage", "wrong_language" (surely not the passage's), "duplicate_question" (asked
    before of the same passage or a duplicate) and "ambiguous_question" (asked of other passages,
    too: the first of two keeps it, of more than two none). Questions are the same when they have
    the same content words.

    Args:
        passages: Passage id -> passage.
        groups: Passage id -> group id, from `find_groups`.
    """
    about = {key: AskedAbout.of(passages[key]) for key in _asked(questions, passages)}
    faults = [find_fault(question, about.get(question.passage_id)) for question in questions]
    names = [(groups or {}).get(q.passage_id, q.passage_id) for q in questions]
    codes = codes_of(names)
    keys = content_keys(question.text for question in questions)
    repeated = find_repetitions(keys, codes, np.array([fault is None for fault in faults], bool))
    name_of = dict(zip(codes.tolist(), names, strict=True))
    kept: list[Question] = []
    rejections: list[Rejection] = []
    for row, (question, fault) in enumerate(zip(questions, faults, strict=True)):
        fault = fault or repeated.fault(row, name_of.__getitem__)
        if fault is None:
            kept.append(question)
            continue
        reason, detail = fault
        rejections.append(reject(question, reason, detail))
    return kept, rejections


Fault = tuple[str, str]
"""Reason and detail."""


@dataclass(frozen=True, slots=True)
class AskedAbout:
    """A passage that was asked about, with what is found out about it once.

    Attributes:
        boilerplate: Why nobody should ask about it, or "".
        language: Two-letter code, or "" when unsure.
    """

    passage: Passage
    boilerplate: str
    language: str

    @classmethod
    def of(cls, passage: Passage) -> AskedAbout:
        """Return what there is to know of a passage before questions about it are looked at."""
        return cls(passage, boilerplate_reason(passage), guess_language(passage.text))


def find_fault(question: Question, about: AskedAbout | None) -> Fault | None:
    """Return why a question is not worth keeping, whatever other questions there are.

    Args:
        about: Its passage; None where that is not in the corpus.
    """
    return _fault_of_form(question.text) or _fault_of_passage(question, about)


def _asked(questions: Sequence[Question], passages: Mapping[str, Passage]) -> set[str]:
    return {q.passage_id for q in questions} & passages.keys()


def _fault_of_form(text: str) -> Fault | None:
    """Return reason and detail of a question that is badly formed, whatever it asks."""
    characters = "".join(text.split())
    n_letters = sum(map(str.isalpha, characters))
    n_words = len(text.split())
    content = content_words(text)
    if not n_letters:
        return "no_letters", "It has no letters."
    if GARBLED.search(text) or n_letters < MIN_LETTERS * len(characters):
        return "garbled", "Too many of its characters are no letters, or cannot be read."
    if n_words > MAX_WORDS:
        return "too_long", f"It has {n_words} words; at most {MAX_WORDS} are a question."
    # "What is septicemia?" is a question; "Our mission" and "Overview" are not.
    defines = n_words >= 3 and any(len(word) >= MIN_DEFINED_LETTERS for word in content)
    if len(content) < MIN_CONTENT_WORDS and not defines:
        return "too_short", f"It has {len(content)} content words, fewer than {MIN_CONTENT_WORDS}."
    return None


def _fault_of_passage(question: Question, asked: AskedAbout | None) -> Fault | None:
    """Return reason and detail of a question that its passage makes useless."""
    if asked is None:
        detail = f"Its passage {question.passage_id!r} is not in the corpus."
        return "passage_missing", detail
    if kind := asked.boilerplate:
        return "boilerplate_passage", f"Its passage is boilerplate: {kind}."
    passage = asked.passage
    if phrase := context_phrase(question.text, passage.text):
        detail = f"It asks about the passage as such ({phrase!r}), which nobody does who searches."
        return "about_the_context", detail
    whole = passage_input(passage.title, passage.text)
    if language := other_language(question.text, whole, asked.language):
        detail = f"It is in another language ({language}) than its passage ({asked.language})."
        return "wrong_language", detail
    return None
