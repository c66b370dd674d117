"""The server against thousands of requests that schemathesis makes up from its own OpenAPI.

    python benchmarks/fuzzing.py [--cases 10000]

Sound requests and malformed ones, at every path, until so many were sent; a real server with the
default model, a bundle of the handbook's sentences, a small cross-encoder of random weights, and a
key. Any answer of 500 or more, one that the OpenAPI does not tell of, a malformed request that is
taken or a sound one that is refused ends with a failure. Writes
benchmarks/results/fuzzing.{json,md}.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from machine import describe_machine

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
KEY = "a-key-for-fuzzing"
EXAMPLES = 2600
"""Made up for each operation in one round; rounds go on with other seeds."""
PATIENCE_S = 300
"""A busy machine is no defect of the server: it fails no case for being slow."""


def small_reranker(folder: Path) -> Path:
    """Return a folder with a cross-encoder of two layers: quick, and of no use to anybody."""
    import torch
    from sentence_transformers import CrossEncoder
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    from homing.retrieval.models import embedded_folder

    torch.manual_seed(5)
    base = str(embedded_folder())
    config = BertConfig.from_pretrained(
        base, num_labels=1, num_hidden_layers=2, hidden_size=32, num_attention_heads=2,
        intermediate_size=64,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder / "plain")
    AutoTokenizer.from_pretrained(base).save_pretrained(folder / "plain")
    CrossEncoder(str(folder / "plain"), device="cpu").save_pretrained(str(folder / "model"))
    return folder / "model"


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Serve everything there is to serve in this process; give its address."""
    import uvicorn

    sys.path.insert(0, str(HERE.parent / "tests"))
    from handbook_sentences import HANDBOOK
    from homing.deployment.bundle import load_bundle, make_bundle
    from homing.deployment.server import make_app
    from homing.deployment.server.limits import Limits
    from homing.deployment.server.model import serve_as
    from homing.deployment.server.running import bind
    from homing.deployment.server.searching import SearchIndex
    from homing.retrieval.encoders import encoder_for
    from homing.retrieval.reranking import load_reranker
    from homing.types import Passage

    encoder = encoder_for()
    passages = [Passage(key, key, 0, len(t), t, ("Handbook",)) for key, t in HANDBOOK.items()]
    make_bundle(folder / "bundle", passages, encoder, model="model")
    app = make_app(
        serve_as("model", encoder, None),
        index=SearchIndex(load_bundle(folder / "bundle")),
        scorer=load_reranker(str(small_reranker(folder))),
        api_key=KEY,
        limits=Limits(timeout_s=PATIENCE_S),
    )
    bound = bind("127.0.0.1", 0)
    running = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    while not running.started and thread.is_alive():
        time.sleep(0.05)
    try:
        yield "http://{}:{}".format(*bound.getsockname())
    finally:
        running.should_exit = True
        thread.join(timeout=30)


def one_round(address: str, folder: Path, seed: int) -> tuple[Counter[str], int, str]:
    """Return answers by status, failures and the last lines of one run of schemathesis."""
    report = folder / f"round-{seed}.ndjson"
    command = [
        *(str(Path(sys.executable).parent / "schemathesis"), "run", f"{address}/openapi.json"),
        *("--header", f"Authorization: Bearer {KEY}", "--checks", "all"),
        # Without a key the server's own check is asked for by ignored_auth; the rest carry it.
        *("--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES)),
        *("--seed", str(seed), "--mode", "all", "--continue-on-failure", "--no-color"),
        *(
            "--report",
            "ndjson",
            "--report-ndjson-path",
            str(report),
            "--request-timeout",
            str(PATIENCE_S),
        ),
        *("--suppress-health-check", "all", "--generation-database", "none"),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    statuses: Counter[str] = Counter()
    for line in report.read_text(encoding="utf-8").splitlines() if report.is_file() else ():
        statuses.update(re.findall(r'"status_code": ?(\d+)', line))
    return statuses, int(done.returncode != 0), done.stdout[-6000:] + done.stderr[-2000:]


def fuzz(n_cases: int) -> dict[str, Any]:
    """Return what came of at least so many cases."""
    statuses: Counter[str] = Counter()
    rounds, failed = 0, 0
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as temporary, server(Path(temporary)) as address:
        while statuses.total() < n_cases:
            rounds += 1
            found, has_failed, said = one_round(address, Path(temporary), rounds)
            statuses += found
            failed += has_failed
            print(f"round {rounds}: {found.total():,} cases, {dict(found)}", file=sys.stderr)
            if has_failed or not found:
                print(said, file=sys.stderr)
            if not found:
                sys.exit("schemathesis sent nothing.")
    return {
        "cases": statuses.total(),
        "rounds": rounds,
        "rounds_with_failures": failed,
        "statuses": dict(sorted(statuses.items())),
        "of_500_or_more": sum(n for status, n in statuses.items() if status >= "500"),
        "seconds": time.perf_counter() - started,
    }


def plural(n: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def markdown(result: dict[str, Any]) -> str:
    """Return the result as a table."""
    lines = [
        f"{result['cases']:,} cases by schemathesis {result['schemathesis']}, all of its checks, "
        f"in {plural(result['rounds'], 'round')}; "
        f"{plural(result['rounds_with_failures'], 'round')} with a failure.",
        "",
        "| answered with | cases |",
        "|---|---|",
        *(f"| {status} | {n:,} |" for status, n in result["statuses"].items()),
        f"| **500 or more** | **{result['of_500_or_more']:,}** |",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the benchmark and write its results."""
    import importlib.metadata

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    result = {
        "command": f"python benchmarks/fuzzing.py --cases {asked.cases}",
        "machine": describe_machine(),
        "load_average_before": os.getloadavg()[0],
        "schemathesis": importlib.metadata.version("schemathesis"),
        **fuzz(asked.cases),
    }
    asked.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1) + "\n"
    (asked.out / "fuzzing.json").write_text(text, encoding="utf-8")
    (asked.out / "fuzzing.md").write_text(markdown(result), encoding="utf-8")
    print(markdown(result))
    sys.exit(bool(result["of_500_or_more"] or result["rounds_with_failures"]))


if __name__ == "__main__":
    main()
