"""A model folder, an export or a workspace to a server that answers."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from homing.dataset import Dataset, load_dataset
from homing.deployment.backends import Backend, encoder_at
from homing.deployment.bundle import (
    BundleFacts,
    CorpusHash,
    Fusion,
    load_bundle,
    make_bundle,
    read_facts,
    update_fusion,
)
from homing.deployment.server import need_libraries
from homing.errors import UsageError
from homing.evaluation.choosing import read_choice
from homing.evaluation.files import JSON_NAME, load_evaluation
from homing.pipeline.export_facts import workspace_model
from homing.pipeline.job import (
    EMBEDDINGS,
    EVALUATION,
    MODEL,
    own_settings,
    paths_of_documents,
    plural,
)
from homing.progress import say
from homing.retrieval.cache import CachedEncoder
from homing.settings import load_settings
from homing.types import Encoder, passage_key
from homing.workspace import Workspace, disk_errors

if TYPE_CHECKING:
    from homing.deployment.server.batching import Batching
    from homing.deployment.server.limits import Limits
    from homing.deployment.server.model import ServedModel
    from homing.deployment.server.searching import SearchIndex

BUNDLE = "bundle"
FUSED = "bm25+tuned"
SIMPLEST_WORDS = "z-scores, 0.5 for the model, not chosen"


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
    origin = space if corpus is None else Path(corpus)
    bundle, why_not = None, ""
    if origin is not None:
        home = space if corpus is None else Path(folder)
        bundle, why_not = _bundled(origin, home or Path(folder), encoder, name)
    else:
        bundle = _found_bundle(Path(folder), encoder)
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


def _found_bundle(folder: Path, encoder: Encoder) -> Path | None:
    """Return the bundle that lies in a model's folder or beside it.

    Raises:
        UsageError: It was made by another model.
    """
    for place in (folder / BUNDLE, folder.parent / BUNDLE):
        facts = read_facts(place)
        if facts is None:
            continue
        if facts.passage_key != passage_key(encoder):
            raise UsageError(
                f"The vectors in {place} are of {facts.model}, not of the model in {folder}: a "
                "search would find the wrong passages. Make them anew: homing serve "
                f"{folder} --corpus DATASET; or move {place} away."
            )
        return place
    return None


def _bundled(origin: Path, home: Path, encoder: Encoder, model: str) -> tuple[Path | None, str]:
    """Return the folder of an up-to-date bundle, made if it has to be; else why there is none."""
    dataset = _passages(origin)
    if dataset is None:
        return None, f"{origin} holds no passages yet: homing curate {origin} makes them."
    folder = home / BUNDLE
    is_job = Workspace.is_at(origin)
    paths = paths_of_documents(origin)
    fusion, language = _settled(origin) if is_job else (Fusion(), "")
    facts = read_facts(folder)
    if facts is not None and _is_current(facts, dataset, paths, encoder, language):
        if facts.fusion != fusion:
            update_fusion(folder, facts, fusion)
        return folder, ""
    cache = origin / EMBEDDINGS if is_job else None
    hold = Workspace(home, create=False) if Workspace.is_at(home) else nullcontext()
    with hold, disk_errors(home):
        made = make_bundle(
            folder,
            dataset.corpus.values(),
            CachedEncoder(encoder, cache),
            model=model,
            paths=paths,
            fusion=fusion,
            language=language,
        )
    say(f"bundle: {plural(made.n_passages, 'passage')} in {folder}; {fusion.source}")
    return folder, ""


def _passages(origin: Path) -> Dataset | None:
    """Return the dataset of a folder, None for a workspace that holds none yet."""
    if Workspace.is_at(origin) and not (origin / "corpus").is_dir():
        return None
    return load_dataset(origin)


def _settled(space: Path) -> tuple[Fusion, str]:
    """Return the fusion that a workspace's evaluation chose on dev, and the language of BM25."""
    language = load_settings(own_settings(space)).evaluate.language
    if not (space / EVALUATION / JSON_NAME).is_file():
        return Fusion(
            source="z-scores, 0.5 for tuned, not chosen: there is no evaluation"
        ), language
    evaluation = load_evaluation(space / EVALUATION)
    result = evaluation.contenders.get(FUSED)
    choice = read_choice(result.chosen) if result is not None else None
    if result is None or choice is None:
        return Fusion(source=f"{SIMPLEST_WORDS}: the evaluation has no {FUSED}"), language
    return Fusion(*choice, source=result.chosen), language


def _is_current(
    facts: BundleFacts, dataset: Dataset, paths: dict[str, str], encoder: Encoder, language: str
) -> bool:
    if facts.passage_key != passage_key(encoder) or facts.language != language:
        return False
    digest = CorpusHash(paths)
    for passage in dataset.corpus.values():
        digest.add(passage)
    return facts.corpus == digest.value()
