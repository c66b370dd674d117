"""Where a passage stands: its document's path and page, and a link to it where one is safe.

Paths come from outside, so they are text first. A link is made only of one that stays below the
folder that it is relative to, each of its characters quoted that could make it anything but a path,
and only to formats that a browser shows without running what is in them.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

from homing.reporting.data import ReportData
from homing.types import Passage

RUNNING_SUFFIXES = (".html", ".htm", ".xhtml", ".xht", ".shtml", ".svg", ".xml", ".mht", ".mhtml")
PAGED_SUFFIX = ".pdf"


def place_of(data: ReportData, passage: Passage) -> str:
    """Return a passage's path and page, such as "people/pay.pdf, page 3"; "" if unknown."""
    place = data.document_paths.get(passage.document_id, "")
    if passage.page is None:
        return place
    return f"{place}, page {passage.page}" if place else f"page {passage.page}"


def safe_link(path: str) -> str:
    """Return a relative link to a file beside or above the report, or "" where none is safe.

    Args:
        path: Relative to the report's folder, with `/`, such as "../handbook/pay.pdf".
    """
    if not path or path.startswith("/") or "\\" in path or not path.isprintable():
        return ""
    if posixpath.normpath(path) != path or path.lower().endswith(RUNNING_SUFFIXES):
        return ""
    # "./" in front: no first segment can then be read as a scheme.
    return quote(path if path.startswith("../") else f"./{path}", safe="/")


def link_of(data: ReportData, passage: Passage) -> str:
    """Return a link to a passage's document, at its page where the format has them; "" if none."""
    path = data.document_files.get(passage.document_id, "")
    link = safe_link(path)
    if link and passage.page is not None and has_pages(path):
        return f"{link}#page={passage.page}"
    return link


def root_of(files: Sequence[str], paths: Sequence[str]) -> str:
    """Return the folder, with a "/" at its end, that most files lie in under the paths shown.

    "" where there is none, or where no link into it is safe.
    """
    roots = Counter(
        file.removesuffix(path)
        for file, path in zip(files, paths, strict=True)
        if path and file.endswith(f"/{path}")
    )
    root = max(roots, key=lambda found: (roots[found], found), default="")
    return root if root.startswith("../") and safe_link(root.rstrip("/")) else ""


def has_pages(path: str) -> bool:
    """Return whether a browser opens the file at a page that the link names."""
    return path.lower().endswith(PAGED_SUFFIX)
