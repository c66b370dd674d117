"""Exact search of a million passages: ours beside sentence-transformers and faiss, in one run.

    python benchmarks/search.py [--small]

Draws unit vectors around common centres, then lets every contender find the 100 nearest of each
query in a process of its own, one after the other, with all cores; loading is not timed. Memory is
the peak of the whole process (VmHWM), vectors included. The rate of the matmul is that of the same
tiles with nothing done to the products, in the process of ours, NumPy's or torch's, whichever is
higher. All must find the same passages, save for scores that differ by rounding. Writes
benchmarks/results/search.{json,md}.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe_machine
from search_contenders import CONTENDERS, K

RESULTS = Path(__file__).resolve().parent / "results"
DIMENSIONS = 384
PASSAGES, QUERIES = 1_000_000, 10_000
SMALL = 100_000, 1_000
CENTRES = 1_000
CLOSENESS = 0.5
"""Weight of the centre beside noise of weight 1: two of the same centre have a cosine of 0.2."""
SEED = 7
ROUNDING = 1e-6
NAMES = {
    "homing": "Homing",
    "faiss": "faiss-cpu, IndexFlatIP",
    "semantic_search": "semantic_search, defaults",
    "semantic_search_best": "semantic_search, best chunks, dot product",
    "information_retrieval_evaluator": "InformationRetrievalEvaluator",
}


def draw(path: Path, n: int, stream: int) -> None:
    """Save n unit vectors, written in parts so that memory stays bounded."""
    centres = np.random.default_rng(SEED).standard_normal((CENTRES, DIMENSIONS), dtype=np.float32)
    random = np.random.default_rng((SEED, stream))
    table = np.lib.format.open_memmap(path, "w+", dtype=np.float32, shape=(n, DIMENSIONS))
    for start in range(0, n, 50_000):
        part = random.standard_normal((min(50_000, n - start), DIMENSIONS), dtype=np.float32)
        part += np.float32(CLOSENESS) * centres[random.integers(CENTRES, size=len(part))]
        table[start : start + len(part)] = part / np.linalg.norm(part, axis=1, keepdims=True)
    table.flush()


def run_contender(name: str, folder: Path) -> dict[str, Any]:
    """Return what one contender's process measured of itself."""
    script = Path(__file__).with_name("search_contenders.py")
    done = subprocess.run(
        [sys.executable, str(script), name, str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{name}: {measured['seconds']:.1f} s", file=sys.stderr, flush=True)
    return measured


def disagreement(folder: Path, name: str) -> dict[str, Any]:
    """Return how many queries got the same set as from ours, and how far the others are off.

    `largest_gap` is the most by which a passage that only one of the two found scores more or less
    than the last of ours, in double precision: 0.0 where all sets are the same.
    """
    ours, other = np.load(folder / "homing.npy"), np.load(folder / f"{name}.npy")
    passages = np.load(folder / "passages.npy", mmap_mode="r")
    queries = np.load(folder / "queries.npy").astype(np.float64)
    differing = np.flatnonzero(np.any(np.sort(ours, axis=1) != np.sort(other, axis=1), axis=1))
    gap = 0.0
    for row in differing:
        last = passages[ours[row, -1]].astype(np.float64) @ queries[row]
        only_one = np.setxor1d(ours[row], other[row])
        gap = max(gap, float(np.abs(passages[only_one] @ queries[row] - last).max()))
    return {"same_sets": len(ours) - len(differing), "largest_gap": gap}


def compare(n_passages: int, n_queries: int) -> dict[str, Any]:
    """Return what every contender took, and whether all found the same."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        draw(folder / "passages.npy", n_passages, 0)
        draw(folder / "queries.npy", n_queries, 1)
        measured = {name: run_contender(name, folder) for name in CONTENDERS}
        for name in CONTENDERS:
            if (folder / f"{name}.npy").exists():
                measured[name] |= disagreement(folder, name)
                if measured[name]["largest_gap"] > ROUNDING:
                    sys.exit(f"{name} and ours found different passages: {measured[name]}")
    return measured


def markdown(result: dict[str, Any]) -> str:
    """Return the result as a table."""
    ours = result["contenders"]["homing"]
    lines = [
        f"{result['n_passages']:,} passages of {DIMENSIONS} dimensions, {result['n_queries']:,} "
        f"queries, the {K} nearest of each, {result['machine']['cores']} cores.",
        "",
        "| exact search | queries | seconds | queries a second | peak memory | same sets as ours |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in result["contenders"].items():
        same = f"{row['same_sets']:,}" if "same_sets" in row else "–"
        if f"precision@{K}_of_ours" in row:
            same = f"precision {row[f'precision@{K}_of_ours']:.6f}"
        n_queries = row.get("n_queries", result["n_queries"])
        lines.append(
            f"| {NAMES[name]} | {n_queries:,} | {row['seconds']:.1f} "
            f"| {n_queries / row['seconds']:,.0f} | {row['peak_memory_gb']:.2f} GB | {same} |"
        )
    best = max(*ours["matmul_gflop_per_s"], ours["torch_matmul_gflop_per_s"] or 0.0)
    return "\n".join(lines) + (
        f"\n\nOurs reaches {ours['gflop_per_s']:.0f} GFLOP/s, {ours['share_of_matmul']:.0%} of the "
        f"{best:.0f} GFLOP/s of the matmul alone. The vectors themselves take "
        f"{result['vectors_gb']:.2f} GB. The evaluator is given the vectors and computes its "
        "measures too; it gets fewer queries because its memory grows with them. Every other "
        "passage set was compared with ours; where one differs, the scores are the same within "
        f"{ROUNDING:g}.\n"
    )


def main() -> None:
    """Run the benchmark and write its results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="100,000 passages, 1,000 queries")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    n_passages, n_queries = SMALL if arguments.small else (PASSAGES, QUERIES)
    result = {
        "command": "python benchmarks/search.py" + (" --small" if arguments.small else ""),
        "machine": describe_machine(),
        "load_average_before": os.getloadavg()[0],
        "n_passages": n_passages,
        "n_queries": n_queries,
        "vectors_gb": 4e-9 * DIMENSIONS * (n_passages + n_queries),
        "contenders": compare(n_passages, n_queries),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1) + "\n"
    (arguments.out / "search.json").write_text(text, encoding="utf-8")
    (arguments.out / "search.md").write_text(markdown(result), encoding="utf-8")
    print(markdown(result))


if __name__ == "__main__":
    main()
