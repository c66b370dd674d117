"""What an evaluation found: how every contender did, how sure that is, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from homing.types.arrays import IntArray, Values
from homing.types.retrieval import Run

Decision = Literal["deploy", "keep base", "cannot tell"]
FEW_QUESTIONS = 20
"""A slice of fewer is shown and never ranked."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Paired difference `name` minus `baseline` in one measure, over the same questions.

    Attributes:
        p_value: Two-sided, of a paired randomisation test by cluster.
        p_adjusted: The same, corrected for the number of contenders compared in this measure
            (Holm); None where that was not computed.
        detectable: Smallest true difference that so many questions show with 80 % power at the
            5 % level; None where it cannot be said.
        headroom_gained: Share of what the baseline leaves to gain, `difference / (1 - baseline)`;
            negative for a loss, None where the baseline has no room left.
    """

    name: str
    baseline: str
    measure: str
    difference: Interval
    p_value: float
    p_adjusted: float | None = None
    detectable: float | None = None
    headroom_gained: float | None = None


@dataclass(frozen=True, slots=True)
class ContenderResult:
    """How one contender did.

    Attributes:
        spec: As on the command line: "bm25", a folder, "fusion(a,b)".
        measures: Mean over queries, such as {"hit@5": 0.84, "ndcg@10": 0.74, "mrr@10": ...}.
        intervals: 95 % intervals of those measures that the report shows.
        seconds: Wall time to embed or index and to search.
        chosen: What was settled on dev, such as "z-scores, 0.6 for tuned"; "" where nothing was.
    """

    name: str
    spec: str
    measures: Mapping[str, float]
    intervals: Mapping[str, Interval]
    seconds: float = 0.0
    chosen: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """Test questions that have something in common, and how the contenders do on them.

    Attributes:
        dimension: What they are grouped by: "kind", "document", "length", "overlap", "language"
            or "source".
        label: What they share, such as "how_to", "uber_2021.pdf" or "0–20 % of words shared".
        rows: Positions in `Evaluation.query_ids`, int64 (n,), ascending.
        results: Contender -> mean hit@5 with its interval.
        differences: Contender -> paired difference to the baseline in hit@5.
    """

    dimension: str
    label: str
    rows: IntArray
    results: Mapping[str, Interval]
    differences: Mapping[str, Interval]

    @property
    def n(self) -> int:
        """How many questions there are."""
        return len(self.rows)

    @property
    def is_ranked(self) -> bool:
        """Whether there are enough questions to compare contenders by."""
        return self.n >= FEW_QUESTIONS


@dataclass(frozen=True, slots=True)
class Cost:
    """What a contender costs on the machine that evaluated it; None where it does not apply.

    Attributes:
        passages_per_s: Rate of embedding or indexing a sample of the corpus.
        queries_per_s: Rate of answering many questions at once, search included.
        p50_ms: Median time from one question to its ranked passages, asked alone.
        p95_ms: 95th percentile of the same.
        dimensions: Length of a vector.
        index_bytes: Size of what must be kept for the corpus.
        usd_per_million_passages: Price of embedding a million passages of this corpus' mean length.
    """

    passages_per_s: float | None = None
    queries_per_s: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    dimensions: int | None = None
    index_bytes: int | None = None
    usd_per_million_passages: float | None = None


@dataclass(frozen=True, slots=True)
class Forgetting:
    """The tuned model against the base on questions that are not the user's.

    Attributes:
        name: Of the general set, such as "Python documentation".
        measure: Which measure the values are of.
        base: Mean of the base model.
        tuned: Mean of the tuned model.
        difference: Paired, tuned minus base.
    """

    name: str
    n_queries: int
    n_passages: int
    measure: str
    base: float
    tuned: float
    difference: Interval


@dataclass(frozen=True, slots=True)
class Drift:
    """How far tuning moved the space of the user's passages.

    Attributes:
        mean_cosine: Mean cosine of a passage's vector under base and under tuned, in [-1, 1].
        p05_cosine: 5th percentile of the same.
        neighbours_kept: Mean share of a passage's ten nearest that stay among its ten nearest.
        probe: Spearman correlation of the two models' similarities over pairs of fixed general
            sentences, in [-1, 1]; None where it was not taken.
        must_rebuild: Whether an index made with the base must be made again: true unless every
            vector is the same.
    """

    mean_cosine: float
    p05_cosine: float
    neighbours_kept: float
    must_rebuild: bool
    probe: float | None = None


@dataclass(frozen=True, slots=True)
class Unjudged:
    """Top results of which nobody said whether they answer, and what a judge said of them.

    Attributes:
        k: How many top results are looked at.
        fraction: Contender -> share of its top k that no label covers; before any judge.
        judge: Which language model judged; "" for none.
        n_judged: Pairs that it judged.
        n_right: Pairs of them that it found to answer.
        before: Contender -> hit@k by the labels alone.
        after: Contender -> hit@k with the judge's right answers added.
    """

    k: int
    fraction: Mapping[str, float]
    judge: str = ""
    n_judged: int = 0
    n_right: int = 0
    before: Mapping[str, float] = field(default_factory=dict)
    after: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, by the rule in docs/verdict.md.

    Attributes:
        decision: "deploy" `contender`, "keep base", or "cannot tell".
        contender: What to deploy; the baseline unless the decision is "deploy".
        headline: One short sentence, such as "Deploy tuned."
        reasons: Up to three plain sentences.
        n_more: About how many more questions would decide it, where it cannot be told.
        is_careful: Whether all questions were written by a program or a language model.
    """

    decision: Decision
    contender: str
    headline: str
    reasons: tuple[str, ...]
    n_more: int | None = None
    is_careful: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Every contender on the same questions.

    Attributes:
        contenders: By name, in the order they were given.
        comparisons: Every contender against the baseline, in the report's measures.
        by_query: contender -> measure -> float64 (n_queries,), rows as `query_ids`.
        runs: contender -> top 100.
        cluster_unit: What the bootstrap resampled: "document", "passage" or "query".
        query_source: Who asked the test questions: "people" (writer "person"), "written" (any
            other writer), "unknown" (imported without one), or "mixed".
        clusters: What each question goes together with in resampling, as `query_ids`.
        baseline: Name of the contender that the others are compared with.
        copied_fraction: Mean share of a question's content words that its passage holds.
        slices: Over all dimensions, each dimension together.
        costs: By contender; empty where they were not measured.
        forgetting: One for each general set.
        drift: None where there is no tuned model beside the base.
        unjudged: None where it was not looked at.
        verdict: None for a single contender.
    """

    split: str
    n_queries: int
    n_passages: int
    query_ids: tuple[str, ...]
    contenders: Mapping[str, ContenderResult]
    comparisons: Sequence[Comparison]
    by_query: Mapping[str, Mapping[str, Values]]
    runs: Mapping[str, Run]
    cluster_unit: str
    query_source: str
    notes: Sequence[str] = field(default_factory=tuple)
    clusters: Sequence[str] = ()
    baseline: str = "base"
    copied_fraction: float | None = None
    slices: Sequence[Slice] = ()
    costs: Mapping[str, Cost] = field(default_factory=dict)
    forgetting: Sequence[Forgetting] = ()
    drift: Drift | None = None
    unjudged: Unjudged | None = None
    verdict: Verdict | None = None
