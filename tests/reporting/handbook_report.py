"""Report data as a real job would give it, from the invented handbook and seeded measures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from handbook_text import SECTIONS
from numpy.typing import NDArray

from homing.reporting.data import DatasetFacts, ModelFacts, ReportData, count_questions
from homing.types import (
    Audit,
    Comparison,
    ContenderResult,
    Evaluation,
    Interval,
    Passage,
    Query,
    Rejection,
    Run,
    TrainingLog,
    Trial,
    content_id,
    query_id,
)

SPECS = {
    "base": ("sentence-transformers/all-MiniLM-L6-v2", 1.15),
    "tuned": ("tuned/model", 1.75),
    "bm25": ("bm25", 1.25),
    "bm25+base": ("fusion(bm25,base)", 1.6),
    "bm25+tuned": ("fusion(bm25,tuned)", 2.05),
}
MEASURES = ("hit@1", "hit@3", "hit@5", "hit@10", "mrr@10", "ndcg@10")


def handbook_report(*, seed: int = 7, strengths: Mapping[str, float] | None = None) -> ReportData:
    """Return the data of a report on the handbook.

    Args:
        seed: For the scores of all contenders.
        strengths: Contender -> how far the right passage's score lies above the others'.
    """
    passages = handbook_passages()
    queries = [
        Query(query_id(text), text, kind=("person", "keyword", "heading")[n], writer="extractive")
        for section in SECTIONS
        for n, text in enumerate(section.questions)
    ]
    right = {query.id: list(passages)[row // 3] for row, query in enumerate(queries)}
    evaluation = evaluate(queries, passages, right, seed, dict(strengths or {}))
    return ReportData(
        title="Sailing school handbook",
        created="23 November 2026, 14:05 UTC",
        command="homing run handbook/ --out tuned/ --seed 7",
        evaluation=evaluation,
        dataset=dataset_facts(queries, passages),
        model=ModelFacts("tuned/model", SPECS["base"][0], max_tokens=512, dimensions=384),
        hit_curve={name: hit_curve(run, right) for name, run in evaluation.runs.items()},
        query_texts={query.id: query.text for query in queries},
        passages=passages,
        relevant={query: {passage: 1} for query, passage in right.items()},
        document_paths={content_id(section.path): section.path for section in SECTIONS},
        rejections=rejections(passages),
        audit=Audit(
            {
                pair: {"passages": 0, "near_duplicates": 0, "questions": 0}
                for pair in (("train", "dev"), ("train", "test"), ("dev", "test"))
            }
        ),
        training=training_log(seed),
        ablation_notes=(
            "The offline writer's questions alone bring the model half of the way from the base.",
        ),
        settings={
            "seed": 7,
            "chunking": {"max_tokens": 256},
            "training": {"epochs": 2, "lr": 6e-5},
        },
        versions={"homing": "0.1.0", "sentence-transformers": "6.1.0", "torch": "2.13.0"},
        machine={"processor": "x86-64, 2 cores", "memory": "24 GB", "device": "cpu"},
        stage_seconds={"ingest": 2.4, "write": 6.1, "curate": 1.2, "train": 81.3, "evaluate": 12.9},
    )


def handbook_passages() -> dict[str, Passage]:
    """Return the handbook's sections as passages, by id."""
    found = {}
    for section in SECTIONS:
        passage_id = content_id(section.path, section.heading, section.text, "0")
        title = section.path.rsplit("/", 1)[-1].split(".")[0].capitalize()
        found[passage_id] = Passage(
            id=passage_id,
            document_id=content_id(section.path),
            start=0,
            end=len(section.text),
            text=section.text,
            heading_path=(title, section.heading),
            page=section.page or None,
        )
    return found


def evaluate(
    queries: Sequence[Query],
    passages: Mapping[str, Passage],
    right: Mapping[str, str],
    seed: int,
    strengths: Mapping[str, float],
) -> Evaluation:
    """Return an evaluation from drawn scores; base and tuned share most of their noise."""
    rng = np.random.default_rng(seed)
    ids = tuple(passages)
    shared = rng.normal(size=(len(queries), len(ids)))
    columns = np.array([ids.index(right[query.id]) for query in queries])
    documents = np.array([passages[right[query.id]].document_id for query in queries])
    runs, by_query, results = {}, {}, {}
    for name, (spec, strength) in SPECS.items():
        scores = 0.8 * shared + 0.6 * rng.normal(size=shared.shape)
        scores[np.arange(len(queries)), columns] += strengths.get(name, strength)
        runs[name] = ranked(scores, [query.id for query in queries], ids)
        by_query[name] = measured(runs[name], columns)
        results[name] = ContenderResult(
            name,
            spec,
            {m: float(v.mean()) for m, v in by_query[name].items()},
            {m: bootstrap(by_query[name][m], documents, seed) for m in MEASURES},
            seconds=0.4 if spec == "bm25" else 5.2,
        )
    comparisons = [
        Comparison(
            name,
            "base",
            measure,
            bootstrap(by_query[name][measure] - by_query["base"][measure], documents, seed),
            p_value=0.0004 if name != "bm25" else 0.412,
        )
        for name in SPECS
        if name != "base"
        for measure in ("hit@5", "mrr@10", "ndcg@10")
    ]
    return Evaluation(
        split="test",
        n_queries=len(queries),
        n_passages=len(ids),
        query_ids=tuple(query.id for query in queries),
        contenders=results,
        comparisons=comparisons,
        by_query=by_query,
        runs=runs,
        cluster_unit="document",
        query_source="written",
    )


def ranked(scores: NDArray[np.float64], query_ids: Sequence[str], ids: tuple[str, ...]) -> Run:
    """Return the run of a matrix of scores."""
    ranking = np.argsort(-scores, axis=1, kind="stable")[:, :30]
    top = np.take_along_axis(scores, ranking, axis=1).astype(np.float32)
    return Run(tuple(query_ids), ids, ranking.astype(np.int64), top)


def measured(run: Run, columns: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """Return the measures of each query for one right passage a query."""
    found = run.ranking == columns[:, None]
    ranks = np.where(found.any(axis=1), found.argmax(axis=1) + 1, 1000)
    within = ranks <= 10
    hits = {f"hit@{k}": (ranks <= k).astype(float) for k in (1, 3, 5, 10)}
    return {
        **hits,
        "mrr@10": np.where(within, 1 / ranks, 0.0),
        "ndcg@10": np.where(within, 1 / np.log2(ranks + 1), 0.0),
        "map@100": 1 / ranks,
        "recall@10": within.astype(float),
        "precision@5": hits["hit@5"] / 5,
    }


def hit_curve(run: Run, right: Mapping[str, str]) -> list[float]:
    """Return the hit rate at k = 1 to 20."""
    columns = np.array([run.passage_ids.index(right[query]) for query in run.query_ids])
    found = run.ranking[:, :20] == columns[:, None]
    return [float(share) for share in np.maximum.accumulate(found, axis=1).mean(axis=0)]


def bootstrap(values: NDArray[np.float64], clusters: NDArray[np.str_], seed: int) -> Interval:
    """Return the mean with its 95 % interval over resampled clusters."""
    rng = np.random.default_rng(seed)
    _, code = np.unique(clusters, return_inverse=True)
    sums, sizes = np.bincount(code, values), np.bincount(code)
    drawn = rng.integers(len(sums), size=(400, len(sums)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return Interval(float(values.mean()), float(low), float(high))


def dataset_facts(queries: Sequence[Query], passages: Mapping[str, Passage]) -> DatasetFacts:
    """Return the facts, with training questions of the offline writer's kinds."""
    train = [
        Query(query_id(f"{kind} {n}"), f"{passage.heading_path[-1]}: {words}", kind, "extractive")
        for n, passage in enumerate(passages.values())
        for kind, words in (
            ("heading", "what does the handbook say"),
            ("cloze", " ".join(passage.text.split()[4:12])),
        )
    ]
    tested = [replace(query, kind="cloze") for query in queries]
    questions = count_questions({"train": train, "dev": train[::7], "test": tested})
    return DatasetFacts(
        n_documents=len({passage.document_id for passage in passages.values()}),
        n_passages=len(passages),
        n_duplicate_groups=2,
        n_duplicates=5,
        questions=questions,
    )


def rejections(passages: Mapping[str, Passage]) -> list[Rejection]:
    """Return what a real folder would have cost."""
    texts = list(passages)
    short = [
        Rejection(passage_id, "write", "too_short", "Fewer than four words.", "See above.")
        for passage_id in texts[:7]
    ]
    contents = Rejection(
        texts[8],
        "write",
        "table_of_contents",
        "The passage lists headings and page numbers.",
        "Leave . . . . 2\nPay . . . . . 3\nGrowth . . . 7",
    )
    scan = Rejection(
        "archive/scan-1998.pdf",
        "ingest",
        "no_text_layer",
        "The PDF holds pictures alone. Run OCR over it (for example ocrmypdf), then try again.",
    )
    double = Rejection("9f2c", "curate", "duplicate_question", "Asked before.", "guest berths")
    return [*short, contents, scan, double, double]


def training_log(seed: int) -> TrainingLog:
    """Return a log whose loss falls and whose dev measure peaks before the end."""
    rng = np.random.default_rng(seed)
    steps = np.arange(1, 121)
    loss = 0.35 + 1.5 * np.exp(-steps / 30) + rng.normal(scale=0.07, size=len(steps))
    dev = (
        (0, 0.612),
        (20, 0.651),
        (40, 0.679),
        (60, 0.687),
        (80, 0.698),
        (100, 0.694),
        (120, 0.691),
    )
    return TrainingLog(
        loss=[(int(step), float(value)) for step, value in zip(steps, loss, strict=True)],
        dev=dev,
        kept="tuned",
        best_step=80,
        n_pairs=1934,
        n_passages=967,
        n_tokens=233_000,
        seconds=81.3,
        settings={"epochs": 2, "learning_rate": 6e-5, "batch_passages": 16},
        trials=(
            Trial("the base model", "base", 0.612, 0.701, general=0.702),
            Trial("full, rate 4e-05", "full", 0.655, 0.722, 31.0, 0.25, 0.697, note="the other"),
            Trial("full, rate 0.0001", "full", 0.698, 0.741, 81.3, 1.0, 0.689, is_kept=True),
        ),
    )
