"""Kept vectors for a corpus that passes by: what stays in memory is where they lie.

The folder is that of `CachedEncoder`, whose parts it reads and adds to. Memory: eight bytes for
each vector that is kept on disk, and the two parts that were read last.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from homing.progress import say
from homing.retrieval.cache import (
    DAMAGED,
    KEY_DIGITS,
    TEXTS_IN_PART,
    CachedEncoder,
    Digest,
    part_name,
    text_digest,
    write_part,
)
from homing.types import Encoder, FloatArray

PARTS_IN_MEMORY = 2
Starts = NDArray[np.uint64]
"""The first eight bytes of each digest of a part, sorted; the whole digest is compared later."""


class StreamedCache(CachedEncoder):
    """A `CachedEncoder` that does not hold the vectors themselves in memory."""

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        """Wrap an encoder; vectors are kept in `folder`, in a subfolder for each encoder key."""
        super().__init__(encoder, folder)
        self._folder = folder
        self._parts: dict[str, dict[Path, Starts]] = {}
        self._open: OrderedDict[Path, dict[Digest, FloatArray]] = OrderedDict()

    def keep_together(self, texts: Sequence[str]) -> Path:
        """Return the part that holds the vectors of these passages and no others, in their order.

        Those that are kept elsewhere are copied, and only what is new is embedded.

        Raises:
            OSError: It cannot be written.
        """
        key = self.passage_key
        if key not in self._parts:
            self._find_parts(key)
        digests = [text_digest(key, "passage", text) for text in texts]
        path = self._folder / key[:KEY_DIGITS] / part_name(digests)
        if path in self._parts[key] and self._load_part(path):
            return path
        kept = self._kept(key, digests)
        missing = {d: t for d, t in zip(digests, texts, strict=True) if d not in kept}
        new = list(missing)
        for start in range(0, len(new), TEXTS_IN_PART):
            part = new[start : start + TEXTS_IN_PART]
            vectors = self.encoder.encode_passages([missing[digest] for digest in part])
            kept.update(zip(part, vectors, strict=True))
        write_part(path, digests, self._in_order(digests, kept))
        self._parts[key][path] = _starts(digests)
        return path

    def _look_up(
        self,
        texts: Sequence[str],
        side: str,
        key: str,
        encode: Callable[[Sequence[str]], FloatArray],
    ) -> FloatArray:
        if key not in self._parts:
            self._find_parts(key)
        digests = [text_digest(key, side, text) for text in texts]
        kept = self._kept(key, digests)
        missing = {d: t for d, t in zip(digests, texts, strict=True) if d not in kept}
        if missing:
            new = list(missing)
            vectors = encode(list(missing.values()))
            kept.update(zip(new, vectors, strict=True))
            path = self._write_part(key, new, vectors)
            if path is not None:
                self._parts[key][path] = _starts(new)
        return self._in_order(digests, kept)

    def _in_order(self, digests: Sequence[Digest], kept: Mapping[Digest, FloatArray]) -> FloatArray:
        found = np.empty((len(digests), self.dimensions), dtype=np.float32)
        for row, digest in enumerate(digests):
            found[row] = kept[digest]
        return found

    def _kept(self, key: str, digests: Sequence[Digest]) -> dict[Digest, FloatArray]:
        """Return those of some vectors that are on disk."""
        asked = _starts(digests)
        kept: dict[Digest, FloatArray] = {}
        for path, starts in list(self._parts[key].items()):
            if len(np.intersect1d(asked, starts)):
                part = self._opened(key, path)
                kept.update((digest, part[digest]) for digest in digests if digest in part)
        return kept

    def _find_parts(self, key: str) -> None:
        self._parts[key] = {}
        for path in self._part_files(key):
            try:
                with np.load(path, allow_pickle=False) as part:
                    self._parts[key][path] = _starts([row.tobytes() for row in part["digests"]])
            except DAMAGED as error:
                say(f"Kept vectors in {path} are damaged and ignored: {error}")

    def _opened(self, key: str, path: Path) -> dict[Digest, FloatArray]:
        """Return digest -> vector of a part; {} where it is damaged."""
        if path in self._open:
            self._open.move_to_end(path)
            return self._open[path]
        part = self._load_part(path)
        if not part:
            del self._parts[key][path]
            return {}
        self._open[path] = part
        while len(self._open) > PARTS_IN_MEMORY:
            self._open.popitem(last=False)
        return self._open[path]


def _starts(digests: Sequence[Digest]) -> Starts:
    first = np.frombuffer(b"".join(digest[:8] for digest in digests), dtype=np.uint64)
    return np.sort(first)
