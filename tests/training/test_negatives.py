"""Hard negatives: near the top, never an answer, never what probably is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from test_trainer import handbook

from handbook_sentences import HANDBOOK
from homing.dataset import Dataset
from homing.retrieval.encoders import encoder_for
from homing.training.collating import label_matrix
from homing.training.examples import Example, training_examples
from homing.training.losses import IGNORED, NEGATIVE, OWN
from homing.training.mining import Hard
from homing.training.negatives import Mined, held_out_groups, mine
from homing.types import FloatArray, Passage, Qrel, Query


class Planted:
    """An encoder that gives a passage the cosine that is written in it: "0.79 a lift"."""

    key = "planted"
    dimensions = 2

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        return np.tile(np.array([1, 0], dtype=np.float32), (len(texts), 1))

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        cosines = np.array([float(text.split()[0]) for text in texts], dtype=np.float32)
        return np.stack([cosines, np.sqrt(1 - cosines**2)], axis=1)


def planted(
    texts: Mapping[str, str],
    right: Sequence[str],
    groups: Mapping[str, str] | None = None,
    test: Sequence[str] = (),
    question: str = "zzz",
) -> Dataset:
    """One question that no passage shares a word with, unless one is given."""
    corpus = {name: Passage(name, "d", 0, len(text), text) for name, text in texts.items()}
    qrels = {
        "train": [Qrel("q", name) for name in right],
        "test": [Qrel("t", name) for name in test],
    }
    return Dataset(
        corpus, {"q": Query("q", question), "t": Query("t", "yyy")}, qrels, dict(groups or {})
    )


def negatives(dataset: Dataset, n: int = 10, **settings: float) -> Mined:
    return mine(dataset, training_examples(dataset, "train"), Planted(), n, **settings)


def test_what_scores_above_a_share_of_the_right_passage_is_passed_over() -> None:
    dataset = planted(
        {"right": "0.80", "twin": "0.79", "near": "0.75", "far": "0.30", "above": "0.90"}, ["right"]
    )
    mined = negatives(dataset)
    assert mined.negatives["q"] == ("near", "far")
    assert mined.suspected["q"] == {"above", "twin"}
    assert mined.false_negative_fraction == 0.5
    assert negatives(dataset, ceiling=1.0).negatives["q"] == ("twin", "near", "far")
    assert negatives(dataset, ceiling=0.5).negatives["q"] == ("far",)


def test_only_what_was_looked_at_counts() -> None:
    dataset = planted(
        {"right": "0.80", "above": "0.90", "near": "0.7", "next": "0.6", "far": "0.3"}, ["right"]
    )
    mined = negatives(dataset, n=1)
    assert mined.negatives["q"] == ("near",)
    assert mined.n_looked_at == 2
    assert mined.false_negative_fraction == 0.5
    assert negatives(dataset, depth=2).negatives["q"] == ()


def test_the_share_is_taken_of_the_cosine_and_not_of_what_ranks() -> None:
    dataset = planted(
        {
            "right": "0.80 the canteen",
            "words": "0.20 where do visitors park their cars",
            "near": "0.75 the lift",
            "far": "0.10 the roof",
        },
        ["right"],
        question="where do visitors park",
    )
    # BM25 puts it far before the right passage; its cosine says that it is none.
    assert negatives(dataset).negatives["q"][0] == "words"


def test_a_right_passage_that_the_encoder_does_not_like_is_its_own_ceiling() -> None:
    dataset = planted({"right": "-0.20", "above": "-0.195", "below": "-0.30"}, ["right"])
    mined = negatives(dataset)
    assert mined.negatives["q"] == ("below",)
    assert mined.suspected["q"] == {"above"}


def test_answers_and_duplicates_are_never_negatives_and_no_group_is_taken_twice() -> None:
    dataset = planted(
        {
            "right": "0.80",
            "copy": "0.70",
            "also right": "0.60",
            "its copy": "0.55",
            "a": "0.50",
            "a again": "0.49",
            "b": "0.40",
        },
        ["right", "also right"],
        groups={"right": "r", "copy": "r", "also right": "s", "its copy": "s", "a": "a",
                "a again": "a", "b": "b"},
    )  # fmt: skip
    mined = negatives(dataset)
    assert mined.negatives["q"] == ("a", "b")
    assert not mined.suspected["q"]


def test_of_several_answers_the_one_that_the_encoder_likes_best_decides() -> None:
    texts = {"right": "0.80", "also right": "0.30", "near": "0.7"}
    dataset = planted(texts, ["also right", "right"])
    assert negatives(dataset).negatives["q"] == ("near",)


def test_what_answers_the_test_alone_is_not_shown_to_training() -> None:
    dataset = planted(
        {"right": "0.80", "asked": "0.70", "its copy": "0.69", "both": "0.85", "free": "0.60"},
        ["right", "both"],
        groups={"asked": "g", "its copy": "g"},
        test=["asked", "both"],
    )
    assert held_out_groups(dataset, "train") == {"g"}
    assert negatives(dataset).negatives["q"] == ("free",)


def test_blocks_change_nothing(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = handbook()
    examples, encoder = training_examples(dataset, "train"), encoder_for(str(tiny_model))
    at_once = mine(dataset, examples, encoder, 3)
    monkeypatch.setattr("homing.retrieval.search.BLOCK_BYTES", 4 * 4 * len(dataset.corpus) * 5)
    assert mine(dataset, examples, encoder, 3) == at_once
    assert set(at_once.negatives) == set(dataset.queries)


def test_vectors_are_kept_for_whoever_comes_next(tiny_model: Path, tmp_path: Path) -> None:
    dataset, encoder = handbook(), encoder_for(str(tiny_model))
    mine(dataset, training_examples(dataset, "train"), encoder, 3, cache_folder=tmp_path)

    class Silent(Planted):
        key, dimensions = encoder.key, encoder.dimensions

        def encode_passages(self, texts: Sequence[str]) -> FloatArray:
            raise AssertionError("it was embedded already")

        encode_queries = encode_passages

    again = mine(dataset, training_examples(dataset, "train"), Silent(), 3, cache_folder=tmp_path)
    assert again == mine(dataset, training_examples(dataset, "train"), encoder, 3)


def test_a_hard_passage_is_a_negative_for_all_but_those_that_it_may_answer() -> None:
    topics = list(HANDBOOK)
    corpus = {t: Passage(t, "d", 0, len(s), s) for t, s in HANDBOOK.items()}

    def example(topic: str, *right: str) -> Example:
        query = Query(topic, topic)
        return Example(corpus[topic], (query,), {topic: frozenset([topic, *right])}, topic)

    batch = [example(topics[0]), example(topics[1], topics[3])]
    pairs = [(e.queries[0], place) for place, e in enumerate(batch)]
    hard = [
        Hard(corpus[topics[2]], topics[2]),
        Hard(corpus[topics[3]], topics[3]),
        Hard(corpus[topics[4]], topics[0]),
    ]
    suspected = {topics[1]: frozenset([topics[2]])}
    assert label_matrix(batch, pairs, hard, suspected) == [
        [OWN, NEGATIVE, NEGATIVE, NEGATIVE, IGNORED],
        [NEGATIVE, OWN, IGNORED, IGNORED, NEGATIVE],
    ]
