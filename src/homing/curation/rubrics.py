"""What a language model is asked to judge about a question and a passage, and how it is understood.

A rubric is a prompt in the package with two blocks, `system` and `user`, and a scale. Text of
documents is data: it stands between the markers <passage> and <question>, and what looks like such
a marker inside it is made harmless. An answer is a JSON object with the value and a short reason,
or text from which the value can be read without doubt; anything else is not understood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Unpack

from homing.llm.dispatch import Asked, AskOptions, Wanted, ask_all
from homing.llm.provider import ChatAnswer, ChatRequest, Provider
from homing.types import Passage, Question, query_id

if TYPE_CHECKING:
    from jinja2 import Template

    from homing.llm.ledger import Ledger

_MARKER = re.compile(r"[<＜](?=[\s\u200b-\u200d\ufeff/]*(?:passage|question)\b)", re.I)
_HARMLESS = "‹"
MAX_REASON = 300


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge said of a question and a passage."""

    value: int
    reason: str


@dataclass(frozen=True)
class Rubric:
    """One thing to judge.

    Attributes:
        purpose: Under which the ledger counts the calls: "judge" or "relevance".
        prompt: Name of the file in `prompt_files`, with its version.
        field: Name of the value in the answer.
        low: Least value of the scale.
        high: Greatest value.
    """

    purpose: str
    prompt: str
    field: str
    low: int
    high: int

    def request(self, question: str, passage: Passage) -> ChatRequest:
        """Return what is asked of the judge; equal texts give equal requests."""
        context = self._template.new_context(
            {
                "title": _harmless(" ".join(passage.title.split())),
                "passage": _harmless(passage.text),
                "question": _harmless(" ".join(question.split())),
            }
        )
        blocks = self._template.blocks
        system, user = ("".join(blocks[name](context)).strip() for name in ("system", "user"))
        return ChatRequest(system, user, self._schema)

    def wanted(self, pairs: Iterable[tuple[Question, Passage]], judge: str) -> Iterator[Wanted]:
        """Yield the request for each pair, as the judge of that name is asked."""
        for question, passage in pairs:
            request = self.request(question.text, passage)
            yield Wanted(request.key(judge), query_id(question.text), request)

    def ask(
        self,
        provider: Provider,
        wanted: Iterable[Wanted],
        ledger: Ledger,
        *,
        title: str,
        total: int,
        **options: Unpack[AskOptions],
    ) -> Asked:
        """Ask the judge; see `ask_all`. The verdicts are in the ledger, where `find` reads them."""
        return ask_all(
            provider,
            wanted,
            ledger,
            purpose=self.purpose,
            understand=lambda answer: self.understand(answer) is not None,
            title=title,
            total=total,
            **options,
        )

    def find(
        self, question: Question, passage: Passage, judge: str, ledger: Ledger
    ) -> Verdict | None:
        """Return the verdict that the ledger holds, None if there is no usable one."""
        call = ledger.find(self.request(question.text, passage).key(judge))
        return self.understand(call.answer) if call and call.usable else None

    def understand(self, answer: ChatAnswer) -> Verdict | None:
        """Return the verdict of an answer, None if it has none or one outside the scale."""
        if answer.finish == "refusal":
            return None
        found = next(
            (o for o in _objects(answer.text) if isinstance(o, Mapping) and self.field in o), None
        )
        if found is not None:
            value, reason = _whole_number(found[self.field]), str(found.get("reason", ""))
        else:
            match = re.search(
                rf"\b{self.field}\b[\"'*\s]*(?:[:=]|is)?[\"'*\s]*(\d+)(?![\d.,]*\d)",
                answer.text,
                re.I,
            )
            value = int(match[1]) if match else None
            reason = answer.text[match.end() :] if match else ""
        if value is None or not self.low <= value <= self.high:
            return None
        return Verdict(value, " ".join(reason.split())[:MAX_REASON])

    @cached_property
    def _schema(self) -> Mapping[str, Any]:
        # The reason comes first, so that the value follows from it.
        value = {"type": "integer", "minimum": self.low, "maximum": self.high}
        return {
            "type": "object",
            "properties": {"reason": {"type": "string"}, self.field: value},
            "required": ["reason", self.field],
            "additionalProperties": False,
        }

    @cached_property
    def _template(self) -> Template:
        from jinja2 import StrictUndefined
        from jinja2.sandbox import SandboxedEnvironment

        path = files("homing.curation") / "prompt_files" / f"{self.prompt}.jinja"
        # Nothing is escaped: the result is text for a model, not a page.
        environment = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        return environment.from_string(path.read_text("utf-8"))


def _harmless(text: str) -> str:
    """Return text of a document in which no marker of the prompt can be opened or closed."""
    return _MARKER.sub(_HARMLESS, text)


def _objects(text: str) -> Iterator[Any]:
    """Yield the outermost JSON objects in a text, whatever stands around them."""
    decoder = json.JSONDecoder()
    start = text.find("{")
    while start >= 0:
        try:
            found, end = decoder.raw_decode(text, start)
            yield found
        except (ValueError, RecursionError):
            end = start + 1
        start = text.find("{", end)


def _whole_number(value: object) -> int | None:
    """Return the whole number that a value is, or says: 8, 8.0, "8", "8/10"; else None."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d{1,3})(?:\.0+)?\s*(?:/\s*\d+)?\s*", value)
        return int(match[1]) if match else None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return None
    return int(value)
