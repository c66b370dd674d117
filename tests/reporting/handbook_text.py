"""The staff handbook of an invented sailing school: sections, and what people ask about them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Section(NamedTuple):
    """One passage with the questions that it answers; page 0 stands for none."""

    path: str
    heading: str
    page: int
    text: str
    questions: tuple[str, ...]


def read_sections() -> tuple[Section, ...]:
    """Return the sections of handbook.txt; the file's first lines say how it is written."""
    text = (Path(__file__).parent / "handbook.txt").read_text(encoding="utf-8")
    return tuple(_section(block) for block in text.strip().split("\n# ")[1:])


def _section(block: str) -> Section:
    head, *lines = block.strip().splitlines()
    path, heading, page = (part.strip() for part in head.split("|"))
    return Section(
        path=path,
        heading=heading,
        page=0 if page == "-" else int(page),
        text=" ".join(line for line in lines if not line.startswith("? ")),
        questions=tuple(line[2:] for line in lines if line.startswith("? ")),
    )


SECTIONS = read_sections()
