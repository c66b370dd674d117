"""A cross-encoder on top of a retriever: it reads question and passage together.

The first passages of the retriever are ordered anew, the rest keep their order below. Cost: one
forward pass of the cross-encoder for each question and each of its `depth` passages, which is what
a user would pay at every question.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from homing.errors import MissingDependencyError, ModelNotFoundError
from homing.progress import track
from homing.retrieval.cache import CachedEncoder
from homing.retrieval.encoders import has_fast_bf16
from homing.retrieval.hub import hub_file
from homing.retrieval.models import ModelSource, find_model
from homing.retrieval.search import top_k
from homing.types import FloatArray, IntArray, Retriever

BATCH = 32
PAIRS_IN_STEP = 1024
"""Pairs between two steps of the progress bar; each step is sorted by length."""
MAX_TOKENS = 512
"""Of a pair, for models without a limit of their own."""
GAP = 1e-6
"""Least distance of two scores, as a share of the largest: 8 steps of a float32."""


class PairScorer(Protocol):
    """Says how well a passage answers a question; higher is better."""

    def score(self, pairs: Sequence[tuple[str, str]]) -> FloatArray:
        """Return one score for each (question, passage), float32 (n,)."""
        ...


class CrossEncoderScorer:
    """A `PairScorer` over a sentence-transformers CrossEncoder.

    Attributes:
        key: Hash of weights, settings, tokenizer and precision.
    """

    dimensions = 1

    def __init__(self, model: Any, source: ModelSource | None) -> None:
        """Wrap a model; `source` is where it came from, None for one that is in training."""
        self.model = model
        self.bf16 = has_fast_bf16(model.device.type)
        state = ["in training"] if source is None else _state_of(source)
        settings = [state, model.max_length, str(model.activation_fn), self.bf16]
        self.key = hashlib.sha256(json.dumps(settings).encode()).hexdigest()

    def score(self, pairs: Sequence[tuple[str, str]]) -> FloatArray:
        """Return one score for each (question, passage), float32 (n,)."""
        import torch

        scores = np.zeros(len(pairs), dtype=np.float32)
        with track("Reading again", len(pairs)) as progress:
            for start in range(0, len(pairs), PAIRS_IN_STEP):
                step = [list(pair) for pair in pairs[start : start + PAIRS_IN_STEP]]
                device = self.model.device.type
                with torch.autocast(device, dtype=torch.bfloat16, enabled=self.bf16):
                    found = self.model.predict(step, batch_size=BATCH, show_progress_bar=False)
                scores[start : start + len(step)] = found
                progress.advance(len(step))
        return scores


class KeptScorer:
    """A `PairScorer` that asks another one only for pairs that it has not seen.

    A pair has one number as a text has a vector, so the cache of vectors keeps both.

    Attributes:
        scorer: Who is asked.
        folder: Where scores are kept; None keeps them in memory.
    """

    def __init__(self, scorer: CrossEncoderScorer, folder: Path | None = None) -> None:
        """Wrap a scorer; its scores are kept in a folder of their own in `folder`."""
        self.scorer = scorer
        self._cache = CachedEncoder(_AsTexts(scorer), folder)
        self.folder = next(iter(self._cache.kept_in), None)

    def score(self, pairs: Sequence[tuple[str, str]]) -> FloatArray:
        """Return one score for each (question, passage), float32 (n,)."""
        return self._cache.encode_passages([json.dumps(pair) for pair in pairs])[:, 0]


class _AsTexts:
    """Pairs written as texts, and their scores as vectors of one number."""

    dimensions = 1

    def __init__(self, scorer: CrossEncoderScorer) -> None:
        self.key = scorer.key
        self._scorer = scorer

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        return self._scorer.score([tuple(json.loads(text)) for text in texts])[:, None]

    encode_queries = encode_passages


class RerankedRetriever:
    """A `Retriever` whose first passages a cross-encoder has put in order."""

    def __init__(
        self, below: Retriever, scorer: PairScorer, texts: Sequence[str], depth: int
    ) -> None:
        """Put a scorer on top of a retriever.

        Args:
            texts: What `passage_input` gives for each passage, in corpus order.
            depth: How many passages are read again, at least 1.
        """
        assert depth >= 1
        self.below = below
        self.n_passages = below.n_passages
        self.scorer = scorer
        self._texts = texts
        self._depth = min(depth, below.n_passages)

    @property
    def folder(self) -> Path | None:
        """Where scores of pairs are kept, None where they are not."""
        return self.scorer.folder if isinstance(self.scorer, KeptScorer) else None

    def reading_anew(self) -> RerankedRetriever:
        """Return the same retriever, which looks no pair up: what a deployment would do."""
        fresh = copy.copy(self)
        if isinstance(self.scorer, KeptScorer):
            fresh.scorer = self.scorer.scorer
        return fresh

    def scores(self, queries: Sequence[str]) -> FloatArray:
        """Return scores, float32 (n_queries, n_passages), of the same size as those below.

        The cross-encoder's order is told in the scores that those passages had among them, so that
        they can be fused like any others.
        """
        scores = self.below.scores(queries)
        if self._depth == 0:
            return scores
        best = min(self._depth + 1, self.n_passages)
        positions, values = top_k(scores, best)
        read = positions[:, : self._depth]
        pairs = [
            (query, self._texts[position])
            for query, row in zip(queries, read.tolist(), strict=True)
            for position in row
        ]
        found = self.scorer.score(pairs).reshape(read.shape)
        return handed_round(scores, read, found, values)


def handed_round(
    scores: FloatArray, read: IntArray, found: FloatArray, values: FloatArray
) -> FloatArray:
    """Return the scores with those of the passages read again handed round among them.

    The passage found best gets the best of their scores and so on; equal ones are set apart by a
    little, so that no order is lost. All others keep theirs, which are lower.

    Args:
        scores: float32 (n_queries, n_passages).
        read: Positions of the passages that were read, best first as it was, (n_queries, depth).
        found: What the cross-encoder said of them, (n_queries, depth).
        values: The highest scores, best first: those of `read` and the next, if there is one.
    """
    depth = read.shape[1]
    largest = np.abs(values).max(axis=1)
    gap = (GAP * np.maximum(largest, GAP)).astype(np.float32)
    handed = values[:, :depth].copy()
    if values.shape[1] > depth:
        handed[:, -1] = np.maximum(handed[:, -1], values[:, depth] + gap)
    for rank in range(depth - 2, -1, -1):
        handed[:, rank] = np.maximum(handed[:, rank], handed[:, rank + 1] + gap)
    order = np.argsort(-found, axis=1, kind="stable")
    reranked = scores.copy()
    np.put_along_axis(reranked, np.take_along_axis(read, order, axis=1), handed, axis=1)
    return reranked


def find_reranker(spec: str) -> ModelSource:
    """Return where a cross-encoder is; small files are read, nothing is loaded.

    Raises:
        ModelNotFoundError: There is none, or it is no cross-encoder.
    """
    source = find_model(spec)
    if source.path is None:
        assert source.hub_id is not None
        names = ("config.json", "config_sentence_transformers.json")
        files = [hub_file(source.hub_id, name) for name in names]
    else:
        files = [source.path / "config.json", source.path / "config_sentence_transformers.json"]
    model, saved = (_json(file) for file in files)
    tasks = ("ForSequenceClassification", "ForCausalLM")
    is_for_pairs = any(str(name).endswith(tasks) for name in model.get("architectures") or ())
    if not is_for_pairs and saved.get("model_type") != "CrossEncoder":
        raise ModelNotFoundError(
            f"{source.name} is no cross-encoder: it was not trained to read question and passage "
            "together. Give one such as cross-encoder/ms-marco-MiniLM-L6-v2."
        )
    return source


def load_reranker(spec: str, device: str | None = None) -> CrossEncoderScorer:
    """Return a cross-encoder of a folder or hub id; pairs are cut at its own limit.

    Raises:
        ModelNotFoundError: It cannot be had or cannot be loaded, or gives more than one score.
        MissingDependencyError: Without the extra `train`.
    """
    source = find_reranker(spec)
    try:
        from sentence_transformers import CrossEncoder
    except ImportError as error:
        raise MissingDependencyError.for_extra("sentence-transformers", "train") from error
    try:
        model = CrossEncoder(
            str(source.path or source.hub_id),
            device=device,
            local_files_only=source.path is not None,
        )
    except (OSError, ValueError, ImportError, KeyError, RuntimeError) as error:
        raise ModelNotFoundError(
            f"The cross-encoder {source.name} was found but cannot be loaded: {error} Check that "
            "the folder is complete."
        ) from error
    if model.num_labels != 1:
        raise ModelNotFoundError(
            f"{source.name} gives {model.num_labels} scores for a pair, and a reranker gives one. "
            "Give one such as cross-encoder/ms-marco-MiniLM-L6-v2."
        )
    if not model.max_length or model.max_length > 1_000_000:
        model.max_length = MAX_TOKENS
    return CrossEncoderScorer(model, source)


def _state_of(source: ModelSource) -> list[str]:
    """Return what tells the state of a model from any other: weights, settings, tokenizer."""
    if source.path is None:
        return [source.name, source.sha]
    files = sorted(source.path.glob("*.json"))
    return [source.sha, *(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)]


def _json(path: Path | None) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}
