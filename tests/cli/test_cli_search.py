"""`homing search`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from homing.cli.search import as_text
from homing.pipeline.searching import Finding, Searched

TEXTS = {
    "leave": "Parents take sixteen weeks of leave.",
    "travel": "Trains are booked by the office. \x1b[2J",
    "doors": "Doors are locked at nine.",
}
ASKED = "who books the trains"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    path = tmp_path / "handbook.json"
    saved = {"queries": {"q": ASKED}, "corpus": TEXTS, "relevant_docs": {"q": ["travel"]}}
    path.write_text(json.dumps(saved))
    return path


def test_each_passage_is_shown_with_its_rank_under_every_contender(homing, dataset, tiny_model):
    done = homing(
        "search", dataset, ASKED, "--contender", "words=bm25", "--contender", f"tiny={tiny_model}"
    )
    assert done.code == 0, done.err
    header, *lines = done.out.splitlines()
    assert header.split() == ["words", "tiny"]
    ranks = [line.split()[:2] for line in lines if line[:6].strip()]
    assert sorted(row[0] for row in ranks) == sorted(row[1] for row in ranks) == ["1", "2", "3"]
    assert "✓" in done.out
    assert "\x1b" not in done.out


def test_programs_get_ranks_scores_and_whether_it_answers(homing, dataset):
    told = homing("search", dataset, ASKED, "--contender", "words=bm25", "-k", 1, "--json").json
    (finding,) = told["findings"]
    assert finding["passage_id"] == "travel"
    assert finding["ranks"] == {"words": 1}
    assert finding["scores"]["words"] > 0
    assert finding["is_right"] is True


def test_of_a_question_that_nobody_judged_nothing_is_said(homing, dataset):
    told = homing(
        "search", dataset, "when are doors locked", "--contender", "words=bm25", "--json"
    ).json
    assert {finding["is_right"] for finding in told["findings"]} == {None}


def test_without_contenders_a_plain_dataset_says_what_to_name(homing, dataset):
    done = homing("search", dataset, ASKED)
    assert done.code == 2
    assert "--contender words=bm25" in done.err


def test_many_contenders_are_numbered_where_their_names_would_take_the_line():
    names = ("base", "tuned", "bm25", "bm25+base", "bm25+tuned", "openai-small")
    finding = Finding("p", "Handbook > Leave", 3, "Parents take leave. " * 30, {"base": 1}, {})
    lines = as_text(Searched("q", names, (finding,)), width=80).splitlines()
    assert lines[:2] == ["[1] base", "[2] tuned"]
    assert max(map(len, lines)) <= 80
    assert "Handbook > Leave, page 3" in lines[8]
