"""What a fault makes of a good answer."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from homing.language import guess_language
from homing.llm.testing.asked import Asked

Finish = Literal["stop", "length", "refusal", "content_filter"]
REFUSAL = "I'm sorry, but I can't help with that request."
PROSE = "The text discusses several points, and one could ask about any of them."
BEFORE, AFTER = "Here are two questions:", "Let me know if you would like more of them!"
BEFORE_JSON = "Sure! Here is the JSON you asked for:"
FOREIGN = {
    "fr": "Qu'est-ce que les gens pensent de la chose numéro {n} dans cette ville ?",
    "en": "What do the people of this town think about thing number {n}?",
}
TRUNCATED_SHARE = 0.6
_JUNK = 'lorem \u0000\u001b ipsum }{][ \\" \u202e dolor '


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer as the model gives it; `empty` means that the reply holds no answer at all."""

    text: str
    finish: Finish = "stop"
    empty: bool = False


def complete(fault: str, text: str, asked: Asked, junk_bytes: int) -> Completion:
    """Return the answer after a fault; faults that do not touch it leave it as it is."""
    if fault == "truncated":
        return Completion(text[: int(TRUNCATED_SHARE * len(text))], "length")
    if fault == "empty_choices":
        return Completion("", empty=True)
    if fault == "refusal":
        return Completion(REFUSAL, "refusal")
    if fault == "content_filter":
        return Completion("", "content_filter")
    if fault == "wrong_content":
        return Completion(PROSE)
    if fault == "junk":
        return Completion(junk(junk_bytes))
    if fault == "preamble":
        return Completion(_framed(text, asked))
    if fault == "other_language":
        return Completion(_foreign(text, asked))
    return Completion(text)


@lru_cache(maxsize=2)
def junk(n_bytes: int) -> str:
    """Return a text of `n_bytes` characters, control characters and broken JSON among them."""
    return (_JUNK * (n_bytes // len(_JUNK) + 1))[:n_bytes]


def _framed(text: str, asked: Asked) -> str:
    if asked.form == "text":
        return f"{BEFORE}\n\n{text}\n\n{AFTER}"
    return f"{BEFORE_JSON}\n\n```json\n{text}\n```\n\n{AFTER}"


def _foreign(text: str, asked: Asked) -> str:
    template = FOREIGN["en" if guess_language(asked.passage) == "fr" else "fr"]
    if asked.form == "text":
        lines = text.splitlines()
        return "\n".join(
            re.match(r"[\d.]*\s*", line)[0] + template.format(n=n)  # type: ignore[index]
            for n, line in enumerate(lines, start=1)
        )
    numbers = iter(range(1, 1_000_000))

    def translated(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: translated(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [translated(inner) for inner in value]
        if isinstance(value, str) and value.rstrip().endswith(("?", "？")):
            return template.format(n=next(numbers))
        return value

    return json.dumps(translated(json.loads(text)), ensure_ascii=False)
