"""`homing index`: the passages of a workspace, or of any dataset, into a store of vectors."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from homing.cli import options
from homing.cli.session import JsonOption, QuietOption, answering


def index(
    dataset: options.DatasetArgument,
    to: Annotated[
        str,
        typer.Option(
            metavar="LOCATION",
            help="lancedb:./db, qdrant:./db, qdrant:http://localhost:6333, chroma:./db, "
            "pgvector:postgresql://user@host/database, faiss:./index or parquet:./vectors.",
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(help="The model that embeds: a folder or hub id; else the workspace's own."),
    ] = None,
    backend: Annotated[
        Literal["torch", "onnx", "openvino"],
        typer.Option(help="What runs the model; onnx and openvino take an export."),
    ] = "torch",
    batch: Annotated[
        int | None, typer.Option(min=1, help="Passages written at a time; else as the store likes.")
    ] = None,
    keep_removed: Annotated[
        bool, typer.Option("--keep-removed", help="Keep passages that the corpus no longer has.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Fill anew what holds the vectors of another model.")
    ] = False,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Put the passages and their vectors into a store that others search.

    Run it again to continue, or to bring the store up to date: what is there is not embedded anew.
    """
    from homing.pipeline import index as index_passages

    with answering(json_output=json_output, quiet=quiet) as answer:
        indexed = index_passages(
            dataset,
            to,
            model=model,
            backend=backend,
            batch_size=batch,
            keep_removed=keep_removed,
            replace=replace,
        )
        answer.data, answer.text = indexed.as_json(), indexed.text
