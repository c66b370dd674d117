"""What training shows of a passage beside the questions asked of it."""

from __future__ import annotations

import random
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from homing.dataset import Dataset, load_dataset
from homing.dataset.mteb import save_dataset
from homing.dataset.row_files import TableFolder
from homing.dataset.stored import open_stored, store_dataset
from homing.training.examples import (
    Example,
    choose_examples,
    choose_queries,
    training_examples,
    view,
    without_spans,
)
from homing.training.grouped import most_processes
from homing.types import Passage, Qrel, Query

LEAVE = Passage(
    id="leave",
    document_id="handbook",
    start=0,
    end=0,
    text="Parents may take twenty weeks. The weeks can be split. Ask the team lead in time for it.",
    heading_path=("Handbook", "Parental leave"),
)


def test_a_masked_sentence_is_not_shown() -> None:
    query = Query("q", "weeks can be split", masked=((31, 54),))
    shown = view(LEAVE, [query])
    assert "can be split" not in shown
    assert shown.startswith("Handbook > Parental leave\nParents may take twenty weeks.")


def test_the_title_is_left_out_for_a_question_made_from_it() -> None:
    shown = view(LEAVE, [Query("q", "parental leave", masks_title=True)])
    assert shown == LEAVE.text


def test_a_question_of_a_person_shows_the_passage_whole() -> None:
    assert view(LEAVE, [Query("q", "how long is it")]).endswith(LEAVE.text)


def test_a_passage_that_would_be_masked_away_is_shown_whole() -> None:
    query = Query("q", "all of it", masked=((0, len(LEAVE.text)),))
    assert view(LEAVE, [query]).endswith(LEAVE.text)


@given(st.text(max_size=60), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60))))
def test_taking_spans_out_never_adds_or_reorders_letters(
    text: str, pairs: list[tuple[int, int]]
) -> None:
    spans = [(min(p), min(max(p), len(text))) for p in pairs if min(p) < len(text)]
    kept = "".join(
        c for i, c in enumerate(text) if not any(start <= i < end for start, end in spans)
    )
    assert "".join(without_spans(text, spans).split()) == "".join(kept.split())


def test_questions_of_different_kinds_come_first() -> None:
    queries = tuple(Query(f"{k}{i}", f"{k} {i}", kind=k) for k in ("a", "b") for i in range(3))
    example = training_examples(
        Dataset(
            {"leave": LEAVE},
            {q.id: q for q in queries},
            {"train": [Qrel(q.id, "leave") for q in queries]},
        ),
        "train",
    )[0]
    for seed in range(10):
        chosen = choose_queries(example, 2, random.Random(seed))
        assert {query.kind for query in chosen} == {"a", "b"}


def test_a_question_that_somebody_asked_comes_before_those_cut_out_of_the_passage() -> None:
    queries = (
        *(Query(f"o{i}", f"cut {i}", kind=f"k{i}", writer="extractive") for i in range(4)),
        *(Query(f"p{i}", f"asked {i}", kind="asked", writer="person") for i in range(2)),
    )
    example = Example(LEAVE, queries, {}, "leave")
    for seed in range(10):
        chosen = choose_queries(example, 3, random.Random(seed))
        assert [query.writer for query in chosen] == ["person", "person", "extractive"]


def test_only_passages_without_a_given_question_are_drawn_from() -> None:
    offline = [
        Example(Passage(str(i), "d", 0, 0, "x"), (Query("q", "q", writer="extractive"),), {}, "")
        for i in range(50)
    ]
    given = [Example(LEAVE, (Query("p", "p", writer="person"),), {}, "")]
    drawn = choose_examples([*offline[:25], *given, *offline[25:]], 10, seed=1)
    assert len(drawn) == 11
    assert given[0] in drawn
    positions = [int(e.passage.id) for e in drawn if e is not given[0]]
    assert positions == sorted(positions)
    again = choose_examples([*offline[25:], *offline[:25]], 10, seed=1)
    assert {int(e.passage.id) for e in again} == set(positions)
    assert len(choose_examples(offline, None, seed=1)) == 50


def test_examples_hold_every_passage_that_answers_a_question() -> None:
    other = Passage("other", "handbook", 0, 0, "Leave is asked for in writing, twice.")
    queries = {"q": Query("q", "how is leave asked for")}
    qrels = {"train": [Qrel("q", "leave"), Qrel("q", "other"), Qrel("q", "nothing", 0)]}
    examples = training_examples(Dataset({"leave": LEAVE, "other": other}, queries, qrels), "train")
    assert [e.passage.id for e in examples] == ["leave", "other"]
    assert examples[0].right["q"] == {"leave", "other"}


def test_a_passage_that_answers_in_part_is_neither_learned_from_nor_a_negative() -> None:
    corpus = {
        name: Passage(name, "handbook", 0, 0, f"The passage called {name}.")
        for name in ("own", "also", "partly", "copy of partly")
    }
    queries = {q: Query(q, f"the question {q}?", writer="openai:test") for q in ("graded", "plain")}
    qrels = [
        Qrel("graded", "own", 2),
        Qrel("graded", "also", 2),
        Qrel("graded", "partly", 1),
        Qrel("plain", "partly", 1),
    ]
    groups = {"partly": "twins", "copy of partly": "twins"}
    examples = training_examples(Dataset(corpus, queries, {"train": qrels}, groups), "train")
    asked = {e.passage.id: [query.id for query in e.queries] for e in examples}
    assert asked == {"own": ["graded"], "also": ["graded"], "partly": ["plain"]}
    assert examples[0].right["graded"] == {"own", "also", "partly", "copy of partly"}


def test_examples_of_a_dataset_on_disk_are_those_of_the_one_in_memory(tmp_path: Path) -> None:
    corpus = {f"p{i}": Passage(f"p{i}", "handbook", 0, 9, f"Rule {i}.") for i in range(60)}
    writers = ("extractive", "person", "openai:test")
    queries = {f"q{i}": Query(f"q{i}", f"of {i}", writer=writers[i % 3]) for i in range(90)}
    qrels = [
        Qrel(f"q{i}", f"p{(i * step) % 60}", 1 + (i + step) % 2)
        for i in range(90)
        for step in (1, 7)
    ]
    groups = {f"p{i}": f"g{i % 50}" for i in range(60)}
    save_dataset(Dataset(corpus, queries, {"train": qrels}, groups), tmp_path)
    assert store_dataset(tmp_path, tmp_path / "tables")
    stored = open_stored(TableFolder(tmp_path / "tables"))
    one, other = (training_examples(d, "train") for d in (load_dataset(tmp_path), stored))
    assert list(one) == list(other)
    assert (one.n_pairs, one.groups()) == (other.n_pairs, other.groups())
    assert list(one.pairs()) == [(e.passage.id, q.id) for e in other for q in e.queries]
    assert list(one.ids()) == [example.passage.id for example in other]
    assert list(other.inputs()) == [example.passage.text for example in one]
    assert one.given() == [example.is_given for example in other]
    assert 0 < sum(one.given()) < len(one)
    drawn = [choose_examples(examples, 5, seed=2) for examples in (one, other, list(one))]
    assert list(drawn[0]) == list(drawn[1]) == drawn[2]
    assert len(drawn[0]) == sum(one.given()) + 5
    assert drawn[0].n_pairs == sum(len(example.queries) for example in drawn[2])


def test_every_process_has_a_passage_of_every_batch() -> None:
    assert most_processes(1000, 16) == 15  # batches of 15 and 16
    assert most_processes(17, 16) == 8  # of 8 and 9
    assert most_processes(5, 16) == 5
    assert most_processes(40, 1) == 1
