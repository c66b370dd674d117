"""A model folder, an export or a workspace to a server that answers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from homing.deployment.backends import Backend, encoder_at
from homing.deployment.bundle import BundleFacts, load_bundle
from homing.deployment.server import need_libraries
from homing.errors import UsageError
from homing.pipeline.bundling import current_bundle, found_bundle
from homing.pipeline.export_facts import workspace_model
from homing.pipeline.job import MODEL, plural
from homing.progress import say
from homing.workspace import Workspace

if TYPE_CHECKING:
    from homing.deployment.server.batching import Batching
    from homing.deployment.server.limits import Limits
    from homing.deployment.server.model import ServedModel
    from homing.deployment.server.searching import SearchIndex


@dataclass(frozen=True)
class Prepared:
    """What a server serves.

    Attributes:
        batching: How it is run on this machine.
        folder: Of the model that is run.
        backend: What runs it.
        bundle: Of what is searched; None where there is nothing.
        why_no_search: What a search is told then.
    """

    model: ServedModel
    batching: Batching
    folder: Path
    backend: Backend
    index: SearchIndex | None
    scorer: Any
    bundle: BundleFacts | None
    why_no_search: str

    def as_json(self) -> dict[str, Any]:
        """Return the one object that `--json` prints."""
        bundle = self.bundle
        return {
            "model": self.model.name,
            "folder": str(self.folder),
            "backend": self.backend,
            "dimensions": self.model.dimensions,
            "n_passages": None if bundle is None else bundle.n_passages,
            "fusion": None if bundle is None else bundle.fusion.source,
            "reranker": self.scorer is not None,
        }


def prepare(
    source: str | Path,
    *,
    backend: Backend | None = None,
    name: str | None = None,
    corpus: str | Path | None = None,
    reranker: str | None = None,
    threads: int | None = None,
) -> Prepared:
    """Return what is needed to serve a model; what is to be searched is made first.

    Args:
        source: A workspace; else a model folder, an export or a hub id.
        backend: What runs the model; None takes what the folder is for.
        name: Under which it is asked; None takes the folder's own.
        corpus: A workspace or another dataset whose passages are to be searched; None takes the
            workspace's own, else the bundle that lies in the model's folder or beside it.
        reranker: A cross-encoder's folder or hub id.
        threads: Runs of the model at the same time; None takes one for each core.

    Raises:
        UsageError: The folder is not what it should be.
        ModelNotFoundError: A model cannot be had.
        MissingDependencyError: The library of an extra is not installed.
        WorkspaceBusyError: The bundle has to be made and another job works in the workspace.
    """
    need_libraries()
    from homing.deployment.server.model import serve_as
    from homing.deployment.server.searching import SearchIndex
    from homing.deployment.server.sizing import (
        batching_by_onnx,
        batching_for,
        n_cores,
        one_thread,
    )

    space = Path(source).expanduser().resolve() if Workspace.is_at(source) else None
    folder, backend = find_model_folder(source, space, backend)
    encoder = encoder_at(folder, backend)
    name = name or _name(source)
    bundle, why_not = None, ""
    if corpus is not None:
        bundle, why_not = current_bundle(Path(corpus), Path(folder), encoder, name)
    elif space is not None:
        bundle, why_not = current_bundle(space, space, encoder, name)
    else:
        bundle = found_bundle(Path(folder), encoder)
    index = None
    if bundle is not None:
        loaded = load_bundle(bundle)
        say(f"search: indexing the words of {plural(loaded.facts.n_passages, 'passage')}")
        index = SearchIndex(loaded)
    scorer = None
    if reranker is not None:
        from homing.retrieval.reranking import load_reranker

        scorer = load_reranker(reranker)
    facts = None if index is None else index.bundle.facts
    cores = threads or n_cores()
    batching = batching_for(encoder, cores)
    if backend == "onnx":  # all cores embedded the passages; a run of questions has one
        with one_thread():
            encoder = encoder_at(folder, backend)
        batching = batching_by_onnx(cores)
    model = serve_as(name, encoder, folder)
    return Prepared(model, batching, Path(folder), backend, index, scorer, facts, why_not)


def serve(
    prepared: Prepared,
    bound: Any,
    *,
    api_key: str | None = None,
    limits: Limits | None = None,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Answer requests on a bound socket until SIGTERM or Ctrl-C.

    Args:
        bound: As `homing.deployment.server.running.bind` gives it.
        api_key: What requests have to carry; None lets all in.
        on_ready: Called when requests are answered.
    """
    from homing.deployment.server.app import NO_SEARCH, make_app
    from homing.deployment.server.limits import Limits
    from homing.deployment.server.running import run

    limits = limits or Limits()
    app = make_app(
        prepared.model,
        index=prepared.index,
        scorer=prepared.scorer,
        api_key=api_key,
        limits=limits,
        batching=prepared.batching,
        why_no_search=prepared.why_no_search or NO_SEARCH,
    )
    run(app, bound, timeout_s=limits.timeout_s, on_ready=on_ready)


def api_key_from(variable: str | None) -> str | None:
    """Return the key that an environment variable holds, None where none is named.

    Raises:
        UsageError: It is not set, is empty, or holds what no header can carry.
    """
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise UsageError(
            f"--api-key-env names {variable}, which is not set or empty. Set it, such as: "
            f"export {variable}=$(openssl rand -hex 24); or leave the option out."
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(
            f"The key in {variable} holds characters that no header can carry. Use letters, "
            "digits and signs without spaces."
        )
    return key


def known_backend(name: str | None) -> Backend | None:
    """Return the backend of this name, None for None.

    Raises:
        UsageError: There is none.
    """
    if name is not None and name not in get_args(Backend):
        raise UsageError(
            f"There is no backend {name!r}. Choose one of: {', '.join(get_args(Backend))}."
        )
    return cast("Backend | None", name)


def find_model_folder(
    source: str | Path, space: Path | None, backend: Backend | None
) -> tuple[str | Path, Backend]:
    """Return the folder of the model to run, and what runs it.

    Raises:
        UsageError: The workspace has no model yet, or no export for this backend.
    """
    if space is None:
        return source, backend or _backend_of(Path(source).expanduser())
    backend = backend or "torch"
    return workspace_model(space, backend), backend


def _backend_of(folder: Path) -> Backend:
    """Return what runs a folder: its own weights first, else the export in it."""
    kinds: dict[str, Backend] = {"*.safetensors": "torch", "*.onnx": "onnx", "*.xml": "openvino"}
    for pattern, backend in kinds.items():
        if folder.suffix == pattern[1:] or any(folder.rglob(pattern)):
            return backend
    return "torch"


def _name(source: str | Path) -> str:
    """Return what a model is called after its folder, or its workspace's, or at the hub."""
    path = Path(source).expanduser()
    if not path.exists():
        return str(source).rstrip("/").rpartition("/")[2]
    path = path.resolve()
    if path.name == MODEL and Workspace.is_at(path.parent):
        path = path.parent
    return path.name or "model"
