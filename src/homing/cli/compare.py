"""`homing compare`: two finished evaluations side by side."""

from __future__ import annotations

from typing import Annotated

import typer

from homing.cli import options
from homing.cli.session import JsonOption, QuietOption, answering

EvaluationArgument = Annotated[
    str, typer.Argument(help="A workspace or its URI, or the folder of an evaluation.")
]


def compare(
    a: EvaluationArgument,
    b: EvaluationArgument,
    pair: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NAME",
            help="Set a contender of A beside one of B; without it those of equal name.",
        ),
    ] = None,
    seed: options.SeedOption = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare two finished evaluations of the same questions, B minus A."""
    from homing.pipeline import compare as compare_evaluations

    with answering(json_output=json_output, quiet=quiet) as answer:
        compared = compare_evaluations(a, b, pairs=pair, seed=seed or 0)
        answer.data, answer.text = compared.as_json(), compared.text
