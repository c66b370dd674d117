"""How much of a question's words its passage holds: what BM25 lives on.

Words count that carry meaning, stemmed as BM25 stems them, in the right passage's title and text.
Cost: every right passage is cut into words once for each language that asks about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache

import numpy as np

from homing.dataset import Dataset
from homing.dataset.texts import texts_of
from homing.language import guess_language
from homing.retrieval.bm25 import guess_language as guess_script
from homing.retrieval.bm25 import tokenizer_for
from homing.types import Values, passage_input
from homing.words import STOP_WORDS


def shared_fractions(
    dataset: Dataset, relevant: Mapping[str, Mapping[str, int]], *, language: str = ""
) -> Values:
    """Return for each question the share of its content words that its passage holds, (n,).

    In [0, 1]; nan for a question without a content word. Of several right passages, the one that
    holds most.

    Args:
        relevant: Query id -> right passages, in the order of the result.
        language: By which words are found; "" guesses it for each question, else for the corpus.
    """
    fallback = language or guess_script(texts_of(dataset))

    @cache
    def terms_of(passage_id: str, code: str) -> frozenset[str]:
        passage = dataset.corpus[passage_id]
        return _terms(code)(passage_input(passage.title, passage.text))

    fractions = np.full(len(relevant), np.nan)
    for row, (query_id, passages) in enumerate(relevant.items()):
        text = dataset.queries[query_id].text
        code = language or guess_language(text) or fallback
        asked = _terms(code)(text)
        if asked:
            shared = max(len(asked & terms_of(passage_id, code)) for passage_id in passages)
            fractions[row] = shared / len(asked)
    return fractions


def copied_fraction(fractions: Values) -> float | None:
    """Return the mean of `shared_fractions`; None where no question has a content word."""
    known = fractions[~np.isnan(fractions)]
    return float(known.mean()) if len(known) else None


@lru_cache(maxsize=32)
def _terms(code: str) -> Callable[[str], frozenset[str]]:
    """Return the function that finds the index terms of a text, English function words left out."""
    tokenize: Callable[[str], Sequence[str]] = tokenizer_for(code)
    silent = frozenset(tokenize(" ".join(STOP_WORDS))) if code.startswith("en") else frozenset()
    return lambda text: frozenset(tokenize(text)) - silent
