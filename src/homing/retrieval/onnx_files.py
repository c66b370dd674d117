"""The files of an exported model: the model itself, and what beside it says how it is used."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from homing.errors import MissingDependencyError, ModelNotFoundError
from homing.retrieval.towers import DOCUMENT, QUERY

MODEL_FILE, ONNX_FOLDER = "model.onnx", "onnx"
OPENVINO_FILE, OPENVINO_FOLDER = "openvino_model.xml", "openvino"
"""As sentence-transformers and the hub have them."""
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
MAX_TOKENS = 512
"""Where nothing beside the model says how much it reads."""
NO_LIMIT = 1_000_000
COUNTED_FROM_PADDING = frozenset({"roberta", "xlm-roberta", "mpnet", "camembert"})
"""Kinds of model that count positions from the padding token's on, and so have fewer to give."""
Pooling = Literal["mean", "cls", "lasttoken"]


@dataclass(frozen=True, slots=True)
class ExportedFiles:
    """The files of an exported model.

    Attributes:
        folder: Where the settings lie that sentence-transformers saves.
        max_tokens: Longest input, as it was saved.
        most_tokens: Longest input that the model has positions for.
        pad_id: What fills up the shorter texts of a batch.
    """

    model: Path
    tokenizer: Path
    folder: Path
    max_tokens: int
    most_tokens: int
    pad_id: int

    def sha256(self) -> str:
        """Return one hash of the model and its tokenizer."""
        digest = hashlib.sha256()
        # Weights may lie in files of their own, named after the model's.
        names = (f"{self.model.name}*", f"{self.model.stem}.bin")
        weights = {path for name in names for path in self.model.parent.glob(name)}
        for path in (*sorted(weights), self.tokenizer):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def find_onnx(spec: str) -> ExportedFiles:
    """Return the files of an exported model; small ones are read, nothing is loaded.

    Args:
        spec: A folder with model.onnx, in it or in its folder onnx; or the path of such a file,
            whatever its name.

    Raises:
        ModelNotFoundError: A file is missing.
        MissingDependencyError: Without the extra `onnx`.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise MissingDependencyError.for_extra("onnxruntime", "onnx")
    return _find(spec, MODEL_FILE, ONNX_FOLDER)


def find_openvino(spec: str) -> ExportedFiles:
    """Return the files of a model in OpenVINO's form; small ones are read, nothing is loaded.

    Args:
        spec: A folder with openvino_model.xml, in it or in its folder openvino; or the path of
            such a file, whatever its name.

    Raises:
        ModelNotFoundError: A file is missing.
        MissingDependencyError: Without the extra `openvino`.
    """
    if importlib.util.find_spec("openvino") is None:
        raise MissingDependencyError.for_extra("openvino", "openvino")
    return _find(spec, OPENVINO_FILE, OPENVINO_FOLDER)


def find_towers(spec: str) -> Path | None:
    """Return the folder of an export with a tower for questions and another for passages."""
    folder = Path(spec).expanduser()
    is_pair = all((folder / side / "tokenizer.json").is_file() for side in (QUERY, DOCUMENT))
    return folder if is_pair else None


def exported_parts(spec: str) -> list[str]:
    """Return what an export is made of: both of its towers where it has two, else itself."""
    towers = find_towers(spec)
    return [spec] if towers is None else [str(towers / side) for side in (QUERY, DOCUMENT)]


def exported_sha256(spec: str, find: Callable[[str], ExportedFiles]) -> str:
    """Return one hash of an exported model, with all of its parts."""
    shas = [find(part).sha256() for part in exported_parts(spec)]
    return shas[0] if len(shas) == 1 else hashlib.sha256("\n".join(shas).encode()).hexdigest()


def spec_of_export(name: str) -> str | None:
    """Return how a contender names the export that a folder holds instead of weights, if any."""
    folder = Path(name).expanduser()
    # Heads keep their small weights in folders of their own, in an export too.
    places = (folder, folder / "0_Transformer", folder / "0_Router")
    if any(
        next(place.rglob(w) if place != folder else place.glob(w), None)
        for place in places
        for w in WEIGHTS
    ):
        return None
    for kind, pattern in (("onnx", "*.onnx"), ("openvino", OPENVINO_FILE)):
        found = sorted(folder.rglob(pattern))
        if found:
            return f"{kind}:{folder if find_towers(name) else found[0]}"
    return None


def _find(spec: str, name: str, subfolder: str) -> ExportedFiles:
    path, suffix = Path(spec).expanduser(), Path(name).suffix
    models = [path] if path.suffix == suffix else [path / name, path / subfolder / name]
    model = next((file for file in models if file.is_file()), None)
    if model is None:
        there = ", ".join(sorted(p.name for p in path.rglob(f"*{suffix}"))) if path.is_dir() else ""
        remedy = f"There is {there}: name one of them." if there else "Give the folder it lies in."
        raise ModelNotFoundError(f"There is no {models[0]}. {remedy}")
    # The hub keeps exports in a folder of their own, below what goes with them.
    folders = [model.parent, model.parent.parent]
    folder = next((f for f in folders if (f / "tokenizer.json").is_file()), None)
    if folder is None:
        raise ModelNotFoundError(
            f"There is no tokenizer.json beside {model}. Copy it from the model that was exported."
        )
    pad_id = int(_json(folder / "config.json").get("pad_token_id") or 0)
    max_tokens, most_tokens = _saved_limits(folder, pad_id)
    return ExportedFiles(
        model=model,
        tokenizer=folder / "tokenizer.json",
        folder=folder,
        max_tokens=max_tokens,
        most_tokens=most_tokens,
        pad_id=pad_id,
    )


def saved_pooling(folder: Path) -> Pooling:
    """Return how sentence-transformers would pool; the mean where nothing is saved.

    Raises:
        ModelNotFoundError: In a way that is not known.
    """
    saved = _json(folder / "1_Pooling" / "config.json")
    modes = [str(saved["pooling_mode"])] if "pooling_mode" in saved else []
    modes += [
        name.removeprefix("pooling_mode_").removesuffix("_token").removesuffix("_tokens")
        for name, is_set in saved.items()
        if name.startswith("pooling_mode_") and is_set is True
    ]
    mode = modes[0] if modes else "mean"
    if len(modes) > 1 or mode not in ("mean", "cls", "lasttoken"):
        raise ModelNotFoundError(
            f"{folder} pools by {', '.join(modes)}, which is not done here. Export the model with "
            "its pooling inside, so that it gives sentence vectors."
        )
    return mode  # type: ignore[return-value]


def _saved_limits(folder: Path, pad_id: int) -> tuple[int, int]:
    """Return the longest input as it was saved, and as the model has positions for."""
    config = _json(folder / "config.json")
    positions = config.get("max_position_embeddings")
    if isinstance(positions, int) and config.get("model_type") in COUNTED_FROM_PADDING:
        positions -= pad_id + 1
    limits = [
        _json(folder / "sentence_bert_config.json").get("max_seq_length"),
        _json(folder / "tokenizer_config.json").get("model_max_length"),
        positions,
    ]
    # Tokenizers without a limit say so with a number beyond all texts.
    known = [int(n) for n in limits if isinstance(n, int) and 0 < n < NO_LIMIT]
    return min(known, default=MAX_TOKENS), positions if isinstance(positions, int) else NO_LIMIT


def _json(path: Path) -> dict[str, Any]:
    try:
        loaded = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return loaded if isinstance(loaded, dict) else {}
