"""`homing init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from homing.cli.session import JsonOption, QuietOption, answering


def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("homing.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
    json_output: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write a commented homing.yaml with all settings."""
    from homing.errors import UsageError
    from homing.settings import starter_yaml

    with answering(json_output=json_output, quiet=quiet) as answer:
        if path.is_dir():
            path = path / "homing.yaml"
        if path.exists() and not force:
            raise UsageError(f"{path} exists already. Give another name, or --force.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(starter_yaml(), encoding="utf-8")
        answer.text = (
            f"Wrote {path}. Name your documents in it under 'sources', then: "
            f"homing run --config {path} --out tuned/"
        )
        answer.data = {"path": str(path)}
