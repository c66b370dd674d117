"""One stage of a workspace, as its verb runs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from homing.cli.session import Answer


def run_stage(
    name: str,
    folder: str,
    answer: Answer,
    *,
    create: bool = False,
    config: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> None:
    """Run one stage and fill in what the verb answers."""
    from homing.pipeline import STAGES, open_job

    with open_job(folder, create=create, config=config, overrides=overrides) as job:
        result = STAGES[name](job)
    answer.data = result.as_json()
    # What a stage came to has been said on stderr; a verdict is a result.
    answer.text = str(result.summary.get("text", ""))
