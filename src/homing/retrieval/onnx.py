"""Exported models: ONNX files, whole or of 8 bits, run by onnxruntime alone.

Neither torch nor sentence-transformers is needed. Cost: one run of the model a batch; texts are
sorted by their length, so that hardly any arithmetic goes into padding.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homing.errors import ModelNotFoundError
from homing.progress import track
from homing.retrieval.encoders import WINDOW, batches_by_tokens
from homing.retrieval.onnx_files import OnnxFiles, Pooling, find_onnx
from homing.retrieval.prompts import Prompts, prompts_for
from homing.types import FloatArray
from homing.vectors import normalised

BATCH_TOKENS = 2048
POOLER = "pooler_output"
"""BERT's head for whole sentences, trained for something else than likeness."""


class OnnxEncoder:
    """An `Encoder` over an ONNX model, with the prompts saved beside it.

    The model gives sentence vectors (n, d), or token vectors (n, t, d) that are pooled here.

    Attributes:
        key: Hash of model, tokenizer, prompts, pooling and length limit.
        dimensions: Length of each vector.
        prompts: What is put before questions and passages.
    """

    def __init__(self, files: OnnxFiles, prompts: Prompts, max_tokens: int | None = None) -> None:
        """Load a model.

        Args:
            max_tokens: Longest input; None takes what lies beside the model.

        Raises:
            ModelNotFoundError: The files cannot be loaded, or are of no embedding model.
        """
        self.prompts = prompts
        self._files = files
        self._max_tokens = min(max_tokens or files.max_tokens, files.most_tokens)
        self._session, self._tokenizer = _load(files, self._max_tokens)
        self._inputs = [value.name for value in self._session.get_inputs()]
        self._output, self._is_pooled = _pick_output(self._session, files.model)
        self.dimensions = self._try_out()
        self.key = self._hash()

    def _try_out(self) -> int:
        """Return how long vectors are, from a batch of two texts of different lengths."""
        texts = self._tokenizer.encode_batch(["leave", "How long is parental leave?"])
        try:
            return int(self._run(texts).shape[1])
        except Exception as error:  # onnxruntime's errors have no class of their own
            raise ModelNotFoundError(
                f"{self._files.model} does not take two texts of different lengths: {error} "
                "Export it with the number of texts and of tokens left open."
            ) from error

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector for each question, float32 (n, `dimensions`)."""
        return self._encode(texts, self.prompts.query, "Embedding questions")

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector for each passage, float32 (n, `dimensions`)."""
        return self._encode(texts, self.prompts.passage, "Embedding passages")

    def encode_prompted(self, texts: Sequence[str]) -> FloatArray:
        """Return unit vectors of questions and passages that begin with their prompts already."""
        return self._encode(texts, "", "Embedding texts")

    @property
    def max_tokens(self) -> int:
        """Longest input, prompt included, of which the rest is cut."""
        return self._max_tokens

    def _encode(self, texts: Sequence[str], prompt: str, title: str) -> FloatArray:
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        with track(title, len(texts)) as progress:
            for start in range(0, len(texts), WINDOW):
                window = [prompt + text for text in texts[start : start + WINDOW]]
                encoded = self._tokenizer.encode_batch(window)
                for rows in batches_by_tokens([len(e.ids) for e in encoded], BATCH_TOKENS):
                    vectors[[start + row for row in rows]] = self._run([encoded[r] for r in rows])
                    progress.advance(len(rows))
        return normalised(vectors)

    def _run(self, encoded: Sequence[Any]) -> FloatArray:
        """Return the vectors of one batch, float32 (n, d), of any length."""
        width = max(len(one.ids) for one in encoded)
        mask = np.zeros((len(encoded), width), dtype=np.int64)
        ids = np.full_like(mask, self._files.pad_id)
        types = np.zeros_like(mask)
        for row, one in enumerate(encoded):
            mask[row, : len(one.ids)] = 1
            ids[row, : len(one.ids)] = one.ids
            types[row, : len(one.ids)] = one.type_ids
        positions = np.broadcast_to(np.arange(width, dtype=np.int64), mask.shape)
        known = {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": types,
            "position_ids": positions,
        }
        (output,) = self._session.run([self._output], {name: known[name] for name in self._inputs})
        found: FloatArray = np.asarray(output, dtype=np.float32)
        return found if self._is_pooled else pool(found, mask, self._files.pooling)

    def _hash(self) -> str:
        settings = [
            self._files.sha256(),
            self._max_tokens,
            self.prompts.query,
            self.prompts.passage,
            self._output,
            self._files.pooling,
        ]
        return hashlib.sha256(json.dumps(settings).encode()).hexdigest()


def pool(tokens: FloatArray, mask: NDArray[np.int64], pooling: Pooling) -> FloatArray:
    """Return one vector for each text, float32 (n, d), of those of its tokens.

    Args:
        tokens: float32 (n, t, d).
        mask: 1 for tokens, 0 for padding behind them, (n, t).
    """
    if pooling != "mean":
        place = np.zeros(len(tokens), dtype=np.int64) if pooling == "cls" else mask.sum(axis=1) - 1
        picked: FloatArray = tokens[np.arange(len(tokens)), place]
        return picked
    weights = mask.astype(np.float32)
    total: FloatArray = np.einsum("ntd,nt->nd", tokens, weights)
    mean: FloatArray = total / np.maximum(weights.sum(axis=1, keepdims=True), np.float32(1e-9))
    return mean


def load_onnx(spec: str, max_tokens: int | None = None) -> OnnxEncoder:
    """Return the encoder of a folder with an ONNX model, or of its file.

    Raises:
        ModelNotFoundError: It cannot be had or cannot be loaded.
        MissingDependencyError: Without the extra `onnx`.
    """
    files = find_onnx(spec)
    return OnnxEncoder(files, prompts_for(str(files.folder)), max_tokens)


def _load(files: OnnxFiles, max_tokens: int) -> tuple[Any, Any]:
    """Return session and tokenizer."""
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # What bounds the threads of torch bounds these too.
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
    try:
        session = onnxruntime.InferenceSession(
            str(files.model), options, providers=["CPUExecutionProvider"]
        )
        tokenizer = Tokenizer.from_file(str(files.tokenizer))
    except Exception as error:  # onnxruntime's and tokenizers' errors have no class of their own
        raise ModelNotFoundError(
            f"{files.model} cannot be loaded: {error} Export it again, or check its other files."
        ) from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    known = {"input_ids", "attention_mask", "token_type_ids", "position_ids"}
    strange = {value.name for value in session.get_inputs()} - known
    if strange:
        raise ModelNotFoundError(
            f"{files.model} wants {', '.join(sorted(strange))}, which no text has. Export a model "
            "that takes input_ids and attention_mask."
        )
    return session, tokenizer


def _pick_output(session: Any, model: Path) -> tuple[str, bool]:
    """Return the output to read, and whether it holds sentence vectors already.

    Raises:
        ModelNotFoundError: None does.
    """
    ranks = {value.name: len(value.shape) for value in session.get_outputs()}
    sentences = [name for name, rank in ranks.items() if rank == 2 and name != POOLER]
    tokens = [name for name, rank in ranks.items() if rank == 3]
    for name in ("sentence_embedding", *sentences):
        if ranks.get(name) == 2:
            return name, True
    if not tokens:
        raise ModelNotFoundError(
            f"{model} gives {', '.join(ranks)}: neither sentence vectors (n, d) nor token vectors "
            "(n, t, d). Export an embedding model."
        )
    return tokens[0], False
