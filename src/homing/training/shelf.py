"""Tensors by key, two bytes a number: in memory, then in files that are read by memory map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from homing.progress import say

if TYPE_CHECKING:
    from torch import Tensor


class Shelf:
    """Keeps tensors (n, d) under keys; nothing is ever taken away.

    Args:
        folder: Of the file for what memory has no room for; None keeps nothing beyond.
        memory_bytes: What may be in memory.
        dtype: Of what is kept, a floating type of torch.
    """

    def __init__(self, folder: Path | None, memory_bytes: int, dtype: Any) -> None:
        self.folder = folder
        self._file = (folder or Path()) / "outputs.bin"
        self.memory_bytes = memory_bytes
        self.dtype = dtype
        self.bytes_in_memory = 0
        self.bytes_on_disk = 0
        self._memory: dict[bytes, Tensor] = {}
        self._disk: dict[bytes, tuple[int, tuple[int, int], Any]] = {}

    def rounding(self) -> float:
        """Return the largest relative error of a number that was put in."""
        import torch

        return float(torch.finfo(self.dtype).eps)

    def get(self, key: bytes) -> Tensor | None:
        """Return what was put under a key, None where nothing was."""
        import torch

        if key in self._memory:
            return self._memory[key]
        if key not in self._disk:
            return None
        offset, shape, dtype = self._disk[key]
        n_bytes = shape[0] * shape[1] * dtype.itemsize
        raw = np.memmap(self._file, np.uint8, "c", offset, (n_bytes,))
        return torch.from_numpy(raw).view(dtype).view(shape)

    def put(self, key: bytes, rows: Tensor) -> Tensor:
        """Return the tensor as it is kept: what is got later is the same, bit by bit."""
        import torch

        kept = rows.detach().to("cpu", self.dtype).contiguous()
        if not torch.isfinite(kept).all():
            kept = rows.detach().to("cpu", torch.bfloat16).contiguous()
        n_bytes = kept.numel() * kept.dtype.itemsize
        if self.bytes_in_memory + n_bytes <= self.memory_bytes:
            self._memory[key] = kept
            self.bytes_in_memory += n_bytes
        elif self.folder is not None:
            self._put_on_disk(key, kept)
        return kept

    def _put_on_disk(self, key: bytes, kept: Tensor) -> None:
        import torch

        assert self.folder is not None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._file.open("ab" if self.bytes_on_disk else "wb") as file:
                file.write(kept.view(torch.uint8).numpy().data)
        except OSError as error:
            # Without them every epoch costs what the first one did; the results are the same.
            say(f"train: what the frozen layers give cannot be kept in {self.folder}: {error}")
            self.folder = None
            return
        n_rows, width = kept.shape
        self._disk[key] = (self.bytes_on_disk, (n_rows, width), kept.dtype)
        self.bytes_on_disk += kept.numel() * kept.dtype.itemsize
