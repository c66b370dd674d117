"""Every format of an export beside torch: latency, throughput, size, and what it loses.

    python benchmarks/exports.py [--model MODEL] [--data FOLDER] [--small]

Exports the embedded default model (or --model) with `homing export`, tried on the questions about
Uber's annual report; then, in one process and in turns, embeds single questions with
`SentenceTransformer.encode` in float32 and with every export, text in, vector out, and Uber's
passages at 512 tokens with each and with our encoder in the processor's best precision. All use all
cores. Medians and 95th percentiles of the same questions are compared. Writes
benchmarks/results/exports.{json,md}.
"""

from __future__ import annotations

import argparse
import json
import os
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
ANY_LOSS = 100.0
"""Nothing is refused here: what is lost is what is told."""
WARM_UP = 20

Embed = Callable[[Sequence[str]], Any]


def encoders(model: str | None, exports: Mapping[str, Path]) -> tuple[dict[str, Embed], Any]:
    """Return name -> what embeds questions, and name -> what embeds passages."""
    from homing.deployment.backends import encoder_at
    from homing.deployment.formats import FORMATS
    from homing.retrieval.encoders import SentenceTransformerEncoder
    from homing.retrieval.models import load_sentence_transformer
    from homing.retrieval.openvino import has_bf16, load_openvino

    torch_model = load_sentence_transformer(model, device="cpu")
    query = torch_model.prompts["query"]
    loaded = {n: encoder_at(folder, FORMATS[n].backend) for n, folder in exports.items()}
    asking: dict[str, Embed] = {TORCH: lambda t: torch_model.encode(t[0], prompt=query)}
    asking |= {name: encoder.encode_queries for name, encoder in loaded.items()}
    reading: dict[str, Embed] = {TORCH: lambda t: torch_model.encode(list(t))}
    ours = SentenceTransformerEncoder(torch_model)
    reading["torch, our batches" + (" in bf16" if ours.bf16 else "")] = ours.encode_passages
    reading |= {name: encoder.encode_passages for name, encoder in loaded.items()}
    if "openvino" in exports and has_bf16():
        in_bf16 = load_openvino(str(exports["openvino"]), precision="bf16")
        asking["openvino in bf16"] = in_bf16.encode_queries
        reading["openvino in bf16"] = in_bf16.encode_passages
    return asking, reading


def latencies(ways: Mapping[str, Embed], questions: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return p50 and p95 of single questions in milliseconds; the ways take turns by question."""
    names, seconds = list(ways), {name: [] for name in ways}
    for question in questions[:WARM_UP]:
        for name in names:
            ways[name]([question])
    for number, question in enumerate(questions):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            began = time.perf_counter()
            ways[name]([question])
            seconds[name].append(time.perf_counter() - began)
    return {
        name: {
            "p50_ms": 1000 * float(np.percentile(taken, 50)),
            "p95_ms": 1000 * float(np.percentile(taken, 95)),
        }
        for name, taken in seconds.items()
    }


def rates(ways: Mapping[str, Embed], passages: Sequence[str], rounds: int) -> dict[str, float]:
    """Return passages a second, the median of some rounds in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        names = list(ways)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            began = time.perf_counter()
            ways[name](passages)
            seconds[name].append(time.perf_counter() - began)
    return {name: len(passages) / median(taken) for name, taken in seconds.items()}


def run(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Return what every format costs and loses."""
    from homing.pipeline import export_model
    from homing.progress import muted
    from homing.retrieval.models import EMBEDDED_MODEL

    data = arguments.data / "val_dataset.json"
    table = json.loads(data.read_text(encoding="utf-8"))
    exported = export_model(
        arguments.model or EMBEDDED_MODEL,
        arguments.to,
        out=folder,
        dataset=data,
        allowed_loss=ANY_LOSS,
    )
    found = {export.format: export for export in exported.exports}
    questions, passages = list(table["queries"].values()), list(table["corpus"].values())
    if arguments.small:
        questions, passages = questions[:60], passages[::20]
    asking, reading = encoders(arguments.model, {n: e.folder for n, e in found.items()})
    with muted():
        fast = latencies(asking, questions)
        per_s = rates(reading, passages, 1 if arguments.small else arguments.rounds)
    rows: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys([*asking, *reading]):
        rows[name] = {**fast.get(name, {}), "passages_per_s": per_s.get(name)}
        if name in fast:
            rows[name]["times_faster"] = fast[TORCH]["p50_ms"] / fast[name]["p50_ms"]
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
    parser.add_argument("--exports", type=Path, help="a folder in which exports are kept")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
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
