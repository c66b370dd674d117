"""What a plan is computed from: how long each stage takes for a passage, and what it keeps.

Every number says where it comes from, so that a plan can be read back to its grounds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

NOT_MEASURED = "not measured"
COMMITTED = "benchmarks/results/scale.md"
SEARCH_COMMITTED = "benchmarks/results/search.md"
MEMORY_SOURCE = (
    f"ingest, write, curate: peaks between 100,000 and 1,000,000 passages ({COMMITTED}); the "
    "others by what is held, not measured"
)
RAY_OVERHEAD = 0.25
"""What Ray is taken to add to the workers' time."""
RAY_SOURCE = (
    f"{RAY_OVERHEAD:.0%} of the workers' time, assumed for what a network adds; where Ray ran on "
    "two cores beside its workers it took 7% more at 100,000 passages, 2% at 1,000,000 "
    f"({COMMITTED})"
)
PACE_SOURCE = "pipeline/pace.py: what `full` took in units of one embedding"


@dataclass(frozen=True, slots=True)
class Rate:
    """A number and where it comes from."""

    value: float
    source: str


@dataclass(frozen=True, slots=True)
class StageRate:
    """What one stage takes.

    Attributes:
        fixed_s: Whatever the number of passages.
        driver_s: A passage, in the process that leads; more machines do not shorten it.
        worker_s: A passage, on one core of a worker.
        kept_bytes: A passage, in the workspace.
        source: Of all of these.
    """

    fixed_s: float
    driver_s: float
    worker_s: float
    kept_bytes: float
    source: str

    def seconds(self, n_passages: float, n_cores: int, overhead: float = 0.0) -> float:
        """Return the seconds that a stage takes where so many cores work for it.

        Args:
            overhead: What an engine adds to the workers' time, as a share of it.
        """
        spread = self.worker_s * (1 + overhead) / n_cores
        return self.fixed_s + n_passages * (self.driver_s + spread)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that the leading process and a worker take in one stage.

    Attributes:
        driver_base: Whatever the number of passages.
        driver_passage: For each passage.
        worker: Of one worker, whatever the number of passages.
    """

    driver_base: float
    driver_passage: float
    worker: float

    def driver(self, n_passages: float) -> float:
        """Return the bytes of the leading process."""
        return self.driver_base + n_passages * self.driver_passage


LEADING_S = {"ingest": 12e-6, "write": 4e-6, "curate": 48e-6}
"""Seconds of the leading process for a passage: too little to be told from a sample. The difference
between 100,000 and 1,000,000 passages, of one of two cores."""
LEADING_SOURCE = f"the leading process, between 100,000 and 1,000,000 passages: {COMMITTED}"
MEMORY = {
    "ingest": Memory(373e6, 251, 230e6),
    "write": Memory(221e6, 69, 253e6),
    "curate": Memory(271e6, 988, 305e6),
    "embed": Memory(700e6, 16, 1_500e6),
    "train": Memory(2_500e6, 400, 0),
    "evaluate": Memory(700e6, 200, 1_500e6),
}
"""Peaks of resident memory by stage: of the first three as measured between 100,000 and
1,000,000 passages, of the others as their modules state it."""


@dataclass(frozen=True)
class Rates:
    """All that is known of a corpus and of the machine that was measured.

    Attributes:
        stages: "ingest", "write" and "curate" -> what they take.
        tokens: Of a passage, in tokens of the base model.
        questions: Of a passage, as the offline writer asks them.
        embed_s: Seconds a passage on one core, or on the whole of this machine's accelerator;
            None where it was not measured.
        tokenize_s: Seconds a passage on one core.
        flops: To embed one passage.
        search_flops: A second and core, of exact search.
        bm25_bytes: Of a passage in a BM25 index.
        measured_on: The documents of the sample, in words.
        embeds_on: What embedding was timed on: "cpu", "cuda" or "mps".
    """

    stages: dict[str, StageRate]
    tokens: Rate
    questions: Rate
    tokenize_s: Rate
    flops: Rate
    search_flops: Rate
    bm25_bytes: Rate
    measured_on: str
    embed_s: Rate | None = None
    embeds_on: str = "cpu"
    memory: dict[str, Memory] = field(default_factory=lambda: dict(MEMORY))
