"""`homing write`: passages to questions."""

from __future__ import annotations

from typing import Annotated

import typer

from homing.cli import options
from homing.cli.session import JsonOption, QuietOption, answering


def write(
    workspace: options.WorkspaceArgument,
    writer: Annotated[
        str | None, typer.Option(help='Who writes: "extractive", or "none" for given ones only.')
    ] = None,
    seed: options.SeedOption = None,
    config: options.ConfigOption = None,
    set_: options.SetOption = None,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write questions about the passages of a workspace."""
    from homing.cli.stages import run_stage

    overrides = options.overrides(set_, write__writer=writer, write__seed=seed)
    with answering(json_output=json_output, quiet=quiet) as answer:
        run_stage("write", workspace, answer, config=config, overrides=overrides)
