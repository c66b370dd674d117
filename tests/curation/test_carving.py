"""A dev part taken from a training split shares nothing with what is left."""

from __future__ import annotations

from homing.curation.carving import carve_dev
from homing.dataset import Dataset
from homing.types import Passage, Qrel, Query

TOPICS = "leave travel laptop badge kitchen password salary parking training sickness".split()


def dataset() -> Dataset:
    """Forty passages, the last a copy of the first, two questions each."""
    texts = [
        f"Rule {i} of the handbook says about {TOPICS[i % 10]} what the {i}th meeting agreed on."
        for i in range(39)
    ]
    texts.append(texts[0])
    corpus = {str(i): Passage(str(i), str(i), 0, len(t), t) for i, t in enumerate(texts)}
    queries = {f"{i}{x}": Query(f"{i}{x}", f"what about {i} {x}") for i in range(40) for x in "ab"}
    return Dataset(corpus, queries, {"all": [Qrel(key, key[:-1]) for key in queries]})


def test_nothing_is_shared_and_nothing_is_lost() -> None:
    carved = carve_dev(dataset(), "all", fraction=0.2, seed=0)
    train, dev = (carved.split(name) for name in ("all", "dev"))
    assert len(train) + len(dev) == 80
    assert 6 <= len(dev) / 2 <= 10
    assert not {p for g in train.values() for p in g} & {p for g in dev.values() for p in g}


def test_copies_of_a_passage_stay_together() -> None:
    for seed in range(8):
        carved = carve_dev(dataset(), "all", fraction=0.3, seed=seed)
        dev = {p for grades in carved.split("dev").values() for p in grades}
        assert ("0" in dev) == ("39" in dev)


def test_a_question_that_both_sides_answer_goes_with_neither() -> None:
    whole = dataset()
    everywhere = [Qrel("0a", passage_id) for passage_id in whole.corpus]
    asked = Dataset(whole.corpus, whole.queries, {"all": [*whole.qrels["all"], *everywhere]})
    carved = carve_dev(asked, "all", fraction=0.3, seed=0)
    assert "0a" not in {q.query_id for name in ("all", "dev") for q in carved.qrels[name]}
