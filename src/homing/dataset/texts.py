"""What encoders and BM25 are given of a corpus, without holding it where the corpus is not held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import overload

from homing.dataset.model import Dataset
from homing.types import Passage, passage_input


class PassageTexts(Sequence[str]):
    """What `passage_input` gives for each passage, read whenever it is asked for.

    Args:
        corpus: Passage id -> passage, in corpus order. A text by its position is found at once
            where the corpus has a method `at`, as one on disk does.
    """

    def __init__(self, corpus: Mapping[str, Passage]) -> None:
        self._corpus = corpus

    def __len__(self) -> int:
        return len(self._corpus)

    def __iter__(self) -> Iterator[str]:
        return (passage_input(p.title, p.text) for p in self._corpus.values())

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> list[str]: ...
    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            start, stop, step = at.indices(len(self))
            return list(islice(iter(self), start, stop, step))
        passage = self._passage(range(len(self))[at])
        return passage_input(passage.title, passage.text)

    def _passage(self, position: int) -> Passage:
        if hasattr(self._corpus, "at"):
            found: Passage = self._corpus.at(position)
            return found
        return next(islice(self._corpus.values(), position, None))


def texts_of(dataset: Dataset) -> Sequence[str]:
    """Return the texts of a dataset's passages: a list if the corpus is in memory, else read."""
    if isinstance(dataset.corpus, dict):
        return dataset.passage_texts()
    return PassageTexts(dataset.corpus)
