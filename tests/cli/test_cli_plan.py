"""`homing plan` as it is typed."""

from __future__ import annotations

import pytest

from homing.pipeline import plan_calibration


@pytest.fixture
def pages(tmp_path):
    """Forty short pages about a harbour."""
    folder = tmp_path / "harbour"
    folder.mkdir()
    for i in range(40):
        text = (
            f"The {i}th quay is closed after a storm. The harbour master keeps key {i} of it. " * 3
        )
        (folder / f"quay-{i}.md").write_text(f"# Quay {i}\n\n{text}\n", encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def few_will_do(monkeypatch):
    monkeypatch.setattr(plan_calibration, "MIN_PASSAGES", 5)


def test_ten_million_passages_on_ten_machines_as_a_table(homing, pages, tiny_model):
    done = homing(
        "plan", pages, "--passages", "10M", "--gpu", "h100", "--nodes", 10,
        "--base-model", tiny_model,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "10,000,000 passages" in done.out
    assert "10 x p5.4xlarge" in done.out
    for word in ("ingest", "write", "curate", "embed", "train", "evaluate", "in all"):
        assert word in done.out
    assert "What gives way first" in done.out
    assert "not measured by us" in done.out or "tokenize" in done.out
    assert (
        max(map(len, done.out.split("Where the numbers")[0].split("What gives")[0].splitlines()))
        <= 120
    )


def test_the_same_for_programs(homing, pages, tiny_model):
    done = homing(
        "plan", pages, "--passages", "250k", "--gpu", "l4", "--base-model", tiny_model, "--json"
    )
    assert done.code == 0, done.err
    assert done.json["size"]["n_passages"] == 250_000
    assert [stage["name"] for stage in done.json["stages"]][:3] == ["ingest", "write", "curate"]
    assert done.json["usd"] > 0
    assert done.json["per_million_passages"]["gpu_hours"] > 0


def test_without_a_number_the_documents_are_counted(homing, pages, tiny_model):
    done = homing("plan", pages, "--gpu", "h100", "--base-model", tiny_model, "--json")
    assert done.code == 0, done.err
    assert done.json["size"]["n_passages"] == 40


def test_vectors_of_another_length_take_other_room(homing, pages, tiny_model):
    kept = []
    for dimensions in (384, 768):
        done = homing(
            "plan", pages, "--gpu", "h100", "--dimensions", dimensions,
            "--base-model", tiny_model, "--json",
        )  # fmt: skip
        kept.append(next(s["kept_bytes"] for s in done.json["stages"] if s["name"] == "embed"))
    assert kept[1] == 2 * kept[0]


def test_a_language_model_is_priced_and_nothing_is_sent(homing, pages, tiny_model, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    done = homing(
        "plan", pages, "--passages", "1M", "--gpu", "l4", "--writer", "openai:gpt-5-mini",
        "--base-model", tiny_model,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "openai:gpt-5-mini" in done.out


def test_an_accelerator_without_a_price_is_refused_with_those_that_have_one(homing, pages):
    done = homing("plan", pages, "--gpu", "tpu")
    assert done.code == 2
    assert "h100" in done.err


def test_what_is_no_number_is_refused(homing, pages):
    done = homing("plan", pages, "--passages", "lots")
    assert done.code == 2
    assert "10M" in done.err
