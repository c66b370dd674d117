"""Questions written by a language model: how fast, how safe, how large, how well foreseen.

    python benchmarks/writing.py all [--peer-python peers/bin/python]
    python benchmarks/writing.py throughput | kills | scale | dry_run | choice

Every part runs our own test server in a process of its own (`homing.llm.testing`), on 127.0.0.1:

* throughput: calls a second, 64 at once at 200 ms an answer, beside llama-index's own loop
* kills: `homing write` killed with SIGKILL again and again, and what was paid twice or lost
* scale: 1,000, 10,000 and 100,000 passages planned, written and filtered: seconds and memory
* dry_run: the tokens that --dry-run foresees against those that a real tokenizer then counts
* choice: a quarter of the passages, those that differ most or any, and what is learned from them

The peer is a Python with llama-index-finetuning, llama-index-llms-openai-like and bpe-openai.
Each part is saved on its own in benchmarks/results/writing.json; the tables are in writing.md.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import time
from pathlib import Path
from typing import Any

from machine import describe_machine
from writing_tables import markdown

from homing.progress import say

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "writing.json"
DATA = ROOT.parent / "shared" / "data" / "sec10k"
PARTS = ("throughput", "kills", "scale", "dry_run", "choice")


def save(path: Path, result: dict[str, Any]) -> None:
    """Write the results and their tables, each in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = {".json": json.dumps(result, indent=1) + "\n", ".md": markdown(result)}
    for suffix, text in texts.items():
        temporary = path.with_suffix(f"{suffix}.partial")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path.with_suffix(suffix))


def run_part(name: str, given: argparse.Namespace) -> None:
    """Run one part and save it among those that are there."""
    load, started = os.getloadavg()[0], time.monotonic()
    found = importlib.import_module(f"writing_{name}").run(given)
    seconds = time.monotonic() - started
    result = json.loads(given.out.read_text(encoding="utf-8")) if given.out.exists() else {}
    parts = result.get("parts", {})
    # The load of other jobs; on an idle machine below 0.5 before the first part.
    parts[name] = {"load_average_before": round(load, 2), "took_s": round(seconds, 1), **found}
    command = "python benchmarks/writing.py all --peer-python peers/bin/python"
    save(given.out, {"command": command, "machine": describe_machine(), "parts": parts})
    say(f"{name}: done in {seconds:.0f} s, saved in {given.out}")


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    found = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = found.add_argument
    add("part", nargs="?", default="all", choices=("all", *PARTS))
    add("--out", type=Path, default=RESULT)
    add("--data", type=Path, default=DATA, help="the folder of the annual reports' datasets")
    add("--peer-python", help="a Python that has llama-index-finetuning and bpe-openai")
    add("--calls", type=int, default=10_000, help="throughput: calls")
    add("--peer-calls", type=int, default=200, help="throughput: calls of the peer")
    add("--kill-calls", type=int, default=2000, help="kills: passages to ask about")
    add("--kills", type=int, default=20, help="kills: how often")
    add("--seed", type=int, default=0, help="kills: decides the moments and the faults")
    add("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000], help="scale: passages")
    add("--most-embedded", type=int, default=10_000, help="scale: passages; larger take BM25 alone")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="choice: of draws and trainings")
    add("--max-tokens", type=int, default=256, help="choice: of a passage")
    add("--passages", type=int, help="dry_run, choice: the first so many alone, to try it out")
    return found


def main() -> None:
    """Run what is asked for."""
    given = parser().parse_args()
    for name in PARTS if given.part == "all" else (given.part,):
        run_part(name, given)
    print(given.out.with_suffix(".md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
