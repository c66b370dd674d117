"""Schemas of answers, as the APIs that keep a model to them want them, and as text for the rest."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

Schema = Mapping[str, Any]
HOLDERS_OF_MANY = ("properties", "$defs", "definitions")
HOLDERS_OF_LISTS = ("anyOf", "oneOf", "allOf")
BOUNDS = frozenset(
    "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength minItems "
    "maxItems uniqueItems minProperties maxProperties".split()
)


def closed(schema: Schema) -> dict[str, Any]:
    """Return the schema with every object closed, which strict modes insist on."""

    def close(part: dict[str, Any]) -> dict[str, Any]:
        return {"additionalProperties": False, **part} if part.get("type") == "object" else part

    return _changed(schema, close)


def without_bounds(schema: Schema) -> dict[str, Any]:
    """Return the schema without bounds of numbers and lengths, which Anthropic refuses."""
    return _changed(schema, lambda part: {k: v for k, v in part.items() if k not in BOUNDS})


def is_strict(schema: Schema) -> bool:
    """Tell whether OpenAI's strict mode takes a schema: objects closed, properties required."""
    is_so = True

    def look(part: dict[str, Any]) -> dict[str, Any]:
        nonlocal is_so
        if part.get("type") == "object":
            is_closed = part.get("additionalProperties") is False
            is_full = set(part.get("properties", ())) <= set(part.get("required", ()))
            is_so = is_so and is_closed and is_full
        return part

    _changed(schema, look)
    return is_so


def described(user: str, schema: Schema) -> str:
    """Return what the user asks with the wanted shape of the answer at its end."""
    shape = json.dumps(schema, ensure_ascii=False)
    return f"{user}\n\nAnswer with JSON alone, no other text, that fits this JSON schema:\n{shape}"


def _changed(schema: Schema, change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """Return a copy of a schema in which every schema inside it, and it itself, is changed."""
    part = change(dict(schema))
    for holder in HOLDERS_OF_MANY:
        if isinstance(part.get(holder), Mapping):
            part[holder] = {name: _changed(s, change) for name, s in part[holder].items()}
    if isinstance(part.get("items"), Mapping):
        part["items"] = _changed(part["items"], change)
    for holder in HOLDERS_OF_LISTS:
        if isinstance(part.get(holder), list):
            part[holder] = [_changed(s, change) for s in part[holder]]
    return part
