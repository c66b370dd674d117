"""The ways to run a tuned model: as it is, or as one of its exports."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from homing.retrieval.encoders import encoder_for
from homing.retrieval.static import is_static, load_static
from homing.types import Encoder

Backend = Literal["torch", "onnx", "openvino"]


def encoder_at(
    folder: str | Path, backend: Backend = "torch", max_tokens: int | None = None
) -> Encoder:
    """Return the encoder of a model folder, run by `backend`.

    Args:
        folder: For torch what sentence-transformers or model2vec saved; else an export.
        max_tokens: Longest input; None takes the model's own.

    Raises:
        ModelNotFoundError: There is no such model, or it cannot be loaded.
        MissingDependencyError: Without the backend's extra.
    """
    if backend == "onnx":
        from homing.retrieval.onnx import load_onnx

        return load_onnx(str(folder), max_tokens)
    if backend == "openvino":
        from homing.retrieval.openvino import load_openvino

        return load_openvino(str(folder), max_tokens)
    if is_static(Path(folder)):
        return load_static(str(folder), max_tokens)
    return encoder_for(str(folder), max_tokens)
