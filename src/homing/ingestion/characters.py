"""Odd characters become plain ones, in every format."""

from __future__ import annotations

import re

LIGATURES = {"\ufb00": "ff", "\ufb01": "fi", "\ufb02": "fl", "\ufb03": "ffi", "\ufb04": "ffl"}
ODD = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x84\\x86-\\x9f\u00ad\u200b\u2060\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
    "|[\u00a0\u2000-\u200a\u202f\u205f\u3000]"
    "|[\x85\u2028\u2029]"
    "|[\ufb00-\ufb04]"
)
LINE_ENDS = "\x0b\x0c\x85\u2028\u2029"


def clean_text(text: str) -> str:
    """Return `text` with plain line ends and spaces, no control characters, no ligatures."""
    return ODD.sub(_plain, text.replace("\r\n", "\n").replace("\r", "\n"))


def _plain(match: re.Match[str]) -> str:
    odd = match[0]
    if odd in LIGATURES:
        return LIGATURES[odd]
    if odd in LINE_ENDS:
        return "\n"
    return " " if odd.isspace() else ""


def squash(text: str) -> str:
    """Return `text` as one line with single spaces."""
    if not (text.isascii() and text.isprintable()):
        text = clean_text(text)
    return " ".join(text.split())
