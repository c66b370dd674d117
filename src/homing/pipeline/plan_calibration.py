"""Rates of this machine: the real stages run on a sample of the documents, twice.

One run is on a few of the files, another on all; the difference tells what a passage takes in a
worker, and what is left what a stage takes whatever their number. Seconds are those of the
processor, so that other work on the machine does not count. The leading process takes too little
for a sample to tell; its rate is the committed one. Cost: some 10 s, and as much again where this
machine is to embed.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homing.dataset import load_passages
from homing.errors import MissingDependencyError, NothingToDoError
from homing.pipeline.curation import curate_stage
from homing.pipeline.ingestion import ingest_stage
from homing.pipeline.job import DATASET, DOCUMENTS, PASSAGES, QUESTIONS, open_job
from homing.pipeline.plan_model import Shape, shape_of
from homing.pipeline.plan_rates import (
    LEADING_S,
    LEADING_SOURCE,
    SEARCH_COMMITTED,
    Rate,
    Rates,
    StageRate,
)
from homing.pipeline.plan_sample import Sample, bundled_sample, take_sample
from homing.pipeline.writing import write_stage
from homing.progress import muted, say
from homing.retrieval.models import load_tokenizer_file
from homing.types import Passage, passage_input

MIN_PASSAGES = 200
"""A sample with fewer of them says little; the documents that come with Homing then stand in."""
N_TOKENIZED = 500
N_BM25 = 2_000
SEARCH_SHARE = 0.67
"""Of the matmul's own rate, which exact search reached on two cores."""
MATMUL = (1_000, 384, 20_000)
STAGES = {"ingest": ingest_stage, "write": write_stage, "curate": curate_stage}
KEPT = {"ingest": (DOCUMENTS, PASSAGES), "write": (QUESTIONS,), "curate": DATASET}


@dataclass(frozen=True, slots=True)
class Spent:
    """What one stage took in one run, in seconds of the processor, and what it left."""

    driver_s: float
    worker_s: float
    kept_bytes: int


@dataclass(frozen=True)
class Run:
    """The stages over some files."""

    stages: Mapping[str, Spent]
    passages: Sequence[Passage]
    n_questions: int


@dataclass(frozen=True)
class Calibration:
    """What was measured.

    Attributes:
        sample: The passages that it was measured on.
        n_passages: How many passages the sources have, by their bytes; None where they are not
            known or stand for themselves.
        dimensions: Of the base model's vectors.
    """

    rates: Rates
    sample: Sequence[Passage]
    n_passages: int | None
    dimensions: int


def calibrate(
    sources: Sequence[str], overrides: Mapping[str, Any], *, embeds: bool, device: str | None = None
) -> Calibration:
    """Return what the stages take on this machine for a passage of these sources.

    Args:
        sources: Files, folders, globs, places; none for the documents that come with Homing.
        overrides: Settings in force, such as the base model and the length of passages.
        embeds: Whether the base model is timed, too.
        device: Where; None for the best of this machine.

    Raises:
        UsageError: A source does not exist.
        NothingToDoError: There is nothing to measure by.
    """
    with ExitStack() as stack:
        folders = [
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="homing-plan-")))
            for _ in range(2)
        ]
        sample = take_sample(sources, folders[0]) if sources else bundled_sample(folders[0])
        small, whole = _runs(sample, overrides)
        n_own = len(whole.passages)
        said = sample.said
        if n_own < MIN_PASSAGES and sources:
            stand_in = bundled_sample(folders[1])
            small, whole = _runs(stand_in, overrides)
            said = f"{stand_in.said}, since yours are few"
        shape = shape_of(overrides.get("train.base_model"))
        rates = _rates(small, whole, overrides, said, shape, embeds=embeds, device=device)
    n_all = None
    if sample.all_bytes is not None and n_own:
        n_all = round(n_own * sample.all_bytes / max(sample.n_bytes, 1))
    return Calibration(rates, whole.passages, n_all, shape.width)


def _runs(sample: Sample, overrides: Mapping[str, Any]) -> tuple[Run, Run]:
    """Return a run on a few of the files and one on all of them."""
    say(f"plan: the stages on {sample.said}")
    _run(sample.small, "first", overrides)  # loads the libraries, which costs once
    return _run(sample.small, "again", overrides), _run(sample.whole, "tuned", overrides)


def _run(folder: Path, name: str, overrides: Mapping[str, Any]) -> Run:
    workspace = folder.with_name(f"{folder.name}-{name}")
    settings = {"sources": [str(folder)], "write.writer": "extractive", **overrides}
    spent: dict[str, Spent] = {}
    for stage in STAGES:
        before = os.times()
        with muted(), open_job(workspace, create=True, overrides=settings) as job:
            try:
                STAGES[stage](job)
            except NothingToDoError:
                if stage == "ingest":
                    raise
                # Too few documents for questions on every side: the rest is taken as nothing.
        after = os.times()
        spent[stage] = Spent(
            after.user + after.system - before.user - before.system,
            after.children_user
            + after.children_system
            - before.children_user
            - before.children_system,
            sum(_size(workspace / relative) for relative in KEPT[stage]),
        )
    passages = load_passages(workspace / PASSAGES)
    return Run(spent, passages, _n_rows(workspace / QUESTIONS))


def _rates(
    small: Run,
    whole: Run,
    overrides: Mapping[str, Any],
    said: str,
    shape: Shape,
    *,
    embeds: bool,
    device: str | None,
) -> Rates:
    n_small, n = len(small.passages), len(whole.passages)
    source = f"measured now on this machine: {n:,} passages of {said}"
    stages = {
        name: _stage_rate(name, small.stages[name], whole.stages[name], n_small, n, source)
        for name in STAGES
    }
    base_model = overrides.get("train.base_model")
    texts = [passage_input(p.title, p.text) for p in whole.passages]
    n_tokens, tokenize_s = _tokenizing(texts, base_model)
    embed_s, embeds_on = _embedding(texts, base_model, source, device) if embeds else (None, "")
    return Rates(
        stages=stages,
        tokens=Rate(n_tokens, source),
        questions=Rate(whole.n_questions / n, source),
        tokenize_s=Rate(tokenize_s, source),
        flops=Rate(shape.flops(n_tokens), shape.source),
        search_flops=_searching(),
        bm25_bytes=Rate(_bm25_bytes(texts), source),
        measured_on=said,
        embed_s=embed_s,
        embeds_on=embeds_on,
    )


def _stage_rate(
    name: str, small: Spent, whole: Spent, n_small: int, n: int, source: str
) -> StageRate:
    """Return what a passage takes, from two runs; what is left is taken whatever their number."""
    worker_s, fixed_s = _slope(small.worker_s, whole.worker_s, n_small, n)
    fixed_s += small.driver_s
    source = f"{source}; {LEADING_SOURCE}"
    return StageRate(fixed_s, LEADING_S[name], worker_s, whole.kept_bytes / n, source)


def _slope(small: float, whole: float, n_small: int, n: int) -> tuple[float, float]:
    """Return seconds a passage and seconds whatever their number, neither below 0."""
    if n <= n_small or whole <= small:
        return whole / n, 0.0
    slope = (whole - small) / (n - n_small)
    return slope, max(0.0, small - slope * n_small)


def _tokenizing(texts: Sequence[str], base_model: str | None) -> tuple[float, float]:
    """Return how many tokens a passage has, and how long one core takes to find them."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(load_tokenizer_file(base_model)))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    some = _spread(texts, N_TOKENIZED)
    started = time.process_time()
    n_tokens = sum(len(tokenizer.encode(text)) for text in some)
    return n_tokens / len(some), (time.process_time() - started) / len(some)


def _searching() -> Rate:
    """Return the operations a second and core that an exact search comes to."""
    import numpy as np

    n_queries, dimensions, n = MATMUL
    draw = np.random.default_rng(0)
    queries = draw.random((n_queries, dimensions), dtype=np.float32)
    vectors = draw.random((n, dimensions), dtype=np.float32)
    queries @ vectors[:1000].T
    started = time.process_time()
    queries @ vectors.T
    core_s = max(time.process_time() - started, 1e-6)
    rate = SEARCH_SHARE * 2 * n_queries * dimensions * n / core_s
    said = f"this machine's matmul, of which a search reaches {SEARCH_SHARE:.0%}"
    return Rate(rate, f"{said} ({SEARCH_COMMITTED})")


def _bm25_bytes(texts: Sequence[str]) -> float:
    from homing.retrieval.bm25 import BM25Retriever

    some = _spread(texts, N_BM25)
    with muted():
        return BM25Retriever(some).index_bytes / len(some)


def _embedding(
    texts: Sequence[str], base_model: str | None, source: str, device: str | None
) -> tuple[Rate | None, str]:
    """Return the seconds that one core or accelerator takes for a passage, and which it is."""
    from homing.engine.local import n_cores

    try:
        from homing.evaluation.costs import measure_costs
        from homing.retrieval.dense import DenseRetriever
        from homing.retrieval.encoders import encoder_for

        with muted():
            encoder = encoder_for(base_model, device=device)
    except MissingDependencyError as error:
        say(f"plan: embedding cannot be timed: {error}")
        return None, ""
    say("plan: embedding on this machine")
    some = _spread(texts, N_TOKENIZED)
    with muted():
        retriever = DenseRetriever(encoder, some[:8])
        started, cpu = time.perf_counter(), time.process_time()
        cost = measure_costs({"base": retriever}, some, some[:2])["base"]
        busy = (time.process_time() - cpu) / (time.perf_counter() - started)
    on = encoder.model.device.type
    if not cost.passages_per_s:
        return None, on
    # Fewer cores than there are where something else works beside.
    n_parts = min(busy, n_cores()) if on == "cpu" else 1
    return Rate(n_parts / cost.passages_per_s, f"{source}, embedded on {on}"), on


def _spread(texts: Sequence[str], n: int) -> list[str]:
    """Return at most `n` of the texts, evenly taken."""
    step = max(1, len(texts) // n)
    return list(texts[::step][:n])


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size if path.is_file() else 0


def _n_rows(path: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows) if path.is_file() else 0
