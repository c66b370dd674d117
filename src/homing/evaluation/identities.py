"""What a contender's spec stands for, whether it can be had, and the hash of what is behind it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from homing.errors import HomingError, MissingDependencyError, ModelNotFoundError
from homing.evaluation.contenders import Contender
from homing.evaluation.specs import (
    Adapted,
    Model,
    Onnx,
    OpenVino,
    Recorded,
    Reranking,
    Spec,
    Static,
)
from homing.retrieval.models import find_model, weights_sha256
from homing.retrieval.onnx_files import (
    ExportedFiles,
    exported_sha256,
    find_onnx,
    find_openvino,
    spec_of_export,
)
from homing.retrieval.query_map import ARRAYS, is_adapter, load_adapter
from homing.retrieval.reranking import find_reranker
from homing.retrieval.static import find_static, is_static
from homing.workspace.disk import hash_file

T = TypeVar("T")
FINDERS: Mapping[type, Callable[[str], ExportedFiles]] = {Onnx: find_onnx, OpenVino: find_openvino}


def resolved(contender: Contender) -> Spec | None:
    """Return what the spec says; a plain folder that model2vec saved is a static model."""
    spec = contender.parsed
    if isinstance(spec, Model) and is_static(Path(spec.name).expanduser()):
        # Without model2vec, sentence-transformers reads most such folders too.
        return Static(spec.name) if importlib.util.find_spec("model2vec") else spec
    return spec


def check_model(name: str) -> None:
    """Raise `ModelNotFoundError` unless a model can be had and is no export or adapter."""
    need("sentence_transformers", "sentence-transformers", "train")
    folder = Path(name).expanduser()
    export = spec_of_export(name)
    if export is not None:
        raise ModelNotFoundError(f"{name} holds an exported model. Write {export}.")
    if is_adapter(folder) and not (folder / "modules.json").is_file():
        raise ModelNotFoundError(
            f"{name} holds an adapter alone. Write adapter(NAME,{name}), where NAME is the "
            f"contender {load_adapter(folder).base_model}."
        )
    find_model(name)


def need(module: str, library: str, extra: str) -> None:
    """Raise `MissingDependencyError` unless a module is installed."""
    if importlib.util.find_spec(module) is None:
        raise MissingDependencyError.for_extra(library, extra)


def named(contender: Contender, work: Callable[[Contender], T]) -> T:
    """Return what a step for a contender gives; its error begins with the contender."""
    try:
        return work(contender)
    except HomingError as error:
        raise type(error)(f"{contender.name}={contender.spec}: {error}") from error


def fingerprints(contenders: Sequence[Contender]) -> dict[str, str]:
    """Return "contender NAME" -> hash of the model behind it, of those that have one here.

    Raises:
        ModelNotFoundError: A model cannot be had.
        MissingDependencyError: The library of a contender is not installed.
    """
    found = {f"contender {c.name}": named(c, _fingerprint) for c in contenders}
    return {name: value for name, value in found.items() if value}


def _fingerprint(contender: Contender) -> str:
    spec = resolved(contender)
    if isinstance(spec, Model):
        check_model(spec.name)
        source = find_model(spec.name)
        return source.sha or source.name
    if isinstance(spec, Reranking):
        source = find_reranker(spec.model)
        return source.sha or source.name
    if isinstance(spec, Adapted):
        return hash_file(Path(spec.folder).expanduser() / ARRAYS)
    if isinstance(spec, Static):
        folder = find_static(spec.name)
        return spec.name if folder is None else weights_sha256(folder)
    if isinstance(spec, Recorded):
        return hash_file(Path(spec.path).expanduser())
    if isinstance(spec, Onnx | OpenVino):
        return exported_sha256(spec.path, FINDERS[type(spec)])
    return ""
