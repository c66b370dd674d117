"""The specs of contenders, as they are written; docs/contenders.md has the grammar.

Reading is all that happens here: nothing is looked up, loaded or asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from homing.errors import UsageError
from homing.retrieval.fusion import METHODS, Method

BM25 = "bm25"
DEPTH = 50
"""How many passages a reranker reads again."""
SYNTAX = (
    "A contender is NAME=SPEC, where SPEC is bm25, a model folder or hub id, openai:MODEL, "
    "static:FOLDER, onnx:FOLDER, trec:FILE, rerank(A,MODEL) or fusion(A,B) of named contenders: "
    "--contender tuned=tuned/model --contender words=bm25 --contender both='fusion(words,tuned)'."
)

NAME = re.compile(r"[\w.+-]+")
_CALL = re.compile(r"(\w+)\s*\(")
_KIND = re.compile(r"([A-Za-z][\w-]+):")


@dataclass(frozen=True, slots=True)
class Words:
    """BM25."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model folder or hub id."""

    name: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model behind an OpenAI-compatible embeddings endpoint.

    Attributes:
        base_url: None takes that of the evaluation.
        dimensions: Length of vector to ask for; None asks for none.
        batch: Most texts in a call; None takes the encoder's own.
        price: Dollars for a million tokens; None takes what is known.
        query_prompt: What is put before each question; None takes what the model's family wants.
        passage_prompt: The same, before each passage.
    """

    model: str
    base_url: str | None = None
    dimensions: int | None = None
    batch: int | None = None
    price: float | None = None
    query_prompt: str | None = None
    passage_prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Static:
    """A model2vec folder or hub id."""

    name: str


@dataclass(frozen=True, slots=True)
class Onnx:
    """A folder with an ONNX model, or its file."""

    path: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run of another system, as a TREC file."""

    path: str


@dataclass(frozen=True, slots=True)
class Fusion:
    """Two contenders as one; what is None was not said.

    Attributes:
        weight: Share of `b`, in [0, 1].
        method: How their scores are made comparable.
    """

    a: str
    b: str
    weight: float | None = None
    method: Method | None = None

    @property
    def is_open(self) -> bool:
        """Whether method and weight are to be chosen."""
        return self.weight is None and self.method is None


@dataclass(frozen=True, slots=True)
class Reranking:
    """A cross-encoder that orders the first `depth` passages of another contender anew."""

    of: str
    model: str
    depth: int = DEPTH


Spec = Words | Model | Endpoint | Static | Onnx | Recorded | Fusion | Reranking


@lru_cache(maxsize=1024)
def parse_spec(text: str) -> Spec:
    """Return what a spec says.

    Raises:
        UsageError: If it cannot be read; the message says what it takes.
    """
    text = text.strip()
    if text.lower() == BM25:
        return Words()
    call, kind = _CALL.match(text), _KIND.match(text)
    if call is not None and not Path(text).exists():
        reader = _CALLS.get(call[1].lower())
        if reader is None or not text.endswith(")"):
            raise UsageError(f"{text!r} is no spec that can be read. {SYNTAX}")
        return reader(text, [part.strip() for part in text[call.end() : -1].split(",")])
    if kind is not None and (kind[1].lower() in _KINDS or not Path(text).exists()):
        read = _KINDS.get(kind[1].lower())
        if read is None:
            kinds = ", ".join(f"{name}:" for name in _KINDS)
            raise UsageError(f"{text!r} begins with no kind of contender ({kinds}). {SYNTAX}")
        return read(text, text[kind.end() :].strip())
    return Model(text)


def _read_fusion(text: str, parts: list[str]) -> Fusion:
    a, b, *rest = parts if len(parts) > 1 else ("", "")
    method: Method | None = None
    weight: float | None = None
    if rest and rest[0].lower() in METHODS:
        method = rest.pop(0).lower()  # type: ignore[assignment]
    if rest:
        weight = _number(rest.pop(0), float, 0, 1)
        rest += [] if weight is not None else ["unread"]
    if rest or not (NAME.fullmatch(a) and NAME.fullmatch(b)):
        raise UsageError(
            f"{text!r} is not a fusion that can be read: it takes the names of two contenders and, "
            "if wanted, a method (z or rrf) and the weight of the second between 0 and 1, such as "
            f"fusion(words,tuned), fusion(words,tuned,0.7) or fusion(words,tuned,rrf,0.7). {SYNTAX}"
        )
    return Fusion(a, b, weight, method)


def _read_reranking(text: str, parts: list[str]) -> Reranking:
    depth = _number(parts[2], int, 1, 10_000) if len(parts) == 3 else DEPTH
    if len(parts) not in (2, 3) or not NAME.fullmatch(parts[0]) or not parts[1] or depth is None:
        raise UsageError(
            f"{text!r} is not a reranking that can be read: it takes the name of a contender, a "
            "cross-encoder and, if wanted, how many passages that reads (1 to 10,000), such as "
            f"rerank(words,cross-encoder/ms-marco-MiniLM-L6-v2,50). {SYNTAX}"
        )
    return Reranking(parts[0], parts[1], depth)


def _read_endpoint(text: str, rest: str) -> Endpoint:
    model, _, query = rest.partition("?")
    options: dict[str, Any] = {}
    for item in query.split("&") if query else ():
        name, equals, raw = item.partition("=")
        read = _ENDPOINT_OPTIONS.get(name.strip())
        value = read(unquote(raw)) if read and equals else None
        if read is None or value is None:
            shown = item if read else name  # a key may have been tried
            raise UsageError(
                f"{shown!r} of openai:{model} is no option of an endpoint. There are dimensions "
                "and batch (whole numbers), price (dollars for a million tokens), base_url, "
                "query_prompt and passage_prompt; a key goes into OPENAI_API_KEY: "
                "openai:text-embedding-3-small?dimensions=256&batch=128"
            )
        options[name.strip()] = value
    if not model.strip():
        raise UsageError(
            f"{text!r} names no model. Write it behind the colon: openai:text-embedding-3-small"
        )
    return Endpoint(model.strip(), **options)


def _read_static(text: str, rest: str) -> Static:
    if not rest:
        raise UsageError(
            f"{text!r} names no model. Write its folder or hub id behind the colon: "
            "static:minishlab/potion-base-8M"
        )
    return Static(rest)


def _read_onnx(text: str, rest: str) -> Onnx:
    if not rest:
        raise UsageError(
            f"{text!r} names no model. Write its folder, or the file in it, behind the colon: "
            "onnx:exported or onnx:exported/model_int8.onnx"
        )
    return Onnx(rest)


def _read_recorded(text: str, rest: str) -> Recorded:
    if not rest:
        raise UsageError(
            f"{text!r} names no run. Write its file behind the colon: trec:runs/other.run"
        )
    return Recorded(rest)


def _address(url: str) -> str:
    """Return a base URL, which may be written to files.

    Raises:
        UsageError: It is none, or holds a password.
    """
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:  # of a bracket without its other
        is_good = False
    if not is_good:
        raise UsageError(f"{url!r} is no base URL. Give one such as http://localhost:8000/v1.")
    if parts.username or parts.password:
        raise UsageError(
            f"The base URL at {parts.hostname} holds a password, and specs are written to files. "
            "Use OPENAI_API_KEY."
        )
    return url


def _number(text: str, kind: Callable[[str], Any], least: float, most: float) -> Any:
    """Return a number within bounds, None for anything else."""
    try:
        value = kind(text)
    except ValueError:
        return None
    return value if least <= value <= most else None


_CALLS: Mapping[str, Callable[[str, list[str]], Spec]] = {
    "fusion": _read_fusion,
    "rerank": _read_reranking,
}
_KINDS: Mapping[str, Callable[[str, str], Spec]] = {
    "openai": _read_endpoint,
    "static": _read_static,
    "onnx": _read_onnx,
    "trec": _read_recorded,
}
_ENDPOINT_OPTIONS: Mapping[str, Callable[[str], Any]] = {
    "base_url": lambda text: _address(text.strip()),
    "dimensions": lambda text: _number(text, int, 1, 100_000),
    "batch": lambda text: _number(text, int, 1, 100_000),
    "price": lambda text: _number(text, float, 0, 1e6),
    "query_prompt": str,
    "passage_prompt": str,
}
