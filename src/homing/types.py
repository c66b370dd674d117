"""The saved types through which the stages meet: plain data, no library but NumPy.

Ids are content hashes, so that two machines, or two engines, name the same thing the same way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int64]
else:  # importing NumPy takes 0.15 s, and the processes that read files do without it
    FloatArray = IntArray = Any

Span = tuple[int, int]
"""Half-open character range (start, end)."""


def content_id(*parts: str) -> str:
    """Return 16 hex digits that depend on every part and on where one part ends."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "big"))
        digest.update(raw)
    return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a document.

    Attributes:
        level: 1 for the outermost, as in HTML.
        title: The heading's words, in one line.
        start: Offset in `Document.text` of the heading's own line.
        end: Offset just after that line; the section's body starts here.
    """

    level: int
    title: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """One source file or record, as clean text.

    Attributes:
        id: `content_id(path, text)`.
        path: Where it came from, relative to the folder that was given, with `/`.
        title: From the file's metadata or first heading, else its name.
        text: The cleaned text; every offset elsewhere points into it.
        page_starts: Offset at which each page begins (page 1 first); empty if it has no pages.
        headings: In the order of the text.
        language: Two-letter code, or "" when unknown.
    """

    id: str
    path: str
    title: str
    text: str
    page_starts: tuple[int, ...] = ()
    headings: tuple[Heading, ...] = ()
    language: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """The retrieval unit: `document.text[start:end] == text`.

    Attributes:
        id: `content_id(document path, *heading_path, text, occurrence)`.
        page: 1-based page on which it begins, or None.
        heading_path: Document title (if any) first, then the headings from the outermost in.
    """

    id: str
    document_id: str
    start: int
    end: int
    text: str
    heading_path: tuple[str, ...] = ()
    page: int | None = None

    @property
    def title(self) -> str:
        """The document's title and the last two headings, such as "Handbook > Leave > Parents".

        What lies between says little ("Part II", "Item 8") and costs tokens in every passage.
        """
        path = self.heading_path
        return " > ".join(path if len(path) <= 3 else (path[0], *path[-2:]))


def passage_input(title: str, text: str) -> str:
    """Return the string that an encoder or BM25 is given for a passage: title, line break, text."""
    return f"{title}\n{text}" if title else text


@dataclass(frozen=True, slots=True)
class Question:
    """What a writer hands over, before curation.

    Attributes:
        kind: How it was made, such as "heading", "cloze", "keyword"; reports compare kinds.
        writer: Which writer: "extractive", "openai:gpt-5-mini", "person".
        prompt: Name and version of the prompt, or "".
        masked: Spans of the passage's text that the question was made from; training hides them,
            so that words are not learned by copying. The corpus keeps the passage whole.
        masks_title: The question was made from the title; training leaves the title out.
    """

    text: str
    passage_id: str
    kind: str
    writer: str
    prompt: str = ""
    masked: tuple[Span, ...] = ()
    masks_title: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """A question with the origin of its text; fields as in `Question`. `id` is `query_id(text)`."""

    id: str
    text: str
    kind: str = ""
    writer: str = ""
    prompt: str = ""
    masked: tuple[Span, ...] = ()
    masks_title: bool = False


def query_id(text: str) -> str:
    """Return the id of a question: equal for texts that differ in case and spacing alone."""
    return content_id("query", " ".join(text.casefold().split()))


@dataclass(frozen=True, slots=True)
class Qrel:
    """A relevance judgement; `grade` >= 1 is relevant."""

    query_id: str
    passage_id: str
    grade: int = 1


@dataclass(frozen=True, slots=True)
class Rejection:
    """Something that a stage dropped: nothing vanishes.

    Attributes:
        item_id: Path, passage id or query id.
        stage: "ingest", "write", "curate".
        reason: Short code in snake_case, such as "no_text_layer".
        detail: What happened and what to do, for a person.
        text: The raw text, cut at 2,000 characters.
    """

    item_id: str
    stage: str
    reason: str
    detail: str = ""
    text: str = ""


@runtime_checkable
class Encoder(Protocol):
    """Turns text into unit vectors; knows its own prompts.

    Both methods return float32 of shape (n, `dimensions`), each row of length 1. `key` identifies
    model, weights, prompts and sequence length: equal keys give equal vectors.
    """

    key: str
    dimensions: int

    def encode_queries(self, texts: Sequence[str]) -> FloatArray: ...

    def encode_passages(self, texts: Sequence[str]) -> FloatArray: ...


@runtime_checkable
class Retriever(Protocol):
    """Scores every passage of the corpus that it was built on, for each query; higher is better."""

    n_passages: int

    def scores(self, queries: Sequence[str]) -> FloatArray:
        """Return float32 of shape (n_queries, n_passages), columns in corpus order."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """Ranked passages with scores for each query (TREC sense).

    Attributes:
        query_ids: One for each row.
        passage_ids: The corpus, in its order; `ranking` holds positions in it.
        ranking: int64 (n_queries, k), best first, -1 where there are fewer than k.
        scores: float32 (n_queries, k), descending. Ties: the earlier in the corpus first.
    """

    query_ids: tuple[str, ...]
    passage_ids: tuple[str, ...]
    ranking: IntArray
    scores: FloatArray

    def ranked_ids(self, row: int) -> list[str]:
        """Return the passage ids of one query, best first."""
        return [self.passage_ids[i] for i in self.ranking[row] if i >= 0]


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
    """

    name: str
    baseline: str
    measure: str
    difference: Interval
    p_value: float


@dataclass(frozen=True, slots=True)
class ContenderResult:
    """How one contender did.

    Attributes:
        spec: As on the command line: "bm25", a folder, "fusion(a,b)".
        measures: Mean over queries, such as {"hit@5": 0.84, "ndcg@10": 0.74, "mrr@10": ...}.
        intervals: 95 % intervals of those measures that the report shows.
        seconds: Wall time to embed or index and to search.
    """

    name: str
    spec: str
    measures: Mapping[str, float]
    intervals: Mapping[str, Interval]
    seconds: float = 0.0


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
    """

    split: str
    n_queries: int
    n_passages: int
    query_ids: tuple[str, ...]
    contenders: Mapping[str, ContenderResult]
    comparisons: Sequence[Comparison]
    by_query: Mapping[str, Mapping[str, NDArray[np.float64]]]
    runs: Mapping[str, Run]
    cluster_unit: str
    query_source: str
    notes: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Audit:
    """What two splits have in common; a sound dataset has zero everywhere.

    Attributes:
        shared: (split a, split b) -> {"passages": 0, "near_duplicates": 0, "questions": 0}.
    """

    shared: Mapping[tuple[str, str], Mapping[str, int]]

    @property
    def clean(self) -> bool:
        """True when nothing is shared."""
        return all(n == 0 for counts in self.shared.values() for n in counts.values())


@dataclass(frozen=True, slots=True)
class TrainingLog:
    """What training did, for the report and the manifest.

    Attributes:
        loss: (step, loss) pairs.
        dev: (step, dev nDCG@10) pairs; step 0 is the base model.
        kept: "tuned", or "base" when no checkpoint beat the base on dev.
        best_step: The step whose weights were kept.
        seconds: Wall time from the loaded model to the saved one.
        dev_seconds: What of it went into scoring dev.
    """

    loss: Sequence[tuple[int, float]]
    dev: Sequence[tuple[int, float]]
    kept: str
    best_step: int
    n_pairs: int
    n_passages: int
    n_tokens: int
    seconds: float
    dev_seconds: float = 0.0
    settings: Mapping[str, Any] = field(default_factory=dict)
