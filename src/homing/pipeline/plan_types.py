"""What a plan is for and what it says: a size, and an estimate for each stage."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from homing.errors import UsageError
from homing.pipeline.plan_nodes import STORE_USD_PER_GB_MONTH, NodeKind
from homing.pipeline.plan_rates import RAY_OVERHEAD, Rates

COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([kmb]?)", re.IGNORECASE)
FACTORS = {"": 1, "k": 1_000, "m": 1_000_000, "b": 1_000_000_000}
HOUR = 3600.0
TRAIN_SHARE = 0.7
"""Of the passages that are for training, where nobody gives test questions."""
CPU_TRAIN_PASSAGES = 800
"""What `train.max_offline_passages` leaves of them on a processor."""
EXTRACTIVE = "extractive"


@dataclass(frozen=True, slots=True)
class Writing:
    """What a language model would be asked for one passage.

    Attributes:
        writer: "extractive", or a model such as "openai:gpt-5-mini".
        usd_per_passage: None where the price is not known; 0.0 for the offline writer.
        calls_s: Seconds of all calls at once for one passage, None where it is not known.
        source: Where these come from.
    """

    writer: str = "extractive"
    usd_per_passage: float | None = 0.0
    calls_s: float | None = 0.0
    source: str = ""


@dataclass(frozen=True, slots=True)
class Size:
    """What is to be planned for."""

    n_passages: int
    node: NodeKind
    n_nodes: int = 1
    dimensions: int = 384
    train_passages: int | None = None

    @property
    def n_cores(self) -> int:
        """All cores of the cluster."""
        return self.node.cores * self.n_nodes

    @property
    def n_parts(self) -> int:
        """What embeds and searches: all accelerators of the cluster, else all cores."""
        return (self.node.n_gpus or self.node.cores) * self.n_nodes

    @property
    def overhead(self) -> float:
        """What the engine adds to the workers' time: nothing on one machine alone."""
        return RAY_OVERHEAD if self.n_nodes > 1 else 0.0

    @property
    def n_trained(self) -> int:
        """How many passages one epoch sees."""
        share = round(TRAIN_SHARE * self.n_passages)
        most = self.train_passages or (share if self.node.n_gpus else CPU_TRAIN_PASSAGES)
        return min(share, most)


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """What one stage would take; None stands for what is not known.

    Attributes:
        seconds: From its begin to its end.
        driver_s: Of that, what the leading process takes by itself.
        core_s: Work of all workers' cores together.
        gpu_s: Work of all accelerators together.
        driver_bytes: Peak memory of the leading process.
        worker_bytes: Peak memory of one worker; 0 where there is none.
        kept_bytes: What it leaves in the workspace.
        usd: Machines for its seconds, and what a provider bills.
        source: Where the rates come from.
    """

    name: str
    seconds: float | None
    driver_s: float
    core_s: float
    gpu_s: float
    driver_bytes: float
    worker_bytes: float
    kept_bytes: float
    usd: float | None
    source: str


@dataclass(frozen=True, slots=True)
class Limit:
    """Something that gives way as a corpus grows: `n_passages` is where, on these machines."""

    n_passages: float
    what: str
    remedy: str


@dataclass(frozen=True)
class Plan:
    """The estimates of all stages, in their order, and what follows from them."""

    size: Size
    rates: Rates
    writing: Writing
    stages: tuple[StageEstimate, ...]
    limits: tuple[Limit, ...]
    sources: Mapping[str, str]

    @property
    def seconds(self) -> float | None:
        """All stages one after the other; None if one is not known."""
        return _sum([stage.seconds for stage in self.stages])

    @property
    def usd(self) -> float | None:
        """All stages; None if one is not known."""
        return _sum([stage.usd for stage in self.stages])

    @property
    def kept_bytes(self) -> float:
        """What lies in the workspace in the end."""
        return sum(stage.kept_bytes for stage in self.stages)

    def per_million(self) -> dict[str, float | None]:
        """Return the sizing rule: what a million passages take, whatever the cluster."""
        share = 1e6 / self.size.n_passages
        return {
            "core_hours": share * sum(stage.core_s for stage in self.stages) / HOUR,
            "gpu_hours": share * sum(stage.gpu_s for stage in self.stages) / HOUR,
            "driver_hours": share * sum(stage.driver_s for stage in self.stages) / HOUR,
            "gigabytes": share * self.kept_bytes / 1e9,
            "usd": None if self.usd is None else share * self.usd,
        }

    def useful_nodes(self) -> float:
        """Return the number of machines at which the leading process takes as long as they do."""
        cores = sum(stage.core_s for stage in self.stages)
        gpus = sum(stage.gpu_s for stage in self.stages)
        one_node_s = cores / self.size.node.cores + gpus / max(1, self.size.node.n_gpus)
        return one_node_s / max(sum(stage.driver_s for stage in self.stages), 1e-9)

    def as_json(self) -> dict[str, Any]:
        """Return the one object that `--json` prints."""
        return {
            "size": asdict(self.size) | {"n_trained": self.size.n_trained},
            "writing": asdict(self.writing),
            "stages": [asdict(stage) for stage in self.stages],
            "seconds": self.seconds,
            "usd": self.usd,
            "kept_bytes": self.kept_bytes,
            "usd_per_month_kept": self.kept_bytes / 1e9 * STORE_USD_PER_GB_MONTH,
            "per_million_passages": self.per_million(),
            "useful_nodes": self.useful_nodes(),
            "limits": [asdict(limit) for limit in self.limits],
            "rates": asdict(self.rates),
            "sources": dict(self.sources),
        }


def parse_count(text: str) -> int:
    """Return the number that a text such as "10M", "1.5B", "250k" or "40,000" stands for.

    Raises:
        UsageError: It stands for none, or for nothing.
    """
    found = COUNT.fullmatch(text.replace(",", "").replace("_", "").strip())
    n = round(float(found[1]) * FACTORS[found[2].lower()]) if found else 0
    if n < 1:
        raise UsageError(f"{text!r} is no number of passages. Write it as 250k, 10M or 1.5B.")
    return n


def _sum(values: Sequence[float | None]) -> float | None:
    """Return the sum, None where one is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None
