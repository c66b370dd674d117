"""Who answers: anything that makes a text of a request; here with real questions or made-up ones.

Answers depend on the request alone, never on time or order, so that two runs agree.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from homing.errors import UsageError
from homing.llm.testing.asked import Asked
from homing.llm.testing.filling import (
    PLANNED_KIND,
    Material,
    asks_for_questions,
    fill,
    n_questions,
    schema_in_words,
)
from homing.llm.testing.making import Verdict, judge, made_up_questions, overlap_share
from homing.llm.testing.passages import KnownPassages, Match

PART_SHARE = 0.8
"""Of a question's words in a known passage, that a part of it must have to be asked that."""


class Answerer(Protocol):
    """Makes the text of an answer; equal requests must get equal answers."""

    def __call__(self, asked: Asked) -> str: ...


class MadeUp:
    """Answers with questions made of the passage's own words, and with verdicts by overlap.

    A schema is fitted; a JSON object has the shape that the prompt shows; text is a numbered list.
    """

    def __call__(self, asked: Asked) -> str:
        """Return the answer."""
        verdicts = [judge(question, asked.passage) for question in asked.questions]
        if asked.form == "text":
            if verdicts:
                return f"Score: {verdicts[0].on_scale(1, 10)}\n{verdicts[0].reason}"
            asked_for = self.questions(asked, n_questions(None, asked.instructions))
            return "\n".join(f"{i}. {text}" for i, text in enumerate(asked_for, start=1))
        schema = asked.schema or schema_in_words(asked.instructions) or _default_schema(asked)
        questions = list(asked.questions)
        if asks_for_questions(schema) or not questions:
            questions = self.questions(asked, n_questions(schema, asked.instructions))
        if not verdicts:
            verdicts = [judge(questions[0], asked.passage)] if questions else [Verdict(0.0, 0, 0)]
        kinds = PLANNED_KIND.findall(asked.instructions)
        return json.dumps(fill(schema, Material(questions, verdicts, kinds)), ensure_ascii=False)

    def questions(self, asked: Asked, n: int) -> list[str]:
        """Return `n` questions about the passage."""
        return made_up_questions(asked.passage, n)


class QuestionsOf(MadeUp):
    """Answers with the questions of LlamaIndex datasets for the passages that they hold.

    A part of a known passage gets those of its questions whose words it has. What is missing, and
    all that is asked about other passages, is made up.

    Args:
        paths: JSON files with `queries`, `corpus` and `relevant_docs`.

    Raises:
        UsageError: A file is no such dataset.
    """

    def __init__(self, paths: Iterable[Path | str]) -> None:
        self._texts: list[str] = []
        self._questions: list[list[str]] = []
        for path in paths:
            self._add(Path(path))
        self._known = KnownPassages(self._texts)

    def _add(self, path: Path) -> None:
        try:
            data = json.loads(path.read_text("utf-8"))
            asked_of: dict[str, list[str]] = {key: [] for key in data["corpus"]}
            for query_id, passage_ids in data["relevant_docs"].items():
                for passage_id in passage_ids:
                    asked_of[passage_id].append(data["queries"][query_id])
            self._texts += data["corpus"].values()
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise UsageError(
                f"{path} cannot be answered from ({type(error).__name__}: {error}). Give a "
                "LlamaIndex JSON file with queries, corpus and relevant_docs."
            ) from error
        self._questions += asked_of.values()

    def questions(self, asked: Asked, n: int) -> list[str]:
        """Return `n` questions about the passage, real ones first."""
        found: dict[str, None] = {}
        for match in self._known.find(asked.passage):
            found |= dict.fromkeys(self._real(match, asked.passage))
            if len(found) >= n:
                break
        if len(found) < n:
            found |= dict.fromkeys(made_up_questions(asked.passage, n))
        return list(found)[:n]

    def _real(self, match: Match, part: str) -> list[str]:
        questions, whole = self._questions[match.index], self._texts[match.index]
        if match.whole:
            return questions
        return [q for q in questions if overlap_share(q, part, whole) >= PART_SHARE]


def _default_schema(asked: Asked) -> Mapping[str, Any]:
    """Return the shape of a JSON answer about which the prompt says nothing."""
    if asked.questions:
        properties: Mapping[str, Any] = {"score": {"type": "integer"}, "reason": {"type": "string"}}
        return {"type": "object", "properties": properties}
    question = {"type": "object", "properties": {"question": {"type": "string"}}}
    return {
        "type": "object",
        "properties": {"questions": {"type": "array", "items": question}},
    }
