"""Data for the page's scripts: as JSON that cannot be markup, or deflated where there is much."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

BEST_RATIO = 4
"""Text of this kind hardly ever shrinks further than to a quarter, as base64."""


def as_json(value: Any) -> str:
    """Return a value as JSON in which no character can be taken for markup."""
    text = _dumps(value)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def pack(value: Any, limit: int | None = None) -> str | None:
    """Return a value as base64 of its deflated JSON, or None where that is longer than `limit`.

    The alphabet of base64 holds no character of markup. Cost: about a second for 20 MB of JSON.

    Args:
        limit: In characters; None takes any length.
    """
    raw = _dumps(value).encode("utf-8", "surrogatepass")
    if limit is not None and len(raw) / BEST_RATIO > limit:
        return None
    packed = base64.b64encode(zlib.compress(raw, 9)).decode("ascii")
    return packed if limit is None or len(packed) <= limit else None


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
