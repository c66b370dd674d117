"""Where an index lies: `lancedb:./db`, `qdrant:http://host:6333?collection=handbook` and others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode

from homing.errors import UsageError

LANCEDB, QDRANT, CHROMA = "lancedb", "qdrant", "chroma"
PGVECTOR, FAISS, PARQUET = "pgvector", "faiss", "parquet"
OPTIONS: Mapping[str, Mapping[str, str]] = {
    LANCEDB: {"table": "vectors", "index": "none"},
    QDRANT: {"collection": "homing"},
    CHROMA: {"collection": "homing"},
    PGVECTOR: {"table": "data_homing", "index": "hnsw"},
    FAISS: {"index": "flat"},
    PARQUET: {},
}
"""Kind -> what may stand behind the question mark -> what holds where it does not."""
INDEXES: Mapping[str, tuple[str, ...]] = {
    LANCEDB: ("none", "hnsw"),
    PGVECTOR: ("hnsw", "ivfflat", "none"),
    FAISS: ("flat", "hnsw"),
}
EXAMPLES = (
    "lancedb:./db, qdrant:./db, qdrant:http://localhost:6333, chroma:./db, "
    "pgvector:postgresql://user@host/database, faiss:./index or parquet:./vectors"
)
SERVERS = ("http://", "https://")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,57}[A-Za-z0-9]")
BEFORE_HOST = re.compile(r"(://[^/@:\s]*:)(\S*)(@)")
"""Up to the last @: a password that is not quoted as it should be is hidden whole."""
IN_QUERY = re.compile(r"([?&]\w*password=)([^&\s]*)")
TABLE_NAME = re.compile(r"[a-z][a-z0-9_]{1,57}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Location:
    """Where an index lies. `str()` is for people: it never holds a password.

    Attributes:
        kind: Which store, such as "lancedb".
        target: A folder, or the address of a server; may hold a password.
        options: All that the kind knows, defaults filled in.
    """

    kind: str
    target: str = field(repr=False)
    options: Mapping[str, str]

    @property
    def name(self) -> str:
        """The table or collection, "" where the store holds just one index."""
        return self.options.get("table") or self.options.get("collection") or ""

    @property
    def is_server(self) -> bool:
        """Whether another process holds the vectors."""
        return self.kind == PGVECTOR or self.target.startswith(SERVERS)

    @property
    def folder(self) -> Path | None:
        """The folder on this machine; None for a server or a bucket."""
        if self.is_server or "://" in self.target:
            return None
        return Path(self.target).expanduser()

    def __str__(self) -> str:
        """Return the location as it was written, without the password."""
        own = {k: v for k, v in self.options.items() if v != OPTIONS[self.kind][k]}
        shown = without_password(self.target)
        if not own:
            return f"{self.kind}:{shown}"
        return f"{self.kind}:{shown}{'&' if '?' in shown else '?'}{urlencode(own)}"


def parse_location(text: str) -> Location:
    """Return the location that a text names.

    Raises:
        UsageError: It names no store, or one with an option that it does not have.
    """
    text = text.strip()
    kind, _, target = text.partition(":")
    if text.startswith(SERVERS):
        kind, target = QDRANT, text
    elif text.startswith(("postgresql://", "postgres://")):
        kind, target = PGVECTOR, text
    if kind not in OPTIONS:
        raise UsageError(f"{without_password(text)!r} names no store. Write {EXAMPLES}.")
    target, given = _split(kind, target)
    if not target:
        raise UsageError(f"{kind}: does not say where. Write {EXAMPLES}.")
    if kind == PGVECTOR and not target.startswith(("postgresql://", "postgres://")):
        raise UsageError(
            "pgvector: takes the address of a database, such as "
            "pgvector:postgresql://user@host:5432/database."
        )
    if kind != PGVECTOR and target.startswith(SERVERS) and kind != QDRANT:
        raise UsageError(f"{kind}: takes a folder, not the address of a server.")
    return Location(kind, target, _checked(kind, given))


def without_password(text: str) -> str:
    """Return a text without the passwords of an address in it."""
    return IN_QUERY.sub(r"\1***", BEFORE_HOST.sub(r"\1***\3", text))


def passwords_in(text: str) -> set[str]:
    """Return the passwords of an address, as they stand there and as they are meant."""
    found = {match[2] for pattern in (BEFORE_HOST, IN_QUERY) for match in pattern.finditer(text)}
    return {form for secret in found for form in (secret, unquote(secret)) if form}


def _split(kind: str, target: str) -> tuple[str, dict[str, str]]:
    """Return the target without our options, and them; what else a database's URL says stays."""
    bare, question, query = target.partition("?")
    if not question:
        return target, {}
    if kind != PGVECTOR:
        return bare, dict(parse_qsl(query, keep_blank_values=True))
    pairs = [part.partition("=") for part in query.split("&")]
    own = {name: unquote(value) for name, _, value in pairs if name in OPTIONS[kind]}
    # What is not ours stays to the letter: to libpq a plus is no space.
    rest = "&".join("".join(pair) for pair in pairs if pair[0] not in OPTIONS[kind])
    return f"{bare}?{rest}" if rest else bare, own


def _checked(kind: str, given: Mapping[str, str]) -> dict[str, str]:
    known = OPTIONS[kind]
    for name in given:
        if name not in known:
            takes = (
                f"it takes {' and '.join(f'?{k}=' for k in known)}" if known else "it takes none"
            )
            raise UsageError(f"{kind}: has no option {name!r}; {takes}.")
    options = {**known, **given}
    pattern = TABLE_NAME if kind == PGVECTOR else NAME
    for name in ("table", "collection"):
        if name in options and not pattern.fullmatch(options[name]):
            raise UsageError(
                f"{options[name]!r} cannot be the name of a {name} of {kind}: take 3 to 59 "
                f"{'lower-case ' if kind == PGVECTOR else ''}letters, digits and '_'."
            )
    choices = INDEXES.get(kind, ())
    if "index" in options and options["index"] not in choices:
        raise UsageError(f"{kind}: takes ?index= one of {', '.join(choices)}.")
    return options
