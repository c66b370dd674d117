"""SciFact: claims by experts, and which recipe learns to find the abstracts behind them.

    python benchmarks/scifact.py [--dev full,query] [--test full] [--data ../shared/data/scifact]

A fifth of the training claims is dev, drawn by a hash of their ids. Each row of `ROWS` trains one
model on the rest of them, or on no claim at all, and is scored on dev, alone and fused with BM25;
rows are compared there and nowhere else. Dev is searched among the abstracts that BM25 or the base
model ranks first for a dev claim, and those that answer one: base and tuned models alike.

A row named by --test is then scored once on the 300 test claims over all 5,183 abstracts, with the
weight of its fusion chosen on dev. Its numbers are kept and never made again. Passages are cut at
256 tokens, as in the published figures of the base model.

More than a third of the test claims are training claims in other words, or denied, and most others
are about abstracts that training claims are about: what a model remembers counts there. So every
score is shown for these apart from claims about abstracts that nobody asked about.

Without options: every row on dev, those of `FINAL` on test. Every row is kept at once, models below
benchmarks/results/scifact.work. Writes benchmarks/results/scifact.{json,md}.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from results_file import RESULTS, ResultsFile, folder_name
from scifact_table import ASKED, NEW, REWORDED, markdown

import homing
from homing.dataset import Dataset, load_dataset
from homing.evaluation.measures import measure_run
from homing.retrieval.bm25 import BM25Retriever
from homing.retrieval.bm25 import words as words_of
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.encoders import encoder_for
from homing.retrieval.fusion import METHODS, weighted_mean, z_scores
from homing.retrieval.search import top_k
from homing.training.settings import (
    NegativesSettings,
    QuerySettings,
    TrainingSettings,
)
from homing.types import Encoder, FloatArray, Qrel, Query, Question, Run, content_id
from homing.writing.extractive import ExtractiveWriter

ROOT = Path(__file__).resolve().parents[1]
WORK = RESULTS / "scifact.work"
DATA = ROOT.parent / "shared" / "data" / "scifact"
MAX_TOKENS = 256
MEASURE = "ndcg@10"
DEV_SHARE = 0.2
RIVALS = 10
"""Abstracts that BM25, and the base model, rank first for a dev claim: the corpus of dev."""
SAME_WORDS = 0.6
"""Jaccard of two claims' words from which one is the other reworded, or denied."""
OPEN = "fusion(bm25,dense)"
"""Method and weight are chosen on dev."""
WEIGHTS = tuple(tenths / 10 for tenths in range(11))


@dataclass(frozen=True)
class Row:
    """One model.

    Attributes:
        recipe: None for the base model as it is.
        settings: Of training; what is not named is the default.
        base: The row whose model is tuned further, or taught from; None for the base model.
        kinds: Of questions that the offline writer asks instead of any claim; None trains on the
            claims.
        again: The row whose settings are taken for a model of all claims, those of dev among them;
            the weight of its fusion is the one that was chosen for that row. Scored on test alone.
    """

    recipe: str | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    base: str | None = None
    kinds: tuple[str, ...] | None = None
    again: str | None = None


NO_OFFLINE = QuerySettings(offline_questions=0)
DEFAULT_KINDS = ("heading", "how_to", "statement", "statement")
ROWS: dict[str, Row] = {
    "base": Row(None),
    "full": Row("full"),
    "full, 3e-5": Row("full", {"learning_rate": 3e-5}),
    "full, half merged": Row("full", {"merge_weight": 0.5}),
    "full, hard negatives": Row("full", {"negatives": NegativesSettings(n=2)}),
    "full, 4 epochs": Row("full", {"epochs": 4}),
    "full, hard negatives, 4 epochs": Row(
        "full", {"epochs": 4, "negatives": NegativesSettings(n=2)}
    ),
    "lora": Row("lora"),
    "query": Row("query"),
    "query, claims alone": Row("query", {"query": NO_OFFLINE}),
    "query, claims alone, 10 epochs": Row("query", {"query": NO_OFFLINE, "epochs": 10}),
    "query, claims alone, no teacher": Row(
        "query", {"query": QuerySettings(offline_questions=0, teacher_weight=0.0), "epochs": 10}
    ),
    "adapter": Row("adapter"),
    "static": Row("static"),
    "no claims, full": Row("full", kinds=DEFAULT_KINDS),
    "no claims, full, sentences": Row("full", kinds=("heading", "sentence", "sentence")),
    "no claims, query": Row("query", kinds=DEFAULT_KINDS),
    "no claims, query, sentences": Row("query", kinds=("heading", "sentence", "sentence")),
    "no claims, static": Row("static", kinds=DEFAULT_KINDS),
}
ROWS |= {
    f"{name}, all claims": replace(ROWS[name], again=name)
    for name in ("query, claims alone", "query, claims alone, 10 epochs")
}
FINAL = ("base", "full", "query", "static")


class Claims:
    """The claims in three parts, and the abstracts."""

    def __init__(self, data: Path) -> None:
        self.all = load_dataset(data)
        ids = sorted(self.all.split("train"), key=lambda key: content_id("dev", key))
        self.dev_ids = sorted(ids[: round(DEV_SHARE * len(ids))])
        held = set(self.dev_ids)
        rows = self.all.qrels["train"]
        self.train = [qrel for qrel in rows if qrel.query_id not in held]
        self.dev = [qrel for qrel in rows if qrel.query_id in held]
        self.vectors = WORK / "vectors"

    def to_train(self, row: Row) -> Dataset:
        """Return what a row is trained on: claims, or what the offline writer asks of abstracts."""
        if row.kinds is None:
            claims = self.train + self.dev if row.again else self.train
            return replace(self.all, qrels={"train": claims})
        titled = {
            key: replace(passage, heading_path=(passage.title,))
            for key, passage in self.all.corpus.items()
        }
        writer = ExtractiveWriter(kinds=row.kinds)
        written = [q for q in writer.write(list(titled.values())) if isinstance(q, Question)]
        queries = {f"w{i}": asked(f"w{i}", question) for i, question in enumerate(written)}
        qrels = [Qrel(f"w{i}", question.passage_id) for i, question in enumerate(written)]
        return Dataset(titled, queries, {"train": qrels})

    @property
    def to_test(self) -> Dataset:
        """The dataset that an evaluation sees: dev chooses a fusion's weight, test is scored."""
        return replace(self.all, qrels={"dev": self.dev, "test": self.all.qrels["test"]})

    @cached_property
    def pool(self) -> Pool:
        """The dev claims and their part of the corpus."""
        return Pool(self)


def asked(key: str, question: Question) -> Query:
    """Return a written question as a query."""
    return Query(
        key,
        question.text,
        question.kind,
        question.writer,
        question.prompt,
        question.masked,
        question.masks_title,
    )


class Pool:
    """Dev claims, searched among the abstracts that answer one or are ranked first for one."""

    def __init__(self, claims: Claims) -> None:
        corpus, queries = claims.all, claims.all.queries
        self.ids = tuple(claims.dev_ids)
        self.texts = [queries[key].text for key in self.ids]
        self.qrels = claims.dev
        ids, texts = corpus.passage_ids(), corpus.passage_texts()
        base = CachedEncoder(encoder_for(max_tokens=MAX_TOKENS), claims.vectors)
        words = BM25Retriever(texts).scores(self.texts)
        dense = base.encode_queries(self.texts) @ base.encode_passages(texts).T
        place = {key: row for row, key in enumerate(ids)}
        kept = {place[qrel.passage_id] for qrel in self.qrels}
        for scores in (words, dense):
            kept |= set(top_k(scores, RIVALS)[0].ravel().tolist())
        rows = sorted(kept)
        self.passage_ids = tuple(ids[row] for row in rows)
        self.passages = [texts[row] for row in rows]
        self.words = z_scores(words[:, rows])

    def score(self, encoder: Encoder) -> dict[str, list[float]]:
        """Return nDCG@10 of each dev claim by each weight of the encoder beside BM25."""
        dense = z_scores(
            encoder.encode_queries(self.texts) @ encoder.encode_passages(self.passages).T
        )
        return {f"{w:g}": self._measured(weighted_mean(self.words, dense, w)) for w in WEIGHTS}

    def _measured(self, scores: FloatArray) -> list[float]:
        ranking, values = top_k(scores, 100)
        run = Run(self.ids, self.passage_ids, ranking, values)
        measured = measure_run(run, self.qrels, names=(MEASURE,))
        by_claim = dict(zip(measured.query_ids, measured.values[MEASURE], strict=True))
        return [round(float(by_claim[key]), 4) for key in self.ids]


def model_of(name: str) -> str | None:
    """Return the folder of a row's model; None is the base model."""
    return None if ROWS[name].recipe is None else str(WORK / folder_name(name))


def train(name: str, claims: Claims) -> dict[str, Any]:
    """Train a row's model unless it is there; return what is to be kept of the log."""
    row, out, kept = ROWS[name], WORK / folder_name(name), WORK / f"{folder_name(name)}.json"
    if row.recipe is None:
        return {}
    if kept.is_file():
        found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        return found
    if row.base:
        train(row.base, claims)
    settings = TrainingSettings(recipe=row.recipe, max_tokens=MAX_TOKENS, **row.settings)  # type: ignore[arg-type]
    started = time.monotonic()
    log = homing.train(
        claims.to_train(row),
        out=out,
        base_model=model_of(row.base) if row.base else None,
        settings=settings,
        dev_fraction=0.0,
        cache_folder=claims.vectors,
    )
    summary = {
        "n_pairs": log.n_pairs,
        "n_passages": log.n_passages,
        "seconds": round(time.monotonic() - started, 1),
        "learning_rate": log.settings["learning_rate"],
        "epochs": log.settings["epochs"],
        "merge_weight": log.settings["merge_weight"],
        "false_negative_fraction": log.false_negative_fraction,
    }
    kept.write_text(json.dumps(summary), encoding="utf-8")
    return summary


def on_dev(name: str, claims: Claims) -> dict[str, Any]:
    """Return a row with its dev scores."""
    summary = train(name, claims)
    encoder = CachedEncoder(encoder_for(model_of(name), max_tokens=MAX_TOKENS), claims.vectors)
    return {"name": name, "training": summary, "dev": claims.pool.score(encoder)}


def on_test(name: str, claims: Claims, fusion: str) -> dict[str, Any]:
    """Return what a row's model brings on the test claims, alone and fused with BM25.

    Args:
        fusion: Where it leaves method and weight open, they are chosen on dev.
    """
    model = model_of(name) or homing.DEFAULT_BASE_MODEL
    found = homing.evaluate(
        claims.to_test,
        {"bm25": "bm25", "dense": model, "fused": fusion},
        split="test",
        baseline="bm25",
        max_tokens=MAX_TOKENS,
        cache_folder=claims.vectors,
    )
    values = {
        key: [round(float(value), 4) for value in found.by_query[key][MEASURE]]
        for key in ("bm25", "dense", "fused")
    }
    intervals = {
        key: [getattr(found.contenders[key].intervals[MEASURE], end) for end in ("low", "high")]
        for key in values
    }
    return {
        "values": values,
        "intervals": intervals,
        "chosen": found.contenders["fused"].chosen or fusion,
        "query_ids": list(found.query_ids),
        "clusters": list(found.clusters),
    }


def kinds_of_claims(claims: Claims) -> dict[str, dict[str, str]]:
    """Return for dev and test: claim -> `REWORDED`, `ASKED` or `NEW`, by the claims before it.

    Of dev those before it are what rows are trained on, of test all training claims.
    """
    parts = {"dev": (claims.dev, claims.train)}
    parts["test"] = (claims.all.qrels["test"], claims.train + claims.dev)
    return {name: kinds(claims.all, own, others) for name, (own, others) in parts.items()}


def kinds(dataset: Dataset, own: Sequence[Qrel], others: Sequence[Qrel]) -> dict[str, str]:
    """Return claim -> what training said of it."""
    words = {q.query_id: set(words_of(dataset.queries[q.query_id].text)) for q in others}
    asked_about = {qrel.passage_id for qrel in others}
    found: dict[str, str] = {}
    for qrel in own:
        mine = set(words_of(dataset.queries[qrel.query_id].text))
        likest = max(len(mine & theirs) / len(mine | theirs) for theirs in words.values())
        if likest >= SAME_WORDS:
            found[qrel.query_id] = REWORDED
        elif qrel.passage_id in asked_about:
            found[qrel.query_id] = ASKED
        else:
            found.setdefault(qrel.query_id, NEW)
    return found


def run(results: ResultsFile, dev: Iterable[str], test: Sequence[str], claims: Claims) -> None:
    """Fill in the rows that are missing, and save after every one."""
    results.content["kinds"] = kinds_of_claims(claims)
    results.content["dev_ids"] = claims.dev_ids
    for name in dict.fromkeys([*dev, *test]):
        if ROWS[name].again and name not in results.rows:
            results.rows[name] = {"name": name, "training": train(name, claims)}
        elif name not in results.rows:
            results.rows[name] = on_dev(name, claims)
            results.save()
            values = {w: np.mean(v) for w, v in results.rows[name]["dev"].items()}
            best = max(values, key=lambda w: values[w])
            print(
                f"{name}: dev {values['1']:.4f}, with BM25 {values['0.5']:.4f}, at best "
                f"{values[best]:.4f} ({best})",
                file=sys.stderr,
                flush=True,
            )
    for name in test:
        if "test" not in results.rows[name]:
            fusion = settled_fusion(results.rows[twin]) if (twin := ROWS[name].again) else OPEN
            results.rows[name]["test"] = on_test(name, claims, fusion)
            results.save()


def settled_fusion(twin: Mapping[str, Any]) -> str:
    """Return the fusion of a row that was tested, with what was chosen for it."""
    chosen = str(twin["test"]["chosen"])
    method = "rrf" if chosen.startswith(METHODS["rrf"]) else "z"
    weight = chosen.removeprefix(f"{METHODS[method]}, ").split()[0]
    return f"fusion(bm25,dense,{method},{weight})"


def table(content: Mapping[str, Any]) -> str:
    """Return the results for people, rows in the order of `ROWS`."""
    return markdown(content, list(ROWS))


def main() -> None:
    """Run what is asked for and is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--dev", default=None, help="rows, by semicolons; without it all")
    parser.add_argument("--test", default=None, help="the same; without it the final ones")
    given = parser.parse_args()
    dev, test = (
        default if names is None else [name.strip() for name in names.split(";") if name.strip()]
        for names, default in ((given.dev, list(ROWS)), (given.test, list(FINAL)))
    )
    if unknown := {*dev, *test} - set(ROWS):
        parser.error(f"unknown rows {sorted(unknown)}; there are {'; '.join(ROWS)}")
    results = ResultsFile("scifact", "python benchmarks/scifact.py", table)
    run(results, dev, test, Claims(given.data))
    results.save()
    print(results.table)


if __name__ == "__main__":
    main()
