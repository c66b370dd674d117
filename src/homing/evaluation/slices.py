"""The test questions cut up by what they have in common: where a contender shines, where it fails.

Cost: a bootstrap for each slice, over all contenders together.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from homing.dataset import Dataset
from homing.evaluation.significance import cluster_bootstrap_columns, difference_bootstrap_columns
from homing.language import guess_language
from homing.types import Interval, Slice, Values
from homing.types.evaluation import FEW_QUESTIONS
from homing.words import words_of

MEASURE = "hit@5"
MAX_DOCUMENTS = 12
OTHERS = "others"
NOT_KNOWN = "not known"
LENGTHS = (64, 128, 256)
LENGTH_LABELS = ("up to 64 words", "65–128 words", "129–256 words", "more than 256 words")
OVERLAPS = (0.2, 0.4, 0.6, 0.8)
OVERLAP_LABELS = (
    "0–20 % of words shared",
    "20–40 % of words shared",
    "40–60 % of words shared",
    "60–80 % of words shared",
    "80–99 % of words shared",
    "all words shared",
)


def find_slices(
    dataset: Dataset,
    relevant: Mapping[str, Mapping[str, int]],
    by_query: Mapping[str, Mapping[str, Values]],
    clusters: Sequence[object],
    *,
    baseline: str,
    shared: Values,
    paths: Mapping[str, str] | None = None,
    seed: int,
) -> tuple[Slice, ...]:
    """Return the slices of all dimensions that have at least two, with everyone's hit@5 on them.

    Args:
        relevant: Query id -> right passages, in the order of all else; the first one is "the"
            passage where one is meant.
        by_query: Contender -> measure -> float64 (n_queries,).
        clusters: For each query what it goes together with. Within a document its passages do.
        baseline: Whom differences are taken to.
        shared: What `shared_fractions` gave.
        paths: Document id -> its path; a document that is not named goes by its id.
        seed: Of the bootstrap.
    """
    labels = {
        "kind": _by_size([dataset.queries[q].kind or NOT_KNOWN for q in relevant]),
        "source": _by_size([_source(dataset.queries[q].writer) for q in relevant]),
        "document": _documents(dataset, relevant, paths or {}),
        "length": _lengths(dataset, relevant),
        "overlap": _overlaps(shared),
        "language": _languages(dataset, relevant),
    }
    passages = [dataset.group_of(next(iter(grades))) for grades in relevant.values()]
    measured = {name: values[MEASURE] for name, values in by_query.items()}
    return tuple(
        _slice(dimension, label, rows, measured, baseline, units, seed)
        for dimension, parts in labels.items()
        for units in (passages if dimension == "document" else clusters,)
        for label, rows in parts.items()
        if len(parts) > 1
    )


def _slice(
    dimension: str,
    label: str,
    rows: Sequence[int],
    measured: Mapping[str, Values],
    baseline: str,
    clusters: Sequence[object],
    seed: int,
) -> Slice:
    names = list(measured)
    others = [name for name in names if name != baseline]
    kept = [clusters[row] for row in rows]
    columns = np.stack([measured[name][list(rows)] for name in names], axis=1)
    results = cluster_bootstrap_columns(columns, kept, seed=seed)
    differences: list[Interval] = []
    if others:
        theirs = columns[:, names.index(baseline)][:, None]
        ours = columns[:, [names.index(name) for name in others]]
        differences = difference_bootstrap_columns(ours - theirs, kept, seed=seed)
    return Slice(
        dimension,
        label,
        np.asarray(rows, dtype=np.int64),
        dict(zip(names, results, strict=True)),
        dict(zip(others, differences, strict=True)),
    )


Parts = dict[str, list[int]]


def _by_size(labels: Sequence[str]) -> Parts:
    """Return the rows of each label, the most frequent first; equal ones as first met."""
    parts: Parts = {label: [] for label, _ in Counter(labels).most_common()}
    for row, label in enumerate(labels):
        parts[label].append(row)
    return parts


def _in_order(labels: Sequence[str], order: Sequence[str]) -> Parts:
    """Return the rows of each label in a given order; labels that are not in it are left out."""
    parts = _by_size(labels)
    return {label: parts[label] for label in order if label in parts}


def _source(writer: str) -> str:
    if not writer:
        return NOT_KNOWN
    return "asked by people" if writer == "person" else f"written by {writer}"


def _documents(
    dataset: Dataset, relevant: Mapping[str, Mapping[str, int]], paths: Mapping[str, str]
) -> Parts:
    """Return the rows of the documents with most questions, and the others' together."""
    known = {passage.document_id for passage in dataset.corpus.values()}
    if len(known) == dataset.n_passages:  # an imported set: each passage is a document of its own
        return {}
    asked = [dataset.corpus[next(iter(grades))].document_id for grades in relevant.values()]
    largest = [document for document, _ in Counter(asked).most_common()]
    if len(largest) > MAX_DOCUMENTS + 1:
        largest = largest[:MAX_DOCUMENTS]
    name_of = {document: paths.get(document, document) for document in largest}
    labels = [name_of.get(document, OTHERS) for document in asked]
    return _in_order(labels, [*name_of.values(), OTHERS])


def _lengths(dataset: Dataset, relevant: Mapping[str, Mapping[str, int]]) -> Parts:
    n_words: dict[str, int] = {}
    labels = []
    for grades in relevant.values():
        passage = dataset.corpus[next(iter(grades))]
        if passage.id not in n_words:
            n_words[passage.id] = len(words_of(passage.text))
        labels.append(LENGTH_LABELS[bisect_left(LENGTHS, n_words[passage.id])])
    return _in_order(labels, LENGTH_LABELS)


def _overlaps(shared: Values) -> Parts:
    """Return the rows by shared words; a border belongs to the part above it."""
    labels = [
        ""
        if np.isnan(share)
        else OVERLAP_LABELS[int(np.searchsorted((*OVERLAPS, 1.0), share + 1e-9, side="right"))]
        for share in shared
    ]
    return _in_order(labels, OVERLAP_LABELS)


def _languages(dataset: Dataset, relevant: Mapping[str, Mapping[str, int]]) -> Parts:
    """Return the rows by the questions' language; a question too short to tell has its passage's.

    Languages of fewer than `FEW_QUESTIONS` questions go together: of single ones most are misread.
    """
    guesses = []
    for query_id, grades in relevant.items():
        passage = dataset.corpus[next(iter(grades))]
        guess = guess_language(dataset.queries[query_id].text) or guess_language(passage.text)
        guesses.append(guess or OTHERS)
    counts = Counter(guesses)
    labels = [guess if counts[guess] >= FEW_QUESTIONS else OTHERS for guess in guesses]
    parts = _by_size(labels)
    if len(parts) <= 2 and OTHERS in parts and len(parts[OTHERS]) < FEW_QUESTIONS:
        return {}
    return _in_order(labels, [*(label for label in parts if label != OTHERS), OTHERS])
