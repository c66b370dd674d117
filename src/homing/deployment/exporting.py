"""A model as one complete folder in another format; nothing is said yet of what it is worth.

What several formats share, the graph in float32, is made once and kept in a scratch folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from homing.deployment.formats import FORMATS
from homing.deployment.graph import check_exportable, export_graph, save_beside, save_model_in
from homing.deployment.openvino_files import write_openvino
from homing.deployment.pushing import NOT_OF_A_MODEL
from homing.deployment.quantising import compress_weights, quantise_dynamic, quantise_static
from homing.errors import UsageError
from homing.progress import say
from homing.retrieval.onnx_files import MODEL_FILE, ONNX_FOLDER, OPENVINO_FILE, OPENVINO_FOLDER
from homing.retrieval.towers import DOCUMENT, QUERY, towers_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

CALIBRATION_TOKENS = 256
"""What a calibration text is cut to: longer ones cost time and show no other ranges."""


class Exporter:
    """Writes a model in any number of formats.

    Attributes:
        parts: Subfolder -> tower; one in the folder itself unless the model has two.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        source: Path | None,
        scratch: Path,
        *,
        name: str,
        questions: Sequence[str] = (),
        passages: Sequence[str] = (),
        dimensions: int | None = None,
    ) -> None:
        """Look at a model; nothing is written.

        Args:
            model: On the CPU, in float32.
            source: Its folder, which `safetensors` is a copy of; None saves the model anew.
            scratch: A folder for what formats share; whoever makes it removes it.
            name: What errors call the model.
            questions: Texts to calibrate on, prompts left out; none that it will be tested with.
            passages: The same of passages.
            dimensions: To which vectors are cut; None leaves them whole.

        Raises:
            UsageError: The model is of a kind that cannot be exported.
        """
        towers = towers_of(model)
        self.parts = {QUERY: towers.query, DOCUMENT: towers.document} if towers else {"": model}
        for tower in self.parts.values():
            check_exportable(tower, name)
        self._prompts = {
            QUERY: model.prompts.get(QUERY) or "",
            DOCUMENT: model.prompts.get(DOCUMENT) or "",
        }
        self._model, self._source = model, source
        self._scratch, self._dimensions = scratch, dimensions
        asked = [(QUERY, self._prompts[QUERY] + text) for text in questions]
        read = [(DOCUMENT, self._prompts[DOCUMENT] + text) for text in passages]
        self._samples = asked + read

    def write(self, name: str, folder: Path) -> None:
        """Write one format into an empty folder.

        Raises:
            UsageError: It must be calibrated, and there is nothing to calibrate on.
            ExportError: The model cannot be turned into a graph.
            MissingDependencyError: A library is not installed.
        """
        if name == "safetensors":
            self._copy(folder)
            return
        if FORMATS[name].is_calibrated and not self._samples:
            raise UsageError(
                f"{name} finds its ranges on passages, and there are none. Name a dataset with "
                "--dataset, or take onnx-int8."
            )
        for side, tower in self.parts.items():
            part = folder / side
            save_beside(tower, part)
            _WRITERS[name](self, side, part)

    def graph(self, side: str) -> Path:
        """Return the ONNX file of a tower in float32, made when first needed."""
        file = self._scratch / (side or "model") / MODEL_FILE
        if not file.is_file():
            say("export: making the graph" + (f" of the tower for {_plural(side)}" if side else ""))
            export_graph(self.parts[side], file, self._dimensions)
        return file

    def samples(self, side: str) -> list[Mapping[str, Any]]:
        """Return what a tower is calibrated on, as its graph takes it."""
        import onnxruntime
        from tokenizers import Tokenizer

        session = onnxruntime.InferenceSession(
            str(self.graph(side)), providers=["CPUExecutionProvider"]
        )
        names = [value.name for value in session.get_inputs()]
        tokenizer = Tokenizer.from_str(self.parts[side].tokenizer.backend_tokenizer.to_str())
        tokenizer.no_padding()
        limit = int(self.parts[side].max_seq_length or CALIBRATION_TOKENS)
        tokenizer.enable_truncation(min(limit, CALIBRATION_TOKENS))
        texts = [text for of, text in self._samples if side in ("", of)]
        found: list[Mapping[str, Any]] = []
        for one in tokenizer.encode_batch(texts):
            known = {
                "input_ids": one.ids,
                "attention_mask": [1] * len(one.ids),
                "token_type_ids": one.type_ids,
            }
            found.append({n: np.array([known[n]], dtype=np.int64) for n in names})
        return found

    def _copy(self, folder: Path) -> None:
        if self._dimensions is not None:
            raise UsageError(
                "safetensors is the model as it is, its vectors whole. Leave --dimensions out, or "
                "cut where it is loaded: SentenceTransformer(FOLDER, truncate_dim=…)."
            )
        if self._source is None:
            save_model_in(self._model, folder)
            return
        for entry in self._source.iterdir():
            if entry.name in NOT_OF_A_MODEL or entry.name.startswith("."):
                continue
            if entry.is_dir():
                shutil.copytree(entry, folder / entry.name, dirs_exist_ok=True)
            else:
                shutil.copy2(entry, folder / entry.name)


def _onnx(exporter: Exporter, side: str, part: Path) -> None:
    target = part / ONNX_FOLDER / MODEL_FILE
    target.parent.mkdir(parents=True)
    for file in exporter.graph(side).parent.glob(f"{MODEL_FILE}*"):
        shutil.copy2(file, target.parent / file.name)


def _onnx_int8(exporter: Exporter, side: str, part: Path) -> None:
    quantise_dynamic(exporter.graph(side), part / ONNX_FOLDER / MODEL_FILE)


def _onnx_int8_static(exporter: Exporter, side: str, part: Path) -> None:
    target = part / ONNX_FOLDER / MODEL_FILE
    samples = exporter.samples(side)
    say(f"export: finding ranges on {len(samples):,} texts")
    quantise_static(exporter.graph(side), target, samples)


def _openvino(exporter: Exporter, side: str, part: Path) -> None:
    write_openvino(exporter.graph(side), part / OPENVINO_FOLDER / OPENVINO_FILE)


def _openvino_fp16(exporter: Exporter, side: str, part: Path) -> None:
    write_openvino(exporter.graph(side), part / OPENVINO_FOLDER / OPENVINO_FILE, in_fp16=True)


def _openvino_int8(exporter: Exporter, side: str, part: Path) -> None:
    graph = exporter.graph(side)
    compressed = graph.parent / "int8" / graph.name
    compress_weights(graph, compressed)
    write_openvino(compressed, part / OPENVINO_FOLDER / OPENVINO_FILE)


_WRITERS: Mapping[str, Callable[[Exporter, str, Path], None]] = {
    "onnx": _onnx,
    "onnx-int8": _onnx_int8,
    "onnx-int8-static": _onnx_int8_static,
    "openvino": _openvino,
    "openvino-fp16": _openvino_fp16,
    "openvino-int8": _openvino_int8,
}


def _plural(side: str) -> str:
    return "questions" if side == QUERY else "passages"
