"""Models in OpenVINO's own form: an .xml file with the graph and a .bin file with the weights."""

from __future__ import annotations

from pathlib import Path

from homing.errors import MissingDependencyError


def write_openvino(source: Path, target: Path, *, in_fp16: bool = False) -> None:
    """Write an ONNX model in OpenVINO's form.

    Args:
        target: The .xml file; the weights lie beside it.
        in_fp16: Whether weights of 32 bits are kept in 16.

    Raises:
        MissingDependencyError: Without the extra `openvino`.
    """
    try:
        import openvino
    except ImportError as error:
        raise MissingDependencyError.for_extra("openvino", "openvino") from error
    target.parent.mkdir(parents=True, exist_ok=True)
    model = openvino.convert_model(str(source))
    # The library's default keeps weights in 16 bits without saying so.
    openvino.save_model(model, str(target), compress_to_fp16=in_fp16)
