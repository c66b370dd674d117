"""Every recipe on the same questions: trained on Lyft's annual report, tested on Uber's.

    python benchmarks/recipes.py [--only full,lora] [--data ../shared/data/sec10k/gpt-3.5-turbo]

Runs `homing train --recipe NAME` with each recipe's defaults on the 668 questions that
gpt-3.5-turbo wrote about Lyft's report, then one `homing evaluate` of all of them on its 790
questions about Uber's, each model alone and fused with BM25 half and half. Where a name ends in
"+corpus", training saw the passages of Uber's report as well, as a corpus that nobody asked about:
no question and no label of it. `full-query` is the query tower over what `full` made, `static` is
distilled from `full`, the reranker reads the first 20 of BM25 fused with the base. What is kept is
decided on a tenth of Lyft's passages; a reranker that was not handed over is shown all the same.
Models that were trained are kept below benchmarks/results/recipes.work, so that a run that was
stopped goes on. Writes benchmarks/results/recipes.{json,md}.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import describe_machine

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
WORK = RESULTS / "recipes.work"
DATA = ROOT.parent / "shared" / "data" / "sec10k" / "gpt-3.5-turbo"
HOMING = (sys.executable, "-m", "homing")
FLAGS = ("--max-tokens", "512", "--json")
DEPTH = 20
MEASURES = ("hit@1", "hit@5", "mrr@10", "ndcg@10")


@dataclass(frozen=True)
class Run:
    """One model: its recipe, what it starts from, and whether it sees Uber's passages."""

    recipe: str
    base: str | None = None
    sees_corpus: bool = False


RUNS = {
    "full": Run("full"),
    "lora": Run("lora"),
    "query": Run("query"),
    "query+corpus": Run("query", sees_corpus=True),
    "full-query+corpus": Run("query", base="full", sees_corpus=True),
    "adapter": Run("adapter"),
    "static+corpus": Run("static", base="full", sees_corpus=True),
    "reranker": Run("reranker"),
}


def with_corpus(data: Path) -> Path:
    """Write Lyft's questions over the passages of both reports; return the file."""
    lyft, uber = (
        json.loads((data / f"{name}_dataset.json").read_text(encoding="utf-8"))
        for name in ("train", "val")
    )
    both = {**lyft, "corpus": {**lyft["corpus"], **uber["corpus"]}}
    path = WORK / "both.json"
    path.write_text(json.dumps(both), encoding="utf-8")
    return path


def train(name: str, data: Path) -> dict[str, Any]:
    """Train one model, or return what an earlier run kept of it."""
    run, out, kept = RUNS[name], WORK / name, WORK / f"{name}.json"
    if kept.is_file():
        found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        return found
    base = ["--base-model", str(WORK / run.base)] if run.base else []
    source = with_corpus(data) if run.sees_corpus else data / "train_dataset.json"
    command = [*HOMING, "train", str(source), "--recipe", run.recipe, *base]
    started = time.monotonic()
    answer = subprocess.run(
        [*command, "--out", str(out), *FLAGS], check=True, stdout=subprocess.PIPE, text=True
    )
    log = json.loads(answer.stdout)["log"]
    row = {
        "training_s": log["seconds"] - log["dev_seconds"],
        "dev_s": log["dev_seconds"],
        "total_s": time.monotonic() - started,
        "kept": log["kept"],
        # An index of the base model, that is, not of what another recipe made.
        "index_stays": bool(log.get("index_stays")) and run.base is None,
    }
    kept.write_text(json.dumps(row), encoding="utf-8")
    return row


def contenders_of(names: Sequence[str]) -> dict[str, str]:
    """Return the contenders of the table: base, BM25, each recipe alone and with BM25."""
    found = {
        "base": "sentence-transformers/all-MiniLM-L6-v2",
        "bm25": "bm25",
        "bm25+base": "fusion(bm25,base,z,0.5)",
    }
    for name in names:
        folder = str(WORK / name)
        if RUNS[name].recipe == "reranker":
            # Where it does not beat its first stage on dev, none is handed over.
            is_there = (WORK / name / "modules.json").is_file()
            model = folder if is_there else f"{folder}/not-better"
            found[name] = f"rerank(bm25+base,{model},{DEPTH})"
        else:
            found |= {name: folder, f"bm25+{name}": f"fusion(bm25,{name},z,0.5)"}
    return found


def evaluate(data: Path, contenders: Mapping[str, str]) -> dict[str, Any]:
    """Return the summary of `homing evaluate` on the Uber questions."""
    flags = [x for name, spec in contenders.items() for x in ("--contender", f"{name}={spec}")]
    command = [*HOMING, "evaluate", str(data / "val_dataset.json"), *flags, "--costs", *FLAGS]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    summary: dict[str, Any] = json.loads(answer.stdout)
    return summary


def markdown(result: Mapping[str, Any]) -> str:
    """Return the result as a table."""
    evaluation, trained = result["evaluation"], result["trained"]
    gains = {c["name"]: c for c in evaluation["comparisons"] if c["measure"] == "hit@5"}
    titles = [*MEASURES, "hit@5, 95 %", "hit@5 against base", "training", "index stays"]
    lines = ["| contender | " + " | ".join(titles) + " |", "|---" * (len(titles) + 1) + "|"]
    for name, measures in evaluation["contenders"].items():
        low, high = evaluation["intervals"][name]["hit@5"]
        gain, row = gains.get(name), trained.get(name)
        cells = [f"{measures[m]:.3f}" for m in MEASURES] + [f"{low:.3f} to {high:.3f}"]
        cells.append(
            f"{gain['difference']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})" if gain else ""
        )
        cells.append(f"{row['training_s']:,.1f} s" if row else "")
        cells.append("yes" if row and row["index_stays"] else "")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    n_queries, n_passages = evaluation["n_queries"], evaluation["n_passages"]
    lines += ["", f"{n_queries} questions, {n_passages} passages; one run, one seed."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Train what is not trained yet, evaluate all, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", default=",".join(RUNS), help="names, by commas")
    arguments = parser.parse_args()
    names = [name for name in RUNS if name in arguments.only.split(",")]
    WORK.mkdir(parents=True, exist_ok=True)
    trained = {name: train(name, arguments.data) for name in names}
    result = {
        "command": "python benchmarks/recipes.py",
        "machine": describe_machine(),
        "trained": trained,
        "evaluation": evaluate(arguments.data, contenders_of(names)),
    }
    (RESULTS / "recipes.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "recipes.md").write_text(markdown(result), encoding="utf-8")
    print(markdown(result))


if __name__ == "__main__":
    main()
