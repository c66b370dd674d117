"""Whether token vectors beat the network that taught them on questions that people ask.

    python benchmarks/people.py

The demo's documents and questions: the docstrings of Python's standard library, asked about in
words of their own. `full` is trained as the demo does, on the training questions and the offline
writer's; `static` is distilled from what came out. Base, both and BM25, alone and fused half and
half, are asked the demo's test questions. Models are kept below benchmarks/results/people.work.
Writes benchmarks/results/people.{json,md}.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from machine import describe_machine

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
WORK = RESULTS / "people.work"
sys.path += [str(ROOT / "examples"), str(ROOT / "examples" / "stdlib")]

from demo import QUESTIONS, objects_in, write_questions  # noqa: E402
from export import export  # noqa: E402

import homing  # noqa: E402
from homing.dataset import Dataset  # noqa: E402
from homing.types import Evaluation  # noqa: E402

MEASURES = ("hit@1", "hit@5", "mrr@10", "ndcg@10")
RECIPES = {"full": None, "static": "full"}
"""Recipe -> what it starts from; None for the base model."""


def questions_and_documents() -> Dataset:
    """Return the demo's dataset."""
    pages = WORK / "stdlib"
    export(pages)
    objects, given = objects_in(pages), {}
    for use, source in QUESTIONS.items():
        given[use] = WORK / f"{use}_questions.jsonl"
        write_questions(source, objects, given[use])
    documents, passages, _ = homing.ingest(pages)
    written, _ = homing.write(passages)
    return homing.curate(
        passages,
        written,
        documents=documents,
        test_questions=given["test"],
        train_questions=given["train"],
    ).dataset


def trained(dataset: Dataset) -> dict[str, Any]:
    """Train what is not there yet; return pairs and seconds."""
    logs = {}
    for recipe, base in RECIPES.items():
        kept = WORK / f"{recipe}.json"
        if not kept.is_file():
            log = homing.train(
                dataset,
                out=WORK / recipe,
                base_model=str(WORK / base) if base else None,
                settings=homing.TrainingSettings(recipe=recipe),  # type: ignore[arg-type]
                cache_folder=WORK / "vectors",
            )
            row = {"n_pairs": log.n_pairs, "seconds": round(log.seconds, 1), "dev": log.dev}
            kept.write_text(json.dumps(row), encoding="utf-8")
        logs[recipe] = json.loads(kept.read_text(encoding="utf-8"))
    return logs


def evaluated(dataset: Dataset, baseline: str) -> Evaluation:
    """Return the evaluation of all contenders against one of them."""
    models = {"base": homing.DEFAULT_BASE_MODEL, **{name: str(WORK / name) for name in RECIPES}}
    fused = {f"bm25+{name}": f"fusion(bm25,{name},z,0.5)" for name in models}
    contenders = {**models, "bm25": "bm25", **fused}
    return homing.evaluate(dataset, contenders, baseline=baseline, cache_folder=WORK / "vectors")


def markdown(result: Mapping[str, Any]) -> str:
    """Return the result as a table."""
    titles = [*MEASURES, "nDCG@10, 95 %", *(f"against {name}" for name in result["against"])]
    lines = [f"| contender | {' | '.join(titles)} |", "|---" * (len(titles) + 1) + "|"]
    for name, row in result["contenders"].items():
        low, high = row["interval"]
        cells = [*(f"{row['measures'][m]:.3f}" for m in MEASURES), f"{low:.3f} to {high:.3f}"]
        for found in result["against"].values():
            gain = found.get(name)
            cells.append(f"{gain[0]:+.3f} ({gain[1]:+.3f} to {gain[2]:+.3f})" if gain else "")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines += ["", f"{result['n_queries']} questions, {result['n_passages']:,} passages; one seed."]
    return "\n".join(lines) + "\n"


def gains(evaluation: Evaluation) -> dict[str, tuple[float, float, float]]:
    """Return contender -> its nDCG@10 less the baseline's, with the interval."""
    return {
        c.name: (c.difference.value, c.difference.low, c.difference.high)
        for c in evaluation.comparisons
        if c.measure == "ndcg@10"
    }


def main() -> None:
    """Train, evaluate and write the results."""
    WORK.mkdir(parents=True, exist_ok=True)
    dataset = questions_and_documents()
    logs = trained(dataset)
    by_baseline = {name: evaluated(dataset, name) for name in ("base", "full")}
    found = by_baseline["base"]
    contenders = {
        name: {
            "measures": {m: one.measures[m] for m in MEASURES},
            "interval": [one.intervals["ndcg@10"].low, one.intervals["ndcg@10"].high],
        }
        for name, one in found.contenders.items()
    }
    result = {
        "command": "python benchmarks/people.py",
        "machine": describe_machine(),
        "trained": logs,
        "n_queries": found.n_queries,
        "n_passages": found.n_passages,
        "contenders": contenders,
        "against": {name: gains(evaluation) for name, evaluation in by_baseline.items()},
    }
    (RESULTS / "people.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "people.md").write_text(markdown(result), encoding="utf-8")
    print(markdown(result))


if __name__ == "__main__":
    main()
