"""What was asked, whichever API it came through, and how many tokens it is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from homing.types import content_id

Form = Literal["text", "json_object", "json_schema", "tool"]
TokenCounter = Callable[[str], int]
MESSAGE_TOKENS = 4
"""What the frame around one message costs."""
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
PIECE_LETTERS = 5
IDEOGRAPH = re.compile(f"[{_IDEOGRAPHS}]")
WORD = re.compile(rf"[^\W{_IDEOGRAPHS}]+|[{_IDEOGRAPHS}]")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for an answer.

    Attributes:
        system: Instructions; "" for none.
        user: All other messages, joined by empty lines.
        form: How the answer was asked for; "tool" is a forced call of `tool`.
        schema: JSON schema of the answer, or None.
        max_tokens: Most tokens of the answer, or None.
        content: Hash of all that decides the answer; equal requests have equal ones.
        passage: What stands between the last `<passage>` and `</passage>`, else all of `user`.
    """

    model: str
    system: str
    user: str
    form: Form
    schema: Mapping[str, Any] | None
    max_tokens: int | None
    tool: str
    n_messages: int
    content: str
    passage: str

    @classmethod
    def of(
        cls,
        *,
        model: str,
        system: str,
        user: str,
        form: Form = "text",
        schema: Mapping[str, Any] | None = None,
        max_tokens: int | None = None,
        tool: str = "",
        n_messages: int = 1,
        temperature: float | None = None,
    ) -> Asked:
        """Return the request with its hash."""
        rest = json.dumps([form, schema, max_tokens, tool, temperature], sort_keys=True)
        content = content_id(model, system, user, rest)
        passage = (marked(user, "passage") or [user])[-1]
        return cls(
            model, system, user, form, schema, max_tokens, tool, n_messages, content, passage
        )

    @property
    def questions(self) -> list[str]:
        """What stands between `<question>` and `</question>`, in order."""
        return marked(self.user, "question")

    @property
    def instructions(self) -> str:
        """The messages without the passage, whose own words are no instructions; system last."""
        return f"{self.user.replace(self.passage, ' ')}\n{self.system}"


def marked(text: str, name: str) -> list[str]:
    """Return what stands between each `<name ...>` and the next `</name>`, stripped."""
    if f"<{name}" not in text:
        return []
    return [found.strip() for found in re.findall(rf"<{name}\b[^>]*>(.*?)</{name}>", text, re.S)]


def count_tokens(text: str) -> int:
    """Return about how many tokens a text is: a word is one for every 5 letters, an ideograph one.

    English comes to 0.23 tokens a character, as with the tokenizers of the large models.
    """
    n = sum([(len(word) + PIECE_LETTERS - 1) // PIECE_LETTERS for word in text.split()])
    if not text.isascii():
        n += len(IDEOGRAPH.findall(text)) * (PIECE_LETTERS - 1) // PIECE_LETTERS
    return n


def n_input_tokens(asked: Asked, counter: TokenCounter) -> int:
    """Return the tokens of all messages, their frames and the schema."""
    n_schema = 0
    if asked.schema is not None:
        n_schema = _count_once(counter, json.dumps(asked.schema, ensure_ascii=False))
    n_system = _count_once(counter, asked.system)
    return counter(asked.user) + n_system + n_schema + MESSAGE_TOKENS * asked.n_messages


@lru_cache(maxsize=256)
def _count_once(counter: TokenCounter, text: str) -> int:
    """Instructions and schema are the same in thousands of requests."""
    return counter(text)


def text_of(content: object) -> str:
    """Return the text of a message, given as a string or as a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, Iterable):
        parts = [part.get("text", "") for part in content if isinstance(part, Mapping)]
        return "\n".join(part for part in parts if isinstance(part, str))
    return ""
