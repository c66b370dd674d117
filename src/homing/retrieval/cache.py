"""Vectors that were computed once and are kept: in memory, and on disk if a folder is given.

On disk each batch of new vectors is a part of its own, written under a temporary name and then
renamed; nothing is ever changed. A part whose checksum fails is ignored, its texts embedded anew.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from homing.dataset.tables import atomic
from homing.progress import say
from homing.retrieval.array_files import padding_before
from homing.types import Encoder, FloatArray, passage_key

TEXTS_IN_PART = 8_192
"""New texts embedded between two parts: what a crash can cost at most. The rows of a row group, so
that a corpus falls into the same batches wherever it is embedded."""
KEY_DIGITS = 32
"""Of an encoder's key, as the name of its subfolder."""
DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
"""What reading a part may raise that is not whole."""

Digest = bytes


class CachedEncoder:
    """An `Encoder` that asks another one only for texts it has not seen under the same key."""

    def __init__(self, encoder: Encoder, folder: Path | None = None) -> None:
        """Wrap an encoder.

        Args:
            folder: Where vectors are kept, in a subfolder for each encoder key; made when first
                needed. None keeps them in memory alone.
        """
        self.encoder = encoder
        self.key = encoder.key
        # Passages have vectors of their own where questions have a tower of their own.
        self.passage_key = passage_key(encoder)
        self.dimensions = encoder.dimensions
        self.folder = folder
        self._vectors: dict[Digest, FloatArray] = {}
        self._read: set[str] = set()

    @property
    def kept_in(self) -> tuple[Path, ...]:
        """The folders in which its vectors are kept, that of passages last; () in memory alone."""
        if self.folder is None:
            return ()
        keys = dict.fromkeys((self.key, self.passage_key))
        return tuple(self.folder / key[:KEY_DIGITS] for key in keys)

    def encode_queries(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector for each question, float32 (n, `dimensions`)."""
        return self._look_up(texts, "query", self.key, self.encoder.encode_queries)

    def encode_passages(self, texts: Sequence[str]) -> FloatArray:
        """Return one unit vector for each passage, float32 (n, `dimensions`)."""
        return self._look_up(texts, "passage", self.passage_key, self.encoder.encode_passages)

    def _look_up(
        self,
        texts: Sequence[str],
        side: str,
        key: str,
        encode: Callable[[Sequence[str]], FloatArray],
    ) -> FloatArray:
        if key not in self._read:
            self._read_parts(key)
        digests = [text_digest(key, side, text) for text in texts]
        missing = {
            digest: text
            for digest, text in zip(digests, texts, strict=True)
            if digest not in self._vectors
        }
        new = list(missing)
        for start in range(0, len(new), TEXTS_IN_PART):
            part = new[start : start + TEXTS_IN_PART]
            vectors = encode([missing[digest] for digest in part])
            self._vectors.update(zip(part, vectors, strict=True))
            self._write_part(key, part, vectors)
        found = np.empty((len(digests), self.dimensions), dtype=np.float32)
        for row, digest in enumerate(digests):
            found[row] = self._vectors[digest]
        return found

    def _read_parts(self, key: str) -> None:
        self._read.add(key)
        for path in self._part_files(key):
            self._vectors.update(self._load_part(path))

    def _part_files(self, key: str) -> list[Path]:
        if self.folder is None:
            return []
        return sorted((self.folder / key[:KEY_DIGITS]).glob("part-*.npz"))

    def _load_part(self, path: Path) -> dict[Digest, FloatArray]:
        """Return digest -> vector of a part; {} where it is damaged, which is said."""
        try:
            with np.load(path, allow_pickle=False) as part:
                digests, vectors = part["digests"], part["vectors"]
            if vectors.shape != (len(digests), self.dimensions) or vectors.dtype != np.float32:
                raise ValueError(f"it holds {vectors.dtype} {vectors.shape}")
        except DAMAGED as error:
            say(f"Kept vectors in {path} are damaged and ignored: {error}")
            return {}
        return dict(zip((digest.tobytes() for digest in digests), vectors, strict=True))

    def _write_part(self, key: str, digests: list[Digest], vectors: FloatArray) -> Path | None:
        """Return the file that now holds the vectors, None where none are kept."""
        if self.folder is None:
            return None
        path = self.folder / key[:KEY_DIGITS] / part_name(digests)
        try:
            write_part(path, digests, vectors)
        except OSError as error:
            # Losing the cache costs time, not results.
            say(f"Vectors cannot be kept in {self.folder} ({error}); going on without.")
            self.folder = None
            return None
        return path


def part_name(digests: Sequence[Digest]) -> str:
    """Return the name of the file that holds these vectors in this order."""
    return f"part-{hashlib.sha256(b''.join(digests)).hexdigest()[:16]}.npz"


def write_part(path: Path, digests: Sequence[Digest], vectors: FloatArray) -> None:
    """Write vectors and their names, whole or not at all.

    Raises:
        OSError: They cannot be written.
    """
    rows = np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(len(digests), -1)
    padding = padding_before("vectors", ("digests", rows.nbytes))
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, digests=rows, padding=padding, vectors=vectors)


def text_digest(key: str, side: str, text: str) -> Digest:
    """Return the name of a vector: a hash of the encoder's key, "query" or "passage", and text."""
    raw = text.encode("utf-8", "surrogatepass")
    return hashlib.sha256(f"{key}\n{side}\n".encode() + raw).digest()
