"""A plan for some documents: measured on a sample of them, worked out for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from homing.errors import UsageError
from homing.pipeline.job import SETTINGS_FILE
from homing.pipeline.plan_calibration import calibrate
from homing.pipeline.plan_nodes import HERE, NODE_KINDS, NodeKind, this_machine
from homing.pipeline.plan_types import Plan, Size
from homing.pipeline.plan_writing import writing_of
from homing.pipeline.planning import plan
from homing.settings import Settings, load_settings
from homing.storage import join, local_copy
from homing.workspace import Workspace

MEASURING = ("ingest.max_tokens", "train.base_model")
"""Settings that decide how long a passage is and what embeds it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a plan is asked for; None leaves it to what is found.

    Attributes:
        n_passages: None takes as many as the sources seem to have.
        gpu: A name of `NODE_KINDS`, or None for machines such as this one.
        usd_per_hour: Of one machine, in place of the known price.
    """

    n_passages: int | None = None
    gpu: str | None = None
    n_nodes: int = 1
    dimensions: int | None = None
    train_passages: int | None = None
    usd_per_hour: float | None = None


def make_plan(sources: Sequence[str], wanted: Wanted, overrides: Mapping[str, Any]) -> Plan:
    """Return what a job on these documents would take.

    Args:
        sources: Files, folders, globs and places, or one workspace, whose settings and sources are
            taken; none for a corpus like the documents that come with Homing.
        overrides: Settings by dotted name, over those of the workspace or the defaults.

    Raises:
        UsageError: There is no such accelerator or source, or nothing says how many passages.
        NothingToDoError: The sources hold nothing to measure by.
    """
    node = node_of(wanted)
    settings, sources = _settings_and_sources(sources, overrides)
    if not sources and wanted.n_passages is None:
        raise UsageError(
            "How many passages there will be is not known without documents. Name them, or say how "
            "many: --passages 10M"
        )
    measuring = {name: _value(settings, name) for name in MEASURING}
    is_cpu_node = wanted.gpu is not None and not node.n_gpus
    found = calibrate(
        sources,
        measuring,
        embeds=not node.n_gpus,
        device="cpu" if is_cpu_node else settings.train.device,
    )
    if wanted.gpu is None and found.rates.embeds_on not in ("", "cpu"):
        node = replace(node, n_gpus=1)
    size = Size(
        wanted.n_passages or found.n_passages or 1,
        node,
        wanted.n_nodes,
        wanted.dimensions or found.dimensions,
        wanted.train_passages or settings.train.max_offline_passages,
    )
    return plan(size, found.rates, writing_of(settings.write, found.sample))


def node_of(wanted: Wanted) -> NodeKind:
    """Return the machines to plan with.

    Raises:
        UsageError: There is no such accelerator.
    """
    if wanted.gpu in (None, HERE):
        node = this_machine()
    elif wanted.gpu in NODE_KINDS:
        node = NODE_KINDS[str(wanted.gpu)]
    else:
        names = ", ".join([HERE, *NODE_KINDS])
        raise UsageError(f"There is no price for --gpu {wanted.gpu}. Choose one of: {names}.")
    if wanted.usd_per_hour is not None:
        node = replace(node, usd_per_hour=wanted.usd_per_hour, price_source="--usd-per-hour")
    return node


def _settings_and_sources(
    sources: Sequence[str], overrides: Mapping[str, Any]
) -> tuple[Settings, list[str]]:
    """Return the settings in force and the files to measure by."""
    if len(sources) == 1 and Workspace.is_at(sources[0]):
        with local_copy(join(sources[0], SETTINGS_FILE)) as path:
            settings = load_settings(path, overrides)
        return settings, list(settings.sources)
    return load_settings(None, overrides), list(sources)


def _value(settings: Settings, name: str) -> Any:
    section, _, field = name.partition(".")
    return getattr(getattr(settings, section), field)
