"""The staff handbook of an invented sailing school as files, and what people ask about it."""

from __future__ import annotations

import json
import re
import shutil
from collections import defaultdict
from pathlib import Path

import pytest

from homing.pipeline import Outcome, run

HANDBOOK_TEXT = Path(__file__).parents[1] / "reporting" / "handbook.txt"
SETTINGS = {
    "ingest.max_tokens": 64,
    "train.recipe": "full",
    "train.batch_passages": 4,
    "train.epochs": 2,
    "train.learning_rate": 2e-3,
    "evaluate.general": [],
    "evaluate.costs": False,
}
"""For a model of two layers and a corpus of some dozen passages."""


def sections() -> list[tuple[str, str, str, list[str]]]:
    """Return (file, heading, text, questions) of each section."""
    found = []
    for block in HANDBOOK_TEXT.read_text(encoding="utf-8").strip().split("\n# ")[1:]:
        head, *lines = block.strip().splitlines()
        path, heading, _ = (part.strip() for part in head.split("|"))
        text = " ".join(line for line in lines if not line.startswith("? "))
        asked = [line[2:] for line in lines if line.startswith("? ")]
        found.append((re.sub(r"\.\w+$", ".md", path), heading, text, asked))
    return found


def write_handbook(folder: Path) -> Path:
    """Write one Markdown file for each chapter."""
    chapters = defaultdict(list)
    for path, heading, text, _ in sections():
        chapters[path].append(f"## {heading}\n\n{text}\n")
    for path, parts in chapters.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"# {file.stem.title()}\n\n" + "\n".join(parts), encoding="utf-8")
    return folder


def write_questions(path: Path, chosen: list[tuple[str, str, str, list[str]]]) -> Path:
    """Write the sections' questions, each with its document and heading."""
    rows = [
        {"question": question, "document": file, "heading": heading}
        for file, heading, _, questions in chosen
        for question in questions
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def handbook(tmp_path) -> Path:
    """The handbook as a folder."""
    return write_handbook(tmp_path / "handbook")


@pytest.fixture
def asked(tmp_path) -> Path:
    """Questions that people asked about the first half of the sections."""
    return write_questions(tmp_path / "asked.jsonl", sections()[: len(sections()) // 2])


@pytest.fixture
def have_already(tmp_path) -> Path:
    """Questions about the second half of the sections."""
    return write_questions(tmp_path / "have.jsonl", sections()[len(sections()) // 2 :])


@pytest.fixture(scope="session")
def settings(tiny_model) -> dict[str, object]:
    """Settings under which a whole job takes seconds."""
    return {**SETTINGS, "train.base_model": str(tiny_model)}


@pytest.fixture(scope="session")
def finished(tmp_path_factory, settings) -> Outcome:
    """A job on the handbook that was run to its end; nobody changes anything in it."""
    folder = tmp_path_factory.mktemp("finished")
    return run(write_handbook(folder / "handbook"), out=folder / "tuned", settings=settings)


@pytest.fixture
def copied(tmp_path, finished) -> Path:
    """A copy of its workspace, to do with as one likes."""
    return shutil.copytree(finished.workspace, tmp_path / "tuned")
