"""The rows of a static model: a teacher's tokenizer, and what it makes of each token alone.

As in model2vec each token is shown to the teacher between the marks that it puts around every text.

Cost: one forward pass over a few tokens for each row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from homing.errors import UsageError
from homing.progress import track
from homing.types import FloatArray, IntArray
from homing.vectors import normalised

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

BATCH = 512
"""Tokens shown to the teacher at a time."""


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


def token_vectors(model: SentenceTransformer) -> FloatArray:
    """Return the teacher's unit vector of each of its tokens alone, float32 (n_tokens, d).

    Its special tokens, such as what it pads with, are all zeros.
    """
    tokenizer = model.tokenizer
    before, after = _marks(tokenizer)
    n_tokens = len(tokenizer)
    vectors = np.zeros((n_tokens, int(model.get_embedding_dimension() or 0)), dtype=np.float32)
    with track("Embedding tokens", n_tokens) as progress:
        for start in range(0, n_tokens, BATCH):
            ids = range(start, min(n_tokens, start + BATCH))
            vectors[start : start + BATCH] = _forward(model, [[*before, i, *after] for i in ids])
            progress.advance(len(ids))
    vectors[[i for i in tokenizer.all_special_ids if i < n_tokens]] = 0.0
    return normalised(vectors)


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
