"""Which of several processes this is, as `accelerate launch`, `torchrun` and `mpirun` say it.

Nothing is imported and nothing is connected: the launchers leave three numbers in the environment.
"""

from __future__ import annotations

import atexit
import os
import sys
from typing import NoReturn

_RANK = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
_LOCAL = (
    *("LOCAL_RANK", "MPI_LOCALRANKID"),
    *("OMPI_COMM_WORLD_LOCAL_RANK", "MV2_COMM_WORLD_LOCAL_RANK"),
)
_SIZE = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")


def rank() -> int:
    """Return the number of this process, from 0."""
    return _number(_RANK, 0)


def local_rank() -> int:
    """Return the number of this process on its machine, which is that of its GPU."""
    return _number(_LOCAL, 0)


def n_ranks() -> int:
    """Return how many processes work together, 1 where none was launched beside this one."""
    return max(1, _number(_SIZE, 1))


def is_main() -> bool:
    """Return whether this is the process that saves, scores dev and prints."""
    return rank() == 0


def exit_with(code: int) -> NoReturn:
    """End this process with an exit code, 0 to 255.

    One of several processes ends before the interpreter is torn down. torch's gradient reducer
    keeps the threads of gloo alive after the group is destroyed, and one of them that still holds a
    tensor by then asks for an interpreter that is gone and aborts a process whose work is done.
    """
    if n_ranks() == 1:
        sys.exit(code)
    atexit._run_exitfuncs()  # what sys.exit would run: logs, temporary files, the process group
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _number(names: tuple[str, ...], otherwise: int) -> int:
    texts = (os.environ.get(name, "") for name in names)
    return next((int(text) for text in texts if text.isdecimal()), otherwise)
