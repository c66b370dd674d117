"""What to ask of each passage: a kind, a length and a persona for every question, in stated shares.

Kinds are drawn by systematic sampling (Madow 1949): the shares are laid end to end on a line of
length N in an order of the passage's own, and N points one apart, with one random start, pick the
kinds. Every kind then comes in exactly its share on average, and a kind comes twice for one passage
only where its share of N questions is more than one. Cost: linear, some 10 µs a question.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from types import MappingProxyType

from homing.errors import UsageError

INSTRUCTIONS: Mapping[str, str] = MappingProxyType(
    {
        "factual": "asks for one fact: who, what, when, where, how much or which condition",
        "how_to": "asks how to do or reach something, as somebody who is about to do it",
        "comparison": "asks how two things, cases, times or amounts differ or compare",
        "summary": "asks for the gist of a matter that takes several sentences to answer",
        "yes_no": "can be answered with yes or no, such as whether something is allowed or true",
        "keywords": "is what somebody types into a search box: 2 to 6 words, no sentence, no "
        "question mark",
        "colloquial": "is typed in haste in everyday words, in lower case where the language "
        "allows it, with exactly one natural spelling mistake",
    }
)
KINDS = tuple(INSTRUCTIONS)
FALLBACK_KIND = "factual"
"""What a model may write instead where a passage gives no ground for the planned kind."""
DEFAULT_SHARES: Mapping[str, float] = MappingProxyType(
    {
        "factual": 0.30,
        "how_to": 0.15,
        "comparison": 0.10,
        "summary": 0.10,
        "yes_no": 0.10,
        "keywords": 0.15,
        "colloquial": 0.10,
    }
)
"""Facts lead because every passage has some. How-to and keywords are what people bring to a search
box, and what models write least by themselves. The others carry variety, for which a tenth is
enough. No share is above a third, so that up to three questions of a passage are of three kinds."""
LENGTHS: Mapping[str, float] = MappingProxyType({"short": 0.4, "medium": 0.4, "long": 0.2})
"""Models left alone write long questions; what people type is mostly short. The prompt file says
how many words each length has."""
PERSONAS = (
    "a newcomer who does not know the terms yet",
    "an expert who uses the exact terms",
    "a customer in a hurry",
    "an auditor who wants to verify a detail",
    "a colleague from another department",
    "a student preparing a presentation",
)


@dataclass(frozen=True, slots=True)
class PlannedQuestion:
    """One question that is to be written.

    Attributes:
        kind: One of `KINDS`.
        instruction: What that kind is; continues the words "a question that".
        length: "short", "medium" or "long"; a keyword query is always short.
        persona: Who asks.
    """

    kind: str
    instruction: str
    length: str
    persona: str


def plan_questions(
    passage_id: str, n: int, *, seed: int = 0, shares: Mapping[str, float] | None = None
) -> tuple[PlannedQuestion, ...]:
    """Return what to ask of one passage: `n` questions, in the order they are to be written.

    The same seed and passage give the same plan, whatever other passages there are.

    Args:
        shares: Kind -> weight, of any sum; kinds left out are not asked. None takes
            `DEFAULT_SHARES`.

    Raises:
        UsageError: A kind is unknown, a weight is negative, or all are zero.
        ValueError: `n` < 1.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}")
    generator = random.Random(f"{seed}/plan/{passage_id}")
    kinds = _draw(normalised_shares(shares), n, generator)
    lengths = _draw(LENGTHS, n, generator)
    personas = _draw(dict.fromkeys(PERSONAS, 1 / len(PERSONAS)), n, generator)
    return tuple(
        PlannedQuestion(
            kind, INSTRUCTIONS[kind], "short" if kind == "keywords" else length, persona
        )
        for kind, length, persona in zip(kinds, lengths, personas, strict=True)
    )


def normalised_shares(shares: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return kind -> share, summing to 1, in the order of `KINDS`, without the kinds of share 0.

    Raises:
        UsageError: A kind is unknown, a weight is negative or no number, or all are zero.
    """
    weights = dict(DEFAULT_SHARES if shares is None else shares)
    unknown = sorted(weights.keys() - set(KINDS))
    if unknown:
        raise UsageError(
            f"Unknown kind of question: {', '.join(unknown)}. Kinds are: {', '.join(KINDS)}."
        )
    wrong = sorted(kind for kind, weight in weights.items() if not 0 <= weight < float("inf"))
    if wrong:
        raise UsageError(f"The share of {', '.join(wrong)} must be 0 or more, and finite.")
    total = sum(weights.values())
    if not total:
        raise UsageError(f"All shares are 0. Give at least one kind a share: {', '.join(KINDS)}.")
    return {kind: weights[kind] / total for kind in KINDS if weights.get(kind)}


def _draw(shares: Mapping[str, float], n: int, generator: random.Random) -> list[str]:
    """Return `n` names, each in its share on average, repeated as seldom as the shares allow."""
    names = sorted(shares)
    generator.shuffle(names)
    ends = list(accumulate(n * shares[name] for name in names))
    start = generator.random()
    drawn, i = [], 0
    for k in range(n):
        # Rounding may leave the last end a hair below n.
        while i < len(names) - 1 and ends[i] <= start + k:
            i += 1
        drawn.append(names[i])
    generator.shuffle(drawn)
    return drawn
