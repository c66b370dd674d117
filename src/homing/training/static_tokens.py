"""The rows of a static model: a teacher's tokenizer, and what it makes of each token alone.

As in model2vec each token is shown to the teacher between the marks that it puts around every text;
frequent words of the corpus that the tokenizer would cut into pieces become tokens of their own,
where its algorithm allows (WordPiece takes the longest token that fits).

Cost: one forward pass over a few tokens for each row.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from homing.errors import UsageError
from homing.progress import track
from homing.types import FloatArray, IntArray

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

BATCH = 512
"""Tokens shown to the teacher at a time."""
MIN_WORD_LETTERS = 3


def bare_tokenizer(model: SentenceTransformer) -> Tokenizer:
    """Return a copy of the teacher's tokenizer that neither pads nor cuts.

    Raises:
        UsageError: If the model has none that the library `tokenizers` reads.
    """
    from tokenizers import Tokenizer

    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise UsageError(
            "A static model needs the tokenizer.json of its teacher, and this model has none. Take "
            "another --base-model."
        )
    tokenizer = Tokenizer.from_str(backend.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def frequent_words(
    tokenizer: Tokenizer, texts: Sequence[str], *, most: int, min_count: int
) -> list[str]:
    """Return the most frequent words of the texts that the tokenizer cuts, most frequent first.

    Args:
        most: At most so many.
        min_count: Words that are rarer are left as they are cut.
    """
    if json.loads(tokenizer.to_str())["model"]["type"] != "WordPiece" or most == 0:
        return []
    counts: Counter[str] = Counter()
    for text in texts:
        normal = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
        counts.update(word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal))
    known = tokenizer.get_vocab()
    wanted = [
        word
        for word, count in counts.items()
        if count >= min_count
        and word not in known
        and len(word) >= MIN_WORD_LETTERS
        and word.isalpha()
    ]
    return sorted(wanted, key=lambda word: (-counts[word], word))[:most]


def with_words(tokenizer: Tokenizer, words: Sequence[str]) -> Tokenizer:
    """Return a WordPiece tokenizer for which these words are tokens, numbered after all others."""
    from tokenizers import Tokenizer

    if not words:
        return tokenizer
    state = json.loads(tokenizer.to_str())
    first = tokenizer.get_vocab_size()
    state["model"]["vocab"].update({word: first + i for i, word in enumerate(words)})
    return Tokenizer.from_str(json.dumps(state))


def token_vectors(model: SentenceTransformer, words: Sequence[str]) -> FloatArray:
    """Return the teacher's unit vector of each of its tokens, then of each word, in their order.

    What the teacher pads with and knows nothing of (its special tokens) is all zeros.

    Returns:
        float32 (n_tokens + n_words, d).
    """
    tokenizer = model.tokenizer
    before, after = _marks(tokenizer)
    pieces = tokenizer(list(words), add_special_tokens=False)["input_ids"] if words else []
    rows = [[i] for i in range(len(tokenizer))] + [list(ids) for ids in pieces]
    order = sorted(range(len(rows)), key=lambda i: (len(rows[i]), i))
    vectors = np.zeros((len(rows), int(model.get_embedding_dimension() or 0)), dtype=np.float32)
    with track("Embedding tokens", len(rows)) as progress:
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            vectors[chosen] = _forward(model, [before + rows[i] + after for i in chosen])
            progress.advance(len(chosen))
    vectors[[i for i in tokenizer.all_special_ids if i < len(rows)]] = 0.0
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: FloatArray = vectors / np.maximum(lengths, np.float32(1e-12))
    return unit


def counted_tokens(tokenizer: Tokenizer, texts: Sequence[str]) -> list[tuple[IntArray, IntArray]]:
    """Return the distinct tokens of each text and how often each stands in it."""
    encoded = tokenizer.encode_batch(list(texts), add_special_tokens=False)
    pairs = [np.unique(np.array(e.ids, dtype=np.int64), return_counts=True) for e in encoded]
    return [(tokens, counts.astype(np.int64)) for tokens, counts in pairs]


def _forward(model: SentenceTransformer, ids: Sequence[Sequence[int]]) -> FloatArray:
    import torch

    features = model.tokenizer.pad({"input_ids": [list(row) for row in ids]}, return_tensors="pt")
    with torch.inference_mode():
        output = model.forward(dict(features.to(model.device)))["sentence_embedding"]
    found: FloatArray = output.float().cpu().numpy()
    return found


def _marks(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the special tokens that stand before and after every text."""
    marked, bare = tokenizer("a")["input_ids"], tokenizer("a", add_special_tokens=False)
    at = len(marked) - len(bare["input_ids"])
    for start in range(at + 1):
        if marked[start : start + len(bare["input_ids"])] == bare["input_ids"]:
            return list(marked[:start]), list(marked[start + len(bare["input_ids"]) :])
    return [], []
