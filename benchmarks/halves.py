"""Experiments on one annual report: labels of one half of it, judged on the other half's questions.

    python benchmarks/halves.py [--rows 'full;lora'] [--data ../shared/data/sec10k]

Lyft's annual report is cut into 20 blocks of consecutive passages. The questions that gpt-3.5-turbo
wrote about the even blocks are learnt from; judged are its questions about the odd ones, and those
that Mistral-7B wrote about the odd ones of its own passages, each over the passages of the whole
report. No figure that the README reports is looked at. Passages are cut at 512 tokens, the last
weights are taken, one seed.

Every row is kept at once and none is run twice; models lie below benchmarks/results/halves.work.
Writes benchmarks/results/halves.{json,md}; docs/experiments.md says what followed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from halves_cuts import cut_to_questions, gradient_through
from halves_table import markdown
from results_file import ResultsFile, folder_name

import homing
from homing.dataset import Dataset, load_dataset
from homing.evaluation.measures import measure_run
from homing.retrieval.bm25 import BM25Retriever
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.dense import DenseRetriever
from homing.retrieval.encoders import encoder_for
from homing.retrieval.fusion import FusedRetriever
from homing.retrieval.search import search
from homing.training.settings import (
    FullSettings,
    LoraSettings,
    NegativesSettings,
    QuerySettings,
    TrainingSettings,
)
from homing.types import Qrel, Query, Question, Retriever, content_id
from homing.writing.extractive import ExtractiveWriter

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "sec10k"
WRITERS = ("gpt-3.5-turbo", "mistral-7b-instruct")
MAX_TOKENS = 512
N_BLOCKS = 20
MEASURES = ("hit@5", "ndcg@10")
SPLIT = "all"

Changed = Callable[[Dataset], Dataset]


@dataclass(frozen=True)
class Row:
    """One model, or two fused.

    Attributes:
        recipe: None for the base model as it is, or for a fusion.
        settings: Of training; what is not named is the default.
        base: The row whose model is tuned further or taught from; None for the base model.
        change: What is made of the labels first.
        share: Of each batch's passages, those that the gradient goes through.
        fused: Two rows and the share of the second, instead of a model.
    """

    recipe: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    base: str | None = None
    change: Changed = lambda labels: labels
    share: float = 1.0
    fused: tuple[str, str, float] | None = None


def offline(dataset: Dataset, each: int, *, beside: bool) -> Dataset:
    """Return a dataset with offline questions about every passage.

    Args:
        each: Most questions of a passage.
        beside: Keep the labels as well.
    """
    writer = ExtractiveWriter(questions_per_passage=each)
    queries = dict(dataset.queries)
    qrels = list(dataset.qrels["train"]) if beside else []
    for question in writer.write(list(dataset.corpus.values())):
        if isinstance(question, Question):
            key = content_id("offline", question.passage_id, question.text)
            queries[key] = Query(
                key,
                question.text,
                question.kind,
                question.writer,
                masked=question.masked,
                masks_title=question.masks_title,
            )
            qrels.append(Qrel(key, question.passage_id))
    return replace(dataset, queries=queries, qrels={"train": qrels})


def cut(n_tokens: int) -> Changed:
    """Return what cuts each labelled passage to what shares most with its questions."""
    return lambda labels: cut_to_questions(labels, n_tokens)


def of_query(**settings: Any) -> dict[str, Any]:
    """Return settings of `query` alone."""
    return {"query": QuerySettings(**settings)}


def frozen(n_layers: int) -> dict[str, Any]:
    """Return the settings that freeze embeddings and lower layers."""
    return {"full": FullSettings(frozen_layers=n_layers)}


ROWS: dict[str, Row] = {
    "base": Row(),
    "full": Row("full"),
    "query": Row("query"),
    "query over full": Row("query", base="full"),
    "static of base": Row("static"),
    "static of full": Row("static", base="full"),
    **{
        f"static + full, {share:g} of full": Row(fused=("static of full", "full", share))
        for share in (0.3, 0.5, 0.7)
    },
    "lora": Row("lora"),
    "query, labels without a teacher": Row(
        "query", of_query(teacher_weight=0.0, offline_questions=0)
    ),
    "query, no label at all": Row(
        "query",
        of_query(teacher_weight=1.0),
        change=lambda labels: offline(labels, 4, beside=False),
    ),
    "query over full, 6 epochs": Row("query", {"epochs": 6}, base="full"),
    "query over full, 2e-4": Row("query", {"learning_rate": 2e-4}, base="full"),
    "query over full, temperature 1": Row("query", of_query(teacher_temperature=1.0), base="full"),
    "query over full, teacher 0.8": Row("query", of_query(teacher_weight=0.8), base="full"),
    "full, offline questions as well": Row(
        "full", change=lambda labels: offline(labels, 2, beside=True)
    ),
    "query over that": Row("query", base="full, offline questions as well"),
    "full, three layers frozen": Row("full", frozen(3)),
    "full, 256 tokens": Row("full", change=cut(256)),
    "full, 160 tokens": Row("full", change=cut(160)),
    "full, 96 tokens": Row("full", change=cut(96)),
    "full, 160 tokens, 2 epochs": Row("full", {"epochs": 2}, change=cut(160)),
    "full, 160 tokens, two layers frozen": Row("full", frozen(2), change=cut(160)),
    "full, gradient through half": Row("full", share=0.5),
    "full, gradient through a quarter": Row("full", share=0.25),
    "full, gradient through questions": Row("full", share=0.0),
    "full, hard negatives": Row("full", {"negatives": NegativesSettings(n=2)}),
    "lora, 1e-3": Row("lora", {"learning_rate": 1e-3}),
    "lora, rank 8": Row("lora", {"lora": LoraSettings(rank=8)}),
}


class Halves:
    """Labels of the even blocks, and what judges: questions about the odd ones."""

    def __init__(self, data: Path) -> None:
        gpt, mistral = (load_dataset(data / w / "train_dataset.json") for w in WRITERS)
        self.labels = replace(gpt, qrels={"train": in_blocks(gpt, is_odd=False)})
        self.judges = {
            writer: replace(dataset, qrels={"test": in_blocks(dataset, is_odd=True)})
            for writer, dataset in zip(WRITERS, (gpt, mistral), strict=True)
        }


def in_blocks(dataset: Dataset, *, is_odd: bool) -> list[Qrel]:
    """Return the judgements about passages of the odd, or the even, blocks of the report."""
    ids = dataset.passage_ids()
    block = {key: N_BLOCKS * place // len(ids) for place, key in enumerate(ids)}
    return [qrel for qrel in dataset.qrels[SPLIT] if block[qrel.passage_id] % 2 == is_odd]


class Bench:
    """The rows that are asked for, trained and judged."""

    def __init__(self, results: ResultsFile, halves: Halves) -> None:
        self.results, self.halves = results, halves
        self.vectors = results.work / "vectors"
        self.words = {w: BM25Retriever(d.passage_texts()) for w, d in halves.judges.items()}

    def run(self, name: str) -> None:
        """Make a row, and first those that it rests on, unless they are there."""
        row = ROWS[name]
        rests_on = row.fused[:2] if row.fused else (row.base,) if row.base else ()
        for other in rests_on:
            self.run(other)
        if name in self.results.rows:
            return
        trained = self._train(name) if row.recipe else {}
        judged = {writer: self._judge(name, writer) for writer in WRITERS}
        self.results.rows[name] = {"trained": trained, "judged": judged}
        self.results.save()
        means = [
            f"{sum(judged[w][way]['ndcg@10']) / len(judged[w][way]['ndcg@10']):.3f}"
            for w in WRITERS
            for way in ("dense", "fused")
        ]
        print(f"{name}: nDCG@10 {' '.join(means)}", file=sys.stderr, flush=True)

    def _folder(self, name: str) -> Path | None:
        return self.results.work / folder_name(name) if ROWS[name].recipe else None

    def _train(self, name: str) -> dict[str, Any]:
        row = ROWS[name]
        folder = self._folder(name)
        assert folder is not None
        settings = TrainingSettings(recipe=row.recipe, max_tokens=MAX_TOKENS, **row.settings)  # type: ignore[arg-type]
        with gradient_through(row.share):
            log = homing.train(
                row.change(self.halves.labels),
                out=folder,
                base_model=str(self._folder(row.base)) if row.base else None,
                settings=settings,
                dev_fraction=0.0,
                cache_folder=self.vectors,
            )
        return {"n_pairs": log.n_pairs, "seconds": round(log.seconds, 1), "settings": log.settings}

    def _judge(self, name: str, writer: str) -> dict[str, Any]:
        dense = self._dense(name, writer)
        fused = FusedRetriever(self.words[writer], dense)
        return {
            "dense": self._measured(dense, writer),
            "fused": self._measured(fused, writer),
            "clusters": [next(iter(g)) for g in self.halves.judges[writer].split("test").values()],
        }

    def _dense(self, name: str, writer: str) -> Retriever:
        row = ROWS[name]
        if row.fused:
            first, second, share = row.fused
            return FusedRetriever(self._dense(first, writer), self._dense(second, writer), share)
        folder = self._folder(name)
        encoder = encoder_for(str(folder) if folder else None, max_tokens=MAX_TOKENS)
        texts = self.halves.judges[writer].passage_texts()
        return DenseRetriever(CachedEncoder(encoder, self.vectors), texts)

    def _measured(self, retriever: Retriever, writer: str) -> dict[str, list[float]]:
        judge = self.halves.judges[writer]
        asked = list(judge.split("test"))
        texts = [judge.queries[key].text for key in asked]
        run = search(retriever, asked, texts, judge.passage_ids(), 100)
        measured = measure_run(run, judge.qrels["test"], groups=judge.groups, names=MEASURES)
        return {name: [round(float(v), 4) for v in measured.values[name]] for name in MEASURES}


def table(content: Mapping[str, Any]) -> str:
    """Return the results for people, rows in the order of `ROWS`."""
    return markdown(content, list(ROWS))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the rows that are asked for and are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--rows", default=";".join(ROWS), help="by semicolons; without it all")
    given = parser.parse_args(argv)
    names = [name.strip() for name in given.rows.split(";") if name.strip()]
    if unknown := set(names) - set(ROWS):
        parser.error(f"unknown rows {sorted(unknown)}; there are {'; '.join(ROWS)}")
    results = ResultsFile("halves", "python benchmarks/halves.py", table)
    bench = Bench(results, Halves(given.data))
    for name in names:
        bench.run(name)
    results.save()
    print(results.table)


if __name__ == "__main__":
    main()
