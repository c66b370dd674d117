"""An index of words for BM25: for each term the passages that hold it, and what it scores there.

Scores are those of the library bm25s, bit by bit (Lucene's form). What is different is the memory:
tokens are numbers as soon as they are read, so that a million passages of 60 terms take 0.25 GB
while they are counted and 0.5 GB as an index, not lists of strings. Cost: a sort of each chunk's
tokens, twice.
"""

from __future__ import annotations

import json
import math
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from homing.retrieval.array_files import open_array, save_array
from homing.storage import Place, join, read_bytes, write_bytes
from homing.types import FloatArray, IntArray

K1 = 1.5
B = 0.75
PASSAGES_IN_CHUNK = 8192
TERMS, SHAPE = "terms.json", "shape.json"

Integers = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Postings:
    """The index of a corpus.

    Attributes:
        terms: Term -> its number.
        starts: For each term, where its postings start; one more at the end.
        passages: Of each posting, the position of the passage, ascending within a term.
        scores: Of each posting, what the term adds to the passage's score, float32.
        n_passages: Size of the corpus.
    """

    terms: Mapping[str, int]
    starts: IntArray
    passages: Integers
    scores: FloatArray
    n_passages: int

    @property
    def n_bytes(self) -> int:
        """Return the bytes of the arrays; the terms themselves are not counted."""
        return self.starts[1:].nbytes + self.passages.nbytes + self.scores.nbytes

    def add(self, asked: Iterable[str], row: FloatArray) -> None:
        """Add what the terms of a question score to a row of scores, (n_passages,)."""
        for term in asked:
            number = self.terms.get(term)
            if number is not None:
                here = slice(int(self.starts[number]), int(self.starts[number + 1]))
                row[self.passages[here]] += self.scores[here]

    def save(self, folder: Place) -> None:
        """Write the index as files that `open_postings` maps."""
        for name in ("starts", "passages", "scores"):
            save_array(join(folder, f"{name}.npy"), getattr(self, name))
        write_bytes(
            join(folder, TERMS), json.dumps(list(self.terms)).encode("utf-8", "surrogatepass")
        )
        write_bytes(join(folder, SHAPE), json.dumps({"n_passages": self.n_passages}).encode())


def open_postings(folder: Place) -> Postings:
    """Return a saved index; its arrays are mapped if the folder is on this machine.

    Raises:
        FileNotFoundError: There is none.
    """
    shape = json.loads(read_bytes(join(folder, SHAPE)))
    terms = json.loads(read_bytes(join(folder, TERMS)).decode("utf-8", "surrogatepass"))
    return Postings(
        terms={term: number for number, term in enumerate(terms)},
        starts=open_array(join(folder, "starts.npy")),
        passages=open_array(join(folder, "passages.npy")),
        scores=open_array(join(folder, "scores.npy")),
        n_passages=shape["n_passages"],
    )


def index_terms(passages: Iterable[Sequence[str]]) -> Postings:
    """Return the index of a corpus.

    Args:
        passages: The terms of each, as often as they occur; read once.
    """
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    tokens, lengths = array("i"), array("i")
    for terms in passages:
        tokens.extend(map(numbers.__getitem__, terms))
        lengths.append(len(terms))
    read = _Tokens(np.asarray(tokens, np.int32), np.asarray(lengths, np.int32), len(numbers))
    n_with = np.zeros(len(numbers), dtype=np.int64)
    for _, terms_of, _ in read.counted():
        n_with += np.bincount(terms_of, minlength=len(numbers))
    starts = np.concatenate([[0], np.cumsum(n_with)])
    holders, scores = _filled(read, starts, _rarities(n_with, read.n_passages))
    return Postings(dict(numbers), starts, holders, scores, read.n_passages)


@dataclass(frozen=True, slots=True)
class _Tokens:
    """Every token of a corpus as the number of its term, passage after passage."""

    tokens: Integers
    lengths: Integers
    n_terms: int

    @property
    def n_passages(self) -> int:
        return len(self.lengths)

    def counted(self) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
        """Yield for each chunk of passages: passage, term, and how often it holds it."""
        start = 0
        for first in range(0, self.n_passages, PASSAGES_IN_CHUNK):
            lengths = self.lengths[first : first + PASSAGES_IN_CHUNK]
            stop = start + int(lengths.sum())
            holders = np.repeat(np.arange(first, first + len(lengths), dtype=np.int64), lengths)
            pairs = holders * self.n_terms + self.tokens[start:stop]
            found, counts = np.unique(pairs, return_counts=True)
            yield *np.divmod(found, max(1, self.n_terms)), counts
            start = stop


def _rarities(n_with: IntArray, n_passages: int) -> FloatArray:
    """Return what each term weighs, float32 (n_terms,), given how many passages hold it."""
    different, which = np.unique(n_with, return_inverse=True)
    weights = [math.log(1 + (n_passages - n + 0.5) / (n + 0.5)) for n in different.tolist()]
    return np.array(weights, dtype=np.float32)[which]


def _filled(read: _Tokens, starts: IntArray, rarities: FloatArray) -> tuple[Integers, FloatArray]:
    """Return passages and scores of all postings, by term and then by passage."""
    holders = np.empty(int(starts[-1]), dtype=np.int32)
    scores = np.empty(int(starts[-1]), dtype=np.float32)
    mean_length = read.lengths.mean() if read.n_passages else 1.0
    # In double precision, in the order in which bm25s computes it.
    norms = K1 * ((1 - B) + B * read.lengths / mean_length) if mean_length else read.lengths
    free = starts[:-1].copy()
    for passages, terms, counts in read.counted():
        held = counts.astype(np.float32)
        values = rarities[terms] * (held / (norms[passages] + held))
        order = np.argsort(terms, kind="stable")
        sorted_terms = terms[order]
        first = np.flatnonzero(np.diff(sorted_terms, prepend=-1))
        n_new = np.diff(np.append(first, len(sorted_terms)))
        within = np.arange(len(sorted_terms)) - np.repeat(first, n_new)
        places = free[sorted_terms] + within
        holders[places], scores[places] = passages[order], values[order]
        free[sorted_terms[first]] += n_new
    return holders, scores
