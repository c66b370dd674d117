"""`homing dataset convert`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from homing.cli import options
from homing.cli.session import JsonOption, QuietOption, answering

app = typer.Typer(help="Turn datasets from one layout into another.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Turn datasets from one layout into another."""


@app.command()
def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="IN", help="A workspace or its URI, a BEIR folder or LlamaIndex JSON."
        ),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", callback=options.on_this_machine, help="The folder or file to write."
        ),
    ],
    to: Annotated[
        Literal["beir", "llamaindex", "mteb"], typer.Option("--to", help="The layout to write.")
    ],
    split: Annotated[
        str | None,
        typer.Option(help="Write this split alone; a LlamaIndex file holds just one."),
    ] = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a dataset in another layout."""
    from homing.dataset import convert as convert_dataset
    from homing.pipeline.copies import copy_of

    with (
        answering(json_output=json_output, quiet=quiet) as answer,
        copy_of(source, write=False) as copy,
    ):
        dataset = convert_dataset(copy, target, to=to, split=split)
        n_qrels = {name: len(qrels) for name, qrels in dataset.qrels.items()}
        answer.data = {
            "path": str(target),
            "layout": to,
            "n_passages": dataset.n_passages,
            "n_queries": dataset.n_queries,
            "n_qrels": n_qrels,
        }
        splits = ", ".join(f"{name} {n:,}" for name, n in n_qrels.items())
        answer.text = (
            f"Wrote {target}: {dataset.n_passages:,} passages, {dataset.n_queries:,} questions "
            f"(judgements: {splits})."
        )
