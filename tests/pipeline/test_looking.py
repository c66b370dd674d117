"""A look at the written questions: which are drawn, and what is known of each."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handbook_sentences import HANDBOOK
from homing import look_at_questions
from homing.dataset import save_questions
from homing.errors import NothingToDoError, UsageError
from homing.pipeline.fates import Fates
from homing.pipeline.job import QUESTIONS
from homing.pipeline.looking import even_shares
from homing.types import Question, Rejection, query_id
from homing.workspace import Workspace
from written_handbook import POOR, curate_workspace, handbook_questions, write_workspace


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return write_workspace(tmp_path / "tuned")


@pytest.fixture
def curated(written: Path) -> Path:
    return curate_workspace(written)


def kinds_of(looked) -> Counter[str]:
    return Counter(question.kind for question in looked.questions)


def test_questions_stand_beside_their_passages_as_soon_as_they_are_written(written: Path) -> None:
    looked = look_at_questions(written, sample=0)
    first = looked.questions[0]
    assert len(looked.questions) == looked.n_written == len(handbook_questions())
    assert (first.question, first.kind, first.writer) == (
        "the handbook on leave",
        "heading",
        "extractive",
    )
    assert (first.title, first.page) == ("Handbook > Leave", 1)
    assert first.passage == HANDBOOK["leave"]
    assert (first.split, first.too_easy, looked.n_rejected) == ("", None, None)
    assert "homing curate" in looked.note


def test_a_sample_is_drawn_evenly_over_the_kinds(curated: Path) -> None:
    assert kinds_of(look_at_questions(curated, sample=6)) == {
        "heading": 2,
        "how_to": 2,
        "keywords": 2,
    }
    assert kinds_of(look_at_questions(curated, sample=12)) == {
        "heading": 5,
        "how_to": 5,
        "keywords": 2,
    }


def test_equal_seeds_draw_equal_questions_and_others_draw_others(curated: Path) -> None:
    drawn = [look_at_questions(curated, sample=6, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1]
    assert drawn[0].questions != drawn[2].questions


def test_after_curation_each_question_has_its_split_and_the_poor_are_gone(curated: Path) -> None:
    looked = look_at_questions(curated, sample=0)
    assert len(looked.questions) == looked.n_matching == 20
    assert {question.split for question in looked.questions} == {"train", "dev", "test"}
    assert (looked.n_written, looked.n_rejected, looked.note) == (23, 3, "")
    by_split = [look_at_questions(curated, split=s, sample=0) for s in ("train", "dev", "test")]
    assert sum(part.n_matching for part in by_split) == 20
    assert {q.split for q in by_split[2].questions} == {"test"}


def test_rejected_questions_come_with_their_reason_and_their_passage(curated: Path) -> None:
    looked = look_at_questions(curated, rejected=True)
    found = {q.reason: (q.passage_id, q.question) for q in looked.questions}
    assert found == POOR
    assert looked.counts == dict.fromkeys(sorted(POOR), 1)
    assert all(q.detail and q.passage == HANDBOOK[q.passage_id] for q in looked.questions)


def test_given_questions_that_match_nothing_are_among_the_rejected(
    written: Path, tmp_path: Path
) -> None:
    asked = tmp_path / "asked.jsonl"
    rows = [
        {"question": "when is payday?", "quote": HANDBOOK["salary"]},
        {"question": "who feeds the parrot?", "quote": "The parrot is fed by the night watch."},
    ]
    asked.write_text("".join(json.dumps(row) + "\n" for row in rows))
    curate_workspace(written, test_questions=str(asked))
    looked = look_at_questions(written, rejected=True, sample=0)
    lost = [q for q in looked.questions if q.writer == "person"]
    assert [(q.question, q.reason, q.passage) for q in lost] == [
        ("who feeds the parrot?", "no_passage_matches", "")
    ]
    with_fate = looked.n_matching + look_at_questions(written, sample=0).n_matching
    assert with_fate == looked.n_written + 1


def test_questions_written_anew_have_no_split_until_they_are_curated(curated: Path) -> None:
    save_questions(handbook_questions()[:5], curated / QUESTIONS)
    looked = look_at_questions(curated)
    assert (looked.n_matching, looked.n_rejected) == (5, None)
    assert "written anew" in looked.note
    with pytest.raises(UsageError, match=r"written anew.*homing curate"):
        look_at_questions(curated, split="train")


def test_one_may_look_while_a_job_is_running(curated: Path) -> None:
    with Workspace(curated, create=False):
        assert look_at_questions(curated, sample=1).questions


def test_of_a_question_written_twice_the_second_is_the_rejected_one() -> None:
    first = Question("Who is met at the reception?", "badge", "factual", "openai:test")
    second = Question("who is met at the Reception?", "laptop", "factual", "openai:test")
    key = query_id(first.text)
    fates = Fates(
        splits={(key, "badge"): "train", (key, "laptop"): "train"},
        writers={key: "openai:test"},
        rejections=[Rejection(key, "curate", "ambiguous_question", "Asked before.", second.text)],
        easy=frozenset([key]),
        tested=frozenset([("openai:test", "factual")]),
    )
    assert [(q.passage_id, q.too_easy) for q in fates.kept([first, second])] == [("badge", True)]
    (rejected,) = fates.rejected([first, second])
    assert (rejected.passage_id, rejected.reason) == ("laptop", "ambiguous_question")


def test_a_written_question_that_a_person_asked_too_is_the_persons() -> None:
    written = Question("Who is met at the reception?", "badge", "heading", "extractive")
    key = query_id(written.text)
    repeated = Rejection(key, "curate", "duplicate_question", "Asked already.", written.text)
    fates = Fates({(key, "badge"): "train"}, {key: "person"}, [repeated])
    assert list(fates.kept([written])) == []
    assert [q.reason for q in fates.rejected([written])] == ["duplicate_question"]


@given(sizes=st.dictionaries(st.text(max_size=2), st.integers(1, 9), max_size=6), n=st.integers(0))
def test_shares_are_even_as_far_as_the_sizes_allow(sizes: dict[str, int], n: int) -> None:
    shares = even_shares(sizes, n)
    assert sum(shares.values()) == min(n, sum(sizes.values()))
    unfilled = [shares[group] for group in sizes if shares[group] < sizes[group]]
    if unfilled:
        assert max(unfilled) >= max(shares.values()) - 1
        assert max(unfilled) - min(unfilled) <= 1


def test_before_curation_nobody_knows_what_is_rejected(written: Path) -> None:
    with pytest.raises(UsageError, match="homing curate"):
        look_at_questions(written, rejected=True)


def test_an_unknown_kind_names_those_there_are(curated: Path) -> None:
    with pytest.raises(UsageError, match=r"heading \(12\), how_to \(6\), keywords \(2\)"):
        look_at_questions(curated, kind="headings")


def test_where_nothing_was_written_there_is_nothing_to_see(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="homing run SOURCES --out"):
        look_at_questions(tmp_path)
    folder = write_workspace(tmp_path / "tuned", questions=[])
    with pytest.raises(NothingToDoError, match="No question was written"):
        look_at_questions(folder)
    (folder / QUESTIONS).unlink()
    with pytest.raises(UsageError, match="First run: homing write"):
        look_at_questions(folder)
