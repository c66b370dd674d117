"""`homing version`."""

from __future__ import annotations

from homing.cli.session import JsonOption, QuietOption, answering


def version(json_output: JsonOption = False, quiet: QuietOption = False) -> None:
    """Print the version."""
    from homing import __version__

    with answering(json_output=json_output, quiet=quiet) as answer:
        answer.text = __version__
        answer.data = {"version": __version__}
