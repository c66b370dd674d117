"""`homing plan`: what a job of some size would take, before it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from homing.cli import options, overriding
from homing.cli.session import JsonOption, QuietOption, answering

if TYPE_CHECKING:
    from homing.pipeline.plan_types import Plan, StageEstimate

COLUMNS = ("stage", "time", "leading", "memory", "a worker", "kept", "dollars")
WIDTHS = (10, 14, 14, 10, 10, 10, 11)

PlannedSources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SOURCES|WORKSPACE",
        help="Documents to measure by, or a workspace; without any, those that come with Homing.",
    ),
]
PassagesOption = Annotated[
    str | None,
    typer.Option(help="How many passages there will be: 250k, 10M, 1.5B; else as the sources have"),
]
GpuOption = Annotated[
    str | None,
    typer.Option(help="Machines with h100, a100 or l4, or none; else machines like this one."),
]
PriceOption = Annotated[
    float | None, typer.Option(help="Dollars an hour for one machine, in place of what is known.")
]


def plan(
    sources: PlannedSources = None,
    passages: PassagesOption = None,
    gpu: GpuOption = None,
    nodes: Annotated[int, typer.Option(min=1, help="Machines of the cluster.")] = 1,
    dimensions: Annotated[
        int | None, typer.Option(min=1, help="Length of a vector; else the base model's.")
    ] = None,
    train_passages: Annotated[
        int | None, typer.Option(min=1, help="Passages to train on, of those that there are.")
    ] = None,
    usd_per_hour: PriceOption = None,
    base_model: options.BaseModelOption = None,
    passage_tokens: options.PassageTokensOption = None,
    writer: options.WriterOption = None,
    base_url: options.BaseUrlOption = None,
    batch: options.BatchServiceOption = None,
    set_: options.SetOption = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say what a job would take: hours, memory, bytes and dollars of each stage.

    The stages are run on a sample of the documents, which takes some seconds; what cannot be
    measured here is said to be not measured, or comes with its source.
    """
    from homing.pipeline.plan_making import Wanted, make_plan
    from homing.pipeline.plan_types import parse_count

    wanted = Wanted(
        n_passages=None if passages is None else parse_count(passages),
        gpu=None if gpu is None else gpu.lower(),
        n_nodes=nodes,
        dimensions=dimensions,
        train_passages=train_passages,
        usd_per_hour=usd_per_hour,
    )
    overrides = overriding.overrides(
        set_,
        train__base_model=base_model,
        ingest__max_tokens=passage_tokens,
        write__writer=writer,
        write__base_url=base_url,
        write__batch=batch,
    )
    with answering(json_output=json_output, quiet=quiet) as answer:
        found = make_plan(overriding.absolute_sources(sources) or [], wanted, overrides)
        answer.data, answer.text = found.as_json(), "\n".join(as_text(found))


def as_text(found: Plan) -> Iterator[str]:
    """Yield the lines that a person reads."""
    size, node = found.size, found.size.node
    machines = f"{size.n_nodes} x {node.instance}" if size.n_nodes > 1 else node.instance
    gpus = f", {node.n_gpus} {node.gpu.upper() or 'accelerator'}" if node.n_gpus else ""
    price = "" if node.usd_per_hour is None else f", ${node.usd_per_hour:,.2f} an hour each"
    yield f"{size.n_passages:,} passages, vectors of {size.dimensions}"
    yield f"on {machines} ({node.cores} cores, {node.memory_bytes / 2**30:,.0f} GiB{gpus}{price})"
    yield ""
    yield _row(COLUMNS)
    for stage in found.stages:
        yield _row(_cells(stage))
    total = ("in all", _time(found.seconds), "", "", "", _bytes(found.kept_bytes))
    yield _row([*total, _dollars(found.usd)])
    if found.writing.writer != "extractive":
        yield f"write: {found.writing.writer}, {found.writing.source}"
    trained = f"{size.n_trained:,} of the passages, one epoch of full"
    yield f"train: {trained}. leading: what one process does by itself, however many machines."
    yield ""
    yield from _rule(found)
    yield ""
    yield "What gives way first, on these machines:"
    for limit in found.limits:
        yield f"  {_count(limit.n_passages):>8} passages: {limit.what}; {limit.remedy}"
    yield ""
    yield "Where the numbers come from:"
    for name, source in _sources(found):
        yield f"  {name}: {source}"


def _cells(stage: StageEstimate) -> list[str]:
    return [
        stage.name,
        _time(stage.seconds),
        _time(stage.driver_s) if stage.driver_s else "-",
        _bytes(stage.driver_bytes),
        _bytes(stage.worker_bytes) if stage.worker_bytes else "-",
        _bytes(stage.kept_bytes) if stage.kept_bytes else "-",
        _dollars(stage.usd),
    ]


def _rule(found: Plan) -> Iterator[str]:
    rule = found.per_million()
    work = [f"{rule['core_hours']:,.2f} core hours"]
    if rule["gpu_hours"]:
        work.append(f"{rule['gpu_hours']:,.3f} GPU hours")
    work.append(f"{rule['driver_hours']:,.3f} hours of the leading process")
    work.append(f"{rule['gigabytes']:,.2f} GB")
    if rule["usd"] is not None:
        work.append(_dollars(rule["usd"]))
    yield f"A million passages: {', '.join(work)}."
    yield f"More than about {found.useful_nodes():,.0f} machines wait for the leading process."


def _sources(found: Plan) -> Iterator[tuple[str, str]]:
    by_source: dict[str, list[str]] = {}
    for stage in found.stages:
        by_source.setdefault(stage.source, []).append(stage.name)
    for source, names in by_source.items():
        yield ", ".join(names), source
    yield from found.sources.items()


def _row(cells: Sequence[str]) -> str:
    first, *rest = zip(cells, WIDTHS, strict=True)
    return "".join([f"{first[0]:<{first[1]}}", *(f"{cell:>{width}}" for cell, width in rest)])


def _time(seconds: float | None) -> str:
    from homing.numbers import duration, plain

    if seconds is None:
        return "not measured"
    return plain(duration(seconds)) if seconds < 100 * 3600 else f"{seconds / 3600:,.0f} h"


def _bytes(n: float) -> str:
    from homing.numbers import byte_size, plain

    return plain(byte_size(round(n)))


def _dollars(usd: float | None) -> str:
    from homing.numbers import dollars

    return "not known" if usd is None else dollars(usd)


def _count(n: float) -> str:
    for unit, factor in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= factor:
            return f"{n / factor:,.3g}{unit}"
    return f"{max(n, 0):,.0f}"
