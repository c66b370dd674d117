"""Who takes part in an evaluation, from `name=spec` to something that retrieves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from homing.errors import UsageError
from homing.retrieval.bm25 import BM25Retriever
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.encoders import encoder_for
from homing.retrieval.fusion import FusedRetriever
from homing.types import Encoder, Retriever

BM25 = "bm25"
SYNTAX = (
    "A contender is NAME=SPEC, where SPEC is bm25, a model folder or hub id, or fusion(A,B) of "
    "two named contenders: --contender tuned=tuned/model --contender words=bm25 "
    "--contender both='fusion(words,tuned)'."
)

_NAME = re.compile(r"[\w.+-]+")
_FUSION = re.compile(
    r"fusion\(\s*([\w.+-]+)\s*,\s*([\w.+-]+)\s*(?:,\s*(0?\.\d+|[01](?:\.0+)?)\s*)?\)"
)


@dataclass(frozen=True, slots=True)
class Fusion:
    """A weighted mean of two contenders; `weight` is the share of `b`."""

    a: str
    b: str
    weight: float = 0.5


@dataclass(frozen=True, slots=True)
class Contender:
    """Anything that is evaluated.

    Attributes:
        name: Unique in an evaluation.
        spec: "bm25", a model folder or hub id, or "fusion(a,b)" ("fusion(a,b,0.7)" gives b the
            weight 0.7); free text where `given` is set.
        given: An encoder or a retriever from Python, in place of a spec.
    """

    name: str
    spec: str
    given: Encoder | Retriever | None = None

    @property
    def fusion(self) -> Fusion | None:
        """The two members, if this is a fusion."""
        match = _FUSION.fullmatch(self.spec) if self.given is None else None
        if match is None:
            return None
        return Fusion(match[1], match[2], 0.5 if match[3] is None else float(match[3]))

    @property
    def model_spec(self) -> str | None:
        """The model folder or hub id, if that is what this is."""
        is_model = self.given is None and self.spec != BM25 and self.fusion is None
        return self.spec if is_model else None


def parse_contender(text: str) -> Contender:
    """Return the contender that `name=spec` describes.

    Raises:
        UsageError: If it is not of that form.
    """
    name, equals, spec = (part.strip() for part in text.partition("="))
    if not equals or not spec or not _NAME.fullmatch(name):
        raise UsageError(f"{text!r} does not describe a contender. {SYNTAX}")
    contender = Contender(name, BM25 if spec.lower() == BM25 else spec)
    if spec.startswith("fusion(") and contender.fusion is None:
        raise UsageError(
            f"{spec!r} is not a fusion that can be read: it takes the names of two contenders and, "
            f"if wanted, the weight of the second between 0 and 1. {SYNTAX}"
        )
    return contender


def parse_contenders(texts: Sequence[str]) -> list[Contender]:
    """Return the contenders that several `name=spec` describe, checked together.

    Raises:
        UsageError: As `parse_contender` and `in_building_order`.
    """
    contenders = [parse_contender(text) for text in texts]
    in_building_order(contenders)
    return contenders


def in_building_order(contenders: Sequence[Contender]) -> list[Contender]:
    """Return the contenders so that every fusion comes after its members.

    Raises:
        UsageError: If there are none, a name comes twice, a fusion names one that is not there,
            or fusions go round in a circle.
    """
    if not contenders:
        raise UsageError(f"There is no contender to evaluate. {SYNTAX}")
    by_name: dict[str, Contender] = {}
    for contender in contenders:
        if contender.name in by_name:
            raise UsageError(
                f"Two contenders are called {contender.name!r}. Give each a name of its own."
            )
        by_name[contender.name] = contender
    ordered: dict[str, Contender] = {}
    for contender in contenders:
        _place(contender, by_name, ordered, ())
    return list(ordered.values())


def _place(
    contender: Contender,
    by_name: Mapping[str, Contender],
    ordered: dict[str, Contender],
    path: tuple[str, ...],
) -> None:
    if contender.name in path:
        circle = " → ".join((*path, contender.name))
        raise UsageError(f"Fusions go round in a circle: {circle}. Fuse contenders that end.")
    if contender.name in ordered:
        return
    fusion = contender.fusion
    for member in (fusion.a, fusion.b) if fusion else ():
        if member not in by_name:
            raise UsageError(
                f"{contender.name}={contender.spec} names {member!r}, which is no contender. "
                f"There are: {', '.join(by_name)}. Add --contender {member}=SPEC."
            )
        _place(by_name[member], by_name, ordered, (*path, contender.name))
    ordered[contender.name] = contender


def build_retriever(
    contender: Contender,
    texts: Sequence[str],
    built: Mapping[str, Retriever],
    *,
    cache_folder: Path | None = None,
    max_tokens: int | None = None,
    language: str = "",
) -> Retriever:
    """Return the contender's retriever over the corpus; embeds or indexes it.

    Args:
        texts: What `passage_input` gives for each passage, in corpus order.
        built: The retrievers of contenders built before, for fusions.
        cache_folder: Where vectors are kept between runs; None keeps them in memory.
        max_tokens: Longest input of a model; None takes the model's own (512 for the default).
        language: For BM25; "" guesses.

    Raises:
        ModelNotFoundError: If a model cannot be had.
    """
    given = contender.given
    fusion = contender.fusion
    if fusion is not None:
        return FusedRetriever(built[fusion.a], built[fusion.b], fusion.weight)
    if given is None and contender.spec == BM25:
        return BM25Retriever(texts, language)
    if given is not None and not isinstance(given, Encoder):
        return given
    encoder = given or encoder_for(contender.spec, max_tokens=max_tokens)
    return DenseRetriever(CachedEncoder(encoder, cache_folder), texts)
