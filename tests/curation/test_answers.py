"""Which other passages answer a question, too."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from homing.curation.answers import MoreAnswers, answer_requests, find_answers
from homing.curation.roundtrip import Found, Key, find_passages, key_of
from homing.llm.dispatch import Limits
from homing.llm.ledger import Ledger
from homing.llm.testing import Faults, TestServer
from homing.types import Passage, Qrel, Question, query_id

openai = pytest.importorskip("openai")

TEXTS = {
    "leave": "Parents may take sixteen weeks of paid leave, beginning on the day of birth.",
    "contract": "Paid leave for parents: sixteen weeks. Leave is paid by the house.",
    "sick": "Whoever takes sick leave brings a note from a doctor.",
    "canteen": "The canteen opens at noon and closes at two.",
}
PASSAGES = {key: Passage(key, "handbook", 0, len(text), text) for key, text in TEXTS.items()}
QUICK = Limits(max_tries=2, max_unusable=2, backoff_s=0.01, max_backoff_s=0.02)
LEAVE = Question("sixteen weeks paid leave for parents", "leave", "keyword", "openai:gpt-5-mini")
SICK = Question("sick leave doctor", "sick", "keyword", "openai:gpt-5-mini")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        yield ledger


def answers(found: dict[Key, Found], server: TestServer, ledger: Ledger) -> MoreAnswers:
    from homing.llm.openai import OpenAIProvider

    provider = OpenAIProvider("judge", base_url=server.url, api_key="any", ledger=ledger)
    try:
        return find_answers(
            [LEAVE, SICK], found, PASSAGES, provider=provider, ledger=ledger, limits=QUICK
        )
    finally:
        asyncio.run(provider.close())


def test_a_passage_found_before_the_own_one_becomes_an_answer_with_its_grade(
    ledger: Ledger,
) -> None:
    found = find_passages([LEAVE, SICK], list(PASSAGES.values()), {})
    assert found[key_of(LEAVE)] == Found(2, 2, ("contract",))
    assert found[key_of(SICK)] == Found(1, 1)
    with TestServer() as server:
        more = answers(found, server, ledger)
        assert server.counts.answered == 1
    key = query_id(LEAVE.text)
    assert more.qrels == [Qrel(key, "leave", 2), Qrel(key, "contract", 2)]
    assert more.counts == {2: 1}
    assert more.n_unjudged == 0
    assert ledger.spent(purpose="relevance").n_calls == 1


def test_what_does_not_answer_becomes_nothing(ledger: Ledger) -> None:
    found = {key_of(LEAVE): Found(4, 4, ("canteen", "sick")), key_of(SICK): Found(1, 1)}
    with TestServer() as server:
        more = answers(found, server, ledger)
    assert more.qrels == []
    assert more.counts == {0: 2}


def test_only_the_first_few_are_asked_about() -> None:
    found = {key_of(LEAVE): Found(4, 4, ("contract", "sick", "canteen")), key_of(SICK): Found(1, 1)}
    first, second = answer_requests([LEAVE, SICK], found, PASSAGES, "openai:judge", most=2)
    assert TEXTS["contract"] in first.request.user
    assert TEXTS["sick"] in second.request.user


@pytest.mark.parametrize("fault", ["error_500", "wrong_content"])
def test_without_a_verdict_there_is_no_answer(ledger: Ledger, fault: str) -> None:
    found = {key_of(LEAVE): Found(2, 2, ("contract",)), key_of(SICK): Found(1, 1)}
    with TestServer(faults=Faults(**{fault: 1.0})) as server:
        more = answers(found, server, ledger)
    assert more.qrels == []
    assert more.n_unjudged == 1
