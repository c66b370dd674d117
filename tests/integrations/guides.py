"""The commands and the code of a page of documentation, run as they stand there."""

from __future__ import annotations

import io
import re
import shlex
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"


def commands(page: str) -> list[list[str]]:
    """Return the arguments of every `homing …` command that stands in a line of its own."""
    text = (DOCS / page).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(r"^    homing (.*)$", text, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def python_blocks(page: str) -> list[str]:
    """Return the blocks of Python, in their order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def run_block(code: str, variables: dict[str, Any]) -> str:
    """Return what a block prints; the variables are those of the blocks before it."""
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "block", "exec"), variables)
    return printed.getvalue()
