"""What the test server answers, asked by the real SDKs over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from pydantic import BaseModel, Field

from homing.errors import UsageError
from homing.language import guess_language
from homing.llm.testing import Asked, MadeUp, QuestionsOf, TestServer

ServerFactory = Callable[..., TestServer]
LEAVE = (
    "Parents take sixteen weeks of paid leave, from the day of birth. The director decides about "
    "exceptions within ten days. Whoever falls ill during the leave gets those days back."
)
URLAUB = (
    "Eltern erhalten sechzehn Wochen bezahlten Urlaub, der mit dem Tag der Geburt beginnt. Die "
    "Leitung entscheidet über Ausnahmen innerhalb von zehn Tagen, und das ist für alle gleich."
)
HANDBOOK = "员工每年享有十五天带薪年假，必须提前两周提出申请。生病期间的假期可以顺延到下一年度。"
JUDGE = {
    "type": "object",
    "properties": {
        "score": {"type": "integer", "minimum": 1, "maximum": 10},
        "reason": {"type": "string"},
        "self_contained": {"type": "boolean"},
    },
}


def client_of(server: TestServer, key: str = "any") -> openai.OpenAI:
    return openai.OpenAI(base_url=server.url, api_key=key, max_retries=0)


def ask(server: TestServer, text: str, **more: Any) -> Any:
    messages: Any = [{"role": "user", "content": text}]
    return client_of(server).chat.completions.create(model="test", messages=messages, **more)


def answer(server: TestServer, text: str, schema: dict[str, Any]) -> Any:
    form = {"type": "json_schema", "json_schema": {"name": "it", "schema": schema}}
    return json.loads(ask(server, text, response_format=form).choices[0].message.content)


def claude_of(server: TestServer, key: str = "any") -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=server.root_url, api_key=key, max_retries=0)


def test_a_known_passage_is_answered_with_its_real_questions(
    server_factory: ServerFactory,
    real_questions: QuestionsOf,
    sec10k_train: Path,
    questions_schema: Callable[[int], dict[str, Any]],
) -> None:
    data = json.loads(sec10k_train.read_text("utf-8"))
    real: dict[str, list[str]] = {}
    for query_id, (passage_id,) in data["relevant_docs"].items():
        real.setdefault(passage_id, []).append(data["queries"][query_id])
    passage_id, text = list(data["corpus"].items())[5]
    server = server_factory(real_questions)
    prompt = f"Write questions.\n<passage>\n{text}\n</passage>"
    found = answer(server, prompt, questions_schema(2))["questions"]
    assert [q["question"] for q in found] == real[passage_id]
    assert [q["kind"] for q in found] == ["factual", "how_to"]
    # Cut differently, in other company and without markers, it is still that passage.
    other_cut = "Some heading\n" + text[150:] + "\nWhat comes after it is another matter."
    found = answer(server, other_cut, questions_schema(4))["questions"]
    assert {q["question"] for q in found} & set(real[passage_id])
    assert len({q["question"] for q in found}) == 4


@pytest.mark.parametrize(("text", "language"), [(LEAVE, "en"), (URLAUB, "de"), (HANDBOOK, "zh")])
def test_questions_about_an_unknown_passage_are_made_of_its_words(
    server_factory: ServerFactory, text: str, language: str
) -> None:
    server = server_factory()
    reply = ask(server, f"Write five short questions.\n<passage>{text}</passage>")
    lines = reply.choices[0].message.content.splitlines()
    assert [line.split(". ")[0] for line in lines] == list("12345")
    assert len({line.split(". ")[1] for line in lines}) == 5
    assert guess_language(" ".join(lines)) == language
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_answers_depend_on_what_is_asked_alone(server_factory: ServerFactory) -> None:
    texts = [f"Two questions.\n<passage>{t}</passage>" for t in (LEAVE, URLAUB, HANDBOOK)]
    there, back = server_factory(), server_factory()
    forth = [ask(there, text).choices[0].message.content for text in texts]
    assert forth == [ask(back, text).choices[0].message.content for text in texts[::-1]][::-1]
    assert len(set(forth)) == 3
    assert there.paid_by_content == back.paid_by_content


def test_a_judge_scores_by_the_words_in_common(server_factory: ServerFactory) -> None:
    server = server_factory()
    marked = "<question>{}</question><passage>" + LEAVE + "</passage>"
    good = answer(server, marked.format("how many weeks of paid leave do parents take"), JUDGE)
    bad = answer(server, marked.format("what is the capital of Mongolia"), JUDGE)
    assert 1 <= bad["score"] < 4 < 7 <= good["score"] <= 10
    assert good["self_contained"]
    assert not bad["self_contained"]
    assert "content words" in good["reason"]


def test_a_json_object_has_the_shape_that_the_prompt_shows(server_factory: ServerFactory) -> None:
    prompt = (
        'Answer with JSON only: {"questions": [{"kind": "...", "question": "..."}, ...]}\n'
        f'1. kind "summary", short\n2. kind "yes_no", long\n3 questions\n<passage>{LEAVE}</passage>'
    )
    server = server_factory()
    reply = ask(server, prompt, response_format={"type": "json_object"})
    found = json.loads(reply.choices[0].message.content)["questions"]
    assert [q["kind"] for q in found][:2] == ["summary", "yes_no"]
    assert all(q["question"].endswith("?") for q in found)
    assert len(found) == 3
    with pytest.raises(openai.BadRequestError, match="must contain the word 'json'"):
        ask(server, LEAVE, response_format={"type": "json_object"})


class Item(BaseModel):
    question: str
    difficulty: int | None = Field(ge=1, le=3)


class Quiz(BaseModel):
    questions: list[Item] = Field(min_length=3, max_length=3)


def test_models_of_both_sdks_can_be_parsed(server_factory: ServerFactory) -> None:
    server = server_factory()
    parsed = client_of(server).chat.completions.parse(
        model="test", messages=[{"role": "user", "content": LEAVE}], response_format=Quiz
    )
    quiz = parsed.choices[0].message.parsed
    assert quiz is not None
    assert len(quiz.questions) == 3
    message = claude_of(server).messages.parse(
        model="test",
        max_tokens=500,
        messages=[{"role": "user", "content": LEAVE}],
        output_format=Quiz,
    )
    assert message.parsed_output == quiz


def test_claude_answers_with_text_and_with_a_forced_tool(server_factory: ServerFactory) -> None:
    server = server_factory()
    common: Any = {"model": "test", "max_tokens": 500, "system": "Write 2 questions."}
    messages: Any = [{"role": "user", "content": [{"type": "text", "text": LEAVE}]}]
    text = claude_of(server).messages.create(messages=messages, **common)
    assert text.content[0].text.startswith("1. ")
    assert text.stop_reason == "end_turn"
    assert text.usage.output_tokens > 10
    forced = claude_of(server).messages.create(
        messages=messages,
        tools=[{"name": "keep", "input_schema": Quiz.model_json_schema()}],
        tool_choice={"type": "tool", "name": "keep"},
        **common,
    )
    assert forced.stop_reason == "tool_use"
    assert len(forced.content[0].input["questions"]) == 3
    with pytest.raises(anthropic.BadRequestError, match="temperature"):
        claude_of(server).messages.create(
            messages=messages, extra_body={"temperature": 0.5}, **common
        )


def test_schemas_that_the_real_apis_refuse_are_refused(
    server_factory: ServerFactory, questions_schema: Callable[[int], dict[str, Any]]
) -> None:
    server = server_factory()
    form = {"type": "json_schema", "json_schema": {"name": "it", "strict": True, "schema": JUDGE}}
    with pytest.raises(openai.BadRequestError, match="additionalProperties"):
        ask(server, LEAVE, response_format=form)
    with pytest.raises(anthropic.BadRequestError, match="not supported"):
        claude_of(server).messages.create(
            model="test",
            max_tokens=500,
            messages=[{"role": "user", "content": LEAVE}],
            output_config={"format": {"type": "json_schema", "schema": questions_schema(2)}},
        )
    assert server.counts.answered == 0


@pytest.mark.parametrize(
    ("ability", "asked"),
    [
        ("json_schema", {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}),
        ("json_object", {"response_format": {"type": "json_object"}}),
        ("text", {"response_format": {"type": "text"}}),
        ("max_tokens", {"max_tokens": 50}),
        ("max_completion_tokens", {"max_completion_tokens": 50}),
        ("temperature", {"temperature": 0.3}),
    ],
)
def test_what_a_server_cannot_do_is_a_400_that_names_it(
    server_factory: ServerFactory, ability: str, asked: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError, match=ability):
        ask(server_factory(unsupported=[ability]), LEAVE, **asked)


def test_a_server_may_pass_over_a_schema_in_silence(server_factory: ServerFactory) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "it", "schema": JUDGE}}
    server = server_factory(ignores=["json_schema"])
    assert ask(server, LEAVE, response_format=form).choices[0].message.content.startswith("1. ")


def test_an_answer_ends_where_max_tokens_ends(server_factory: ServerFactory) -> None:
    reply = ask(server_factory(), f"<passage>{LEAVE}</passage>", max_completion_tokens=10)
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens <= 12


def test_keys_and_models_are_checked_where_they_are_set(server_factory: ServerFactory) -> None:
    server = server_factory(api_key="right", models=["small", "large"])
    assert [m.id for m in client_of(server, "right").models.list()] == ["small", "large"]
    assert [m.id for m in claude_of(server, "right").models.list()] == ["small", "large"]
    with pytest.raises(openai.AuthenticationError):
        client_of(server, "wrong").models.list()
    with pytest.raises(anthropic.AuthenticationError):
        claude_of(server, "wrong").models.list()
    with pytest.raises(openai.NotFoundError, match="gigantic"):
        client_of(server, "right").chat.completions.create(
            model="gigantic", messages=[{"role": "user", "content": LEAVE}]
        )
    assert "right" not in repr(server)


def test_a_file_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    path.write_text('{"queries": {}}')
    with pytest.raises(UsageError, match=r"notes\.json cannot be answered from"):
        QuestionsOf([path])


def test_a_defect_of_the_answerer_is_a_500(
    server_factory: ServerFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(asked: Asked) -> str:
        raise KeyError("no such thing")

    server = server_factory(broken)
    with pytest.raises(openai.InternalServerError, match="no such thing"):
        ask(server, LEAVE)
    assert server.counts.by_fault["defect"] == 1
    assert "KeyError" in capsys.readouterr().err


def test_made_up_questions_stay_distinct_however_many_are_asked_for() -> None:
    for text in ("", "Leave.", LEAVE):
        questions = MadeUp().questions(Asked.of(model="m", system="", user=text), 60)
        assert len(set(questions)) == 60
