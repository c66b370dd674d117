"""BM25, the word-matching baseline: Lucene's form, k1 = 1.5, b = 0.75.

Words are found by language: stemmed by Snowball where it knows the language, pairs of characters
for Chinese and Japanese, which put no spaces between words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from homing.types import FloatArray

K1 = 1.5
B = 0.75
STEMMERS = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german",
    "el": "greek", "en": "english", "eo": "esperanto", "es": "spanish", "et": "estonian",
    "eu": "basque", "fa": "persian", "fi": "finnish", "fr": "french", "ga": "irish",
    "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian",
    "lt": "lithuanian", "nb": "norwegian", "ne": "nepali", "nl": "dutch", "no": "norwegian",
    "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian",
    "st": "sesotho", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
"""Two-letter code -> Snowball's name."""
UNSPACED = frozenset({"zh", "ja"})

_WORD = re.compile(r"(?u)\b\w\w+\b")
_SCRIPT = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_SCRIPT_RUN = re.compile(rf"[{_SCRIPT}]+|[^\W{_SCRIPT}]+")
_KANA = re.compile("[\u3040-\u30ff]")
_HAN_OR_KANA = re.compile(f"[{_SCRIPT}]")


class BM25Retriever:
    """A `Retriever` by BM25 over an index in memory.

    Attributes:
        n_passages: Size of the corpus.
        language: Two-letter code by which words are found.
    """

    def __init__(self, texts: Sequence[str], language: str = "") -> None:
        """Index the corpus.

        Args:
            texts: What `passage_input` gives for each passage, in corpus order.
            language: Two-letter code; "" takes Chinese or Japanese where that script prevails,
                else English.
        """
        import bm25s

        self.n_passages = len(texts)
        self.language = language or guess_language(texts)
        self._tokenize = tokenizer_for(self.language)
        tokens = [self._tokenize(text) for text in texts]
        self._index: Any = None
        # The library cannot index a corpus in which no word is left.
        if any(tokens):
            self._index = bm25s.BM25(k1=K1, b=B, method="lucene")
            self._index.index(tokens, show_progress=False)

    @property
    def index_bytes(self) -> int:
        """Return the bytes of the arrays that hold the postings; the vocabulary is not counted."""
        arrays = self._index.scores.values() if self._index is not None else ()
        return sum(int(array.nbytes) for array in arrays if isinstance(array, np.ndarray))

    def scores(self, queries: Sequence[str]) -> FloatArray:
        """Return BM25 scores, float32 (n_queries, n_passages), 0.0 where no word is shared."""
        scores = np.zeros((len(queries), self.n_passages), dtype=np.float32)
        if self._index is None:
            return scores
        for row, query in enumerate(queries):
            known = [t for t in self._tokenize(query) if t in self._index.vocab_dict]
            if known:
                scores[row] = self._index.get_scores(known)
        return scores


def tokenizer_for(language: str) -> Callable[[str], list[str]]:
    """Return the function that cuts a text of this language into index terms.

    English loses its stop words and is stemmed, other languages that Snowball knows are stemmed,
    Chinese and Japanese become pairs of characters, any other is lower-cased words.
    """
    code = language.lower().split("-")[0]
    if code in UNSPACED:
        return character_pairs
    stop_words = _english_stop_words() if code == "en" else frozenset()
    import Stemmer

    if STEMMERS.get(code) not in Stemmer.algorithms():
        return words
    stem = lru_cache(maxsize=500_000)(Stemmer.Stemmer(STEMMERS[code]).stemWord)
    return lambda text: [stem(word) for word in words(text) if word not in stop_words]


def words(text: str) -> list[str]:
    """Return the words of at least two characters, in lower case."""
    return _WORD.findall(text.lower())


def character_pairs(text: str) -> list[str]:
    """Return overlapping pairs of Chinese or Japanese characters, and other words whole.

    A character that stands alone between other signs is a term of its own.
    """
    terms: list[str] = []
    for run in _SCRIPT_RUN.findall(text.lower()):
        if len(run) > 1 and _HAN_OR_KANA.match(run):
            terms.extend(run[i : i + 2] for i in range(len(run) - 1))
        else:
            terms.append(run)
    return terms


def guess_language(texts: Sequence[str]) -> str:
    """Return "zh" or "ja" where such characters make up a third of the text, else "en"."""
    sample = "".join(text[:500] for text in texts[:: max(1, len(texts) // 200)])
    if not sample or 3 * len(_HAN_OR_KANA.findall(sample)) < len(sample):
        return "en"
    return "ja" if 20 * len(_KANA.findall(sample)) > len(sample) else "zh"


def _english_stop_words() -> frozenset[str]:
    from bm25s.stopwords import STOPWORDS_EN

    return frozenset(STOPWORDS_EN)
