"""The model that is served: its names, its vectors with the tokens that they took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from homing.retrieval.models import load_tokenizer_file
from homing.retrieval.prompts import NO_PROMPTS, Prompts
from homing.types import Encoder, FloatArray

QUERY, PASSAGE = ":query", ":passage"
Counter = Callable[[Sequence[str]], list[int]]
Text = tuple[str, bool]
"""A text, and whether it is a question."""
WARM_UP: tuple[Text, ...] = (("first question", True), ("first passage", False))
CHARACTERS_IN_TOKEN = 4


@dataclass(frozen=True)
class ServedModel:
    """An encoder under a name.

    Attributes:
        count: Returns how many tokens the model reads of each text, prompt included.
        max_tokens: What is longer is cut.
    """

    name: str
    encoder: Encoder
    count: Counter
    max_tokens: int

    @property
    def dimensions(self) -> int:
        """Length of each vector."""
        return self.encoder.dimensions

    @property
    def prompts(self) -> Prompts:
        """What is put before questions and passages."""
        found = getattr(self.encoder, "prompts", NO_PROMPTS)
        return found if isinstance(found, Prompts) else NO_PROMPTS

    @property
    def names(self) -> tuple[str, str, str]:
        """The names under which it may be asked; the plain one takes texts for passages."""
        return self.name, self.name + QUERY, self.name + PASSAGE

    def estimate(self, text: str) -> int:
        """Return about how many tokens the model reads of a text."""
        return min(self.max_tokens, 2 + len(text) // CHARACTERS_IN_TOKEN)

    def embed(self, texts: Sequence[Text]) -> list[tuple[FloatArray, int]]:
        """Return each text's unit vector and how many tokens it took.

        Questions and passages are run together where one model embeds both.
        """
        prompts = self.prompts
        prompted = [(prompts.query if asks else prompts.passage) + text for text, asks in texts]
        counts = self.count(prompted)
        sides = np.array([asks for _, asks in texts], dtype=bool)
        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        together = self._together(prompted) if 0 < sides.sum() < len(sides) else None
        if together is not None:
            return list(zip(together, counts, strict=True))
        for is_query in (True, False):
            rows = np.flatnonzero(sides == is_query).tolist()
            if rows:
                vectors[rows] = self._encode([texts[row][0] for row in rows], is_query)
        return list(zip(vectors, counts, strict=True))

    def _encode(self, texts: list[str], is_query: bool) -> FloatArray:
        encode = self.encoder.encode_queries if is_query else self.encoder.encode_passages
        return encode(texts)

    def _together(self, prompted: list[str]) -> FloatArray | None:
        encode = getattr(self.encoder, "encode_prompted", None)
        return None if encode is None else encode(prompted)


def serve_as(name: str, encoder: Encoder, spec: str | Path | None) -> ServedModel:
    """Return a model to serve, with the counter of tokens that fits it.

    Args:
        spec: Folder or hub id that the encoder was made of, where its tokenizer lies.

    Raises:
        ModelNotFoundError: There is no tokenizer.
    """
    limit = getattr(encoder, "max_tokens", None)
    max_tokens = 512 if limit is None else int(min(limit, 1_000_000))
    return ServedModel(name, encoder, token_counter(tokenizer_file(spec), max_tokens), max_tokens)


def tokenizer_file(spec: str | Path | None) -> Path:
    """Return the tokenizer.json of a model folder, an export or a hub id.

    Raises:
        ModelNotFoundError: There is none.
    """
    folder = Path(spec).expanduser() if spec is not None else None
    if folder is not None and folder.is_file():
        folder = folder.parent
    for place in () if folder is None else (folder, folder.parent):
        if (place / "tokenizer.json").is_file():
            return place / "tokenizer.json"
    return load_tokenizer_file(None if spec is None else str(spec))


def token_counter(path: Path, max_tokens: int) -> Counter:
    """Return the function that counts what a model reads of texts, special tokens included."""
    from tokenizers import Tokenizer

    tokenizer: Any = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    # The fast way keeps no offsets, which nobody asks for here.
    encode = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)
    return lambda texts: [min(len(one.ids), max_tokens) for one in encode(list(texts))]
