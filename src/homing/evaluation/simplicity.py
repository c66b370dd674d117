"""Which contender asks less of whoever runs it: what the verdict prefers among equals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from homing.errors import UsageError
from homing.evaluation.specs import Adapted, Fusion, Model, Reranking, Spec, parse_spec
from homing.llm.endpoints import Endpoint
from homing.types import ContenderResult

Effort = tuple[int, int, int, int]
_TUNED = re.compile(r"(?<![a-z])tuned(?![a-z])", re.IGNORECASE)


def effort_of(name: str, contenders: Mapping[str, ContenderResult], baseline: str) -> Effort:
    """Return what running a contender takes; the smaller tuple is the simpler one.

    In this order: rerankers (they read passages at each question), paid endpoints, whether a tuned
    model has to be kept up, and how many parts there are.
    """
    parts = parts_of(name, contenders)
    specs = [_spec(part, contenders) for part in parts]
    return (
        sum(isinstance(spec, Reranking) for spec in specs),
        sum(isinstance(spec, Endpoint) for spec in specs),
        int(needs_tuning(name, contenders, baseline)),
        sum(not isinstance(spec, Fusion) for spec in specs),
    )


def needs_tuning(name: str, contenders: Mapping[str, ContenderResult], baseline: str) -> bool:
    """Return whether a tuned model is part of a contender.

    A model counts as tuned if its contender is called so ("tuned", "tuned-offline"), or if it lies
    in a folder and is not the baseline. An adapter is always tuned.
    """
    for part in parts_of(name, contenders):
        spec = _spec(part, contenders)
        if isinstance(spec, Adapted):
            return True
        if isinstance(spec, Fusion | Reranking):
            continue
        is_folder = isinstance(spec, Model) and Path(spec.name).is_dir() and part != baseline
        if is_folder or _TUNED.search(part):
            return True
    return False


def uses_words(name: str, contenders: Mapping[str, ContenderResult]) -> bool:
    """Return whether BM25 is part of a contender."""
    parts = parts_of(name, contenders)
    return any(contenders[part].spec.strip().lower() == "bm25" for part in parts)


def parts_of(name: str, contenders: Mapping[str, ContenderResult]) -> list[str]:
    """Return a contender and all that it is made of, each once, as far as they are known."""
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        part = waiting.pop(0)
        if part in found or part not in contenders:
            continue
        found[part] = None
        spec = _spec(part, contenders)
        if isinstance(spec, Fusion):
            waiting += [spec.a, spec.b]
        elif isinstance(spec, Reranking | Adapted):
            waiting.append(spec.of)
    return list(found)


def _spec(name: str, contenders: Mapping[str, ContenderResult]) -> Spec:
    text = contenders[name].spec
    try:
        return parse_spec(text)
    except UsageError:  # free text, of an encoder that was given
        return Model(text)
