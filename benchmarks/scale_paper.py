"""Ten million and a billion passages on paper: `homing plan`'s arithmetic on the rates measured.

What a passage takes in each stage is the difference between the two largest sizes of the local
engine, in seconds of the processor, of the leading process and of its workers apart; so are the
bytes of the leading process. Embedding, tokens and postings are those that `homing plan` measured
on a sample of the same documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from homing.numbers import dollars, plain
from homing.pipeline.plan_nodes import NODE_KINDS
from homing.pipeline.plan_rates import MEMORY, Memory, Rate, Rates, StageRate
from homing.pipeline.plan_types import HOUR, Plan, Size, StageEstimate
from homing.pipeline.planning import plan

STAGES = ("ingest", "write", "curate")
SIZES = ((10_000_000, 10), (1_000_000_000, 100))
"""Passages, and machines for them."""
GPUS = ("none", "l4", "h100")
NAMES = ("tokens", "questions", "tokenize_s", "flops", "search_flops", "bm25_bytes")
"""Rates that the sample told."""
KEPT = {"ingest": ["documents"], "write": ["questions"], "curate": ["corpus", "queries", "qrels"]}


def rates_of(rows: Mapping[str, Any]) -> Rates | None:
    """Return the rates that the rows tell; None while there are too few of them."""
    runs = sorted(
        (row for row in rows.values() if row.get("engine") == "local" and "files" in row),
        key=lambda row: int(row["n_passages"]),
    )
    said = rows.get("estimates", {}).get("rates")
    if len(runs) < 2 or said is None:
        return None
    small, large = runs[-2:]
    source = f"{small['n_passages']:,} and {large['n_passages']:,} passages, local engine"
    others = {name: Rate(**said[name]) for name in NAMES}
    return Rates(
        stages={name: _stage(name, small, large, source) for name in STAGES},
        measured_on=source,
        embed_s=Rate(**said["embed_s"]) if said["embed_s"] else None,
        memory={**MEMORY, **{name: _memory(name, small, large) for name in STAGES}},
        **others,
    )


def _stage(name: str, small: Mapping[str, Any], large: Mapping[str, Any], source: str) -> StageRate:
    n = large["n_passages"] - small["n_passages"]
    spent = [row["stages"][name]["cpu_s_by_kind"] for row in (small, large)]
    driver_s, worker_s = (
        max(0.0, (spent[1].get(kind, 0.0) - spent[0].get(kind, 0.0)) / n)
        for kind in ("driver", "worker")
    )
    kept = sum(large["kept_bytes"][table] for table in KEPT[name]) / large["n_passages"]
    return StageRate(0.0, driver_s, worker_s, kept, source)


def _memory(name: str, small: Mapping[str, Any], large: Mapping[str, Any]) -> Memory:
    peaks = [row["stages"][name]["peak_mb"] for row in (small, large)]
    n = large["n_passages"] - small["n_passages"]
    each = max(0.0, 1e6 * (peaks[1]["driver"] - peaks[0]["driver"]) / n)
    base = 1e6 * peaks[1]["driver"] - each * large["n_passages"]
    return Memory(base, each, 1e6 * peaks[1].get("worker", 0.0))


def paper(rows: Mapping[str, Any]) -> Iterator[str]:
    """Yield the tables."""
    rates = rates_of(rows)
    if rates is None:
        return
    yield f"What a passage takes, by {rates.measured_on}:"
    yield ""
    yield "| stage | leading process, ms | workers, ms of a core | kept, bytes | leading, bytes |"
    yield "|---|---|---|---|---|"
    for name, rate in rates.stages.items():
        yield (
            f"| {name} | {1e3 * rate.driver_s:.3f} | {1e3 * rate.worker_s:.3f} "
            f"| {rate.kept_bytes:,.0f} | {rates.memory[name].driver_passage:,.0f} |"
        )
    for n, n_nodes in SIZES:
        for gpu in GPUS:
            yield ""
            yield from _table(plan(Size(n, NODE_KINDS[gpu], n_nodes), rates))


def _table(found: Plan) -> Iterator[str]:
    size = found.size
    price = f"${size.node.usd_per_hour:,.2f} an hour each"
    yield f"{size.n_passages:,} passages on {size.n_nodes} x {size.node.instance} ({price}):"
    yield ""
    yield "| stage | hours | of these the leading process | its memory | kept | dollars |"
    yield "|---|---|---|---|---|---|"
    for stage in found.stages:
        yield _row(stage)
    hours = "–" if found.seconds is None else f"{found.seconds / HOUR:,.1f}"
    usd = "–" if found.usd is None else plain(dollars(found.usd))
    yield f"| in all | {hours} | | | {_gigabytes(found.kept_bytes)} | {usd} |"
    yield ""
    first = found.limits[0]
    yield f"First to give way: {first.what}, at {first.n_passages:,.0f} passages."


def _row(stage: StageEstimate) -> str:
    cells = [
        stage.name,
        "not measured" if stage.seconds is None else f"{stage.seconds / HOUR:,.2f}",
        f"{stage.driver_s / HOUR:,.2f}",
        _gigabytes(stage.driver_bytes),
        _gigabytes(stage.kept_bytes),
        "–" if stage.usd is None else plain(dollars(stage.usd)),
    ]
    return f"| {' | '.join(cells)} |"


def _gigabytes(n: float) -> str:
    return f"{n / 1e9:,.1f} GB" if n else "–"
