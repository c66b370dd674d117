"""The page's scripts and styles, and the policy that names them.

The page allows no script but these, each by its hash, and no connection at all. So even a text that
got into the markup could neither run nor report home. The hashes hold for the libraries too, which
the page unpacks before it runs them.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from homing.reporting.packing import pack

LIBRARIES = ("vega-6.4.0.min.js", "vega-lite-6.5.0.min.js", "vega-embed-7.3.0.min.js")
SCRIPTS = (
    "payload.js",
    "charts.js",
    "tables.js",
    "words.js",
    "questions.js",
    "passages.js",
    "explorer.js",
    "start.js",
)
"""Our own, one after the other in one closure."""
STYLES = (
    "colours.css",
    "page.css",
    "opening.css",
    "sections.css",
    "tables.css",
    "charts.css",
    "lists.css",
    "forest.css",
    "explorer.css",
    "narrow.css",
    "print.css",
)
SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)


@cache
def page_script() -> str:
    """Return our own script, safe to stand inside a script element."""
    own = "\n".join(_read("templates/script", name) for name in SCRIPTS)
    return escape_script(f'(function () {{\n"use strict";\n{own}}})();\n')


@cache
def chart_libraries() -> tuple[str, ...]:
    """Return the libraries that draw the charts, in the order in which they are to run."""
    sources = (_read("vendor", name) for name in LIBRARIES)
    # A browser's developer tools would look for the map beside the page.
    return tuple(SOURCE_MAP.sub("", source.replace("\r\n", "\n")) for source in sources)


@cache
def packed_libraries() -> str:
    """Return the libraries deflated, which halves the page; our script inflates and runs them."""
    packed = pack(list(chart_libraries()))
    assert packed is not None
    return packed


@cache
def style_sheet() -> str:
    """Return the styles in their order."""
    return "\n".join(_read("templates/style", name) for name in STYLES)


@cache
def licences() -> str:
    """Return the licences of the chart libraries, which have to travel with them."""
    return escape_script(_read("vendor", "LICENSES.txt"))


def escape_script(source: str) -> str:
    """Return the script so that it can neither close its element nor open a comment in it.

    Inside JavaScript's strings and patterns the written forms mean the same.
    """
    source = source.replace("\r\n", "\n")
    source = re.sub(r"<(?=/script)", r"\\x3c", source, flags=re.IGNORECASE)
    return source.replace("<!--", r"\x3c!--")


def content_policy(scripts: Sequence[str]) -> str:
    """Return the Content-Security-Policy under which exactly these scripts run."""
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")


def _read(folder: str, name: str) -> str:
    return (files("homing.reporting") / folder / name).read_text(encoding="utf-8")
