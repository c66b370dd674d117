"""`homing index` and `homing search --in`, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from handbook_sentences import HANDBOOK

pytest.importorskip("lancedb")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    path = tmp_path / "handbook.json"
    relevant = {topic: [topic] for topic in HANDBOOK}
    queries = {topic: text[:30] for topic, text in HANDBOOK.items()}
    saved = {"queries": queries, "corpus": HANDBOOK, "relevant_docs": relevant}
    path.write_text(json.dumps(saved))
    return path


def test_programs_get_the_counts_and_what_was_verified(homing, dataset, tiny_model, tmp_path):
    to = f"lancedb:{tmp_path / 'db'}"
    told = homing("index", dataset, "--to", to, "--model", tiny_model, "--json").json
    n = len(HANDBOOK)
    assert (told["to"], told["n_passages"], told["n_written"], told["n_kept"]) == (to, n, n, 0)
    assert told["verified"]["n_found_first"] == n
    assert told["verified"]["recall"] == 1.0
    again = homing("index", dataset, "--to", to, "--model", tiny_model, "--json").json
    assert (again["n_written"], again["n_kept"], again["had_index"]) == (0, n, True)


def test_people_read_what_was_written_and_seen(homing, dataset, tiny_model, tmp_path):
    to = f"faiss:{tmp_path / 'db'}"
    done = homing("index", dataset, "--to", to, "--model", tiny_model, "--batch", 5)
    assert done.code == 0, done.err
    first, second = done.out.splitlines()
    assert first == f"12 passages in {to}: 12 written, 0 kept, 0 removed"
    assert second.startswith("Verified: 12 stored; 12 sampled vectors")
    assert "recall 1.0000, the store's search is exact" in second


def test_a_store_is_asked_with_in(homing, dataset, tiny_model, tmp_path):
    to = f"lancedb:{tmp_path / 'db'}"
    homing("index", dataset, "--to", to, "--model", tiny_model)
    topic, text = next(iter(HANDBOOK.items()))
    told = homing(
        "search", dataset, text, "--in", to, "--model", tiny_model, "-k", 3, "--json"
    ).json
    assert told["contenders"] == ["lancedb"]
    assert told["findings"][0]["passage_id"] == topic
    assert len(told["findings"]) == 3
    beside = homing("search", dataset, "x", "--in", to, "--contender", "words=bm25")
    assert beside.code == 2
    assert "--contender" in beside.err
    nowhere = homing("search", dataset, "x", "--in", f"chroma:{tmp_path / 'no'}")
    assert nowhere.code == 2
    assert "homing index" in nowhere.err


def test_what_is_wrong_is_said_with_exit_code_2(homing, dataset, tiny_model):
    done = homing("index", dataset, "--to", "milvus:./db", "--model", tiny_model, "--json")
    assert done.code == 2
    assert done.json["error"]["kind"] == "UsageError"
    assert "lancedb:./db" in done.json["error"]["message"]
    assert homing("index", dataset).code == 2
