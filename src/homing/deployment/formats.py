"""The formats of an export, and what each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from homing.deployment.backends import Backend
from homing.errors import UsageError


@dataclass(frozen=True, slots=True)
class Format:
    """What an export is made of.

    Attributes:
        backend: What runs it.
        precision: Of weights and arithmetic, for people.
        is_calibrated: Whether passages are needed to make it.
    """

    backend: Backend
    precision: str
    is_calibrated: bool = False


FORMATS: Mapping[str, Format] = {
    "onnx": Format("onnx", "float32"),
    "onnx-int8": Format(
        "onnx",
        "weights of 8 bits in blocks, their inputs quantised token by token as it runs; attention, "
        "pooling and normalisation in float32",
    ),
    "onnx-int8-static": Format(
        "onnx",
        "weights of 8 bits by output, their inputs by ranges found on passages; the second "
        "products of the feed-forward layers, attention, pooling and normalisation in float32",
        is_calibrated=True,
    ),
    "openvino": Format("openvino", "float32"),
    "openvino-fp16": Format("openvino", "weights kept in 16 bits, computed in float32"),
    "openvino-int8": Format(
        "openvino",
        "weights of 8 bits by output, their inputs quantised as it runs where the processor "
        "multiplies 8 bits; the rest in float32",
    ),
    "safetensors": Format("torch", "float32"),
}


def read_formats(text: str | Sequence[str]) -> list[str]:
    """Return the formats that a text lists, each once, in its order.

    Raises:
        UsageError: One is not known, or none is named.
    """
    parts = text.split(",") if isinstance(text, str) else text
    names = list(dict.fromkeys(part.strip().lower() for part in parts if part.strip()))
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        what = f"{unknown[0]!r} is no format of an export" if unknown else "No format is named"
        raise UsageError(
            f"{what}. There are: {', '.join(FORMATS)}. Name them so: --to onnx-int8,openvino"
        )
    return names
