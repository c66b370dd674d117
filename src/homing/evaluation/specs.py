"""The specs of contenders, as they are written; docs/contenders.md has the grammar.

Reading is all that happens here: nothing is looked up, loaded or asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from homing.errors import UsageError
from homing.llm.endpoints import Endpoint, number_within, read_endpoint
from homing.retrieval.fusion import METHODS, Method

BM25 = "bm25"
DEPTH = 50
"""How many passages a reranker reads again."""
SYNTAX = (
    "A contender is NAME=SPEC, where SPEC is bm25, a model folder or hub id, openai:MODEL, "
    "static:FOLDER, onnx:FOLDER, openvino:FOLDER, trec:FILE, rerank(A,MODEL), adapter(A,FOLDER) or "
    "fusion(A,B) of named contenders: "
    "--contender tuned=tuned/model --contender words=bm25 --contender both='fusion(words,tuned)'."
)

NAME = re.compile(r"[\w.+@-]+")
_CALL = re.compile(r"(\w+)\s*\(")
_KIND = re.compile(r"([A-Za-z][\w-]+):")


@dataclass(frozen=True, slots=True)
class Words:
    """BM25."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model folder or hub id.

    Attributes:
        dimensions: To which its vectors are cut; None leaves them whole.
    """

    name: str
    dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class Static:
    """A model2vec folder or hub id."""

    name: str


@dataclass(frozen=True, slots=True)
class Onnx:
    """A folder with an ONNX model, or its file."""

    path: str


@dataclass(frozen=True, slots=True)
class OpenVino:
    """A folder with a model in OpenVINO's form, or its .xml file."""

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


@dataclass(frozen=True, slots=True)
class Adapted:
    """A map of another contender's question vectors, from a folder; its passages stay."""

    of: str
    folder: str


Spec = Words | Model | Endpoint | Static | Onnx | OpenVino | Recorded | Fusion | Reranking | Adapted
_Reader = Callable[[str, str], Spec]
"""Of a whole spec and of what stands behind its colon."""


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
    return _read_model(text)


def _read_model(text: str) -> Model:
    name, mark, option = text.partition("?")
    if not mark or Path(text).expanduser().exists():
        return Model(text)
    key, _, raw = option.partition("=")
    dimensions = number_within(raw, int, 1, 100_000)
    if key.strip() != "dimensions" or dimensions is None or not name.strip():
        raise UsageError(
            f"{option!r} is no option of a model. There is dimensions, a whole number to which its "
            f"vectors are cut: tuned/model?dimensions=128. {SYNTAX}"
        )
    return Model(name.strip(), dimensions)


def _read_fusion(text: str, parts: list[str]) -> Fusion:
    a, b, *rest = parts if len(parts) > 1 else ("", "")
    method: Method | None = None
    weight: float | None = None
    if rest and rest[0].lower() in METHODS:
        method = rest.pop(0).lower()  # type: ignore[assignment]
    if rest:
        weight = number_within(rest.pop(0), float, 0, 1)
        rest += [] if weight is not None else ["unread"]
    if rest or not (NAME.fullmatch(a) and NAME.fullmatch(b)):
        raise UsageError(
            f"{text!r} is not a fusion that can be read: it takes the names of two contenders and, "
            "if wanted, a method (z or rrf) and the weight of the second between 0 and 1, such as "
            f"fusion(words,tuned), fusion(words,tuned,0.7) or fusion(words,tuned,rrf,0.7). {SYNTAX}"
        )
    return Fusion(a, b, weight, method)


def _read_reranking(text: str, parts: list[str]) -> Reranking:
    depth = number_within(parts[2], int, 1, 10_000) if len(parts) == 3 else DEPTH
    if len(parts) not in (2, 3) or not NAME.fullmatch(parts[0]) or not parts[1] or depth is None:
        raise UsageError(
            f"{text!r} is not a reranking that can be read: it takes the name of a contender, a "
            "cross-encoder and, if wanted, how many passages that reads (1 to 10,000), such as "
            f"rerank(words,cross-encoder/ms-marco-MiniLM-L6-v2,50). {SYNTAX}"
        )
    return Reranking(parts[0], parts[1], depth)


def _read_adapted(text: str, parts: list[str]) -> Adapted:
    if len(parts) != 2 or not NAME.fullmatch(parts[0]) or not parts[1]:
        raise UsageError(
            f"{text!r} is not an adapter that can be read: it takes the name of a contender and a "
            f"folder, such as adapter(small,tuned/adapter). {SYNTAX}"
        )
    return Adapted(parts[0], parts[1])


def _naming(make: Callable[[str], Spec], noun: str, what: str, example: str) -> _Reader:
    """Return the reader of a kind that names one thing behind its colon."""

    def read(text: str, rest: str) -> Spec:
        if not rest:
            raise UsageError(
                f"{text!r} names no {noun}. Write its {what} behind the colon: {example}"
            )
        return make(rest)

    return read


_CALLS: Mapping[str, Callable[[str, list[str]], Spec]] = {
    "fusion": _read_fusion,
    "rerank": _read_reranking,
    "adapter": _read_adapted,
}
_KINDS: Mapping[str, _Reader] = {
    "openai": lambda text, _: read_endpoint(text),
    "static": _naming(Static, "model", "folder or hub id", "static:minishlab/potion-base-8M"),
    "onnx": _naming(
        Onnx,
        "model",
        "folder, or the file in it,",
        "onnx:exported or onnx:exported/model_int8.onnx",
    ),
    "openvino": _naming(
        OpenVino, "model", "folder, or the .xml file in it,", "openvino:exported/openvino"
    ),
    "trec": _naming(Recorded, "run", "file", "trec:runs/other.run"),
}
