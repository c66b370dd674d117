"""The two annual reports, from PDF to passages: ours against llama-index, side by side.

    python -m venv peers && peers/bin/pip install llama-index-core llama-index-readers-file
    python benchmarks/ingestion.py --peer-python peers/bin/python [--data ../shared/data/sec10k]

Each run is a fresh process; the two take turns, so that what else the machine does meets both.
`work_s` counts reading and cutting, with the start of our worker processes; `process_s` counts
imports too; `cpu_s` is the processor's time of all processes, which another job on the machine
does not lengthen. Medians, best runs and their ratios go to benchmarks/results/ingestion.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from machine import describe_machine

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "ingestion.json"
DATA = ROOT.parent / "shared" / "data" / "sec10k"
COMMAND = "python benchmarks/ingestion.py --peer-python peers/bin/python"
MEASURED = ("work_s", "process_s", "cpu_s")
REPORTS = ("uber_2021.pdf", "lyft_2021.pdf")

OURS = """
import json, sys, time
from pathlib import Path
from homing.engine.local import LocalEngine
from homing.ingestion.files import find_files
from homing.ingestion.reading import ingest_and_chunk

tokenizer_file, *files = sys.argv[1:]
started = time.monotonic()
with LocalEngine() as engine:
    results = list(
        ingest_and_chunk(find_files(files), tokenizer_file=Path(tokenizer_file), engine=engine)
    )
seconds = time.monotonic() - started
n_passages = sum(len(passages) for _, passages in results)
print(json.dumps({"work_s": seconds, "passages": n_passages}))
"""

PEER = """
import json, sys, time
from importlib.metadata import version
from llama_index.core import SimpleDirectoryReader
from llama_index.core.node_parser import SentenceSplitter

started = time.monotonic()
documents = SimpleDirectoryReader(input_files=sys.argv[1:]).load_data()
nodes = SentenceSplitter(chunk_size=256, chunk_overlap=0).get_nodes_from_documents(documents)
seconds = time.monotonic() - started
names = ("llama-index-core", "llama-index-readers-file", "pypdf")
versions = {name: version(name) for name in names}
print(json.dumps({"work_s": seconds, "passages": len(nodes), "versions": versions}))
"""


def run(command: list[str]) -> dict[str, Any]:
    """Return what one process prints as JSON, with the seconds that it took as a whole."""
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True)
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stderr}")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {**json.loads(done.stdout.splitlines()[-1]), "process_s": seconds, "cpu_s": cpu_s}


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the medians of several runs, with every single one beside them."""
    medians = {key: round(median(run[key] for run in runs), 2) for key in MEASURED}
    singles = {f"all_{key}": [round(run[key], 2) for run in runs] for key in MEASURED}
    return {"passages": runs[0]["passages"], **medians, **singles}


def ratio(
    peer: list[dict[str, Any]],
    ours: list[dict[str, Any]],
    key: str,
    of: Callable[[list[float]], float],
) -> float:
    """Return how many times longer the peer takes, by the median or the best of its runs."""
    return round(of([run[key] for run in peer]) / of([run[key] for run in ours]), 1)


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", required=True, help="a Python that has llama-index")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    from homing.retrieval.models import load_tokenizer_file

    files = [str(arguments.data / name) for name in REPORTS]
    tokenizer_file = str(load_tokenizer_file())
    load_before = os.getloadavg()[0]  # of other jobs; on an idle machine below 0.5
    ours, peer = [], []
    for _ in range(arguments.rounds):
        ours.append(run([sys.executable, "-c", OURS, tokenizer_file, *files]))
        peer.append(run([arguments.peer_python, "-c", PEER, *files]))
    result = {
        "what": "uber_2021.pdf and lyft_2021.pdf (545 pages) to passages of at most 256 tokens",
        "command": COMMAND,
        "machine": describe_machine(),
        "peer": {
            "what": "SimpleDirectoryReader, SentenceSplitter(chunk_size=256, chunk_overlap=0)",
            "versions": peer[0]["versions"],
        },
        "rounds": arguments.rounds,
        "load_average_before": round(load_before, 2),
        "homing": summary(ours),
        "llama_index": summary(peer),
    }
    for key in MEASURED:
        name = key.removesuffix("_s")
        result[f"times_faster_{name}"] = ratio(peer, ours, key, median)
        result[f"times_faster_{name}_best"] = ratio(peer, ours, key, min)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
