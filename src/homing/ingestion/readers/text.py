"""Plain text in whatever encoding."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from homing.ingestion.characters import clean_text
from homing.ingestion.raw import Block, RawDocument, UnreadableError

SAMPLE_BYTES = 200_000
MAX_CONTROL_SHARE = 0.02
BLANK_LINES = re.compile(r"\n[ \t]*\n\s*")
CONTROL_BYTES = bytes([*range(9), 11, *range(14, 27), *range(28, 32), 127])
NARROW = (
    "cp1252",
    "cp1250",
    "cp1251",
    "big5",
    "gb18030",
    "shift_jis",
    "euc_jp",
    "euc_kr",
    "koi8_r",
)
HIGH = re.compile(rb"[\x80-\xff]")
HIGH_RUNS = re.compile(rb"[\x80-\xff]{3,}")
EASTERN_SIGNS = re.compile(r"(?<=[^\W\d_])[¹³¿¼¾Ÿœšž](?=[^\W\d_])|[¹³](?=[^\W\d_])")
"""Polish or Czech letters of cp1250, as they look when taken for cp1252."""

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_text(path: Path) -> RawDocument:
    """Return the paragraphs of a text file; lines stay as they are.

    Raises:
        UnreadableError: "not_text".
    """
    text = clean_text(decode(path))
    blocks = tuple(Block(part.rstrip()) for part in BLANK_LINES.split(text) if part.strip())
    return RawDocument("", (blocks,))


def decode(path: Path) -> str:
    """Return the characters of a text file; see `decode_bytes`."""
    return decode_bytes(path.read_bytes(), path.name)


def decode_bytes(raw: bytes, name: str) -> str:
    """Return the characters of a text: by its byte order mark, as UTF-8, or by a guess.

    Raises:
        UnreadableError: "not_text" where the bytes are no text in any usual encoding.
    """
    encoding = guess_encoding(raw)
    if encoding is None:
        raise UnreadableError(
            "not_text",
            f"{name} holds binary data, not text. If it is a document, save it in one of the "
            "formats that can be read: PDF, DOCX, HTML, Markdown, EPUB or text.",
        )
    return raw.decode(encoding, errors="replace")


def guess_encoding(raw: bytes) -> str | None:
    """Return the name of the encoding of `raw`, or None where it is no text."""
    for mark, name in BOMS:
        if raw.startswith(mark):
            return name
    wide = _wide_encoding(raw[:SAMPLE_BYTES])
    if wide:
        return wide
    if _n_control(raw[:SAMPLE_BYTES]) > MAX_CONTROL_SHARE * min(len(raw), SAMPLE_BYTES):
        return None
    if is_utf8(raw) or _is_nearly_utf8(raw[:SAMPLE_BYTES]):
        return "utf-8"
    return _narrow_encoding(raw[:SAMPLE_BYTES])


def is_utf8(raw: bytes) -> bool:
    """Return whether `raw` is UTF-8, checked in pieces so that no second copy is made."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(raw), 1 << 20):
            decoder.decode(raw[start : start + (1 << 20)])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _is_nearly_utf8(sample: bytes) -> bool:
    """Return whether all but a few of the characters beyond ASCII are UTF-8."""
    text = sample.decode("utf-8", errors="replace")
    n_bad = text.count("\ufffd")
    n_good = sum(1 for character in text if character > "\x7f") - n_bad
    return n_good >= 4 * n_bad


def _n_control(raw: bytes) -> int:
    """Return how many bytes are control characters that text does not use."""
    return len(raw) - len(raw.translate(None, CONTROL_BYTES))


def _is_printable(text: str) -> bool:
    """Return whether nearly all characters are such as texts have."""
    n_odd = sum(1 for c in text if c == "\ufffd" or not (c.isprintable() or c.isspace()))
    return n_odd <= MAX_CONTROL_SHARE * len(text)


def _wide_encoding(sample: bytes) -> str | None:
    """Return "utf-16-le" or "utf-16-be" for UTF-16 without a mark, told by where its zeros are."""
    sample = sample[: len(sample) // 2 * 2]
    if len(sample) < 4:
        return None
    half = len(sample) / 2
    even, odd = sample[::2].count(0) / half, sample[1::2].count(0) / half
    for name, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if zeros > 0.3 and others < 0.05 and _is_printable(sample.decode(name, errors="replace")):
            return name
    return None


def _narrow_encoding(sample: bytes) -> str:
    """Return the one-byte or East Asian encoding that fits best.

    Words of Latin script hold single letters beyond ASCII; elsewhere those come in runs, and
    their statistics tell the encoding.
    """
    n_high = len(HIGH.findall(sample))
    if sum(map(len, HIGH_RUNS.findall(sample))) < 0.2 * n_high:
        western = sample.decode("cp1252", errors="replace")
        return "cp1250" if len(EASTERN_SIGNS.findall(western)) > 0.15 * n_high else "cp1252"
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=list(NARROW)).best()
    return best.encoding if best else "cp1252"
