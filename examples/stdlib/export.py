"""Export the documentation strings of the Python standard library, one Markdown page a module.

Text that every machine with Python has, and that nobody wrote for this demo: each page opens
with the module's own docstring, then has one section for each public class, method and function
whose docstring says something (see `MIN_WORDS`). Section headings are full names, such as
`os.path.commonpath`, so that questions can be keyed by name and survive a new Python version.

    python examples/stdlib/export.py OUT_FOLDER
"""

from __future__ import annotations

import importlib
import inspect
import pydoc
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

MIN_WORDS = 10
"""Docstrings below this many words ("Return self.") cannot be told apart by any question."""

MODULES = (
    "argparse base64 bisect builtins calendar collections concurrent.futures configparser "
    "contextlib copy csv dataclasses datetime difflib enum fnmatch fractions functools gc "
    "getpass glob graphlib gzip hashlib heapq html inspect io itertools json logging math "
    "multiprocessing operator os os.path pathlib pickle pprint queue random re sched secrets "
    "shelve shlex shutil signal sqlite3 statistics string struct subprocess sys tarfile "
    "tempfile textwrap threading time timeit tracemalloc types unicodedata unittest "
    "unittest.mock urllib.parse urllib.request uuid warnings weakref webbrowser "
    "xml.etree.ElementTree zipfile zlib zoneinfo"
).split()

LEFT_OUT = {"builtins.bytearray", "builtins.bytes", "builtins.memoryview"}
"""Their methods repeat those of `str` word for word."""


def load_module(name: str) -> ModuleType | None:
    """Return the named module, or None where this Python does not have it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ImportError:
            return None


def own_docstring(value: object, parent: type | None = None) -> str:
    """Return the cleaned docstring that belongs to `value` itself, or "" where it has none."""
    text = getattr(value, "__doc__", None)
    if not isinstance(text, str):
        return ""
    if isinstance(value, type) and any(text == base.__doc__ for base in value.__mro__[1:]):
        return ""
    return inspect.cleandoc(text).strip()


def public_names(module: ModuleType) -> list[str]:
    """Return the sorted public names of a module: its `__all__`, else those without `_`."""
    names = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
    return sorted(names)


def sections(module: ModuleType, name: str) -> Iterator[tuple[str, str, str]]:
    """Yield (full name, signature, docstring) of what the module offers, each object once."""
    has_all = hasattr(module, "__all__")
    for attribute in public_names(module):
        value = getattr(module, attribute, None)
        home = getattr(value, "__module__", None) or name
        if not callable(value) or (not has_all and home.split(".")[0] != name.split(".")[0]):
            continue
        if f"{name}.{attribute}" in LEFT_OUT or is_exception(value):
            continue
        text = own_docstring(value)
        if len(text.split()) >= MIN_WORDS:
            yield f"{name}.{attribute}", signature_of(value), text
        if isinstance(value, type):
            yield from method_sections(value, f"{name}.{attribute}")


def method_sections(cls: type, name: str) -> Iterator[tuple[str, str, str]]:
    """Yield (full name, signature, docstring) of the methods that a class defines itself."""
    for attribute, raw in sorted(vars(cls).items()):
        if attribute.startswith("_"):
            continue
        value = raw.__func__ if isinstance(raw, classmethod | staticmethod) else raw
        text = own_docstring(value) if callable(value) or isinstance(value, property) else ""
        if len(text.split()) >= MIN_WORDS:
            yield f"{name}.{attribute}", signature_of(value), text


def is_exception(value: object) -> bool:
    """Tell whether `value` is an exception class; their docstrings seldom say what one asks."""
    return isinstance(value, type) and issubclass(value, BaseException)


def signature_of(value: object) -> str:
    """Return the call signature as text, or "" where Python cannot tell."""
    try:
        return str(inspect.signature(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""


def page(name: str, module: ModuleType, seen: set[str]) -> str:
    """Return one module's Markdown page; docstrings in `seen` (aliases) are left out."""
    lines = [f"# {name}", "", escape(own_docstring(module) or pydoc.splitdoc(name)[0]), ""]
    for full_name, signature, text in sections(module, name):
        if text in seen:
            continue
        seen.add(text)
        lines += [f"## {full_name}", ""]
        if signature and len(signature) <= 160 and " at 0x" not in signature:
            lines += [f"`{full_name.rsplit('.', 1)[1]}{signature}`", ""]
        lines += [escape(text), ""]
    return "\n".join(lines)


def escape(text: str) -> str:
    """Return `text` with lines that Markdown would take for headings made plain."""
    return "\n".join("\\" + line if line.startswith("#") else line for line in text.split("\n"))


def export(folder: Path) -> int:
    """Write the pages into `folder` and return how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    seen: set[str] = set()
    n_pages = 0
    for name in MODULES:
        module = load_module(name)
        if module is not None:
            (folder / f"{name}.md").write_text(page(name, module, seen), encoding="utf-8")
            n_pages += 1
    return n_pages


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(f"{export(Path(sys.argv[1]))} pages written to {sys.argv[1]}")
