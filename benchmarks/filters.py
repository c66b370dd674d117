"""What each filter on written questions does to the tuned model, on another writer's questions.

    python benchmarks/filters.py [--rows none,form,all] [--max-tokens 256] [--seeds 0,1]

gpt-3.5-turbo and Mistral-7B wrote questions about the annual reports of Lyft and Uber. Each row
filters one writer's questions about Lyft in one way, tunes the embedded base model on them with the
defaults of `homing.train`, and measures nDCG@10 on the other writer's questions about Uber, once
for each direction. Differences are to no filter, paired by question, with 95 % intervals that
resample passages. An LLM judge is no row: it needs a provider.

A training takes minutes, so that every result is kept at once, and what is in the results already
is not run again. Writes benchmarks/results/filters.{json,md}, or where --out says.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe_machine

import homing
from homing.curation.copied import drop_copied
from homing.curation.duplicates import find_groups
from homing.curation.filters import filter_questions
from homing.curation.repeated import drop_repeated
from homing.curation.roundtrip import find_passages, keep_found_again, key_of
from homing.dataset import Dataset, load_dataset
from homing.evaluation.significance import paired_difference
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.encoders import encoder_for
from homing.types import Encoder, Passage, Qrel, Query, Question, Rejection, content_id

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DATA = ROOT.parent / "shared" / "data" / "sec10k"
WRITERS = ("gpt-3.5-turbo", "mistral-7b-instruct")
MOST_COPIED = 0.5
MEASURE = "ndcg@10"
SPLIT = "all"

Filtered = tuple[list[Question], list[Rejection]]
Row = tuple[str, int]
"""Name of the filter, and seed of the training."""


class Written:
    """One writer's questions about Lyft, with all that the filters look at."""

    def __init__(self, path: Path, writer: str, n_passages: int | None, encoder: Encoder) -> None:
        self.dataset = shortened(load_dataset(path), n_passages)
        self.passages: list[Passage] = list(self.dataset.corpus.values())
        self.groups = find_groups(self.passages)
        self.encoder = encoder
        self.questions = [
            Question(self.dataset.queries[key].text, next(iter(grades)), "written", writer)
            for key, grades in self.dataset.split(SPLIT).items()
        ]

    @cached_property
    def found(self) -> Mapping[Any, Any]:
        """The one search that the round trip and "too easy" read."""
        return find_passages(self.questions, self.passages, self.groups, encoder=self.encoder)

    def by_form(self, questions: Sequence[Question]) -> Filtered:
        return filter_questions(questions, self.dataset.corpus, self.groups)

    def by_copies(self, questions: Sequence[Question]) -> Filtered:
        return drop_copied(questions, self.dataset.corpus, most=MOST_COPIED)

    def by_repetition(self, questions: Sequence[Question]) -> Filtered:
        return drop_repeated(questions, self.encoder)

    def by_round_trip(self, questions: Sequence[Question]) -> Filtered:
        return keep_found_again(questions, self.found)

    def by_easiness(self, questions: Sequence[Question]) -> Filtered:
        """Drop what is only labelled elsewhere, to see whether dropping would help."""
        hard = [q for q in questions if self.found[key_of(q)].bm25_rank != 1]
        easy = [q for q in questions if self.found[key_of(q)].bm25_rank == 1]
        return hard, [Rejection(key_of(q)[0], "curate", "too_easy", "", q.text) for q in easy]


Filter = Callable[[Written, Sequence[Question]], Filtered]
EVERY: tuple[Filter, ...] = (
    Written.by_form,
    Written.by_copies,
    Written.by_repetition,
    Written.by_round_trip,
)
ROWS: dict[str, tuple[Filter, ...]] = {
    "none": (),
    "form": EVERY[:1],
    "copied text": EVERY[1:2],
    "near-duplicates": EVERY[2:3],
    "round trip": EVERY[3:],
    "all": EVERY,
    "too easy dropped": (Written.by_easiness,),
}


def shortened(dataset: Dataset, n_passages: int | None) -> Dataset:
    """Return the dataset of the first passages and what was asked about them; None keeps all."""
    corpus = dict(list(dataset.corpus.items())[:n_passages])
    qrels = [qrel for qrel in dataset.qrels[SPLIT] if qrel.passage_id in corpus]
    queries = {qrel.query_id: dataset.queries[qrel.query_id] for qrel in qrels}
    return Dataset(corpus, queries, {SPLIT: qrels})


def filtered(written: Written, filters: Sequence[Filter]) -> tuple[Dataset, Counter[str]]:
    """Return the dataset of the questions that pass all filters, and how many each reason took."""
    questions = list(written.questions)
    reasons: Counter[str] = Counter()
    for keep in filters:
        questions, rejections = keep(written, questions)
        reasons.update(rejection.reason for rejection in rejections)
    queries, qrels = {}, []
    for i, question in enumerate(questions):
        key = content_id(str(i), question.text)
        queries[key] = Query(key, question.text)
        qrels.append(Qrel(key, question.passage_id))
    return Dataset(written.dataset.corpus, queries, {SPLIT: qrels}), reasons


def measured(test: Dataset, model: str, max_tokens: int, cache: Path) -> list[float]:
    """Return nDCG@10 of every test question."""
    found = homing.evaluate(test, {"it": model}, max_tokens=max_tokens, cache_folder=cache)
    return [round(float(value), 4) for value in found.by_query["it"][MEASURE]]


def run_row(
    written: Written, test: Dataset, name: str, seed: int, max_tokens: int, cache: Path
) -> dict[str, Any]:
    """Return what one row brings: how many questions, and the measure of each test question."""
    started = time.monotonic()
    dataset, reasons = filtered(written, ROWS[name])
    settings = homing.TrainingSettings(max_tokens=max_tokens, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "model"
        log = homing.train(dataset, out=out, settings=settings, cache_folder=cache)
        by_query = measured(test, str(out), max_tokens, cache)
    return {
        "n_written": len(written.questions),
        "n_kept": dataset.n_queries,
        "rejected": dict(reasons.most_common()),
        "kept_weights": log.kept,
        "seconds": round(time.monotonic() - started, 1),
        MEASURE: by_query,
    }


def clusters_of(test: Dataset) -> list[str]:
    """Return the passage that each test question is about, in the order of its measures."""
    return [next(iter(grades)) for grades in test.split(SPLIT).values()]


def markdown(result: Mapping[str, Any]) -> str:
    """Return the result as a table for each direction."""
    lines = []
    for writer, direction in result["directions"].items():
        rows: dict[str, list[Any]] = {}
        for row in direction["rows"]:
            rows.setdefault(row["filter"], []).append(row)
        n_passages = len(set(direction["clusters"]))
        base = np.array(direction["base"])
        lines += [
            f"Trained on {writer}'s questions about Lyft, tested on {len(base)} of "
            f"{direction['tested_on']} about Uber ({n_passages} passages asked about). The base "
            f"model has {base.mean():.3f}.",
            "",
            f"| filter | questions kept | {MEASURE} | difference to none (95 %) | p | seeds |",
            "|---|---|---|---|---|---|",
        ]
        none = mean_by_query(rows.get("none", []))
        for name in [name for name in ROWS if name in rows]:
            row, values = rows[name][0], mean_by_query(rows[name])
            cells = [name, f"{row['n_kept']:,} of {row['n_written']:,}", f"{values.mean():.3f}"]
            cells += compared(values, none, direction["clusters"]) if name != "none" else ["", ""]
            n_base = sum(row["kept_weights"] == "base" for row in rows[name])
            note = f", {n_base} kept the base" if n_base else ""
            lines.append(f"| {' | '.join(cells)} | {len(rows[name])}{note} |")
        lines.append("")
    cut = f"{result['settings']['max_tokens']} tokens a passage"
    lines.append(f"{cut}, {result['machine']['processor']}, {result['machine']['cores']} cores.")
    return "\n".join(lines) + "\n"


def mean_by_query(rows: Sequence[Mapping[str, Any]]) -> np.ndarray[Any, Any]:
    """Return the measure of each question, averaged over the seeds."""
    return np.mean([row[MEASURE] for row in rows], axis=0) if rows else np.empty(0)


def compared(
    values: np.ndarray[Any, Any], none: np.ndarray[Any, Any], clusters: Sequence[str]
) -> list[str]:
    """Return the difference to no filter with its interval, and the p-value, as cells."""
    if not len(none):
        return ["none was not run", ""]
    difference, p_value = paired_difference(values, none, clusters, seed=0)
    interval = f"{difference.low:+.3f} to {difference.high:+.3f}"
    return [f"{difference.value:+.3f} ({interval})", f"{p_value:.2f}"]


def opened(path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results so far, or the beginning of new ones."""
    if not path.exists():
        command = "python benchmarks/filters.py"
        machine = describe_machine()
        return {"command": command, "machine": machine, "settings": settings, "directions": {}}
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if result["settings"] != settings:
        sys.exit(f"{path} was made with {result['settings']}, not {settings}. Give another --out.")
    return result


def save(result: Mapping[str, Any], path: Path) -> None:
    """Write the results and their table, each in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tables = {".json": json.dumps(result, ensure_ascii=False) + "\n", ".md": markdown(result)}
    for suffix, text in tables.items():
        temporary = path.with_suffix(f"{suffix}.partial")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path.with_suffix(suffix))


def run_direction(
    writer: str,
    other: str,
    result: dict[str, Any],
    wanted: Sequence[Row],
    given: argparse.Namespace,
) -> None:
    """Run the rows of one direction that are missing, and save the results after each."""
    n, max_tokens = given.passages, given.max_tokens
    encoder = CachedEncoder(encoder_for(max_tokens=max_tokens))
    written = Written(given.data / writer / "train_dataset.json", writer, n, encoder)
    test = shortened(load_dataset(given.data / other / "val_dataset.json"), n)
    begun = {"tested_on": other, "clusters": clusters_of(test), "base": [], "rows": []}
    direction = result["directions"].setdefault(writer, begun)
    done = {(row["filter"], row["seed"]) for row in direction["rows"]}
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        if not direction["base"]:
            direction["base"] = measured(test, homing.DEFAULT_BASE_MODEL, max_tokens, cache)
        for name, seed in wanted:
            if (name, seed) in done:
                continue
            print(f"{writer}: {name}, seed {seed}", file=sys.stderr, flush=True)
            row = run_row(written, test, name, seed, max_tokens, cache)
            direction["rows"].append({"filter": name, "seed": seed, **row})
            save(result, given.out)


def main() -> None:
    """Run the rows that are missing and write the results after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rows", default=",".join(ROWS), help=f"of: {', '.join(ROWS)}")
    parser.add_argument("--seeds", default="0", help="averaged over, such as 0,1,2")
    parser.add_argument("--max-tokens", type=int, default=512, help="256 halves the time")
    parser.add_argument("--passages", type=int, help="the first so many alone, to try this out")
    parser.add_argument("--out", type=Path, default=RESULTS / "filters.json")
    given = parser.parse_args()
    names = [name.strip() for name in given.rows.split(",")]
    if unknown := set(names) - set(ROWS):
        parser.error(f"unknown rows {sorted(unknown)}; there are {', '.join(ROWS)}")
    wanted = [(name, int(seed)) for seed in given.seeds.split(",") for name in names]
    settings = {"max_tokens": given.max_tokens, "passages": given.passages}
    result = opened(given.out, settings)
    for writer, other in zip(WRITERS, reversed(WRITERS), strict=True):
        run_direction(writer, other, result, wanted, given)
    save(result, given.out)
    print(markdown(result))


if __name__ == "__main__":
    main()
