"""Commands as they are typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from homing import progress
from homing.cli.main import app
from homing.cli.session import run_cli


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What stdout holds, which must be one JSON value and nothing else."""
        return json.loads(self.out)


@pytest.fixture
def homing(capsys) -> Callable[..., Done]:
    """Run `homing` with some arguments in this process."""

    def run(*arguments: object) -> Done:
        capsys.readouterr()
        code = run_cli(app, [str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    yield run
    progress.configure(quiet=False)
