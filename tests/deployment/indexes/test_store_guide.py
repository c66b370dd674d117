"""docs/stores.md: every block of code that the installed libraries can run."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from handbook_sentences import HANDBOOK
from homing.pipeline import index

PAGE = Path(__file__).parents[3] / "docs" / "stores.md"
STORES = (
    *("lancedb:./db", "qdrant:./qdrant", "chroma:./chroma"),
    *("faiss:./index", "parquet:./vectors"),
)
NEEDS = re.compile(r"^(?:from|import) (\w+)", re.MULTILINE)
ELSEWHERE = "user@host"


@pytest.mark.slow
def test_the_code_of_the_page_finds_passages(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    passages = [{"_id": t, "title": f"On {t}", "text": text} for t, text in HANDBOOK.items()]
    Path("handbook/qrels").mkdir(parents=True)
    lines = "".join(f"{json.dumps(passage)}\n" for passage in passages)
    Path("handbook/corpus.jsonl").write_text(lines)
    Path("handbook/queries.jsonl").write_text('{"_id": "q", "text": "sick leave"}\n')
    Path("handbook/qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq\tleave\t1\n")
    shutil.copytree(tiny_model, "tuned/model")
    for to in STORES:
        index("handbook", to, model="tuned/model")
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) == 9
    variables: dict[str, Any] = {}
    n_run = 0
    for block in blocks:
        there = all(importlib.util.find_spec(name) for name in NEEDS.findall(block))
        if ELSEWHERE in block or not there:
            compile(block, str(PAGE), "exec")
            continue
        capsys.readouterr()
        exec(compile(block, str(PAGE), "exec"), variables)
        n_run += 1
        if "print(" in block:
            assert any(text in capsys.readouterr().out for text in HANDBOOK.values()), block
    variables["client"].close()
    assert n_run >= 7
