"""The writer that asks a model, over real HTTP: what comes out, whatever goes wrong on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from homing.errors import UsageError
from homing.language import guess_language
from homing.llm.batch import ask_in_batches
from homing.llm.dispatch import Limits, ask_all
from homing.llm.ledger import Ledger
from homing.llm.openai import OpenAIProvider
from homing.llm.testing import Asked, Faults, QuestionsOf, TestServer
from homing.types import Passage, Question, Rejection
from homing.writing.llm import LLMWriter
from homing.writing.planning import FALLBACK_KIND, plan_questions
from homing.writing.prompts import load_prompt

MIXED, QUIZ = load_prompt("mixed"), load_prompt("quiz")
QUICK = Limits(max_concurrency=8, backoff_s=0.001, max_backoff_s=0.01, timeout_s=20)
SECTIONS = {
    "Parental leave": "Parents may take twenty weeks of paid leave after a birth or an adoption.",
    "Sick leave": "Whoever is ill informs the team by nine and brings a note on the third day.",
    "Travel": "Trains are booked in second class, flights only above six hours by train.",
    "Expenses": "Receipts are handed in within thirty days through the finance portal.",
}
HANDBOOK = [
    Passage(f"p-{title}", "handbook", 0, len(text), text, ("Acme Handbook", title))
    for title, text in SECTIONS.items()
]


class Says:
    """Answers everything with the same text, and keeps what it was asked."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.asked: list[Asked] = []

    def __call__(self, asked: Asked) -> str:
        self.asked.append(asked)
        return self.text


TWO = json.dumps(
    {
        "questions": [
            {"kind": "riddle", "question": "How long may parents stay at home?"},
            {"kind": FALLBACK_KIND, "question": "Who hands in receipts?"},
        ]
    }
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        yield ledger


def writer(server: TestServer, ledger: Ledger, **settings: Any) -> LLMWriter:
    provider = OpenAIProvider("test", base_url=server.url, ledger=ledger)
    settings = {"prompt": MIXED, "limits": QUICK} | settings
    return LLMWriter(provider, ledger, **settings)


def test_every_passage_gets_its_questions_in_order_with_kind_writer_and_prompt(
    ledger: Ledger,
) -> None:
    with TestServer() as server:
        writing = writer(server, ledger)
        items = list(writing.write(HANDBOOK))
    assert all(isinstance(item, Question) for item in items)
    assert [q.passage_id for q in items if isinstance(q, Question)] == [
        p.id for p in HANDBOOK for _ in range(2)
    ]
    for question in items:
        assert isinstance(question, Question)
        planned = {q.kind for q in plan_questions(question.passage_id, 2)}
        assert question.kind in planned | {FALLBACK_KIND}
        assert (question.writer, question.prompt) == ("openai:test", "mixed.v1")
    assert writing.summary["n_questions"] == 8
    assert writing.summary["n_answered"] == writing.summary["n_asked"] == 4
    assert writing.summary["n_not_asked"] == 0
    assert writing.summary["input_tokens"] > 1000


def test_nothing_is_paid_for_twice_and_new_passages_alone_are_asked_about(ledger: Ledger) -> None:
    with TestServer() as server:
        first = list(writer(server, ledger, neighbours=False).write(HANDBOOK[:3]))
        assert list(writer(server, ledger, neighbours=False).write(HANDBOOK[:3])) == first
        assert server.counts.answered == 3
        writing = writer(server, ledger, neighbours=False)
        assert list(writing.write(HANDBOOK))[: len(first)] == first
        assert server.counts.answered == 4
    assert (writing.summary["n_found"], writing.summary["n_answered"]) == (3, 1)


def test_faults_on_the_way_change_nothing_in_what_comes_out(
    tmp_path: Path, shared_data: Path
) -> None:
    path = shared_data / "sec10k" / "gpt-3.5-turbo" / "train_dataset.json"
    corpus = list(json.loads(path.read_text("utf-8"))["corpus"].items())[:60]
    passages = [Passage(i, "lyft", 0, len(t), t, ("Lyft 10-K 2021",)) for i, t in corpus]
    outcomes = []
    for faults in (Faults(), Faults.mixed(0.3, slow_s=0.01)):
        with (
            Ledger(tmp_path / f"{len(outcomes)}.sqlite") as ledger,
            TestServer(QuestionsOf([path]), faults=faults, retry_after_s=0) as server,
        ):
            outcomes.append(list(writer(server, ledger).write(passages)))
            assert server.counts.n_repeated == 0
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0]) == 2 * len(passages)
    real = set(json.loads(path.read_text("utf-8"))["queries"].values())
    assert sum(q.text in real for q in outcomes[0] if isinstance(q, Question)) > len(passages)


@pytest.mark.parametrize(("code", "name"), [("de", "German"), ("zh", "Chinese")])
def test_passages_are_asked_about_in_their_own_language(
    ledger: Ledger, shared_data: Path, code: str, name: str
) -> None:
    data = json.loads((shared_data / "xquad" / f"xquad.{code}.json").read_text("utf-8"))
    texts = [p["context"] for article in data["data"][:12] for p in article["paragraphs"]]
    passages = [Passage(f"{code}-{i}", f"d{i}", 0, len(t), t) for i, t in enumerate(texts)]
    with TestServer() as server:
        writing = writer(server, ledger)
        asked = [request.wanted.request.user for request in writing.requests(passages)]
        assert sum(f"in {name}:" in user for user in asked) >= 0.95 * len(passages)
        questions = [q.text for q in writing.write(passages) if isinstance(q, Question)]
    assert len(questions) == 2 * len(passages)
    assert guess_language("\n".join(questions)) == code


def test_the_documents_language_goes_before_a_guess(ledger: Ledger) -> None:
    says = Says(TWO)
    with TestServer(says) as server:
        list(writer(server, ledger, languages={"handbook": "nl"}).write(HANDBOOK[:1]))
    assert "in Dutch:" in says.asked[0].user


def test_the_model_sees_the_title_and_neighbours_of_the_same_document(ledger: Ledger) -> None:
    other = Passage("p-other", "menu", 0, 4, "Soup of the day.", ("Menu",))
    says = Says(TWO)
    with TestServer(says) as server:
        list(writer(server, ledger).write([*HANDBOOK, other]))
        asked = {a.passage.strip(): a.user for a in says.asked}
        says.asked = []
        list(writer(server, ledger, neighbours=False).write(HANDBOOK))
    sick, travel, menu = (asked[text] for text in (HANDBOOK[1].text, HANDBOOK[2].text, other.text))
    assert "Title: Acme Handbook > Sick leave" in sick
    assert f"<before>\n{HANDBOOK[0].text}\n</before>" in sick
    assert f"<after>\n{HANDBOOK[3].text}\n</after>" in travel
    assert "<before>" not in menu
    assert "<after>" not in asked[HANDBOOK[3].text]
    assert not any("<before>" in a.user for a in says.asked)


def test_examples_of_style_are_rotated_by_seed_and_passage(ledger: Ledger) -> None:
    examples = [f"what about rule {i}" for i in range(30)]
    shown: dict[int, list[list[str]]] = {}
    with TestServer() as server:
        for seed in (0, 0, 1):
            writing = writer(server, ledger, examples=[*examples, " "], seed=seed)
            users = [request.wanted.request.user for request in writing.requests(HANDBOOK)]
            drawn = [[e for e in examples if f"\n{e}\n" in user] for user in users]
            assert shown.get(seed, drawn) == drawn
            shown[seed] = drawn
    assert all(len(drawn) == 3 for lists in shown.values() for drawn in lists)
    assert len({tuple(drawn) for lists in shown.values() for drawn in lists}) > 4


def test_only_chosen_passages_are_asked_about_and_more_can_be_added(ledger: Ledger) -> None:
    with TestServer() as server:
        some = writer(server, ledger, asked={HANDBOOK[2].id})
        assert {q.passage_id for q in some.write(HANDBOOK) if isinstance(q, Question)} == {
            HANDBOOK[2].id
        }
        assert (some.summary["n_asked"], some.summary["n_not_asked"]) == (1, 3)
        more = writer(server, ledger, asked={HANDBOOK[2].id, HANDBOOK[0].id})
        list(more.write(HANDBOOK))
    assert (more.summary["n_found"], more.summary["n_answered"]) == (1, 1)


def test_a_kind_that_was_not_planned_is_labelled_as_planned(ledger: Ledger) -> None:
    with TestServer(Says(TWO)) as server:
        questions = list(writer(server, ledger).write(HANDBOOK[:1]))
        quiz = list(writer(server, ledger, prompt=QUIZ).write(HANDBOOK[:1]))
    plan = plan_questions(HANDBOOK[0].id, 2)
    assert [q.kind for q in questions if isinstance(q, Question)] == [plan[0].kind, FALLBACK_KIND]
    assert [q.kind for q in quiz if isinstance(q, Question)] == ["quiz", "quiz"]


def test_a_reply_that_cannot_be_read_is_a_rejection_with_the_raw_reply(ledger: Ledger) -> None:
    with TestServer(Says("The leave is long."), ignores=("json_schema", "json_object")) as server:
        writing = writer(server, ledger)
        items = list(writing.write(HANDBOOK[:2]))
    for item, passage in zip(items, HANDBOOK, strict=False):
        assert isinstance(item, Rejection)
        assert (item.item_id, item.stage, item.reason) == (passage.id, "write", "unparseable")
        assert item.text == "The leave is long."
        assert "--retry-failed" in item.detail
    assert (writing.summary["n_unusable"], writing.summary["n_questions"]) == (2, 0)


def test_a_refusal_is_a_rejection_of_its_own(ledger: Ledger) -> None:
    with TestServer(faults=Faults(refusal=1.0)) as server:
        (item,) = writer(server, ledger).write(HANDBOOK[:1])
    assert isinstance(item, Rejection)
    assert item.reason == "refused"


def test_a_request_that_the_provider_will_not_take_is_refused_with_its_words(
    ledger: Ledger,
) -> None:
    with TestServer(faults=Faults(too_long=1.0)) as server:
        (item,) = writer(server, ledger).write(HANDBOOK[:1])
    assert isinstance(item, Rejection)
    assert (item.reason, item.text) == ("refused", HANDBOOK[0].text)
    assert "context" in item.detail


def test_batches_give_the_same_questions(tmp_path: Path) -> None:
    outcomes = []
    for ask in (ask_all, partial(ask_in_batches, poll_s=0.01)):
        with Ledger(tmp_path / f"{len(outcomes)}.sqlite") as ledger, TestServer() as server:
            outcomes.append(list(writer(server, ledger, ask=ask).write(HANDBOOK)))
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0]) == 8


def test_what_could_not_be_had_is_listed_and_had_later(ledger: Ledger) -> None:
    with TestServer(faults=Faults(error_500=1.0)) as server:
        limits = Limits(max_concurrency=2, max_tries=2, backoff_s=0.001, max_backoff_s=0.01)
        items = list(writer(server, ledger, limits=limits).write(HANDBOOK[:2]))
        for item in items:
            assert isinstance(item, Rejection)
            assert item.reason == "gave_up"
            assert "2 tries" in item.detail
            assert "homing write WORKSPACE --retry-failed" in item.detail
        server.set_faults(Faults())
        again = list(writer(server, ledger, again=True).write(HANDBOOK[:2]))
    assert all(isinstance(item, Question) for item in again)


def test_a_budget_stops_cleanly_and_what_was_not_asked_is_counted(ledger: Ledger) -> None:
    passages = [
        Passage(f"p-{title}-{i}", "d", 0, 1, f"Rule {i}: {text}")
        for i in range(20)
        for title, text in SECTIONS.items()
    ]
    settings: dict[str, Any] = {"per_million": (1.0, 1.0), "neighbours": False}
    settings["limits"] = Limits(max_concurrency=2)
    with TestServer() as server:
        writing = writer(server, ledger, budget_usd=0.02, **settings)
        questions = list(writing.write(passages))
        assert writing.summary["stopped_by_budget"]
        assert 0 < writing.summary["price_usd"] <= 0.02
        asked = {q.passage_id for q in questions if isinstance(q, Question)}
        assert 0 < writing.summary["n_not_asked"] < len(passages)
        assert len(asked) + writing.summary["n_not_asked"] == len(passages)
        # The same budget again is spent already.
        n_answered = server.counts.answered
        again = writer(server, ledger, budget_usd=0.02, **settings)
        assert again.spent_usd(passages) == pytest.approx(writing.summary["price_usd"])
        assert list(again.write(passages)) == questions
        assert server.counts.answered <= n_answered + 1
        with pytest.raises(UsageError, match="price"):
            list(writer(server, ledger, budget_usd=1.0, limits=QUICK).write(passages))


@pytest.mark.slow
def test_memory_stays_flat_with_the_number_of_passages(ledger: Ledger) -> None:
    import tracemalloc

    passages = [
        Passage(f"p{i:06d}", f"d{i // 50}", 0, 1, f"Rule {i}. " + " ".join(SECTIONS.values()))
        for i in range(5_000)
    ]

    def ask(provider: Any, wanted: Any, *arguments: Any, **settings: Any) -> Any:
        for _ in wanted:
            pass
        return ask_all(provider, iter(()), *arguments, **settings)

    with TestServer() as server:
        writing = writer(server, ledger, ask=ask)
        tracemalloc.start()
        assert list(writing.write(passages)) == []
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert writing.summary["n_not_asked"] == len(passages)
    assert peak < 400 * len(passages) + 10_000_000
