"""How near an export's vectors are to those of the original, and what that costs in ranking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from homing.deployment.speed import Speed
from homing.types import Encoder, FloatArray, Interval


@dataclass(frozen=True, slots=True)
class Closeness:
    """Cosines between the two vectors of each text.

    Attributes:
        n: How many texts there were.
        mean: Mean cosine, in [-1, 1].
        least: The lowest.
    """

    n: int
    mean: float
    least: float


@dataclass(frozen=True, slots=True)
class RankingLoss:
    """nDCG@10 of original and export on the same questions.

    Attributes:
        n_queries: How many questions.
        n_passages: How many passages each was searched in.
        difference: Export minus original, with its paired 95 % interval.
    """

    n_queries: int
    n_passages: int
    original: float
    exported: float
    difference: Interval

    @property
    def lost_points(self) -> float:
        """Points of nDCG@10 (hundredths) that were lost; negative where some were gained."""
        return -100 * self.difference.value


@dataclass(frozen=True, slots=True)
class Parity:
    """What an export is worth beside its original, which was computed in float32.

    Attributes:
        measured_on: Whose texts they were, for people.
        ranking: None where nobody said which passage answers.
        speed: None where none was measured.
    """

    measured_on: str
    questions: Closeness
    passages: Closeness
    ranking: RankingLoss | None
    speed: Speed | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what parity.json holds."""
        return asdict(self)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Parity:
        """Return what `as_json` gave; further keys are passed over."""
        ranking = saved["ranking"]
        return cls(
            saved["measured_on"],
            Closeness(**saved["questions"]),
            Closeness(**saved["passages"]),
            RankingLoss(**{**ranking, "difference": Interval(**ranking["difference"])})
            if ranking
            else None,
            Speed(**speed) if (speed := saved.get("speed")) else None,
        )


def measure_closeness(
    original: Encoder, exported: Encoder, questions: Sequence[str], passages: Sequence[str]
) -> tuple[Closeness, Closeness]:
    """Return how near the vectors of questions and of passages are.

    Raises:
        ValueError: The vectors differ in length, or there is no text on one of the sides.
    """
    return (
        closeness(original.encode_queries(questions), exported.encode_queries(questions)),
        closeness(original.encode_passages(passages), exported.encode_passages(passages)),
    )


def closeness(original: FloatArray, exported: FloatArray) -> Closeness:
    """Return mean and least cosine of unit vectors, row by row.

    Raises:
        ValueError: The shapes differ, or there are no rows.
    """
    if original.shape != exported.shape or len(original) == 0:
        raise ValueError(f"Vectors {original.shape} cannot be set against {exported.shape}.")
    cosines = np.einsum("ij,ij->i", original, exported, dtype=np.float64)
    # What is not a number is as far off as can be, and no comparison would say so.
    cosines = np.clip(np.nan_to_num(cosines, nan=-1.0), -1.0, 1.0)
    return Closeness(len(cosines), float(cosines.mean()), float(cosines.min()))


def evenly(texts: Sequence[str], most: int) -> list[str]:
    """Return at most so many texts, evenly taken, each once."""
    distinct = list(dict.fromkeys(texts))
    n = min(most, len(distinct))
    return [distinct[i * len(distinct) // n] for i in range(n)]
