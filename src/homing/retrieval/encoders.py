"""Turning texts into unit vectors with a sentence-transformers model, fast on few cores.

Each window of texts is tokenized once, sorted by its true length and cut into batches of about
equal numbers of tokens, so that hardly any arithmetic goes into padding. Cost: one forward pass.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from homing.progress import Task, track
from homing.retrieval.models import load_sentence_transformer
from homing.retrieval.prompts import Prompts
from homing.retrieval.towers import DOCUMENT, QUERY, Towers, towers_of
from homing.types import FloatArray
from homing.vectors import normalised

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

WINDOW = 4096
"""Texts tokenized at a time: bounds the memory that token ids take."""
BATCH_TOKENS_CPU = 2048
BATCH_TOKENS_GPU = 65536
LOOKED_UP_TEXTS = 512
"""Texts in a batch of a model that looks vectors up and runs no network."""


class SentenceTransformerEncoder:
    """An `Encoder` over a sentence-transformers model, with the prompts that the model holds.

    The model is put into evaluation mode and otherwise left as it is; the encoder's `key` is that
    of the weights at construction, so make a new one after training further.

    Attributes:
        key: Hash of weights, architecture, tokenizer, prompts, length limit and precision.
        passage_key: The same of what embeds passages: for a model with a tower of its own for
            questions, the key of the other tower alone.
        dimensions: Length of each vector.
        prompts: What is put before questions and passages.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        *,
        batch_tokens: int | None = None,
        key: str | None = None,
        bf16: bool | None = None,
    ) -> None:
        """Wrap a model.

        Args:
            batch_tokens: Tokens in a batch, padding included; None takes what suits the device.
            key: The identity, where it is known; None computes it.
            bf16: Whether to compute in bfloat16; None does so where the processor has it.
        """
        model.eval()
        self.model = model
        self.prompts = model_prompts(model)
        self.bf16 = has_fast_bf16(model.device.type) if bf16 is None else bf16
        on_cpu = model.device.type == "cpu"
        self.batch_tokens = batch_tokens or (BATCH_TOKENS_CPU if on_cpu else BATCH_TOKENS_GPU)
        towers = towers_of(model)
        self.towers = towers or Towers(model, model)
        self.key = key or model_key(model, bf16=self.bf16)
        self.passage_key = model_key(towers.document, bf16=self.bf16) if towers else self.key
        self.dimensions = int(model.get_embedding_dimension() or 0)

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector for each question, float32 (n, `dimensions`)."""
        return self._encode(texts, self.prompts.query, QUERY, "Embedding questions")

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector for each passage, float32 (n, `dimensions`)."""
        return self._encode(texts, self.prompts.passage, DOCUMENT, "Embedding passages")

    def encode_prompted(self, texts: Sequence[str]) -> FloatArray | None:
        """Return unit vectors of questions and passages that begin with their prompts already.

        None where they cannot be embedded together: with a tower for each side, or with a prompt
        that the model leaves out of its mean.
        """
        model, prompts = self.towers.query, self.prompts
        together = model is self.towers.document and all(
            _is_plain(model, prompt) for prompt in (prompts.query, prompts.passage)
        )
        return self._encode(texts, "", DOCUMENT, "Embedding texts") if together else None

    @property
    def max_tokens(self) -> float:
        """Longest input, prompt included, of which the rest is cut; infinity for no limit."""
        return float(self.model.max_seq_length or inf)

    def _encode(self, texts: Sequence[str], prompt: str, task: str, title: str) -> FloatArray:
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        if len(texts) == 0:
            return vectors
        # Characters sort well enough to make windows of like texts; tokens then sort each window.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]), reverse=True)
        is_plain = _is_plain(self.towers.of(task), prompt)
        encode = self._encode_tokens if is_plain else self._encode_by_library
        with track(title, len(texts)) as progress:
            for start in range(0, len(order), WINDOW):
                rows = order[start : start + WINDOW]
                window = [texts[i] for i in rows]
                vectors[rows] = encode(window, prompt, task, progress)
        return normalised(vectors)

    def _encode_tokens(
        self, texts: list[str], prompt: str, task: str, progress: Task
    ) -> FloatArray:
        import torch

        tower = self.towers.of(task)
        tokenizer = tower.tokenizer
        inputs = dict(tokenizer([prompt + t for t in texts], truncation="longest_first"))
        lengths = np.array([len(ids) for ids in inputs["input_ids"]])
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for rows in batches_by_tokens(lengths, self.batch_tokens):
            batch = {name: [column[i] for i in rows] for name, column in inputs.items()}
            features = tokenizer.pad(batch, return_tensors="pt").to(tower.device)
            with torch.inference_mode(), self._precision():
                output = tower.forward(dict(features))["sentence_embedding"]
            vectors[rows] = output.float().cpu().numpy()
            progress.advance(len(rows))
        return vectors

    def _encode_by_library(
        self, texts: list[str], prompt: str, task: str, progress: Task
    ) -> FloatArray:
        import torch

        limit = self.model.max_seq_length or 512
        # Models without attention have no limit, and the library says so with infinity: what they
        # need is a batch that keeps every core of the tokenizer busy.
        batch_size = LOOKED_UP_TEXTS if limit == inf else self.batch_tokens // int(min(limit, 512))
        with torch.inference_mode(), self._precision():
            vectors = self.model.encode(
                texts,
                prompt=prompt,
                task=task,
                batch_size=max(1, batch_size),
                show_progress_bar=False,
            )
        progress.advance(len(texts))
        return np.array(vectors, dtype=np.float32)

    def _precision(self) -> Any:
        import torch

        return torch.autocast(self.model.device.type, dtype=torch.bfloat16, enabled=self.bf16)


def _is_plain(model: SentenceTransformer, prompt: str) -> bool:
    """Return whether text → token ids → forward is all that a model does."""
    first = model[0]
    tokenizer = getattr(first, "tokenizer", None)
    return (
        type(first).__name__ == "Transformer"
        and bool(getattr(tokenizer, "is_fast", False))
        and "message" not in first.modality_config
        and first.query_expansion is None
        and first.query_length is None
        and first.document_length is None
        and not first.can_flatten_inputs
        and (not prompt or all(getattr(m, "include_prompt", True) for m in model))
    )


def encoder_for(
    spec: str | None = None, max_tokens: int | None = None, device: str | None = None
) -> SentenceTransformerEncoder:
    """Return an encoder for a model folder, a hub id, or None for the embedded default.

    Raises:
        ModelNotFoundError: If the model can be had from nowhere.
        MissingDependencyError: Without the extra `train`.
    """
    return SentenceTransformerEncoder(
        load_sentence_transformer(spec, max_tokens=max_tokens, device=device)
    )


def batches_by_tokens(lengths: Sequence[int] | Any, batch_tokens: int) -> Iterator[list[int]]:
    """Yield positions in batches, longest first; a batch's padded size keeps to `batch_tokens`.

    Every position comes exactly once; a text longer than the budget is a batch of its own. Equal
    lengths keep their order, so that the batches are always the same.
    """
    order = sorted(range(len(lengths)), key=lambda i: -int(lengths[i]))
    batch: list[int] = []
    for position in order:
        width = int(lengths[batch[0]]) if batch else 0
        if batch and width * (len(batch) + 1) > batch_tokens:
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


def model_prompts(model: SentenceTransformer) -> Prompts:
    """Return the prompts that a loaded model would use for retrieval."""
    sides = ("document", "passage", "corpus")
    passage = next((model.prompts[side] for side in sides if side in model.prompts), "")
    return Prompts(model.prompts.get("query") or "", passage or "")


def has_fast_bf16(device_type: str) -> bool:
    """Return whether the device multiplies bfloat16 in hardware, so that it pays."""
    import torch

    if device_type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Where AVX-512 has no products of bfloat16 it is emulated, and slower than float32.
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return device_type == "cpu" and any(
        bool(getattr(torch.cpu, check, lambda: False)()) for check in checks
    )


def model_key(model: SentenceTransformer, *, bf16: bool = False) -> str:
    """Return 64 hex digits that change with anything that changes the vectors.

    Weights, module settings, tokenizer, prompts, length limit and precision; not the device.
    Cost: one pass of SHA-256 over the weights (about 0.1 s for 90 MB).
    """
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        raw = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {raw.dtype} {tuple(raw.shape)}\n".encode())
        digest.update(raw.reshape(-1).view(torch.uint8).numpy().data)
    prompts = model_prompts(model)
    settings = [str(model), model.max_seq_length, prompts.query, prompts.passage, bf16]
    digest.update(json.dumps(settings, sort_keys=True).encode())
    digest.update(_tokenizer_state(getattr(model, "tokenizer", None)).encode())
    return digest.hexdigest()


def _tokenizer_state(tokenizer: Any) -> str:
    """Return the tokenizer's rules as text, without padding and truncation, which calls change."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return repr(tokenizer)
    state = json.loads(backend.to_str())
    return json.dumps({k: v for k, v in state.items() if k not in {"padding", "truncation"}})
