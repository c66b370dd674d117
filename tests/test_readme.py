"""What the README shows is what works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"


def python_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_python_example_is_about_fifteen_lines_of_public_names():
    import homing

    example = python_blocks()[0]
    assert len(example.strip().splitlines()) <= 20
    names = set(re.findall(r"\bhoming\.(\w+)", example))
    assert {"ingest", "write", "curate", "train", "evaluate"} <= names
    assert all(hasattr(homing, name) for name in names)


@pytest.mark.slow
def test_the_python_example_runs_as_it_stands(tmp_path):
    pages = tmp_path / "handbook"
    export = [sys.executable, str(ROOT / "examples" / "stdlib" / "export.py"), str(pages)]
    subprocess.run(export, check=True, capture_output=True)
    for page in pages.glob("*.md"):
        if page.stem not in {"textwrap", "fnmatch", "statistics"}:
            page.unlink()
    script = tmp_path / "example.py"
    script.write_text(python_blocks()[0], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "the right passage among the first five" in done.stdout
    assert (tmp_path / "model" / "modules.json").is_file()
    use = python_blocks()[1].replace("tuned/model", str(tmp_path / "model"))
    shown = subprocess.run(
        [sys.executable, "-c", use], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    assert "tensor" in shown.stdout


def test_every_command_of_the_readme_is_a_verb():
    from homing.cli.main import app

    known = {c.name for c in app.registered_commands} | {g.name for g in app.registered_groups}
    shown = set(re.findall(r"^    homing (\w+)", README.read_text(encoding="utf-8"), re.MULTILINE))
    assert shown
    assert shown <= known
