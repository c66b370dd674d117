"""What the real APIs refuse in the schema of a structured answer.

OpenAI's strict mode wants every object closed and every property required; Anthropic's structured
outputs want objects closed and refuse bounds of numbers, strings and arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
BOUNDS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
)


def openai_fault(schema: Schema) -> str:
    """Return why OpenAI's strict mode refuses a schema, "" if it does not."""
    for place, part in _parts(schema, ()):
        if part.get("type") != "object":
            continue
        if part.get("additionalProperties") is not False:
            return (
                f"In context={place}, 'additionalProperties' is required to be supplied and to "
                "be false."
            )
        if missing := set(part.get("properties", {})) - set(part.get("required", ())):
            return (
                f"In context={place}, 'required' is required to be supplied and to be an array "
                f"including every key in properties. Missing '{min(missing)}'."
            )
    return ""


def anthropic_fault(schema: Schema) -> str:
    """Return why Anthropic's structured outputs refuse a schema, "" if they do not."""
    for _, part in _parts(schema, ()):
        kind = part.get("type")
        if kind == "object" and part.get("additionalProperties") is not False:
            return "For 'object' type, 'additionalProperties' must be explicitly set to false"
        for name in BOUNDS:
            if name in part:
                return f"For '{kind}' type, property '{name}' is not supported"
        if part.get("minItems", 0) not in (0, 1):
            return f"For '{kind}' type, 'minItems' values other than 0 or 1 are not supported"
    return ""


def _parts(schema: Schema, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Yield each schema inside a schema, itself first, with where it stands."""
    yield place, schema
    for holder in ("properties", "$defs", "definitions"):
        for name, inner in schema.get(holder, {}).items():
            yield from _parts(inner, (*place, holder, name))
    if isinstance(schema.get("items"), Mapping):
        yield from _parts(schema["items"], (*place, "items"))
    for holder in ("anyOf", "oneOf", "allOf"):
        for index, inner in enumerate(schema.get(holder, ())):
            yield from _parts(inner, (*place, holder, str(index)))
