"""The page's scripts: the chart libraries, the code that draws, and the policy that names them.

The page allows no script but these, each by its hash, and no connection at all. So even a text that
got into the markup could neither run nor report home.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

LIBRARIES = ("vega-6.4.0.min.js", "vega-lite-6.5.0.min.js", "vega-embed-7.3.0.min.js")
SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)


@cache
def page_scripts() -> tuple[str, ...]:
    """Return the scripts in their order, safe to stand inside a script element."""
    folder = files("homing.reporting")
    sources = [(folder / "vendor" / name).read_text(encoding="utf-8") for name in LIBRARIES]
    sources.append((folder / "templates" / "charts.js").read_text(encoding="utf-8"))
    # A browser's developer tools would look for the map beside the page.
    return tuple(escape_script(SOURCE_MAP.sub("", source)) for source in sources)


@cache
def licences() -> str:
    """Return the licences of the chart libraries, which have to travel with them."""
    text = (files("homing.reporting") / "vendor" / "LICENSES.txt").read_text(encoding="utf-8")
    return escape_script(text)


def escape_script(source: str) -> str:
    """Return the script so that it can neither close its element nor open a comment in it.

    Inside JavaScript's strings and patterns the written forms mean the same.
    """
    source = source.replace("\r\n", "\n")
    source = re.sub(r"<(?=/script)", r"\\x3c", source, flags=re.IGNORECASE)
    return source.replace("<!--", r"\x3c!--")


def chart_data(charts: Mapping[str, Any]) -> str:
    """Return the charts as JSON in which no character can be taken for markup."""
    text = json.dumps(charts, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def content_policy(scripts: Sequence[str]) -> str:
    """Return the Content-Security-Policy under which exactly these scripts run."""
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
