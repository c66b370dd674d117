"""Which questions lead back to their own passage, and which lead there by their words alone."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from homing.curation import roundtrip
from homing.curation.duplicates import find_groups
from homing.curation.roundtrip import Found, find_passages, keep_found_again, key_of, too_easy
from homing.retrieval.bm25 import BM25Retriever
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.fusion import FusedRetriever
from homing.retrieval.search import search
from homing.types import FloatArray, Passage, Question, passage_input, query_id
from homing.words import content_words

TEXTS = {
    "leave": "Parents may take sixteen weeks of paid leave, beginning on the day of birth.",
    "sick": "Whoever is ill calls in by nine and brings a note from a doctor on the third day.",
    "travel": "Trips are booked through the desk; second class, or first above four hours.",
    "travel-2": "Trips are booked through the desk: second class, or first above four hours.",
    "keys": "A lost key is reported at once. The lock is changed at the cost of the house.",
}
PASSAGES = [Passage(key, "handbook", 0, len(text), text) for key, text in TEXTS.items()]
GROUPS = {"travel": "travel", "travel-2": "travel"}


class WordVectors:
    """An encoder that sees words, and some that mean the same as one: by hashing, no model."""

    key = "words"
    dimensions = 64
    same: ClassVar = {"mother": "parents", "baby": "birth", "train": "trips", "flat": "house"}

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        vectors = np.full((len(texts), self.dimensions), 1e-3, dtype=np.float32)
        for row, text in enumerate(texts):
            for word in content_words(text):
                word = self.same.get(word, word)
                rng = np.random.default_rng(zlib.crc32(word.encode()))
                vectors[row] += rng.standard_normal(self.dimensions).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    encode_passages = encode_queries


def ask(text: str, passage_id: str, writer: str = "openai:gpt-5-mini") -> Question:
    return Question(text, passage_id, "factual", writer)


BY_WORDS = ask("how many weeks of leave", "leave")
BY_MEANING = ask("mother with a baby", "leave")
ELSEWHERE = ask("report a lost key", "sick")


def test_a_question_that_leads_elsewhere_is_rejected() -> None:
    asked = [BY_WORDS, ELSEWHERE]
    found = find_passages(asked, PASSAGES, GROUPS, encoder=WordVectors())
    assert found[key_of(BY_WORDS)] == Found(1, 1)
    kept, (rejection,) = keep_found_again(asked, found, k=1)
    assert kept == [BY_WORDS]
    assert rejection.reason == "not_found_again"
    assert rejection.stage == "curate"
    assert rejection.item_id == query_id(ELSEWHERE.text)
    assert found[key_of(ELSEWHERE)].above[0] == "keys"
    assert keep_found_again(asked, found, k=5) == (asked, [])


def test_meaning_finds_what_shares_no_word() -> None:
    (by_words,) = find_passages([BY_MEANING], PASSAGES, GROUPS).values()
    assert by_words == Found(0, 0)
    (fused,) = find_passages([BY_MEANING], PASSAGES, GROUPS, encoder=WordVectors()).values()
    assert (fused.bm25_rank, fused.rank) == (0, 1)
    _, (rejection,) = keep_found_again([BY_MEANING], {key_of(BY_MEANING): by_words})
    assert "none" in rejection.detail


def test_finding_a_copy_of_the_passage_is_as_good() -> None:
    first, second = (ask("Which class on trips above four hours?", p) for p in GROUPS)
    found = find_passages([first, second], PASSAGES, GROUPS)
    assert [f.rank for f in found.values()] == [1, 1]
    apart = find_passages([second], PASSAGES, {})
    assert apart[key_of(second)] == Found(2, 2, ("travel",))


def test_of_copies_above_the_passage_only_the_first_is_named() -> None:
    lost = ask("Are trips of more than four hours by first class?", "keys")
    (found,) = find_passages([lost], PASSAGES, GROUPS, encoder=WordVectors()).values()
    assert found.above[0] == "travel"
    assert "travel-2" not in found.above


def test_what_words_alone_find_first_is_labelled_by_writer_and_kind() -> None:
    asked = [BY_WORDS, BY_MEANING, ask("doctor note", "sick", "extractive")]
    easy = too_easy(asked, find_passages(asked, PASSAGES, GROUPS, encoder=WordVectors()))
    assert easy.query_ids == {query_id(q.text) for q in (asked[0], asked[2])}
    assert easy.counts == {
        ("openai:gpt-5-mini", "factual"): (1, 2),
        ("extractive", "factual"): (1, 1),
    }


def test_a_question_about_a_passage_that_is_not_there_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="'gone'"):
        find_passages([ask("how many weeks", "gone")], PASSAGES, GROUPS)
    assert find_passages([], PASSAGES, GROUPS) == {}


def uber(folder: Path, writer: str) -> tuple[list[Passage], list[Question]]:
    table = json.loads((folder / "sec10k" / writer / "val_dataset.json").read_text("utf-8"))
    passages = [Passage(key, "uber", 0, len(t), t) for key, t in table["corpus"].items()]
    answers = table["relevant_docs"]
    return passages, [
        Question(text, answers[key][0], "factual", writer) for key, text in table["queries"].items()
    ]


@pytest.mark.parametrize("writer", ["gpt-3.5-turbo", "mistral-7b-instruct"])
def test_most_of_a_language_models_questions_lead_back(shared_data: Path, writer: str) -> None:
    passages, asked = uber(shared_data, writer)
    found = find_passages(asked, passages, find_groups(passages))
    kept, rejections = keep_found_again(asked, found)
    assert 0.94 < len(kept) / len(asked) < 0.98
    assert {r.reason for r in rejections} == {"not_found_again"}
    (counts,) = too_easy(asked, found).counts.values()
    assert counts[0] / counts[1] == pytest.approx(0.66, abs=0.01)


def test_ranks_are_those_of_the_fused_search(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passages, asked = uber(shared_data, "gpt-3.5-turbo")
    passages, asked = passages[:100], [q for q in asked if q.passage_id in
                                       {p.id for p in passages[:100]}][:60]  # fmt: skip
    monkeypatch.setattr(roundtrip, "BLOCK_SHARE", 2**26)  # one question a block
    found = find_passages(asked, passages, {}, encoder=WordVectors())
    texts = [passage_input(p.title, p.text) for p in passages]
    fused = FusedRetriever(BM25Retriever(texts), DenseRetriever(WordVectors(), texts))
    ids = [p.id for p in passages]
    run = search(fused, [str(i) for i in range(len(asked))], [q.text for q in asked], ids, 100)
    for row, question in enumerate(asked):
        ranked = run.ranked_ids(row)
        rank = ranked.index(question.passage_id) + 1
        assert found[key_of(question)].rank == rank
        assert list(found[key_of(question)].above) == ranked[: min(rank - 1, roundtrip.N_ABOVE)]


@pytest.mark.slow
def test_the_base_model_brings_more_of_them_back(shared_data: Path) -> None:
    from homing.retrieval.encoders import encoder_for

    passages, asked = uber(shared_data, "gpt-3.5-turbo")
    groups = find_groups(passages)
    by_words = keep_found_again(asked, find_passages(asked, passages, groups))[0]
    found = find_passages(asked, passages, groups, encoder=encoder_for(max_tokens=256))
    fused = keep_found_again(asked, found)[0]
    assert len(by_words) < len(fused) < len(asked)
