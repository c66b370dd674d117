"""Models of 8 bits: an ONNX graph's large weights as whole numbers, the rest as it was.

Three ways, all with the weights of every product quantised once and symmetrically:

* `quantise_dynamic`: weights by blocks of 128, and what they are multiplied with by the same
  blocks, token by token, when the model runs. So a text's vector does not hang on its neighbours in
  a batch, as with one range for all of them, and little is lost.
* `quantise_static`: one range for each product's inputs, found beforehand on the user's passages.
  The second products of the feed-forward layers stay in float32.
* `compress_weights`: weights by output, left to the runtime to multiply; OpenVINO does so in 8
  bits.

Products of two things that are computed, as in attention, and heads after the pooling stay in
float32. The tables of token vectors are quantised row by row, at next to no loss: they are half of
a small model.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from homing.errors import MissingDependencyError
from homing.types import FloatArray

BLOCKS = (128, 64, 32, 16)
MIN_ROWS = 1_000
"""Smaller tables, such as that of positions, are left as they are."""


def quantise_dynamic(source: Path, target: Path) -> None:
    """Write a model whose weights have 8 bits, and whose inputs get them token by token.

    Raises:
        MissingDependencyError: Without the extra `export`.
    """
    onnx = _onnx()
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    model = _load(source)
    depths = [dims[0] for _, dims in _products(model)]
    block = next((b for b in BLOCKS if all(depth % b == 0 for depth in depths)), BLOCKS[-2])
    with _quiet():
        # Level 4 has the inputs quantised too; without it only memory would be saved.
        quantiser = MatMulNBitsQuantizer(
            model, bits=8, block_size=block, is_symmetric=True, accuracy_level=4
        )
        quantiser.process()
    done = quantiser.model.model
    _quantise_tables(done)
    _save(onnx, done, target)


def quantise_static(source: Path, target: Path, samples: Sequence[Mapping[str, Any]]) -> None:
    """Write a model of 8 bits whose ranges were found on samples.

    Products that make vectors shorter stay in float32: what the activation before them gives has
    rare large values, and one range for all of it costs more than all else together.

    Args:
        samples: Inputs by name, int64 (1, t), as the model takes them.

    Raises:
        MissingDependencyError: Without the extra `export`.
        ValueError: There are no samples.
    """
    onnx = _onnx()
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType
    from onnxruntime.quantization import quantize_static as quantise

    if not samples:
        raise ValueError("There is no sample to find ranges on.")

    class Samples(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rest = iter(samples)

        def get_next(self) -> Mapping[str, Any] | None:
            return next(self.rest, None)

    model = _load(source)
    with tempfile.TemporaryDirectory() as scratch, _quiet():
        plain, quantised = Path(scratch) / "plain.onnx", Path(scratch) / "quantised.onnx"
        _save(onnx, model, plain)
        quantise(
            plain,
            quantised,
            Samples(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["MatMul"],
            nodes_to_quantize=[name for name, _ in _products(model)],
            nodes_to_exclude=[name for name, (depth, width) in _products(model) if depth > width],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            use_external_data_format=_is_large(model),
            extra_options={"OpTypesToExcludeOutputQuantization": ["MatMul"]},
        )
        done = onnx.load(str(quantised))
    _quantise_tables(done)
    _save(onnx, done, target)


def compress_weights(source: Path, target: Path) -> None:
    """Write a model whose weights have 8 bits, each output with a scale of its own.

    Raises:
        MissingDependencyError: Without the extra `export`.
    """
    onnx = _onnx()
    model = _load(source)
    graph = model.graph
    weights = {value.name: value for value in graph.initializer}
    for node in [n for n in graph.node if n.op_type == "MatMul" and _is_weight(n, weights)]:
        name = node.input[1]
        whole, scale = _to_int8(onnx.numpy_helper.to_array(weights[name]), axis=0)
        _replace(onnx, graph, name, whole, scale.ravel())
        at = list(graph.node).index(node)
        parts = [f"{name}_int8", f"{name}_scale"]
        graph.node.insert(
            at, onnx.helper.make_node("DequantizeLinear", parts, [f"{name}_whole"], axis=1)
        )
        node.input[1] = f"{name}_whole"
        if all(name not in other.input for other in graph.node):
            graph.initializer.remove(weights[name])
    _quantise_tables(model)
    _save(onnx, model, target)


def _quantise_tables(model: Any) -> None:
    """Turn large tables of vectors into rows of whole numbers, each with a scale of its own."""
    onnx = _onnx()
    graph = model.graph
    tables = {v.name: v for v in graph.initializer if len(v.dims) == 2 and v.dims[0] >= MIN_ROWS}
    users: dict[str, list[Any]] = {name: [] for name in tables}
    for node in graph.node:
        for name in node.input:
            if name in tables:
                users[name].append(node)
    for name, nodes in users.items():
        is_table = nodes and all(n.op_type == "Gather" and n.input[0] == name for n in nodes)
        array = onnx.numpy_helper.to_array(tables[name])
        if not is_table or array.dtype != np.float32:
            continue
        whole, scale = _to_int8(array, axis=1)
        _replace(onnx, graph, name, whole, scale)
        for node in nodes:
            _look_up_twice(onnx, graph, node, name)
        graph.initializer.remove(tables[name])


def _look_up_twice(onnx: Any, graph: Any, node: Any, name: str) -> None:
    """Let a look-up take whole numbers and their scale, and multiply them."""
    at, ids, out = list(graph.node).index(node), node.input[1], node.output[0]
    make = onnx.helper.make_node
    graph.node.remove(node)
    for step in reversed(
        (
            make("Gather", [f"{name}_int8", ids], [f"{out}_int8"], axis=0),
            make("Cast", [f"{out}_int8"], [f"{out}_float"], to=onnx.TensorProto.FLOAT),
            make("Gather", [f"{name}_scale", ids], [f"{out}_scale"], axis=0),
            make("Mul", [f"{out}_float", f"{out}_scale"], [out]),
        )
    ):
        graph.node.insert(at, step)


def _to_int8(weights: FloatArray, *, axis: int) -> tuple[Any, FloatArray]:
    """Return whole numbers within ±127, and the scale of each row or column, `axis` kept as 1."""
    largest = np.abs(weights).max(axis=axis, keepdims=True)
    scale: FloatArray = np.where(largest > 0, largest / 127, 1).astype(np.float32)
    return np.clip(np.round(weights / scale), -127, 127).astype(np.int8), scale


def _replace(onnx: Any, graph: Any, name: str, whole: Any, scale: FloatArray) -> None:
    known = {value.name for value in graph.initializer}
    if f"{name}_int8" not in known:
        graph.initializer.append(onnx.numpy_helper.from_array(whole, f"{name}_int8"))
        graph.initializer.append(onnx.numpy_helper.from_array(scale, f"{name}_scale"))


def _products(model: Any) -> list[tuple[str, tuple[int, int]]]:
    """Return name and shape of every product with a weight."""
    weights = {value.name: value for value in model.graph.initializer}
    return [
        (node.name, tuple(weights[node.input[1]].dims))
        for node in model.graph.node
        if node.op_type == "MatMul" and _is_weight(node, weights)
    ]


def _is_weight(node: Any, weights: Mapping[str, Any]) -> bool:
    return node.input[1] in weights and len(weights[node.input[1]].dims) == 2


def _load(source: Path) -> Any:
    """Return a model without the shapes that its export has noted, which quantisers trip over."""
    model = _onnx().load(str(source))
    del model.graph.value_info[:]
    return model


def _save(onnx: Any, model: Any, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(
        model,
        str(target),
        save_as_external_data=_is_large(model),
        location=f"{target.name}.data",
    )


def _is_large(model: Any) -> bool:
    from homing.deployment.graph import IN_ONE_FILE

    return sum(len(value.raw_data) for value in model.graph.initializer) > IN_ONE_FILE


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise MissingDependencyError.for_extra("onnx", "export") from error
    return onnx


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the quantisers from reporting every node, and from hints meant for their makers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
