"""Exported models as encoders: tokenizing, batches and pooling, whatever runs the graph.

Neither torch nor sentence-transformers is needed. Cost: one run of the graph a batch; texts are
sorted by their length, so that hardly any arithmetic goes into padding.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from homing.errors import ModelNotFoundError
from homing.progress import track
from homing.retrieval.encoders import WINDOW, batches_by_tokens
from homing.retrieval.onnx_files import ExportedFiles, Pooling, saved_pooling
from homing.retrieval.prompts import Prompts
from homing.types import FloatArray
from homing.vectors import normalised

BATCH_TOKENS = 2048
POOLER = "pooler_output"
"""BERT's head for whole sentences, trained for something else than likeness."""
KNOWN_INPUTS = ("input_ids", "attention_mask", "token_type_ids", "position_ids")


class Graph(Protocol):
    """What runs a model: onnxruntime or OpenVINO, with the file loaded.

    Attributes:
        inputs: Names of what it takes, each int64 (n, t).
        outputs: Name -> number of axes of what it gives.
        runtime: What runs it, with its precision: part of an encoder's key.
    """

    inputs: Sequence[str]
    outputs: Mapping[str, int]
    runtime: str

    def run(self, output: str, inputs: Mapping[str, NDArray[np.int64]]) -> Any:
        """Return one output of one batch; several threads may call it."""
        ...


class ExportedEncoder:
    """An `Encoder` over an exported model, with the prompts saved beside it.

    The model gives sentence vectors (n, d), or token vectors (n, t, d) that are pooled here.

    Attributes:
        key: Hash of model, tokenizer, prompts, pooling, length limit and what runs it.
        dimensions: Length of each vector.
        prompts: What is put before questions and passages.
    """

    def __init__(
        self,
        files: ExportedFiles,
        graph: Graph,
        prompts: Prompts,
        max_tokens: int | None = None,
    ) -> None:
        """Wrap a graph.

        Args:
            max_tokens: Longest input; None takes what lies beside the model.

        Raises:
            ModelNotFoundError: The tokenizer cannot be loaded, or it is no embedding model.
        """
        self.prompts = prompts
        self._files, self._graph = files, graph
        self._max_tokens = min(max_tokens or files.max_tokens, files.most_tokens)
        _check_inputs(graph.inputs, files.model)
        self._tokenizer = _load_tokenizer(files.tokenizer, self._max_tokens)
        self._output, self._is_pooled = _pick_output(graph.outputs, files.model)
        self._pooling: Pooling = "mean" if self._is_pooled else saved_pooling(files.folder)
        self.dimensions = self._try_out()
        self.key = self._hash()

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector for each question, float32 (n, `dimensions`)."""
        return self._encode(texts, self.prompts.query, "Embedding questions")

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector for each passage, float32 (n, `dimensions`)."""
        return self._encode(texts, self.prompts.passage, "Embedding passages")

    @property
    def max_tokens(self) -> int:
        """Longest input, prompt included, of which the rest is cut."""
        return self._max_tokens

    def encode_prompted(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector for each text whose prompt stands before it already."""
        return self._encode(texts, "", "Embedding texts")

    def _encode(self, texts: Sequence[str], prompt: str, title: str) -> FloatArray:
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        if len(texts) == 1:  # a question that somebody waits for: no bar, no sorting
            vectors[:] = self._run([self._tokenizer.encode(prompt + texts[0])])
            return normalised(vectors)
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
        width = max(1, *(len(one.ids) for one in encoded))
        mask = np.zeros((len(encoded), width), dtype=np.int64)
        ids = np.full_like(mask, self._files.pad_id)
        types = np.zeros_like(mask)
        for row, one in enumerate(encoded):
            mask[row, : len(one.ids)] = 1
            ids[row, : len(one.ids)] = one.ids
            types[row, : len(one.ids)] = one.type_ids
        positions = np.broadcast_to(np.arange(width, dtype=np.int64), mask.shape)
        known = dict(zip(KNOWN_INPUTS, (ids, mask, types, positions), strict=True))
        output = self._graph.run(self._output, {name: known[name] for name in self._graph.inputs})
        found: FloatArray = np.asarray(output, dtype=np.float32)
        return found if self._is_pooled else pool(found, mask, self._pooling)

    def _try_out(self) -> int:
        """Return how long vectors are, from a batch of two texts of different lengths."""
        texts = self._tokenizer.encode_batch(["leave", "How long is parental leave?"])
        try:
            return int(self._run(texts).shape[1])
        except Exception as error:  # the runtimes' errors have no class of their own
            raise ModelNotFoundError(
                f"{self._files.model} does not take two texts of different lengths: {error} "
                "Export it with the number of texts and of tokens left open."
            ) from error

    def _hash(self) -> str:
        settings = [
            self._files.sha256(),
            self._max_tokens,
            self.prompts.query,
            self.prompts.passage,
            self._output,
            self._pooling,
            self._graph.runtime,
        ]
        return hashlib.sha256(json.dumps(settings).encode()).hexdigest()


class ExportedTowers:
    """An `Encoder` over two exports: one for questions, another for passages.

    Attributes:
        key: Hash of both.
        passage_key: That of the tower for passages alone.
        dimensions: Length of each vector.
        prompts: What is put before questions and passages.
    """

    def __init__(self, query: ExportedEncoder, document: ExportedEncoder) -> None:
        """Join two encoders.

        Raises:
            ModelNotFoundError: Their vectors differ in length.
        """
        if query.dimensions != document.dimensions:
            raise ModelNotFoundError(
                f"The tower for questions gives vectors of {query.dimensions:,} dimensions, the "
                f"one for passages of {document.dimensions:,}: they are not of one model. Export "
                "it again."
            )
        self.query, self.document = query, document
        self.dimensions = query.dimensions
        self.prompts = Prompts(query.prompts.query, document.prompts.passage)
        self.key = hashlib.sha256(f"{query.key}\n{document.key}\n".encode()).hexdigest()
        self.passage_key = document.key

    @property
    def max_tokens(self) -> int:
        """Longest passage, prompt included, of which the rest is cut."""
        return self.document.max_tokens

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector for each question, float32 (n, `dimensions`)."""
        return self.query.encode_queries(texts)

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector for each passage, float32 (n, `dimensions`)."""
        return self.document.encode_passages(texts)


Exported = ExportedEncoder | ExportedTowers


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


def _load_tokenizer(file: Path, max_tokens: int) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers' errors have no class of their own
        raise ModelNotFoundError(
            f"{file} cannot be loaded: {error} Copy it anew from the model that was exported."
        ) from error
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def _check_inputs(inputs: Sequence[str], model: Path) -> None:
    strange = set(inputs) - set(KNOWN_INPUTS)
    if strange:
        raise ModelNotFoundError(
            f"{model} wants {', '.join(sorted(strange))}, which no text has. Export a model "
            "that takes input_ids and attention_mask."
        )


def _pick_output(ranks: Mapping[str, int], model: Path) -> tuple[str, bool]:
    """Return the output to read, and whether it holds sentence vectors already.

    Raises:
        ModelNotFoundError: None does.
    """
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
