"""Splits that share nothing: by component, by document where there are enough, stable."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homing.curation.auditing import audit
from homing.curation.components import find_components
from homing.curation.splitting import split_passages
from homing.dataset import Dataset
from homing.types import Passage, Qrel, Query, content_id

FRACTIONS = {"dev_fraction": 0.1, "test_fraction": 0.2, "seed": 1}


def pages(document_id: str, n: int, *, first: int = 0) -> list[Passage]:
    """Return `n` passages that follow one another without overlap."""
    return [
        Passage(
            content_id(document_id, str(i)),
            document_id,
            100 * i,
            100 * i + 100,
            f"{document_id} {i}",
        )
        for i in range(first, first + n)
    ]


@st.composite
def corpora(draw: st.DrawFn) -> tuple[list[Passage], dict[str, str]]:
    passages = []
    for d in range(draw(st.integers(1, 24))):
        for i in range(draw(st.integers(0, 12))):
            start = draw(st.integers(0, 40)) * 10
            end = start + draw(st.integers(1, 20))
            passages.append(Passage(content_id(str(d), str(i)), f"doc{d}", start, end, ""))
    groups: dict[str, str] = {}
    for p in passages:
        groups[p.id] = draw(st.sampled_from([p.id, "boilerplate", f"group {p.start % 3}"]))
    return passages, groups


fractions = st.floats(0, 0.5)


@settings(max_examples=80, deadline=None)
@given(corpora(), fractions, fractions, st.integers(0, 5), st.integers(0, 3))
def test_no_group_and_no_overlap_is_ever_in_two_splits(
    corpus: tuple[list[Passage], dict[str, str]], dev: float, test: float, seed: int, n_held: int
) -> None:
    passages, groups = corpus
    held = [p.id for p in passages[:n_held]]
    sides = split_passages(
        passages, groups, dev_fraction=dev, test_fraction=test, seed=seed, held_out=held
    )
    assert list(sides) == [p.id for p in passages]
    assert set(sides.values()) <= {"train", "dev", "test", "held_out"}
    assert all(sides[p] == "held_out" for p in held)
    for group in set(groups.values()):
        assert len({sides[p] for p, g in groups.items() if g == group}) == 1
    for a in passages:
        for b in passages:
            if a.document_id == b.document_id and a.start < b.end and b.start < a.end:
                assert sides[a.id] == sides[b.id]
    assert sides == split_passages(
        passages[::-1], groups, dev_fraction=dev, test_fraction=test, seed=seed, held_out=held
    )


@settings(max_examples=40, deadline=None)
@given(corpora())
def test_the_audit_of_what_was_split_is_clean(corpus: tuple[list[Passage], dict[str, str]]) -> None:
    passages, groups = corpus
    sides = split_passages(passages, groups, **FRACTIONS)
    queries = {p.id: Query(p.id, f"what about {p.id}") for p in passages}
    qrels: dict[str, list[Qrel]] = {"train": [], "dev": [], "test": []}
    for p in passages:
        qrels[sides[p.id]].append(Qrel(p.id, p.id))
    dataset = Dataset({p.id: p for p in passages}, queries, qrels, groups)
    assert audit(dataset).clean


def test_one_long_document_is_split_into_blocks_of_neighbours() -> None:
    passages = pages("report", 400)
    sides = split_passages(passages, {}, **FRACTIONS)
    counts = Counter(sides.values())
    assert counts["test"] == pytest.approx(80, abs=8)
    assert counts["dev"] == pytest.approx(40, abs=8)
    parted = sum(sides[a.id] != sides[b.id] for a, b in pairwise(passages))
    assert parted <= 2 * (counts["test"] + counts["dev"]) / 8 + 2


def test_many_documents_are_split_whole() -> None:
    passages = [p for d in range(40) for p in pages(f"memo {d}", 3 + d % 5)]
    sides = split_passages(passages, {}, **FRACTIONS)
    for d in range(40):
        assert len({sides[p.id] for p in passages if p.document_id == f"memo {d}"}) == 1
    assert Counter(sides.values())["test"] == pytest.approx(0.2 * len(passages), rel=0.3)


def test_one_document_that_is_half_of_everything_is_not_given_to_one_side() -> None:
    passages = pages("the book", 300) + [p for d in range(40) for p in pages(f"memo {d}", 7)]
    sides = split_passages(passages, {}, **FRACTIONS)
    assert {sides[p.id] for p in passages[:300]} == {"train", "dev", "test"}


def test_text_that_all_documents_share_does_not_tie_them_together() -> None:
    passages = [p for d in range(30) for p in pages(f"memo {d}", 5)]
    footer = {p.id: "footer" for p in passages if p.start == 400}
    counts = Counter(split_passages(passages, footer, **FRACTIONS).values())
    assert counts["test"] >= 20
    assert counts["dev"] >= 10


def test_a_small_corpus_still_has_all_three_sides() -> None:
    assert set(split_passages(pages("note", 12), {}, **FRACTIONS).values()) == {
        "train",
        "dev",
        "test",
    }
    assert set(split_passages(pages("note", 1), {}, **FRACTIONS).values()) == {"train"}
    assert split_passages([], {}, **FRACTIONS) == {}


def test_the_sides_of_a_large_corpus_are_capped() -> None:
    passages = [p for d in range(200) for p in pages(f"memo {d}", 50)]
    counts = Counter(split_passages(passages, {}, **FRACTIONS).values())
    assert 250 <= counts["dev"] <= 300
    assert 450 <= counts["test"] <= 500
    fewer = split_passages(passages, {}, **FRACTIONS, max_dev=100, max_test=0)
    assert Counter(fewer.values()) == {"train": 9900, "dev": 100}


def test_another_document_leaves_the_others_where_they_were() -> None:
    passages = [p for d in range(60) for p in pages(f"memo {d}", 10)]
    before = split_passages(passages, {}, **FRACTIONS)
    after = split_passages([*passages, *pages("new", 10)], {}, **FRACTIONS)
    assert sum(before[p.id] != after[p.id] for p in passages) <= 20


def test_another_seed_gives_another_split() -> None:
    passages = pages("report", 400)
    one = split_passages(passages, {}, dev_fraction=0.1, test_fraction=0.2, seed=1)
    two = split_passages(passages, {}, dev_fraction=0.1, test_fraction=0.2, seed=2)
    assert one != two


def test_what_test_questions_ask_for_is_held_out_with_all_that_is_tied_to_it() -> None:
    report, copy = pages("report", 40), pages("copy", 40)
    overlapping = Passage("overlap", "copy", 350, 420, "")
    groups = {report[3].id: "g", copy[3].id: "g"}
    passages = [*report, *copy, overlapping]
    sides = split_passages(
        passages, groups, dev_fraction=0.1, test_fraction=0, seed=1, held_out=[report[3].id]
    )
    held = {p for p, side in sides.items() if side == "held_out"}
    assert held == {report[3].id, copy[3].id, copy[4].id, "overlap"}
    assert set(sides.values()) == {"train", "dev", "held_out"}


def test_neighbours_that_touch_do_not_overlap_and_chains_do() -> None:
    def at(start: int, end: int) -> Passage:
        return Passage(f"{start:02}-{end}", "d", start, end, "")

    touching = [at(0, 10), at(10, 20)]
    assert len(set(find_components(touching, {}).values())) == 2
    chain = [at(0, 30), at(5, 8), at(9, 12), at(29, 40), at(40, 41)]
    assert list(find_components(chain, {}).values()) == ["00-30"] * 4 + ["40-41"]


LEAK = Dataset(
    {p.id: p for p in [*pages("report", 4), Passage("overlap", "report", 350, 450, "")]},
    {
        "q1": Query("q1", "How long is parental leave?"),
        "q2": Query("q2", "how long is parental leave"),
        "q3": Query("q3", "who signs a lease?"),
    },
    {},
)


def test_the_audit_counts_each_kind_of_leak() -> None:
    ids = [p.id for p in pages("report", 4)]

    def leaks(train: list[Qrel], test: list[Qrel], groups: dict[str, str]) -> dict[str, int]:
        dataset = Dataset(LEAK.corpus, LEAK.queries, {"train": train, "test": test}, groups)
        result = audit(dataset)
        assert result.clean == (sum(result.shared["train", "test"].values()) == 0)
        return dict(result.shared["train", "test"])

    alone = {p: p for p in LEAK.corpus}
    none = {"passages": 0, "near_duplicates": 0, "questions": 0}
    assert leaks([Qrel("q1", ids[0])], [Qrel("q3", ids[1])], alone) == none
    shared = leaks([Qrel("q1", ids[0])], [Qrel("q3", ids[0])], alone)
    assert shared == none | {"passages": 1}
    grouped = leaks([Qrel("q1", ids[0])], [Qrel("q3", ids[1])], alone | {ids[1]: ids[0]})
    assert grouped == none | {"near_duplicates": 1}
    overlapping = leaks([Qrel("q1", ids[3])], [Qrel("q3", "overlap")], alone)
    assert overlapping == none | {"near_duplicates": 1}
    asked_twice = leaks([Qrel("q1", ids[0])], [Qrel("q2", ids[1])], alone)
    assert asked_twice == none | {"questions": 1}
    irrelevant = leaks([Qrel("q1", ids[0])], [Qrel("q3", ids[1]), Qrel("q3", ids[0], 0)], alone)
    assert irrelevant == none


def test_an_imported_dataset_is_searched_for_duplicates() -> None:
    text = "The tenant keeps the premises in good repair at all times. " * 3
    corpus = {i: Passage(i, i, 0, len(text), text) for i in ("a", "b")}
    queries = {"q1": Query("q1", "who repairs?"), "q3": Query("q3", "who signs a lease?")}
    qrels = {"train": [Qrel("q1", "a")], "test": [Qrel("q3", "b")]}
    shared = audit(Dataset(corpus, queries, qrels)).shared["train", "test"]
    assert shared["near_duplicates"] == 1
