"""A value that fits a JSON schema, from questions and verdicts.

Knows `properties`, `items`, `enum`, `const`, `anyOf`, `oneOf`, `allOf`, `$ref` inside the schema,
`minItems`, `maxItems`, `minimum`, `maximum`, and the bounds that Anthropic's SDK moves into the
description ("{minItems: 2}").
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from homing.llm.testing.making import Verdict

Schema = Mapping[str, Any]
SCALE = (1, 10)
DEFAULT_N = 2
NUMBER_WORDS = {
    word: n
    for n, word in enumerate("one two three four five six seven eight nine ten".split(), start=1)
}
ASKED_FOR = re.compile(
    rf"\b(\d{{1,3}}|{'|'.join(NUMBER_WORDS)})\s+(?:[\w-]+\s+){{0,3}}?questions?\b", re.I
)
AND_SO_ON = re.compile(r",\s*(?:\.\.\.|…)(?=\s*[]}])")
PLANNED_KIND = re.compile(r'\bkind:? "(\w+)"')


@dataclass(frozen=True, slots=True)
class Material:
    """What a schema is filled with.

    Attributes:
        verdicts: One for each question that is judged; at least one.
        kinds: What kind each question was asked to be, as far as the prompt says so.
    """

    questions: Sequence[str]
    verdicts: Sequence[Verdict]
    kinds: Sequence[str] = ()


def n_questions(schema: Schema | None, instructions: str) -> int:
    """Return how many questions are asked for: by the schema, else by the words, else 2."""
    if schema is not None:
        found = _questions_array(schema, schema)
        if found is not None and (n := bound(found, "minItems") or bound(found, "maxItems")):
            return n
    if match := ASKED_FOR.search(instructions):
        word = match[1].lower()
        return NUMBER_WORDS.get(word) or int(word)
    return DEFAULT_N


def bound(schema: Schema, name: str) -> int | None:
    """Return a bound that a schema sets, or states in its description."""
    value = schema.get(name)
    if value is None and (said := re.search(rf"\b{name}: (-?\d+)", schema.get("description", ""))):
        value = said[1]
    return None if value is None else int(value)


def asks_for_questions(schema: Schema) -> bool:
    """Tell whether a schema has a property `questions` that is an array."""
    return _questions_array(schema, schema) is not None


def _questions_array(schema: Schema, root: Schema) -> Schema | None:
    schema = resolved(schema, root)
    for name, value in schema.get("properties", {}).items():
        value = resolved(value, root)
        if name == "questions" and value.get("type") == "array":
            return value
        if (inner := _questions_array(value, root)) is not None:
            return inner
    return None


def resolved(schema: Schema, root: Schema) -> Schema:
    """Return the schema that a reference or a choice stands for; of a choice the first not null."""
    for _ in range(16):
        if "$ref" in schema:
            target: Any = root
            for step in schema["$ref"].removeprefix("#").strip("/").split("/"):
                target = target[step] if step else target
            schema = target
            continue
        choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
        if not choices:
            break
        schema = next((c for c in choices if c.get("type") != "null"), choices[0])
    return schema


def fill(schema: Schema, material: Material) -> Any:
    """Return a value that fits the schema.

    `questions` becomes the questions, with other strings from their `enum` in turn; numbers and
    truth values are the verdict on their scale (1 to 10 where none is set), strings its reason.
    """
    return _value(schema, schema, material, "", 0)


def _value(schema: Schema, root: Schema, material: Material, name: str, index: int) -> Any:
    schema = resolved(schema, root)
    if "const" in schema:
        return schema["const"]
    planned = material.kinds[index] if name == "kind" and index < len(material.kinds) else ""
    if choices := schema.get("enum"):
        return planned if planned in choices else choices[index % len(choices)]
    verdict = material.verdicts[index % len(material.verdicts)]
    kind = schema.get("type")
    kind = next((k for k in kind if k != "null"), "null") if isinstance(kind, list) else kind
    if kind == "object" or (kind is None and "properties" in schema):
        properties = schema.get("properties", {})
        return {k: _value(v, root, material, k, index) for k, v in properties.items()}
    if kind == "array":
        items = schema.get("items", {})
        n = _n_items(schema, material, name)
        return [_value(items, root, material, name, i) for i in range(n)]
    if kind in ("integer", "number"):
        return verdict.on_scale(_least(schema), _most(schema))
    if kind == "boolean":
        return verdict.share >= 0.5
    if kind == "null":
        return None
    if name in ("question", "questions", "query", "text") and material.questions:
        return material.questions[index % len(material.questions)]
    return planned or verdict.reason


def _least(schema: Schema) -> int:
    least = bound(schema, "minimum")
    return SCALE[0] if least is None else least


def _most(schema: Schema) -> int:
    most = bound(schema, "maximum")
    return max(SCALE[1], _least(schema)) if most is None else most


def _n_items(schema: Schema, material: Material, name: str) -> int:
    n = len(material.questions) if name == "questions" else len(material.verdicts)
    least, most = bound(schema, "minItems") or 0, bound(schema, "maxItems")
    return max(least, n if most is None else min(n, most))


def schema_in_words(instructions: str) -> Schema | None:
    """Return the schema that a prompt shows, or that of an example which it shows, or None."""
    decoder = json.JSONDecoder()
    instructions = AND_SO_ON.sub("", instructions)
    for match in re.finditer(r"\{", instructions):
        try:
            found, _ = decoder.raw_decode(instructions, match.start())
        except ValueError:
            continue
        if found:
            return found if "properties" in found else _schema_of(found)
    return None


def _schema_of(example: Any) -> Schema:
    """Return the schema of a value by its shape."""
    if isinstance(example, Mapping):
        properties = {key: _schema_of(value) for key, value in example.items()}
        return {"type": "object", "properties": properties}
    if isinstance(example, list):
        return {"type": "array", "items": _schema_of(example[0]) if example else {}}
    if isinstance(example, bool):
        return {"type": "boolean"}
    return {"type": "integer" if isinstance(example, int | float) else "string"}
