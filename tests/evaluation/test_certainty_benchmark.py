"""The simulation that checks intervals, tests and verdict, on a small scale."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch):
    """The module, importable as from its own folder."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    for name in ("certainty", "certainty_sets", "certainty_tables", "machine"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import certainty

    return certainty


def test_simulated_questions_are_as_hard_as_they_are_meant_to_be(benchmark):
    rng = np.random.default_rng(0)
    clusters = benchmark.draw_clusters(rng, 200, 2)
    rates = (0.75, 0.8)
    ranks = benchmark.draw_ranks(rng, clusters, rates, within=0.2, n_sets=100)
    for rank, rate in zip(ranks, rates, strict=True):
        assert benchmark.hits(rank).mean() == pytest.approx(rate, abs=0.01)
        assert benchmark.ndcg(rank).mean() == pytest.approx(benchmark.true_ndcg(rate), abs=0.01)
    per_set = benchmark.hits(ranks[0]).reshape(200, 2, 100)
    assert np.corrcoef(per_set[:, 0].ravel(), per_set[:, 1].ravel())[0, 1] > 0.05


def test_a_quick_run_finds_what_the_full_one_does(
    benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "argv", ["certainty.py", "--quick", "--out", str(tmp_path)])
    benchmark.main()
    result = json.loads((tmp_path / "certainty.json").read_text(encoding="utf-8"))
    kinds = ("hit@5", "difference in hit@5", "difference in ndcg@10")
    covered = [cell[kind] for cell in result["coverage"] for kind in kinds]
    assert len(covered) == 12
    assert 0.92 <= np.mean(covered) <= 0.99
    assert np.mean([cell["false"]["hit@5"] for cell in result["tests"]]) <= 0.08
    for row in result["no_gain"]:
        decisions = row["decisions"]
        assert sum(decisions.values()) == pytest.approx(1)
        deployed = decisions.get("deploy tuned", 0) + decisions.get("deploy another", 0)
        assert deployed <= 0.08
    (gained,) = result["gain"]
    assert 0.2 <= gained["decisions"]["deploy tuned"] <= 0.6
    assert "| 100 | 50 | 3 |" in (tmp_path / "certainty.md").read_text(encoding="utf-8")


def test_the_committed_results_keep_what_is_promised():
    path = ROOT / "benchmarks" / "results" / "certainty.json"
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["n_sets"] == 1000
    events = {
        "hit@5": "rare",
        "difference in hit@5": "differing",
        "difference in ndcg@10": "differing",
    }
    told = [
        cell[kind] for kind, n in events.items() for cell in result["coverage"] if cell[n] >= 10
    ]
    # The standard error of one is 0.7 points: a few of so many lie beyond by that alone.
    assert np.mean([0.93 <= value <= 0.97 for value in told]) >= 0.97
    assert 0.92 <= min(told) <= max(told) <= 0.98
    for row in result["no_gain"]:
        deployed = [n for name, n in row["decisions"].items() if name.startswith("deploy")]
        assert sum(deployed) <= 0.05
