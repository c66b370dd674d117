"""Export the documentation strings of the Python standard library, one Markdown page a module.

Text that every machine with Python has, and that nobody wrote for this demo: each page opens
with the module's own docstring, then has one section for each public class, method and function
whose docstring says something. Section headings are full names, such as `os.path.commonpath`, so
that questions can be keyed by name and survive a new Python version.

    python examples/stdlib/export.py OUT_FOLDER
"""

from __future__ import annotations

import pydoc
import sys
from pathlib import Path
from types import ModuleType

from homing.evaluation.general.docstrings import iter_docstrings, iter_modules, own_docstring


def page(name: str, module: ModuleType, seen: set[str]) -> str:
    """Return one module's Markdown page; docstrings in `seen` (aliases) are left out."""
    lines = [f"# {name}", "", escape(own_docstring(module) or pydoc.splitdoc(name)[0]), ""]
    for docstring in iter_docstrings(name, module):
        if docstring.text in seen:
            continue
        seen.add(docstring.text)
        lines += [f"## {docstring.name}", ""]
        signature = docstring.signature
        if signature and len(signature) <= 160 and " at 0x" not in signature:
            lines += [f"`{docstring.name.rsplit('.', 1)[1]}{signature}`", ""]
        lines += [escape(docstring.text), ""]
    return "\n".join(lines)


def escape(text: str) -> str:
    """Return `text` with lines that Markdown would take for headings made plain."""
    return "\n".join("\\" + line if line.startswith("#") else line for line in text.split("\n"))


def export(folder: Path) -> int:
    """Write the pages into `folder` and return how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    n_pages = 0
    for name, module in iter_modules():
        (folder / f"{name}.md").write_text(page(name, module, seen), encoding="utf-8")
        n_pages += 1
    return n_pages


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(f"{export(Path(sys.argv[1]))} pages written to {sys.argv[1]}")
