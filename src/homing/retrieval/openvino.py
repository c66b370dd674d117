"""Exported models in OpenVINO's form, run by OpenVINO alone, with the precision stated."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from homing.errors import ModelNotFoundError, UsageError
from homing.retrieval.exported import Exported, ExportedEncoder, ExportedTowers
from homing.retrieval.onnx_files import ExportedFiles, find_openvino, find_towers
from homing.retrieval.prompts import Prompts, prompts_for
from homing.retrieval.towers import DOCUMENT, QUERY

Precision = Literal["f32", "bf16"]


class OpenVinoGraph:
    """A `Graph` that OpenVINO has compiled for this processor."""

    def __init__(self, model: Path, precision: Precision) -> None:
        """Read and compile a model.

        Raises:
            ModelNotFoundError: The file cannot be loaded.
            UsageError: The processor has no arithmetic of that precision.
        """
        core = _core()
        if precision == "bf16" and not has_bf16():
            raise UsageError(
                "This processor does not multiply bfloat16. Take precision f32, the default."
            )
        # Latency keeps all cores on one batch, which is how batches are made here.
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        if threads := int(os.environ.get("OMP_NUM_THREADS") or 0):
            options["INFERENCE_NUM_THREADS"] = str(threads)
        try:
            self._compiled = core.compile_model(core.read_model(str(model)), "CPU", options)
        except Exception as error:  # OpenVINO's errors have no class of their own
            raise ModelNotFoundError(
                f"{model} cannot be loaded: {str(error).strip()} Export it again, or check that "
                f"{model.with_suffix('.bin').name} lies beside it."
            ) from error
        self.inputs: Sequence[str] = [port.get_any_name() for port in self._compiled.inputs]
        self.outputs: Mapping[str, int] = {
            port.get_any_name(): len(port.get_partial_shape()) for port in self._compiled.outputs
        }
        self.runtime = f"openvino {precision}"
        self._of_thread = threading.local()

    def run(self, output: str, inputs: Mapping[str, NDArray[np.int64]]) -> Any:
        """Return one output of one batch."""
        # A request holds the tensors of one run, and so is one thread's own.
        request = getattr(self._of_thread, "request", None)
        if request is None:
            request = self._of_thread.request = self._compiled.create_infer_request()
        return np.array(request.infer(dict(inputs), share_inputs=True)[output])


class OpenVinoEncoder(ExportedEncoder):
    """An `Encoder` over a model in OpenVINO's form."""

    def __init__(
        self,
        files: ExportedFiles,
        prompts: Prompts,
        max_tokens: int | None = None,
        precision: Precision = "f32",
    ) -> None:
        """Load a model.

        Args:
            max_tokens: Longest input; None takes what lies beside the model.
            precision: In which it computes. bf16 is faster on processors that have it, and its
                vectors differ in the third digit.

        Raises:
            ModelNotFoundError: The files cannot be loaded, or are of no embedding model.
            UsageError: The processor has no arithmetic of that precision.
        """
        super().__init__(files, OpenVinoGraph(files.model, precision), prompts, max_tokens)


def load_openvino(
    spec: str, max_tokens: int | None = None, precision: Precision = "f32"
) -> Exported:
    """Return the encoder of a folder with an OpenVINO model, or of its .xml file.

    Args:
        spec: As `find_openvino` takes it, or a folder with one such folder for each of two towers.
        precision: In which it computes, whatever that of the file.

    Raises:
        ModelNotFoundError: It cannot be had or cannot be loaded.
        MissingDependencyError: Without the extra `openvino`.
        UsageError: The processor has no arithmetic of that precision.
    """
    towers = find_towers(spec)
    if towers is not None:
        query, document = (
            _load(str(towers / side), max_tokens, precision) for side in (QUERY, DOCUMENT)
        )
        return ExportedTowers(query, document)
    return _load(spec, max_tokens, precision)


def has_bf16() -> bool:
    """Return whether OpenVINO finds products of bfloat16 in this processor."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _load(spec: str, max_tokens: int | None, precision: Precision) -> OpenVinoEncoder:
    files = find_openvino(spec)
    return OpenVinoEncoder(files, prompts_for(str(files.folder)), max_tokens, precision)


@lru_cache(maxsize=1)
def _core() -> Any:
    import openvino

    return openvino.Core()
