"""The files of an exported model: the ONNX file, and what beside it says how it is to be used."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from homing.errors import MissingDependencyError, ModelNotFoundError

MODEL_FILE = "model.onnx"
MAX_TOKENS = 512
"""Where nothing beside the model says how much it reads."""
NO_LIMIT = 1_000_000
COUNTED_FROM_PADDING = frozenset({"roberta", "xlm-roberta", "mpnet", "camembert"})
"""Kinds of model that count positions from the padding token's on, and so have fewer to give."""
Pooling = Literal["mean", "cls", "lasttoken"]


@dataclass(frozen=True, slots=True)
class OnnxFiles:
    """The files of an exported model.

    Attributes:
        folder: Where the settings lie that sentence-transformers saves.
        pooling: What makes a vector of those of the tokens, where the model does not.
        max_tokens: Longest input, as it was saved.
        most_tokens: Longest input that the model has positions for.
        pad_id: What fills up the shorter texts of a batch.
    """

    model: Path
    tokenizer: Path
    folder: Path
    pooling: Pooling
    max_tokens: int
    most_tokens: int
    pad_id: int

    def sha256(self) -> str:
        """Return one hash of the model and its tokenizer."""
        digest = hashlib.sha256()
        # Large weights lie in files of their own, named after the model's.
        for path in (*sorted(self.model.parent.glob(f"{self.model.name}*")), self.tokenizer):
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def find_onnx(spec: str) -> OnnxFiles:
    """Return the files of an exported model; small ones are read, nothing is loaded.

    Args:
        spec: A folder with model.onnx, in it or in its folder onnx; or the path of such a file,
            whatever its name.

    Raises:
        ModelNotFoundError: A file is missing, or the model pools in a way that is not known.
        MissingDependencyError: Without the extra `onnx`.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise MissingDependencyError.for_extra("onnxruntime", "onnx")
    path = Path(spec).expanduser()
    models = [path] if path.suffix == ".onnx" else [path / MODEL_FILE, path / "onnx" / MODEL_FILE]
    model = next((file for file in models if file.is_file()), None)
    if model is None:
        there = ", ".join(sorted(p.name for p in path.rglob("*.onnx"))) if path.is_dir() else ""
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
    return OnnxFiles(
        model=model,
        tokenizer=folder / "tokenizer.json",
        folder=folder,
        pooling=_saved_pooling(folder),
        max_tokens=max_tokens,
        most_tokens=most_tokens,
        pad_id=pad_id,
    )


def _saved_pooling(folder: Path) -> Pooling:
    """Return how sentence-transformers would pool; the mean where nothing is saved."""
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
