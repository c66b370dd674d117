"""BM25: words, languages, and the numbers that are known for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from homing.retrieval.bm25 import (
    BM25Retriever,
    character_pairs,
    guess_language,
    tokenizer_for,
)
from homing.retrieval.search import search

HANDBOOK = [
    "Employees are entitled to sixteen weeks of parental leave.",
    "Travel costs are refunded within thirty days of the receipt.",
    "The office is closed between Christmas and New Year.",
]


def best(retriever: BM25Retriever, query: str) -> int:
    return int(retriever.scores([query])[0].argmax())


def test_the_passage_with_the_rare_word_wins_in_any_inflection():
    retriever = BM25Retriever(HANDBOOK)
    assert best(retriever, "parents' leaves") == 0
    assert best(retriever, "refunding my travels") == 1
    assert best(retriever, "Is the OFFICE closing?") == 2


def test_a_question_of_unknown_or_no_words_scores_zero():
    retriever = BM25Retriever(HANDBOOK)
    scores = retriever.scores(["xylophone quartz", "", "the of and"])
    assert scores.shape == (3, 3)
    assert scores.dtype == np.float32
    assert not scores.any()


def test_a_corpus_without_a_single_word_scores_zero():
    assert not BM25Retriever(["", "…", "the"]).scores(["leave"]).any()
    assert BM25Retriever([]).scores(["leave"]).shape == (1, 0)


def test_scores_follow_the_formula():
    texts = ["apple banana", "apple apple cherry cherry cherry", "durian"]
    scores = BM25Retriever(texts).scores(["banana apple"])[0]

    def term(tf: int, length: int, n_with: int) -> float:
        idf = np.log(1 + (3 - n_with + 0.5) / (n_with + 0.5))
        return float(idf * tf / (tf + 1.5 * (1 - 0.75 + 0.75 * length / (8 / 3))))

    expected = [term(1, 2, 1) + term(1, 2, 2), term(2, 5, 2), 0.0]
    assert scores == pytest.approx(expected, abs=1e-5)


def test_german_words_are_found_in_other_forms():
    retriever = BM25Retriever(
        ["Die Mitarbeiterinnen erhalten Reisekosten.", "Der Urlaub beträgt dreißig Tage."], "de"
    )
    assert best(retriever, "Wie viele Urlaubs Tagen") == 1
    assert tokenizer_for("de")("Häuser Hauses") == ["haus", "haus"]


def test_stop_words_go_in_english_alone():
    assert tokenizer_for("en")("the leave of an employee") == ["leav", "employe"]
    assert "die" in tokenizer_for("de")("die Regel")
    assert tokenizer_for("xx")("Some Words") == ["some", "words"]


def test_chinese_and_japanese_are_cut_into_pairs():
    assert character_pairs("北京大学 2021年 GDP") == ["北京", "京大", "大学", "2021", "年", "gdp"]
    assert character_pairs("パリは") == ["パリ", "リは"]
    retriever = BM25Retriever(["黑豹队的防守只丢了308分", "柏林是德国的首都", "年假为二十天"])
    assert retriever.language == "zh"
    assert best(retriever, "德国的首都是哪里") == 1


def test_the_script_tells_the_language():
    assert guess_language(["東京は日本の首都であり、人口が多い。"]) == "ja"
    assert guess_language(["柏林是德国的首都。"]) == "zh"
    assert guess_language(HANDBOOK) == "en"
    assert guess_language([]) == "en"


def test_the_known_numbers_on_the_uber_report(shared_data: Path):
    path = shared_data / "sec10k" / "gpt-3.5-turbo" / "val_dataset.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    retriever = BM25Retriever(list(data["corpus"].values()))
    queries = data["queries"]
    run = search(retriever, list(queries), list(queries.values()), list(data["corpus"]), 10)
    ranks = []
    for row, query_id in enumerate(run.query_ids):
        ranked, right = run.ranked_ids(row), data["relevant_docs"][query_id][0]
        ranks.append(ranked.index(right) + 1 if right in ranked else np.inf)
    assert np.mean(np.array(ranks) <= 5) == pytest.approx(0.884, abs=0.0006)
    assert np.mean(1 / np.array(ranks)) == pytest.approx(0.754, abs=0.0006)


def test_chinese_questions_find_their_paragraphs(shared_data: Path):
    data = json.loads((shared_data / "xquad" / "xquad.zh.json").read_text(encoding="utf-8"))
    paragraphs = [p for article in data["data"] for p in article["paragraphs"]]
    questions = [(qa["question"], i) for i, p in enumerate(paragraphs) for qa in p["qas"]]
    scores = BM25Retriever([p["context"] for p in paragraphs]).scores([q for q, _ in questions])
    hits = np.mean(scores.argmax(axis=1) == [i for _, i in questions])
    assert hits > 0.85
