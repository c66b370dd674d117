"""`homing plan` as it is typed, and the table that it prints."""

from __future__ import annotations

import pytest

from homing.cli.plan import as_text
from homing.pipeline import plan_calibration
from homing.pipeline.plan_nodes import NODE_KINDS
from homing.pipeline.plan_rates import Rate, Rates, StageRate
from homing.pipeline.plan_types import Size, Writing
from homing.pipeline.planning import plan

SOURCE = "measured here"


@pytest.fixture
def pages(tmp_path):
    """Forty short pages about a harbour."""
    folder = tmp_path / "harbour"
    folder.mkdir()
    for i in range(40):
        text = f"The {i}th quay is closed after a storm. The harbour master keeps key {i} of it. "
        (folder / f"quay-{i}.md").write_text(f"# Quay {i}\n\n{text * 3}\n", encoding="utf-8")
    return folder


@pytest.fixture
def rates() -> Rates:
    return Rates(
        stages=dict.fromkeys(
            ("ingest", "write", "curate"), StageRate(2.0, 0.001, 0.004, 500, SOURCE)
        ),
        tokens=Rate(100, SOURCE),
        questions=Rate(2, SOURCE),
        tokenize_s=Rate(0.0002, SOURCE),
        flops=Rate(2e9, SOURCE),
        search_flops=Rate(50e9, SOURCE),
        bm25_bytes=Rate(600, SOURCE),
        measured_on="four reports",
    )


def test_the_table_has_every_stage_and_fits_a_terminal(rates):
    lines = list(as_text(plan(Size(10_000_000, NODE_KINDS["h100"], 10), rates)))
    table = lines[: lines.index("", 4)]
    assert "10,000,000 passages" in lines[0]
    assert "10 x p5.4xlarge" in lines[1]
    assert "$6.88 an hour each" in lines[1]
    for word in ("ingest", "write", "curate", "embed", "train", "evaluate", "in all"):
        assert any(line.startswith(word) for line in table), word
    assert max(map(len, table)) <= 120


def test_what_gives_way_first_and_the_sources_follow(rates):
    text = "\n".join(as_text(plan(Size(10_000_000, NODE_KINDS["l4"], 10), rates)))
    assert text.index("A million passages") < text.index("What gives way first")
    assert text.index("What gives way first") < text.index("Where the numbers come from")
    assert "not measured by us" in text or "tokenize" in text
    assert "price of machines: AWS" in text


def test_what_is_not_known_is_said_to_be_not_known(rates):
    text = "\n".join(as_text(plan(Size(1000, NODE_KINDS["none"]), rates)))
    assert "not measured" in text
    assert "not known" in text


def test_a_language_model_is_named_with_what_it_was_planned_by(rates):
    writing = Writing("openai:gpt-5-mini", 0.001, 0.03, "1,000 tokens in and 80 out a call")
    text = "\n".join(as_text(plan(Size(1000, NODE_KINDS["l4"]), rates, writing)))
    assert "openai:gpt-5-mini, 1,000 tokens in" in text


@pytest.mark.slow
def test_the_command_measures_by_the_documents_and_answers_programs(
    homing, pages, tiny_model, monkeypatch
):
    monkeypatch.setattr(plan_calibration, "MIN_PASSAGES", 5)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    done = homing(
        "plan", pages, "--gpu", "l4", "--nodes", 10, "--dimensions", 64,
        "--writer", "openai:gpt-5-mini", "--base-model", tiny_model, "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["size"]["n_passages"] == 40
    assert done.json["size"]["dimensions"] == 64
    assert [stage["name"] for stage in done.json["stages"]][:3] == ["ingest", "write", "curate"]
    assert done.json["usd"] > 0
    assert done.json["writing"]["usd_per_passage"] > 0
    assert "40 of your 40 files" in done.json["stages"][0]["source"]


def test_an_accelerator_without_a_price_is_refused_with_those_that_have_one(homing, pages):
    done = homing("plan", pages, "--gpu", "tpu")
    assert done.code == 2
    assert "h100" in done.err


def test_what_is_no_number_is_refused(homing, pages):
    done = homing("plan", pages, "--passages", "lots")
    assert done.code == 2
    assert "10M" in done.err


def test_without_documents_and_number_nothing_can_be_planned(homing):
    done = homing("plan", "--gpu", "h100")
    assert done.code == 2
    assert "--passages" in done.err
