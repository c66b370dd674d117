"""Several processes on one job: what they tell each other, and vectors that all of them see.

Every process encodes its share of a batch and gathers the others' vectors, so that the negatives
are those of the whole batch. The share is every n-th row, which makes the shares alike in length.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from homing.ranks import is_main, local_rank, n_ranks, rank

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
PATIENCE = timedelta(hours=3)
"""How long the others wait while the first one embeds the dev corpus."""


def connect(device: str) -> None:
    """Join the other processes; does nothing where this one is alone or has joined already.

    Args:
        device: "cpu", "cuda" or "mps", the same in every process.
    """
    if n_ranks() == 1:
        return
    import torch
    from accelerate import PartialState

    if device.startswith("cuda"):
        torch.cuda.set_device(local_rank())
    state = PartialState(cpu=device == "cpu", timeout=PATIENCE)
    atexit.register(state.destroy_process_group)


def from_main(work: Callable[[], T]) -> T:
    """Return in every process what `work` gives in the first one; the others do not run it."""
    if n_ranks() == 1:
        return work()
    import torch.distributed as dist

    told: list[T | None] = [work() if is_main() else None]
    dist.broadcast_object_list(told, src=0)
    return told[0]  # type: ignore[return-value]


def everyones(rows: Tensor, n_rows: int) -> Tensor:
    """Return the rows of all processes, (n_rows, d), in the order of the whole batch.

    Process r holds rows r, r + n, r + 2n, …. A gradient comes back for these alone; it is
    multiplied by the number of processes, since their gradients are averaged afterwards.

    Args:
        rows: (about n_rows / number of processes, d).
        n_rows: Rows of the whole batch.
    """
    n = n_ranks()
    if n == 1:
        return rows
    import torch
    import torch.distributed as dist

    own = rows.view_as(rows)
    if own.requires_grad:
        own.register_hook(lambda gradient: gradient * n)
    most = -(-n_rows // n)
    padded = torch.cat([own, own.new_zeros(most - len(own), own.shape[1])])
    others = [torch.empty_like(padded) for _ in range(n)]
    dist.all_gather(others, padded.detach().contiguous())
    others[rank()] = padded
    return torch.stack(others, dim=1).flatten(0, 1)[:n_rows]
