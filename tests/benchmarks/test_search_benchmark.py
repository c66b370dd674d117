"""The benchmark of exact search, end to end at a tenth of its size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_every_search_finds_the_same_passages_and_ours_in_little_memory(tmp_path: Path):
    pytest.importorskip("faiss")
    command = [sys.executable, str(ROOT / "benchmarks" / "search.py"), "--small", "--out"]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "search.json").read_text(encoding="utf-8"))
    contenders = result["contenders"]
    assert contenders["information_retrieval_evaluator"]["precision@100_of_ours"] > 0.9999
    for name in ("faiss", "semantic_search", "semantic_search_best"):
        assert contenders[name]["same_sets"] > 990
        assert contenders[name]["largest_gap"] < 1e-6
    # The vectors, what the interpreter and the libraries take, and tiles of bounded size.
    assert contenders["homing"]["peak_memory_gb"] < result["vectors_gb"] + 0.35
    assert "of the matmul alone" in (tmp_path / "search.md").read_text(encoding="utf-8")
