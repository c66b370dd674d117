"""BM25, the word-matching baseline: Lucene's form, k1 = 1.5, b = 0.75.

Words are found by language: stemmed by Snowball where it knows the language, pairs of characters
for Chinese and Japanese, which put no spaces between words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from homing.retrieval.postings import Postings, index_terms
from homing.types import FloatArray

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
        postings: The index.
    """

    def __init__(self, texts: Sequence[str], language: str = "") -> None:
        """Index the corpus.

        Args:
            texts: What `passage_input` gives for each passage, in corpus order.
            language: Two-letter code; "" takes Chinese or Japanese where that script prevails,
                else English.
        """
        language = language or guess_language(texts)
        tokenize = tokenizer_for(language)
        self._hold(index_terms(tokenize(text) for text in texts), language)

    @classmethod
    def over(cls, postings: Postings, language: str) -> BM25Retriever:
        """Return the retriever of an index that was made before, of texts in a language."""
        retriever = cls.__new__(cls)
        retriever._hold(postings, language)
        return retriever

    def _hold(self, postings: Postings, language: str) -> None:
        self.postings, self.language = postings, language
        self.n_passages = postings.n_passages
        self._tokenize = tokenizer_for(language)

    @property
    def index_bytes(self) -> int:
        """Return the bytes of the arrays that hold the postings; the vocabulary is not counted."""
        return self.postings.n_bytes

    def scores(self, queries: Sequence[str]) -> FloatArray:
        """Return BM25 scores, float32 (n_queries, n_passages), 0.0 where no word is shared."""
        scores = np.zeros((len(queries), self.n_passages), dtype=np.float32)
        for row, query in enumerate(queries):
            self.postings.add(self._tokenize(query), scores[row])
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
    sample = "".join(text[:500] for text in texts[:: sample_step(len(texts))])
    if not sample or 3 * len(_HAN_OR_KANA.findall(sample)) < len(sample):
        return "en"
    return "ja" if 20 * len(_KANA.findall(sample)) > len(sample) else "zh"


def sample_step(n_texts: int) -> int:
    """Return of how many texts `guess_language` looks at one; it looks at all that it selected."""
    return max(1, n_texts // 200)


def _english_stop_words() -> frozenset[str]:
    from bm25s.stopwords import STOPWORDS_EN

    return frozenset(STOPWORDS_EN)
