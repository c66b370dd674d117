"""Static models: a vector for each token, looked up and averaged; no network is run.

model2vec makes them of a sentence-transformers model. Cost: tokenizing, and one row a token.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from homing.errors import MissingDependencyError, ModelNotFoundError
from homing.progress import track
from homing.retrieval.hub import cached_snapshot, hub_file
from homing.types import FloatArray
from homing.vectors import normalised

WINDOW = 4096
"""Texts embedded between two steps of the progress bar."""


class StaticEncoder:
    """An `Encoder` over a model2vec model, which knows no prompts.

    Attributes:
        key: Hash of vectors, tokenizer and length limit.
        dimensions: Length of each vector.
    """

    def __init__(self, model: Any, max_tokens: int | None = None) -> None:
        """Wrap a `StaticModel`; texts are cut at `max_tokens`, or at its own limit."""
        self.model = model
        self.dimensions = int(model.dim)
        self._max_tokens = max_tokens or model.max_length
        digest = hashlib.sha256()
        for part in (model.embedding, model.weights, model.token_mapping):
            if part is not None:
                digest.update(f"{part.dtype} {part.shape}\n".encode())
                digest.update(np.ascontiguousarray(part).data)
        digest.update(_tokenizer_state(model.tokenizer).encode())
        digest.update(f"{self._max_tokens}".encode())
        self.key = digest.hexdigest()

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector for each question, float32 (n, `dimensions`)."""
        return self._encode(texts, "Embedding questions")

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector for each passage, float32 (n, `dimensions`).

        A text without a token that the model knows is all zeros: it is like nothing.
        """
        return self._encode(texts, "Embedding passages")

    def encode_prompted(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors of questions and passages together."""
        return self._encode(texts, "Embedding texts")

    @property
    def max_tokens(self) -> float:
        """Longest input, of which the rest is cut; infinity for no limit."""
        return inf if self._max_tokens is None else self._max_tokens

    def _encode(self, texts: Sequence[str], title: str) -> FloatArray:
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        with track(title, len(texts)) as progress:
            for start in range(0, len(texts), WINDOW):
                window = list(texts[start : start + WINDOW])
                vectors[start : start + len(window)] = self.model.encode(
                    window, max_length=self._max_tokens, use_multiprocessing=False
                )
                progress.advance(len(window))
        return normalised(vectors)


def find_static(spec: str) -> Path | None:
    """Return the folder of a static model, None for one that is still at the hub.

    Raises:
        ModelNotFoundError: There is none.
        MissingDependencyError: Without the extra `static`.
    """
    if importlib.util.find_spec("model2vec") is None:
        raise MissingDependencyError.for_extra("model2vec", "static")
    folder = Path(spec).expanduser()
    if folder.is_dir():
        if not any(folder.rglob("*.safetensors")) or not any(folder.rglob("tokenizer.json")):
            raise ModelNotFoundError(
                f"{spec} holds no static model: model.safetensors or tokenizer.json is missing. "
                "Give the folder that model2vec saved."
            )
        return folder
    if spec.count("/") != 1 or spec.startswith((".", "/", "~")):
        raise ModelNotFoundError(
            f"There is no folder {spec}. Give the path of a static model, or the id of one at the "
            "hub, such as minishlab/potion-base-8M."
        )
    cached = cached_snapshot(spec)
    if cached is None and hub_file(spec, "config.json") is None:
        raise ModelNotFoundError(f"{spec} is at the hub but holds no static model.")
    return cached


def load_static(spec: str, max_tokens: int | None = None) -> StaticEncoder:
    """Return the encoder of a model2vec folder or hub id.

    Raises:
        ModelNotFoundError: It cannot be had or cannot be loaded.
        MissingDependencyError: Without the extra `static`.
    """
    folder = find_static(spec)
    from model2vec import StaticModel

    try:
        model = StaticModel.from_pretrained(folder or spec, force_download=False)
    except Exception as error:  # safetensors' and tokenizers' errors have no class of their own
        raise ModelNotFoundError(
            f"The static model {spec} was found but cannot be loaded: {error} Check that the "
            "folder is complete."
        ) from error
    return StaticEncoder(model, max_tokens)


def is_static(folder: Path) -> bool:
    """Return whether a folder was saved by model2vec."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    is_named = isinstance(config, dict) and config.get("model_type") == "model2vec"
    return is_named or (isinstance(config, dict) and "embedding_dtype" in config)


def _tokenizer_state(tokenizer: Any) -> str:
    """Return the tokenizer's rules as text, without padding and truncation, which calls change."""
    state = json.loads(tokenizer.to_str())
    return json.dumps({k: v for k, v in state.items() if k not in {"padding", "truncation"}})
