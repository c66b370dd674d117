"""Every format of an export beside torch: latency, throughput, size, and what it loses.

    python benchmarks/exports.py [--model MODEL] [--data FOLDER] [--small]

Exports the embedded default model (or --model) with `homing export`, tried on the questions about
Uber's annual report; then, in turns and each turn in a process of its own, embeds single questions
with `SentenceTransformer.encode` in float32, with our encoder in the processor's best precision and
with every export, text in, vector out, and every fourth of Uber's passages at 512 tokens. All use
all cores. Medians and 95th percentiles over the same questions are compared. Writes
benchmarks/results/exports.{json,md}.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from machine import describe_machine

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DATA = ROOT.parent / "shared" / "data" / "sec10k" / "gpt-3.5-turbo"
ALL = "onnx,onnx-int8,onnx-int8-static,openvino,openvino-fp16,openvino-int8"
TORCH = "torch"
OURS = "torch, our batches"
IN_BF16 = "openvino in bf16"
ANY_LOSS = 100.0
"""Nothing is refused here: what is lost is what is told."""
WARM_UP = 20

Embed = Callable[[Sequence[str]], Any]


def encoder_of(name: str, model: str | None, folder: Path | None) -> tuple[Embed, Embed]:
    """Return what embeds questions and what embeds passages in one of the ways, loaded."""
    from homing.deployment.backends import encoder_at
    from homing.deployment.formats import FORMATS
    from homing.retrieval.encoders import SentenceTransformerEncoder
    from homing.retrieval.models import load_sentence_transformer
    from homing.retrieval.openvino import load_openvino

    if folder is not None:
        encoder = (
            load_openvino(str(folder), precision="bf16")
            if name == IN_BF16
            else encoder_at(folder, FORMATS[name].backend)
        )
        return encoder.encode_queries, encoder.encode_passages
    torch_model = load_sentence_transformer(model, device="cpu")
    if name == OURS:
        ours = SentenceTransformerEncoder(torch_model)
        return ours.encode_queries, ours.encode_passages
    prompt, quiet = torch_model.prompts["query"], {"show_progress_bar": False}
    return (
        lambda texts: torch_model.encode(texts[0], prompt=prompt, **quiet),
        lambda texts: torch_model.encode(list(texts), **quiet),
    )


def ways(exports: Mapping[str, Path]) -> dict[str, Path | None]:
    """Return name -> export folder of everything that embeds, None for torch."""
    from homing.retrieval.openvino import has_bf16

    found: dict[str, Path | None] = {TORCH: None, OURS: None, **exports}
    if "openvino" in exports and has_bf16():
        found[IN_BF16] = exports["openvino"]
    return found


def one_turn(asked: argparse.Namespace) -> None:
    """Print the seconds of every question and of the passages in one way, in this process."""
    from homing.progress import muted

    name, folder = asked.turn
    questions, passages = texts_of(asked)
    with muted():
        ask, read = encoder_of(name, asked.model, Path(folder) if folder else None)
        for question in questions[:WARM_UP]:
            ask([question])
        seconds = []
        for question in questions:
            began = time.perf_counter()
            ask([question])
            seconds.append(time.perf_counter() - began)
        began = time.perf_counter()
        read(passages)
        print(json.dumps({"questions": seconds, "passages": time.perf_counter() - began}))


def turns_of(
    found: Mapping[str, Path | None], asked: argparse.Namespace
) -> dict[str, list[dict[str, Any]]]:
    """Return what each way took in each of its turns; every turn is a process of its own.

    Threads that wait for work keep a core busy for a while in most of these libraries: in one
    process each way would be timed against the threads of the others.
    """
    turns: dict[str, list[dict[str, Any]]] = {name: [] for name in found}
    for number in range(1 if asked.small else asked.rounds):
        names = list(found)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            command = [sys.executable, __file__, "--data", str(asked.data)]
            command += ["--model", asked.model] if asked.model else []
            command += ["--small"] if asked.small else []
            command += ["--turn", name, str(found[name] or "")]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{name} failed:\n{done.stderr[-2000:]}")
            turns[name].append(json.loads(done.stdout))
    return turns


def texts_of(asked: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Return the questions and the passages."""
    table = json.loads((asked.data / "val_dataset.json").read_text(encoding="utf-8"))
    questions, passages = list(table["queries"].values()), list(table["corpus"].values())
    return (questions[:60], passages[::20]) if asked.small else (questions, passages[::4])


def figures(turns: Sequence[Mapping[str, Any]], n_passages: int) -> dict[str, float]:
    """Return percentiles over the questions of all turns, and the median rate of passages."""
    taken = 1000 * np.concatenate([turn["questions"] for turn in turns])
    return {
        "p50_ms": float(np.percentile(taken, 50)),
        "p95_ms": float(np.percentile(taken, 95)),
        "passages_per_s": n_passages / median(turn["passages"] for turn in turns),
    }


def run(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return what every format costs and loses."""
    from homing.pipeline import export_model
    from homing.retrieval.models import EMBEDDED_MODEL

    data = arguments.data / "val_dataset.json"
    exported = export_model(
        arguments.model or EMBEDDED_MODEL,
        arguments.to,
        out=folder,
        dataset=data,
        allowed_loss=ANY_LOSS,
    )
    found = {export.format: export for export in exported.exports}
    questions, passages = texts_of(arguments)
    turns = turns_of(ways({n: e.folder for n, e in found.items()}), arguments)
    rows: dict[str, dict[str, Any]] = {}
    for name, taken in turns.items():
        rows[name] = figures(taken, len(passages))
        rows[name]["times_faster"] = rows[TORCH]["p50_ms"] / rows[name]["p50_ms"]
        if name in found:
            rows[name] |= {"bytes": found[name].n_bytes, **found[name].parity.as_json()}
    return {
        "model": exported.model,
        "n_questions": len(questions),
        "n_passages": len(passages),
        "measured_on": exported.measured_on,
        "formats": rows,
    }


def markdown(result: Mapping[str, Any]) -> str:
    """Return the result as a table."""
    lines = [
        f"{result['model']}; {result['n_questions']} single questions, {result['n_passages']} "
        f"passages at 512 tokens, {result['machine']['cores']} cores; "
        f"{result['machine']['processor']}.",
        "",
        "| | p50 ms | p95 ms | times faster | passages/s | MB | cosine, least | "
        "nDCG@10, points (95 %) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in result["formats"].items():
        cells = [name, *(_cell(row.get(key), "{:.1f}") for key in ("p50_ms", "p95_ms"))]
        cells += [_cell(row.get("times_faster"), "{:.1f}")]
        cells += [_cell(row.get("passages_per_s"), "{:.1f}")]
        cells += [_cell(row["bytes"] / 1e6 if "bytes" in row else None, "{:.0f}")]
        least = [row[side]["least"] for side in ("questions", "passages") if side in row]
        means = [row[side]["mean"] for side in ("questions", "passages") if side in row]
        cells += [f"{min(means):.4f}, {min(least):.4f}" if least else ""]
        ranking = row.get("ranking")
        cells += [_difference(ranking["difference"]) if ranking else ""]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _difference(found: Mapping[str, float]) -> str:
    value, low, high = (100 * found[key] for key in ("value", "low", "high"))
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})"


def main() -> None:
    """Run the benchmark and write its results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", help="a folder or hub id; else the embedded default")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--to", default=ALL)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="few texts, to try the script")
    parser.add_argument("--turn", nargs=2, metavar=("WAY", "FOLDER"), help=argparse.SUPPRESS)
    parser.add_argument("--exports", type=Path, help="a folder in which exports are kept")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if arguments.turn:
        one_turn(arguments)
        return
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        found = run(arguments, arguments.exports or Path(scratch) / "exported")
    result = {
        "command": "python benchmarks/exports.py",
        "machine": describe_machine(),
        **found,
        "load_average_before": before,
        "load_average_after": os.getloadavg()[0],
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1) + "\n"
    (arguments.out / "exports.json").write_text(text, encoding="utf-8")
    (arguments.out / "exports.md").write_text(markdown(result), encoding="utf-8")
    print(markdown(result))


if __name__ == "__main__":
    main()
