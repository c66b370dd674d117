"""The documentation strings of the Python that runs: text that every machine with Python has.

Names are full, such as `os.path.commonpath`, so that questions can be keyed by them and survive a
new version of Python. Cost: about a second, most of it for importing the modules. Run as a script
it prints them as JSON; it needs nothing but the standard library.
"""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Docstring:
    """What Python says of one public class, method or function.

    Attributes:
        name: In full, such as "os.path.commonpath".
        signature: Such as "(paths)"; "" where Python cannot tell.
        text: The docstring, its indentation removed.
    """

    name: str
    signature: str
    text: str


def read_docstrings() -> list[Docstring]:
    """Return the docstrings of all modules, as a fresh process of this Python has them.

    In this process they may not be Python's own: libraries put things into the standard library's
    modules and replace others.

    Raises:
        OSError: No such process can be started.
        subprocess.CalledProcessError: It fails.
    """
    command = [sys.executable, "-I", "-S", __file__]
    done = subprocess.run(command, check=True, capture_output=True)
    return [Docstring(*fields) for fields in json.loads(done.stdout)]


def iter_modules() -> Iterator[tuple[str, ModuleType]]:
    """Yield name and module of `MODULES`, those left out that this Python does not have."""
    for name in MODULES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                yield name, importlib.import_module(name)
            except ImportError:
                continue


def iter_docstrings(name: str, module: ModuleType) -> Iterator[Docstring]:
    """Yield what a module offers and says something about (see `MIN_WORDS`), by name."""
    has_all = hasattr(module, "__all__")
    for attribute in _public_names(module):
        value = getattr(module, attribute, None)
        home = getattr(value, "__module__", None) or name
        if not callable(value) or (not has_all and home.split(".")[0] != name.split(".")[0]):
            continue
        if f"{name}.{attribute}" in LEFT_OUT or _is_exception(value):
            continue
        text = own_docstring(value)
        if len(text.split()) >= MIN_WORDS:
            yield Docstring(f"{name}.{attribute}", _signature_of(value), text)
        if isinstance(value, type):
            yield from _iter_methods(value, f"{name}.{attribute}")


def own_docstring(value: object) -> str:
    """Return the cleaned docstring that belongs to `value` itself, or "" where it has none."""
    text = getattr(value, "__doc__", None)
    if not isinstance(text, str):
        return ""
    if isinstance(value, type) and any(text == base.__doc__ for base in value.__mro__[1:]):
        return ""
    return inspect.cleandoc(text).strip()


def _public_names(module: ModuleType) -> list[str]:
    """Return the sorted public names of a module: its `__all__`, else those without `_`."""
    names = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
    return sorted(names)


def _iter_methods(cls: type, name: str) -> Iterator[Docstring]:
    """Yield the methods that a class defines itself."""
    for attribute, raw in sorted(vars(cls).items()):
        if attribute.startswith("_"):
            continue
        value = raw.__func__ if isinstance(raw, classmethod | staticmethod) else raw
        text = own_docstring(value) if callable(value) or isinstance(value, property) else ""
        if len(text.split()) >= MIN_WORDS:
            yield Docstring(f"{name}.{attribute}", _signature_of(value), text)


def _is_exception(value: object) -> bool:
    """Tell whether `value` is an exception class; their docstrings seldom say what one asks."""
    return isinstance(value, type) and issubclass(value, BaseException)


def _signature_of(value: object) -> str:
    """Return the call signature as text, or "" where Python cannot tell."""
    try:
        return str(inspect.signature(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""


if __name__ == "__main__":
    found = (d for name, module in iter_modules() for d in iter_docstrings(name, module))
    json.dump([(d.name, d.signature, d.text) for d in found], sys.stdout)
