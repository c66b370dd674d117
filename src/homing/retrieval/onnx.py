"""Exported models: ONNX files, whole or of 8 bits, run by onnxruntime alone."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from homing.errors import ModelNotFoundError
from homing.retrieval.exported import Exported, ExportedEncoder, ExportedTowers, pool
from homing.retrieval.onnx_files import ExportedFiles, find_onnx, find_towers
from homing.retrieval.prompts import Prompts, prompts_for
from homing.retrieval.towers import DOCUMENT, QUERY

__all__ = ["OnnxEncoder", "load_onnx", "pool"]


class OnnxGraph:
    """A `Graph` in an onnxruntime session."""

    runtime = "onnxruntime"

    def __init__(self, model: Path) -> None:
        """Load a model.

        Raises:
            ModelNotFoundError: The file cannot be loaded.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # What bounds the threads of torch bounds these too.
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS") or 0)
        try:
            self._session = onnxruntime.InferenceSession(
                str(model), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors have no class of their own
            raise ModelNotFoundError(
                f"{model} cannot be loaded: {error} Export it again, or check its other files."
            ) from error
        self.inputs: Sequence[str] = [value.name for value in self._session.get_inputs()]
        self.outputs: Mapping[str, int] = {
            value.name: len(value.shape) for value in self._session.get_outputs()
        }

    def run(self, output: str, inputs: Mapping[str, NDArray[np.int64]]) -> Any:
        """Return one output of one batch."""
        return self._session.run([output], dict(inputs))[0]


class OnnxEncoder(ExportedEncoder):
    """An `Encoder` over an ONNX model."""

    def __init__(
        self, files: ExportedFiles, prompts: Prompts, max_tokens: int | None = None
    ) -> None:
        """Load a model.

        Args:
            max_tokens: Longest input; None takes what lies beside the model.

        Raises:
            ModelNotFoundError: The files cannot be loaded, or are of no embedding model.
        """
        super().__init__(files, OnnxGraph(files.model), prompts, max_tokens)


def load_onnx(spec: str, max_tokens: int | None = None) -> Exported:
    """Return the encoder of a folder with an ONNX model, or of its file.

    Args:
        spec: As `find_onnx` takes it, or a folder with one such folder for each of two towers.

    Raises:
        ModelNotFoundError: It cannot be had or cannot be loaded.
        MissingDependencyError: Without the extra `onnx`.
    """
    towers = find_towers(spec)
    if towers is not None:
        query, document = (_load(str(towers / side), max_tokens) for side in (QUERY, DOCUMENT))
        return ExportedTowers(query, document)
    return _load(spec, max_tokens)


def _load(spec: str, max_tokens: int | None) -> OnnxEncoder:
    files = find_onnx(spec)
    return OnnxEncoder(files, prompts_for(str(files.folder)), max_tokens)
