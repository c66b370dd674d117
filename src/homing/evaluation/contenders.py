"""Who takes part in an evaluation: `name=spec`, read and put in order (`building.py` builds)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from homing.errors import UsageError
from homing.evaluation.specs import (
    BM25,
    NAME,
    SYNTAX,
    Adapted,
    Fusion,
    Model,
    Reranking,
    Spec,
    parse_spec,
)
from homing.types import Encoder, Retriever


@dataclass(frozen=True, slots=True)
class Contender:
    """Anything that is evaluated.

    Attributes:
        name: Unique in an evaluation.
        spec: As docs/contenders.md has it; free text where `given` is set.
        given: An encoder or a retriever from Python, in place of a spec.
    """

    name: str
    spec: str
    given: Encoder | Retriever | None = None

    @property
    def parsed(self) -> Spec | None:
        """What the spec says; None where an encoder or a retriever is given."""
        return None if self.given is not None else parse_spec(self.spec)

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the contenders that this one is made of; () for one by itself."""
        spec = self.parsed
        if isinstance(spec, Fusion):
            return spec.a, spec.b
        return (spec.of,) if isinstance(spec, Reranking | Adapted) else ()

    @property
    def fusion(self) -> Fusion | None:
        """The two members, if this is a fusion."""
        spec = self.parsed
        return spec if isinstance(spec, Fusion) else None

    @property
    def model_spec(self) -> str | None:
        """The model folder or hub id, if that is what this is."""
        spec = self.parsed
        return spec.name if isinstance(spec, Model) else None


def parse_contender(text: str) -> Contender:
    """Return the contender that `name=spec` describes.

    Raises:
        UsageError: If it is not of that form, or the spec cannot be read.
    """
    name, equals, spec = (part.strip() for part in text.partition("="))
    if not equals or not spec or not NAME.fullmatch(name):
        raise UsageError(f"{text!r} does not describe a contender. {SYNTAX}")
    parse_spec(spec)
    return Contender(name, BM25 if spec.lower() == BM25 else spec)


def parse_contenders(texts: Sequence[str]) -> list[Contender]:
    """Return the contenders that several `name=spec` describe, checked together.

    Raises:
        UsageError: As `parse_contender` and `in_building_order`.
    """
    contenders = [parse_contender(text) for text in texts]
    in_building_order(contenders)
    return contenders


def parse_beside(texts: Sequence[str], own: Sequence[str]) -> list[Contender]:
    """Return the contenders that stand beside others, whose names they may be made of.

    Raises:
        UsageError: One cannot be read, has a name that is taken, or is made of what is not there.
    """
    further = [parse_contender(text) for text in texts]
    in_building_order([*(Contender(name, BM25) for name in own), *further])
    return further


def in_building_order(contenders: Sequence[Contender]) -> list[Contender]:
    """Return the contenders so that each comes after those that it is made of.

    Raises:
        UsageError: If there are none, a name comes twice, a fusion names one that is not there,
            or they go round in a circle.
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
        raise UsageError(f"Contenders go round in a circle: {circle}. Name some that end.")
    if contender.name in ordered:
        return
    for member in contender.members:
        if member not in by_name:
            raise UsageError(
                f"{contender.name}={contender.spec} names {member!r}, which is no contender. "
                f"There are: {', '.join(by_name)}. Add --contender {member}=SPEC."
            )
        _place(by_name[member], by_name, ordered, (*path, contender.name))
    ordered[contender.name] = contender
