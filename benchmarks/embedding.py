"""Embedding Uber's passages: our encoder against `SentenceTransformer.encode`, hit rates beside it.

    python benchmarks/embedding.py [--data ../shared/data/sec10k/gpt-3.5-turbo] [--rounds 3]

The embedded default model reads the 395 passages at 512 tokens: with ours, with the library's
defaults (batches of 32) and with its best batch size, which a trial on every sixth passage finds.
They take turns in one process, with all cores; the medians are compared. The model is loaded
before, the questions are embedded once by each, untimed. `floor_s` is what the model's matrix
products alone would take at the rate that the machine reaches on products of the model's shapes
and nothing else: no exact way of embedding is faster. `shares` says where our time goes, by torch's
profiler over every sixth passage. Writes benchmarks/results/embedding.{json,md}.
"""

from __future__ import annotations

import argparse
import json
import os
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
MAX_TOKENS = 512
BATCHES = (1, 2, 4, 8, 16, 32, 64)
TRIAL_STEP = 6
CUTOFFS = (1, 5, 10)
PRODUCT_TOKENS = 2048
PRODUCT_S = 4.0
KINDS = {"addmm": "linear layers", "attention": "attention"}
"""Of torch's operations, by a part of their names."""
NAMES = {
    "homing": "Homing",
    "defaults": "`SentenceTransformer.encode`, defaults",
    "best": "`SentenceTransformer.encode`, best batch size",
}

Embed = Callable[[Sequence[str]], Any]


def timed(embed: Embed, texts: Sequence[str]) -> tuple[Any, float, float]:
    """Return vectors, seconds and processor seconds."""
    started, before = time.perf_counter(), time.process_time()
    vectors = embed(texts)
    return vectors, time.perf_counter() - started, time.process_time() - before


def best_batch(model: Any, texts: Sequence[str]) -> tuple[int, dict[int, float]]:
    """Return the fastest batch size of the library, and the seconds of each (best of two)."""
    seconds = {}
    for size in BATCHES:
        tries = [timed(lambda t, n=size: model.encode(t, batch_size=n), texts) for _ in range(2)]
        seconds[size] = min(second for _, second, _ in tries)
    return min(seconds, key=seconds.__getitem__), seconds


def hit_rates(questions: Any, passages: Any, right: Sequence[int]) -> dict[str, float]:
    """Return the share of questions with their passage among the first k, for every cutoff."""
    from homing.retrieval.nearest import nearest

    ranking, _ = nearest(questions, passages, max(CUTOFFS))
    found = ranking == np.asarray(right)[:, None]
    return {f"hit@{k}": float(found[:, :k].any(axis=1).mean()) for k in CUTOFFS}


def operations(model: Any, texts: Sequence[str]) -> float:
    """Return the multiplications and additions of a BERT over the texts, without padding."""
    config = model[0].auto_model.config
    width, inner = config.hidden_size, config.intermediate_size
    lengths = [len(ids) for ids in model.tokenizer(list(texts), truncation=True)["input_ids"]]
    linear = 2 * (4 * width * width + 2 * width * inner) * sum(lengths)
    attention = 4 * width * sum(length * length for length in lengths)
    return float(config.num_hidden_layers * (linear + attention))


def product_rate(model: Any, bf16: bool) -> float:
    """Return operations a second of products of the model's widest shapes, best of many."""
    import torch

    config = model[0].auto_model.config
    inputs = torch.randn(PRODUCT_TOKENS, config.hidden_size)
    weights = torch.randn(config.intermediate_size, config.hidden_size)
    n_operations = 2.0 * inputs.shape[0] * weights.numel()
    best, until = 0.0, time.perf_counter() + PRODUCT_S
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        while (started := time.perf_counter()) < until:
            for _ in range(5):
                torch.nn.functional.linear(inputs, weights)
            best = max(best, 5 * n_operations / (time.perf_counter() - started))
    return best


def shares(embed: Embed, texts: Sequence[str]) -> dict[str, float]:
    """Return the share of processor time that the kinds of the model's operations take."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        embed(texts)
    seconds = dict.fromkeys(("linear layers", "attention", "the rest"), 0.0)
    for row in profiled.key_averages():
        kind = next((kind for name, kind in KINDS.items() if name in row.key), "the rest")
        seconds[kind] += row.self_cpu_time_total
    return {kind: round(value / sum(seconds.values()), 3) for kind, value in seconds.items()}


def measure(ways: Mapping[str, Embed], texts: Sequence[str], rounds: int) -> dict[str, Any]:
    """Return the times of every way, in turns, and the vectors that each gave last."""
    runs: dict[str, list[tuple[Any, float, float]]] = {name: [] for name in ways}
    for number in range(rounds):
        # Each starts a round once, so that what is heavier on the first meets all of them.
        order = list(ways)[number % len(ways) :] + list(ways)[: number % len(ways)]
        for name in order:
            runs[name].append(timed(ways[name], texts))
    return {
        name: {
            "seconds": median(seconds for _, seconds, _ in taken),
            "cpu_s": median(cpu for _, _, cpu in taken),
            "all_seconds": [round(seconds, 2) for _, seconds, _ in taken],
            "all_cpu_s": [round(cpu, 2) for _, _, cpu in taken],
            "vectors": taken[-1][0],
        }
        for name, taken in runs.items()
    }


def compare(data: Path, rounds: int) -> dict[str, Any]:
    """Return times, hit rates and how far the vectors are from the library's."""
    from homing.retrieval.encoders import SentenceTransformerEncoder
    from homing.retrieval.models import load_sentence_transformer

    table = json.loads((data / "val_dataset.json").read_text(encoding="utf-8"))
    rows = {passage_id: row for row, passage_id in enumerate(table["corpus"])}
    passages, questions = list(table["corpus"].values()), list(table["queries"].values())
    right = [rows[table["relevant_docs"][key][0]] for key in table["queries"]]
    model = load_sentence_transformer(None, max_tokens=MAX_TOKENS)
    encoder = SentenceTransformerEncoder(model)
    rates = [product_rate(model, encoder.bf16)]
    size, tried = best_batch(model, passages[::TRIAL_STEP])
    ways: dict[str, Embed] = {
        "homing": encoder.encode_passages,
        "defaults": model.encode,
        "best": lambda texts: model.encode(texts, batch_size=size),
    }
    measured = measure(ways, passages, rounds)
    rates.append(product_rate(model, encoder.bf16))
    of_library = model.encode(questions)
    vectors = {name: taken.pop("vectors") for name, taken in measured.items()}
    for name, taken in measured.items():
        asked = encoder.encode_queries(questions) if name == "homing" else of_library
        taken |= hit_rates(asked, vectors[name], right)
        taken["largest_difference"] = float(np.abs(vectors[name] - vectors["defaults"]).max())
    return {
        "n_passages": len(passages),
        "n_questions": len(questions),
        "batch_tokens": encoder.batch_tokens,
        "bf16": encoder.bf16,
        "best_batch_size": size,
        "tried_s": {str(batch): round(seconds, 2) for batch, seconds in tried.items()},
        "gflop": operations(model, passages) / 1e9,
        "product_gflop_per_s": [rate / 1e9 for rate in rates],
        "floor_s": operations(model, passages) / max(rates),
        "shares": shares(encoder.encode_passages, passages[::TRIAL_STEP]),
        "contenders": measured,
    }


def markdown(result: dict[str, Any]) -> str:
    """Return the result as a table."""
    defaults, floor = result["contenders"]["defaults"]["seconds"], result["floor_s"]
    lines = [
        f"{result['n_passages']} passages at {MAX_TOKENS} tokens, {result['n_questions']} "
        f"questions, {result['machine']['cores']} cores, median of {result['rounds']}.",
        "",
        "| embedding | seconds | times the defaults | " + " | ".join(f"hit@{k}" for k in CUTOFFS),
        "|---" * (3 + len(CUTOFFS)) + "|",
    ]
    lines[-2] += " |"
    for name, row in result["contenders"].items():
        cells = [f"{row[f'hit@{k}']:.4f}" for k in CUTOFFS]
        label = NAMES[name] + (f" ({result['best_batch_size']})" if name == "best" else "")
        lines.append(
            f"| {label} | {row['seconds']:.1f} | {defaults / row['seconds']:.2f} | "
            + " | ".join(cells)
            + " |"
        )
    kinds = ", ".join(f"{kind} {share:.0%}" for kind, share in result["shares"].items())
    return "\n".join(lines) + (
        f"\n\nOf Homing's time: {kinds}. The model's products alone take {floor:.1f} s at the "
        f"{max(result['product_gflop_per_s']):.0f} GFLOP/s that this machine reaches on them, so "
        f"{defaults / floor:.2f} times the defaults is the most that an exact way can reach in "
        f"{'bfloat16' if result['bf16'] else 'float32'} here.\n"
    )


def main() -> None:
    """Run the benchmark and write its results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    before = os.getloadavg()[0]
    result = {
        "command": "python benchmarks/embedding.py",
        "machine": describe_machine(),
        "rounds": arguments.rounds,
        **compare(arguments.data, arguments.rounds),
        "load_average_before": before,
        "load_average_after": os.getloadavg()[0],
    }
    ours, theirs = (result["contenders"][name] for name in ("homing", "defaults"))
    result["times_faster"] = theirs["seconds"] / ours["seconds"]
    result["times_faster_cpu"] = theirs["cpu_s"] / ours["cpu_s"]
    result["hit_rates_equal"] = all(ours[f"hit@{k}"] == theirs[f"hit@{k}"] for k in CUTOFFS)
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1) + "\n"
    (arguments.out / "embedding.json").write_text(text, encoding="utf-8")
    (arguments.out / "embedding.md").write_text(markdown(result), encoding="utf-8")
    print(markdown(result))


if __name__ == "__main__":
    main()
