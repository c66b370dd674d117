"""Questions made up from a passage's own words, and a judge's verdict from the words in common.

No model: the same passage gives the same questions, different passages give different ones.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass

from homing.language import OWNERS, guess_language
from homing.llm.testing.passages import words_of

MIN_LETTERS = 4
MOST_WORDS = 3
SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")
TEMPLATES = {
    "en": (
        "How does {a} relate to {b}?",
        "What happens to {a} when it comes to {b}?",
        "Which {a} apply to {b}?",
        "When does {a} depend on {b}?",
        "Why does {a} matter for {b}?",
        "Who decides about {a} and {b}?",
    ),
    "de": (
        "Wie hängt {a} mit {b} zusammen?",
        "Was gilt für {a}, wenn es um {b} geht?",
        "Warum ist {a} wichtig für {b}?",
        "Wer entscheidet über {a} und {b}?",
    ),
    "fr": (
        "Quel est le lien entre {a} et {b} ?",
        "Pourquoi {a} est-il important pour {b} ?",
        "Qui décide de {a} et de {b} ?",
    ),
    "es": (
        "¿Cómo se relaciona {a} con {b}?",
        "¿Por qué es importante {a} para {b}?",
        "¿Quién decide sobre {a} y {b}?",
    ),
    "zh": ("{a}与{b}有什么关系？", "为什么{a}对{b}很重要？", "关于{a}和{b}有什么规定？"),
}
EMPTY = {"en": ("the text", "the subject"), "zh": ("文中", "主题")}


def made_up_questions(passage: str, n: int) -> list[str]:
    """Return `n` distinct questions that are made of the rarer words of the passage.

    In English, German, French, Spanish or Chinese, as the passage; else in English.
    """
    language = guess_language(passage)
    language = language if language in TEMPLATES else "en"
    draw = random.Random(passage)
    counts = Counter(words_of(passage))
    sentences = [s for s in SENTENCE.split(passage) if s.strip()]
    pairs = [terms for s in sentences if len(terms := _terms(s, counts, language)) > 1]
    draw.shuffle(pairs)
    if not pairs:
        pairs = [list(EMPTY.get(language, EMPTY["en"]))]
    templates = TEMPLATES[language]
    first = draw.randrange(len(templates))
    questions: dict[str, None] = {}
    turn = 0
    while len(questions) < n:
        terms = pairs[turn % len(pairs)]
        lap = turn // len(pairs)
        a, b = terms[lap % len(terms)], terms[(lap + 1) % len(terms)]
        question = templates[(first + turn) % len(templates)].format(a=a, b=b)
        if lap >= len(terms) * len(templates):
            question = f"{question[:-1]} ({turn})?"
        questions[question[0].upper() + question[1:]] = None
        turn += 1
    return list(questions)


def _terms(sentence: str, counts: Counter[str], language: str) -> list[str]:
    """Return up to six terms of a sentence, those with the passage's rarest words first."""
    if language == "zh":
        found = re.findall("[\u3400-\u9fff]{2,6}", sentence)
        return sorted(dict.fromkeys(found), key=lambda t: (-len(t), t))[:6]
    found = []
    for run in re.split(r"[^\w\s'’-]|\s[-–]\s", sentence):
        words: list[str] = []
        for word in [*run.split(), ""]:
            if word and word.lower() not in OWNERS:
                words.append(word)
            elif words:
                found.append(words[-MOST_WORDS:])
                words = []
    rarity = {
        " ".join(words): min(counts[w] for w in words_of(" ".join(words)))
        for words in found
        if any(len(w) >= MIN_LETTERS and w.isalpha() for w in words)
    }
    return sorted(rarity, key=lambda term: (rarity[term], -len(term), term))[:6]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How much of a question's content a passage has.

    Attributes:
        share: Of the question's content words, in [0, 1].
    """

    share: float
    n_found: int
    n_words: int

    @property
    def reason(self) -> str:
        """One short sentence."""
        return f"{self.n_found} of {self.n_words} content words of the question are in the passage."

    def on_scale(self, low: int, high: int) -> int:
        """Return the verdict as an integer from `low` to `high`."""
        return low + round(self.share * (high - low))


def judge(question: str, passage: str) -> Verdict:
    """Return the verdict on a question; one without content words gets the least."""
    content = _content_words(question)
    found = content & set(words_of(passage))
    return Verdict(len(found) / len(content) if content else 0.0, len(found), len(content))


def overlap_share(question: str, part: str, whole: str) -> float:
    """Return how many of a question's words in the whole are in the part too, in [0, 1]."""
    in_whole = _content_words(question) & set(words_of(whole))
    return len(in_whole & set(words_of(part))) / len(in_whole) if in_whole else 0.0


def _content_words(text: str) -> set[str]:
    return {w for w in words_of(text) if len(w) >= MIN_LETTERS or not w.isascii() or w.isdigit()}
