"""`homing report`: one page and a model card."""

from __future__ import annotations

from homing.cli import options
from homing.cli.session import JsonOption, QuietOption, answering


def report(
    workspace: options.WorkspaceArgument,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write report.html and the model card of a workspace."""
    from homing.cli.stages import run_stage

    with answering(json_output=json_output, quiet=quiet) as answer:
        run_stage("report", workspace, answer)
