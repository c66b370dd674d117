"""Questions that would teach nothing, or something wrong, become rejections.

Every check looks at form alone and errs on the side of keeping. Cost: linear in the questions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from homing.curation.boilerplate import boilerplate_reason
from homing.curation.words import content_words
from homing.types import Passage, Question, Rejection, query_id

MIN_CONTENT_WORDS = 2
MAX_WORDS = 64
MIN_LETTERS = 0.5
MIN_DEFINED_LETTERS = 5
MAX_ASKED_OF = 2
GARBLED = re.compile("\ufffd|\\(cid:\\d+\\)|[\ue000-\uf8ff]|(\\S)\\1{9,}")
ABOUT_THE_CONTEXT = re.compile(
    r"\b(?:according to|based on|as (?:described|mentioned|stated|discussed) in|"
    r"(?:described|mentioned|stated|discussed|provided|given|used|listed) in|in|from|does|of) "
    r"(?:the|this) (?:(?:given|provided|above|following|preceding) )?"
    r"(?:passage|excerpt|snippet|context(?: information)?|text|paragraph|author)"
    r"(?=\s*(?:$|[,.?!:;]|say|state|mention|describe|discuss|provide|explain|suggest|mean|about))|"
    r"\b(?:the|this) (?:given|provided|above|following) (?:passage|excerpt|context|text|paragraph|"
    r"document|information|section|table)\b|"
    r"\bthe context information\b|\b(?:the|this) (?:passage|excerpt|snippet) "
    r"(?:say|state|mention|describe|discuss|explain|is about)",
    re.I,
)


def filter_questions(
    questions: Sequence[Question],
    passages: Mapping[str, Passage],
    groups: Mapping[str, str] | None = None,
) -> tuple[list[Question], list[Rejection]]:
    """Return the questions worth keeping, in their order, and a rejection for each other one.

    Reasons: "no_letters", "too_short" (fewer than two content words, and no "what is septicemia"),
    "too_long", "garbled", "about_the_context" ("according to the passage"), "passage_missing",
    "boilerplate_passage", "duplicate_question" (asked before of the same passage or a duplicate)
    and "ambiguous_question" (asked of other passages, too: the first of two keeps it, of more
    than two none). Questions are the same when they have the same content words.

    Args:
        passages: Passage id -> passage.
        groups: Passage id -> group id, from `find_groups`.
    """
    kept: list[Question] = []
    rejections: list[Rejection] = []
    boilerplate = {key: boilerplate_reason(passages[key]) for key in _asked(questions, passages)}
    repetitions = _Repetitions(questions, groups or {})
    for question in questions:
        passage = passages.get(question.passage_id)
        fault = (
            _fault_of_form(question.text)
            or _fault_of_passage(question, passage, boilerplate)
            or repetitions.fault(question)
        )
        if fault is None:
            kept.append(question)
            continue
        reason, detail = fault
        item_id = query_id(question.text)
        rejections.append(Rejection(item_id, "curate", reason, detail, question.text[:2000]))
    return kept, rejections


Fault = tuple[str, str]


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


def _fault_of_passage(
    question: Question, passage: Passage | None, boilerplate: Mapping[str, str]
) -> Fault | None:
    """Return reason and detail of a question that its passage makes useless."""
    if passage is None:
        detail = f"Its passage {question.passage_id!r} is not in the corpus."
        return "passage_missing", detail
    if kind := boilerplate[passage.id]:
        return "boilerplate_passage", f"Its passage is boilerplate: {kind}."
    match = ABOUT_THE_CONTEXT.search(question.text)
    if match and match[0].casefold() not in passage.text.casefold():
        detail = (
            f"It asks about the passage as such ({match[0]!r}), which nobody does who searches."
        )
        return "about_the_context", detail
    return None


class _Repetitions:
    """Which questions were asked before, and of how many different passages."""

    def __init__(self, questions: Sequence[Question], groups: Mapping[str, str]) -> None:
        self._groups = groups
        self._seen: dict[frozenset[str], str] = {}
        self._kept: set[frozenset[str]] = set()
        self._asked_of: dict[frozenset[str], set[str]] = {}
        for question in questions:
            self._asked_of.setdefault(_key(question), set()).add(self._group(question))

    def _group(self, question: Question) -> str:
        return self._groups.get(question.passage_id, question.passage_id)

    def fault(self, question: Question) -> Fault | None:
        """Return reason and detail of a repetition; notes a question that is none."""
        key, group = _key(question), self._group(question)
        n_asked_of = len(self._asked_of[key])
        if n_asked_of > MAX_ASKED_OF:
            return "ambiguous_question", f"{n_asked_of} different passages were asked this."
        first = self._seen.setdefault(key, group)
        if first != group:
            return "ambiguous_question", f"Passage {first} was asked this, too, and keeps it."
        if key in self._kept:
            return "duplicate_question", "The same passage, or one like it, was asked this before."
        self._kept.add(key)
        return None


def _key(question: Question) -> frozenset[str]:
    return frozenset(content_words(question.text))
