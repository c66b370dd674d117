"""`homing export`: a model in the formats of other runtimes, each tried beside the original."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from homing.cli import options
from homing.cli.session import JsonOption, QuietOption, answering


def export(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A workspace or its URI, a model folder or a hub id."),
    ],
    to: Annotated[
        str,
        typer.Option(
            metavar="FORMAT,…",
            help="onnx, onnx-int8, onnx-int8-static, openvino, openvino-fp16, openvino-int8 or "
            "safetensors; several with commas.",
        ),
    ] = "onnx-int8",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            callback=options.on_this_machine,
            help="A folder for the formats; else exported in MODEL.",
        ),
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(
            callback=options.on_this_machine,
            help="What it is tried and calibrated on; else the workspace's own.",
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Whose questions it is tried on.")] = None,
    allowed_loss: Annotated[
        float, typer.Option(help="Points of nDCG@10 that an export may lose.")
    ] = 0.5,
    dimensions: Annotated[
        int | None, typer.Option(min=1, help="Cut vectors to their first dimensions.")
    ] = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Export a model for onnxruntime or OpenVINO, whole or in 8 bits.

    Each export is set against the model in float32 on the test questions: one that loses more than
    --allowed-loss is not handed over, and the command fails with that figure.
    """
    from homing.pipeline import export_model

    with answering(json_output=json_output, quiet=quiet) as answer:
        done = export_model(
            model,
            to,
            out=out,
            dataset=dataset,
            split=split,
            allowed_loss=allowed_loss,
            dimensions=dimensions,
        )
        answer.data = done.as_json()
        answer.text = done.text
