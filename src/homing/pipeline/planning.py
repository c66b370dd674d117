"""What a job of some size would take: hours, memory, bytes and dollars by stage, before it runs.

Arithmetic alone: the rates come from `plan_calibration` and from committed measurements, each with
its source. A stage takes what its leading process takes, one passage after the other, and what its
workers take together, shared out among the cores. `benchmarks/scale.py` holds the estimates against
what the stages took.
"""

from __future__ import annotations

from homing.pipeline.pace import FULL
from homing.pipeline.plan_limits import find_limits, sources_of
from homing.pipeline.plan_rates import PACE_SOURCE, Rates
from homing.pipeline.plan_speed import embedding, search_flops, source_of_embedding
from homing.pipeline.plan_types import EXTRACTIVE, HOUR, Plan, Size, StageEstimate, Writing

FLOAT_BYTES = 4
N_TEST_QUESTIONS = 1_500
"""The test's 500 passages have about so many offline questions."""
N_SEARCHES = 2
"""Of the evaluation: with the base model and with the tuned one."""


def plan(size: Size, rates: Rates, writing: Writing | None = None) -> Plan:
    """Return what a job of that size takes, by these rates."""
    writing = writing or Writing()
    measured = [_measured(name, size, rates, writing) for name in ("ingest", "write", "curate")]
    later = [_embed(size, rates), _train(size, rates), _evaluate(size, rates)]
    stages = (*measured, *later)
    limits, sources = find_limits(size, rates, stages), sources_of(size, rates, writing)
    return Plan(size, rates, writing, stages, limits, sources)


def _measured(name: str, size: Size, rates: Rates, writing: Writing) -> StageEstimate:
    """Return a stage whose rates were measured by running it."""
    rate, n = rates.stages[name], size.n_passages
    seconds: float | None = rate.seconds(n, size.n_cores, size.overhead)
    billed: float | None = 0.0
    if name == "write" and writing.writer != EXTRACTIVE:
        calls_s = writing.calls_s
        seconds = None if seconds is None or calls_s is None else max(seconds, n * calls_s)
        billed = None if writing.usd_per_passage is None else n * writing.usd_per_passage
    return _estimate(
        name,
        size,
        rates,
        seconds=seconds,
        driver_s=n * rate.driver_s,
        core_s=n * rate.worker_s,
        kept=n * rate.kept_bytes,
        billed=billed,
        source=rate.source,
    )


def _embed(size: Size, rates: Rates) -> StageEstimate:
    """Return embedding every passage once with the base model."""
    rate = embedding(size, rates)
    work = None if rate is None else rate.value * size.n_passages
    return _modelled("embed", size, rates, work, n_parts=size.n_parts, kept=_vectors(size))


def _train(size: Size, rates: Rates) -> StageEstimate:
    """Return one epoch of the recipe `full`, on one machine."""
    rate = embedding(size, rates)
    work = None if rate is None else rate.value * FULL * size.n_trained
    return _modelled("train", size, rates, work, n_parts=size.n_parts // size.n_nodes)


def _evaluate(size: Size, rates: Rates) -> StageEstimate:
    """Return embedding every passage with the tuned model, and the exact searches of the test."""
    rate = embedding(size, rates)
    products = 2.0 * N_SEARCHES * N_TEST_QUESTIONS * size.dimensions * size.n_passages
    search_s = products / search_flops(size, rates)
    work = None if rate is None else rate.value * size.n_passages + search_s
    return _modelled("evaluate", size, rates, work, n_parts=size.n_parts, kept=_vectors(size))


def _vectors(size: Size) -> float:
    return float(size.n_passages * size.dimensions * FLOAT_BYTES)


def _modelled(
    name: str,
    size: Size,
    rates: Rates,
    work: float | None,
    *,
    n_parts: int,
    kept: float = 0.0,
) -> StageEstimate:
    """Return a stage of the model's arithmetic.

    Args:
        work: Seconds of one core or accelerator, None if they are not known.
        n_parts: How many of them share it.
    """
    by_gpu = bool(size.node.n_gpus)
    source = source_of_embedding(size, rates)
    return _estimate(
        name,
        size,
        rates,
        seconds=None if work is None else work * (1 + size.overhead) / n_parts,
        core_s=0.0 if by_gpu else work or 0.0,
        gpu_s=(work or 0.0) if by_gpu else 0.0,
        kept=kept,
        source=f"{source}; {PACE_SOURCE}" if name == "train" else source,
    )


def _estimate(
    name: str,
    size: Size,
    rates: Rates,
    *,
    seconds: float | None,
    source: str,
    driver_s: float = 0.0,
    core_s: float = 0.0,
    gpu_s: float = 0.0,
    kept: float = 0.0,
    billed: float | None = 0.0,
) -> StageEstimate:
    memory, hourly = rates.memory[name], size.node.usd_per_hour
    usd = None
    if hourly is not None and seconds is not None and billed is not None:
        usd = seconds / HOUR * hourly * size.n_nodes + billed
    return StageEstimate(
        name=name,
        seconds=seconds,
        driver_s=driver_s,
        core_s=core_s,
        gpu_s=gpu_s,
        driver_bytes=memory.driver(size.n_passages),
        worker_bytes=memory.worker,
        kept_bytes=kept,
        usd=usd,
        source=source,
    )
