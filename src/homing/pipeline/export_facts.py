"""The exports that lie with a model: whether they are of this very model, and what they cost."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from homing.deployment.backends import Backend
from homing.deployment.export_folders import EXPORTED, PARITY
from homing.deployment.parity import Closeness, Parity
from homing.errors import UsageError
from homing.pipeline.job import MODEL
from homing.reporting.export_table import ExportFacts
from homing.retrieval.encoders import SentenceTransformerEncoder
from homing.retrieval.models import load_sentence_transformer
from homing.retrieval.truncating import TruncatedEncoder
from homing.types import Encoder

WEIGHTS = frozenset({".onnx", ".data", ".xml", ".bin", ".safetensors"})

RUN_BY: dict[Backend, tuple[str, ...]] = {
    "onnx": ("onnx-int8", "onnx"),
    "openvino": ("openvino-int8", "openvino"),
}
"""Backend -> the exports that it runs, the fastest first."""


def workspace_model(workspace: Path, backend: Backend) -> Path:
    """Return the folder of a workspace's tuned model that a backend runs.

    Raises:
        UsageError: There is none, or it was exported from another model than the one that is there
            now; the message names the verb that makes it.
    """
    model = workspace / MODEL
    if not model.is_dir():
        raise UsageError(f"{workspace} holds no model yet. First run: homing train {workspace}")
    if backend == "torch":
        return model
    names = RUN_BY[backend]
    folder = next((f for n in names if (f := workspace / EXPORTED / n).is_dir()), None)
    if folder is None:
        raise UsageError(
            f"{workspace} holds no export for {backend}. First run: homing export {workspace} "
            f"--to {names[0]}"
        )
    if (folder / PARITY).is_file() and importlib.util.find_spec("sentence_transformers"):
        export_facts([folder], model)
    return folder


def export_folders(beside: Path) -> list[Path]:
    """Return the exports of a workspace or a model folder, by name.

    Raises:
        UsageError: There are none.
    """
    folder = beside / EXPORTED
    found = sorted(path.parent for path in folder.glob(f"*/{PARITY}"))
    if not found:
        raise UsageError(
            f"There are no exports in {folder}. Make them with: homing export {beside} --to onnx"
        )
    return found


def export_facts(folders: Iterable[Path], model: Path) -> list[ExportFacts]:
    """Return what each export costs beside the model in the folder `model`, which is loaded.

    Raises:
        UsageError: An export is of another model, or its parity.json cannot be read.
        ModelNotFoundError: The model cannot be loaded.
    """
    loaded = load_sentence_transformer(str(model), device="cpu")
    encoder = SentenceTransformerEncoder(loaded, bf16=False)
    return [_facts(folder, encoder) for folder in folders]


def _facts(folder: Path, encoder: Encoder) -> ExportFacts:
    try:
        saved = json.loads((folder / PARITY).read_text(encoding="utf-8"))
        parity = Parity.from_json(saved)
        made_from = saved["made_from"]
        is_current = made_from["model"] == _key(encoder, made_from)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder / PARITY} cannot be read ({error}). Export again.") from error
    if not is_current:
        raise UsageError(
            f"{folder} was exported from another model than the one that is there now. Make it "
            f"again: homing export … --to {folder.name}"
        )
    sides = (parity.questions, parity.passages)
    ranking = parity.ranking
    return ExportFacts(
        folder.name,
        mean_cosine=_mean(sides),
        least_cosine=min(side.least for side in sides),
        n_bytes=sum(p.stat().st_size for p in folder.rglob("*") if p.suffix in WEIGHTS),
        ndcg=ranking.exported if ranking else None,
        difference=ranking.difference if ranking else None,
        n_queries=ranking.n_queries if ranking else 0,
    )


def _key(encoder: Encoder, made_from: Mapping[str, Any]) -> str:
    dimensions = made_from["dimensions"]
    return encoder.key if dimensions is None else TruncatedEncoder(encoder, dimensions).key


def _mean(sides: tuple[Closeness, Closeness]) -> float:
    return sum(side.n * side.mean for side in sides) / sum(side.n for side in sides)
