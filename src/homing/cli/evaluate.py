"""`homing evaluate`: contenders on the same questions, for a workspace or any dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from homing.cli import options
from homing.cli.session import JsonOption, QuietOption, answering


def evaluate(
    dataset: options.DatasetArgument,
    contender: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SPEC",
            help="SPEC is bm25, a model folder or hub id, or fusion(A,B) of two named "
            "contenders; may be repeated. A workspace without any compares its own.",
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="The split whose questions are asked.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="A folder for runs and measurements.")
    ] = None,
    max_tokens: options.MaxTokensOption = None,
    device: options.DeviceOption = None,
    seed: options.SeedOption = None,
    config: options.ConfigOption = None,
    set_: options.SetOption = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare retrievers on the same questions."""
    from homing.cli.stages import run_stage
    from homing.errors import UsageError
    from homing.pipeline import evaluate_dataset
    from homing.workspace import Workspace

    overrides = options.overrides(
        set_, evaluate__seed=seed, train__max_tokens=max_tokens, train__device=device
    )
    with answering(json_output=json_output, quiet=quiet) as answer:
        if contender:
            result = evaluate_dataset(
                dataset, contender, split=split, out=out, config=config, overrides=overrides
            )
            answer.data, answer.text = result.as_json(), result.text
        elif Workspace.is_at(dataset):
            if split is not None or out is not None:
                raise UsageError("Comparing a workspace's own takes neither --split nor --out.")
            run_stage("evaluate", dataset, answer, config=config, overrides=overrides)
        else:
            raise UsageError(
                f"{dataset} is not a workspace, so name what to compare: "
                f"homing evaluate {dataset} --contender bm25=bm25"
            )
