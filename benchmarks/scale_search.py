"""Exact search and mining of a million passages: one process beside the workers of both engines.

    python benchmarks/scale_search.py [--small]

Draws unit vectors of 384 dimensions that vary in 48 of them, and passages of real text
(`scale_material.py`); then every contender searches for the 100 nearest of each query, mines hard
negatives for questions made of the words of passages, and indexes the words of all passages, each
in a process of its own, one after the other. One process holds the vectors in memory, as a small
corpus is searched; an engine's workers read them from the files in which vectors are kept. Memory
is the peak of each process (VmHWM), in which the kernel counts the pages of mapped files, too. All
must find the same. Writes benchmarks/results/scale_search.{json,md}.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe_machine
from scale_material import Material
from scale_processes import watch
from scale_search_contenders import KEY

from homing.retrieval.cache import KEY_DIGITS, text_digest, write_part
from homing.types import passage_input
from homing.vectors import normalised

RESULTS = Path(__file__).resolve().parent / "results"
DIMENSIONS, VARIETY = 384, 48
NOISE = 0.05
"""In every dimension, beside a variety of length 1 on average."""
ROWS_IN_FILE = 16_384
IN_QUESTION = 12
"""Words of a passage that make a question."""
SIZES = {False: (1_000_000, 10_000, 1_000), True: (100_000, 1_000, 200)}
"""Passages, queries and questions to mine for; True for the small run."""
TASKS = {
    "search": ("one process", "local", "ray"),
    "mine": ("one process", "local", "ray"),
    "words": ("bm25s", "homing"),
}
SEED = 11


def draw(n: int, stream: int) -> Iterator[Any]:
    """Yield n unit vectors in parts of `ROWS_IN_FILE`."""
    axes = np.random.default_rng(SEED).standard_normal((VARIETY, DIMENSIONS), dtype=np.float32)
    axes /= np.float32(np.sqrt(VARIETY * DIMENSIONS))
    random = np.random.default_rng((SEED, stream))
    for start in range(0, n, ROWS_IN_FILE):
        size = min(ROWS_IN_FILE, n - start)
        part = random.standard_normal((size, VARIETY), dtype=np.float32) @ axes
        part += NOISE / np.sqrt(DIMENSIONS) * random.standard_normal(part.shape, dtype=np.float32)
        yield normalised(part)


def prepare(folder: Path, n_passages: int, n_queries: int, n_questions: int) -> None:
    """Write the passages' texts and kept vectors, queries, and questions."""
    np.save(folder / "queries.npy", np.concatenate(list(draw(n_queries, 1))))
    asked = set(np.linspace(0, n_passages - 1, n_questions).astype(int).tolist())
    questions, files = [], []
    passages = enumerate(Material(seed=SEED).passages(n_passages))
    with (folder / "texts.jsonl").open("w", encoding="utf-8") as file:
        for number, part in enumerate(draw(n_passages, 0)):
            digests = []
            for row, passage in islice(passages, len(part)):
                title = f"{passage.title} {row}"  # so that no two are the same
                file.write(json.dumps([title, passage.text]) + "\n")
                digests.append(text_digest(KEY, "passage", passage_input(title, passage.text)))
                if row in asked:
                    questions.append([row, " ".join(passage.text.split()[:IN_QUESTION])])
            path = folder / "vectors" / KEY[:KEY_DIGITS] / f"part-{number:05d}.npz"
            write_part(path, digests, part)
            files.append([str(path), len(part)])
    (folder / "questions.json").write_text(json.dumps(questions), encoding="utf-8")
    (folder / "files.json").write_text(json.dumps(files), encoding="utf-8")


def run_contender(task: str, name: str, folder: Path) -> dict[str, Any]:
    """Return what one contender's process measured of itself, and the peak of each process."""
    script = Path(__file__).with_name("scale_search_contenders.py")
    load = os.getloadavg()[0]
    watched = watch([sys.executable, str(script), task, name, str(folder)])
    measured: dict[str, Any] = json.loads(watched.said.splitlines()[-1])
    print(f"{task}, {name}: {measured['seconds']:.1f} s", file=sys.stderr, flush=True)
    return {**measured, **watched.as_json(), "load_before": load, "load_after": os.getloadavg()[0]}


def agreement(folder: Path, task: str, name: str) -> dict[str, Any]:
    """Return in how many rows ids and scores are those of the first contender, bit by bit."""
    with (
        np.load(folder / f"{task}-{TASKS[task][0]}.npz") as theirs,
        np.load(folder / f"{task}-{name}.npz") as ours,
    ):
        same = [np.all(ours[key] == theirs[key], axis=1) for key in ("ids", "scores")]
        gap = float(np.abs(ours["scores"] - theirs["scores"]).max())
        return {
            "n_rows": len(same[0]),
            "same_ids": int(same[0].sum()),
            "same_scores": int(same[1].sum()),
            "largest_gap": gap,
        }


def compare(small: bool) -> dict[str, Any]:
    """Return what every contender took in every task, and whether all found the same."""
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder, *SIZES[small])
        for task, names in TASKS.items():
            results[task] = {name: run_contender(task, name, folder) for name in names}
            for name in names[1:]:
                results[task][name] |= agreement(folder, task, name)
    return results


def markdown(result: dict[str, Any]) -> str:
    """Return the result as tables."""
    n_passages, n_queries, n_questions = result["sizes"]
    titles = {
        "search": f"The 100 nearest of {n_queries:,} queries",
        "mine": f"Hard negatives of {n_questions:,} questions",
        "words": "The index of words",
    }
    lines = [
        f"{n_passages:,} passages of {DIMENSIONS} dimensions, {result['machine']['cores']} cores; "
        f"load average before: {result['load_average_before']:.1f}."
    ]
    for task, rows in result["tasks"].items():
        lines += ["", f"**{titles[task]}**", ""]
        lines += ["| | seconds | peak memory, driver | worker | same ids | same scores |"]
        lines += ["|---|---|---|---|---|---|"]
        for name, row in rows.items():
            peaks = [row["peak_mb"].get(kind) for kind in ("driver", "worker")]
            shown = [f"{peak / 1000:.2f} GB" if peak else "–" for peak in peaks]
            same = [
                f"{row[key]:,} of {row['n_rows']:,}" if key in row else "–"
                for key in ("same_ids", "same_scores")
            ]
            lines.append(f"| {name} | {row['seconds']:.1f} | {' | '.join([*shown, *same])} |")
    return "\n".join(lines) + (
        "\n\nSeconds are those of the work, without loading vectors and texts and without the "
        "start of Python; with Ray they include the start of its actors. Peaks are of the whole "
        "process; the driver holds the texts of all passages, which a job on a large corpus leaves "
        "on disk.\n"
    )


def main() -> None:
    """Run the benchmark and write its results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--small", action="store_true", help="100,000 passages, 1,000 queries")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    result = {
        "command": "python benchmarks/scale_search.py" + (" --small" if arguments.small else ""),
        "machine": describe_machine(),
        "load_average_before": os.getloadavg()[0],
        "sizes": SIZES[arguments.small],
        "tasks": compare(arguments.small),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1) + "\n"
    (arguments.out / "scale_search.json").write_text(text, encoding="utf-8")
    (arguments.out / "scale_search.md").write_text(markdown(result), encoding="utf-8")
    print(markdown(result))


if __name__ == "__main__":
    main()
