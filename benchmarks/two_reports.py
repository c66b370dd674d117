"""The two annual reports, from PDF to finished report: seconds and peak memory.

    python benchmarks/two_reports.py [--recipe auto] [--data ../shared/data/sec10k]

Runs `homing run lyft_2021.pdf uber_2021.pdf --recipe full-query`, samples the memory of the whole
process tree, then evaluates the model on the gpt-3.5-turbo questions about Uber, none of which
training saw. Writes benchmarks/results/two_reports.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
from machine import describe_machine

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DATA = ROOT.parent / "shared" / "data" / "sec10k"


def run_measured(command: list[str]) -> tuple[str, float, float]:
    """Return stdout, seconds and the peak resident memory of the process tree in GB."""
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        peak = 0
        done = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not done.wait(1.0):
                peak = max(peak, tree_memory(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        stdout, _ = process.communicate()
        done.set()
        watcher.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed with {process.returncode}")
    return stdout, time.monotonic() - started, peak / 2**30


def tree_memory(pid: int) -> int:
    """Return the resident memory of a process and its children, in bytes; shared pages count twice.

    Proportional memory would be exact, but reading it stops the process that is measured.
    """
    total = 0
    try:
        parent = psutil.Process(pid)
        for process in [parent, *parent.children(recursive=True)]:
            total += process.memory_info().rss
    except psutil.Error:
        return total
    return total


def main() -> None:
    """Run the benchmark and write its result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--recipe", default="full-query")
    arguments = parser.parse_args()
    data, recipe = arguments.data, ["--recipe", arguments.recipe]
    homing = [sys.executable, "-m", "homing"]
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "tuned"
        reports = [str(data / "lyft_2021.pdf"), str(data / "uber_2021.pdf")]
        command = [*homing, "run", *reports, "--out", str(workspace), *recipe, "--json"]
        stdout, seconds, peak_gb = run_measured(command)
        flags = ["base=sentence-transformers/all-MiniLM-L6-v2", f"tuned={workspace / 'model'}"]
        flags += ["bm25=bm25", "fused=fusion(bm25,tuned)"]
        contenders = [x for flag in flags for x in ("--contender", flag)]
        uber = data / "gpt-3.5-turbo" / "val_dataset.json"
        evaluation = subprocess.run(
            [*homing, "evaluate", str(uber), *contenders, "--max-tokens", "512", "--json"],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    result = {
        "command": f"python benchmarks/two_reports.py --recipe {arguments.recipe}",
        "machine": describe_machine(),
        "seconds": round(seconds, 1),
        "peak_memory_gb": round(peak_gb, 2),
        "run": json.loads(stdout),
        "uber_questions": json.loads(evaluation.stdout),
    }
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / "two_reports.json"
    target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"{seconds:.0f} s, {peak_gb:.2f} GB; written to {target}")


if __name__ == "__main__":
    main()
