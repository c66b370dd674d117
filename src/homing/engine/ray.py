"""An engine over a Ray cluster: tasks for a map per core, Ray Data's actors for one per device.

Ray places the work, moves items and values, and has what a lost process or node had in hand done
again elsewhere. Items run in a worker process below Ray's own, by the code of `LocalEngine`: see
`ray_relay`. A map per device has a pool of actors (`map_batches`), which hold an accelerator and
whose start takes one to three seconds; a map per core is a stream of tasks (`ray_tasks`), for which
Ray keeps its processes, and so we ours, from one map to the next.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from types import TracebackType
from typing import Any, Self

from homing.engine.base import EngineError, Failure, Item, Outcome, Per, Value
from homing.engine.ray_cluster import Connection, check_installed, connect, machines
from homing.engine.ray_manners import is_debugging
from homing.engine.ray_pool import Pool, pool_of
from homing.engine.ray_relay import (
    ANSWERS,
    WORK,
    Answer,
    Relay,
    Sealed,
    answers_in,
    present_surroundings,
    work_of,
)
from homing.engine.ray_tasks import TaskStream, gave_up
from homing.engine.ray_windows import WINDOW_PIECES, read_window
from homing.errors import MissingDependencyError


class RayEngine:
    """An `Engine` whose workers are those of a Ray cluster; it connects with its first map.

    Close it, or use it in a `with` block; a cluster of this machine ends with it.

    Args:
        address: See `connect`.
        n_workers: As many as the cluster has cores when None.

    Raises:
        MissingDependencyError: Ray is not installed.
    """

    name = "ray"

    def __init__(self, address: str | None = None, n_workers: int | None = None) -> None:
        if n_workers is not None and n_workers < 1:
            raise ValueError(f"n_workers must be at least 1, not {n_workers}")
        check_installed()
        self.address = address
        self.n_workers = n_workers
        self._connection: Connection | None = None

    def connect(self) -> None:
        """Connect to the cluster, unless that has happened; see `ray_cluster.connect`."""
        if self._connection is None:
            self._connection = connect(self.address, self.n_workers)

    def map(
        self,
        function: Callable[[Item], Value],
        items: Iterable[Item],
        *,
        time_limit_s: float | Callable[[Item], float] | None = None,
        per: Per = "core",
    ) -> Iterator[Outcome[Item, Value]]:
        """Yield one outcome for each item, in order; see `Engine.map`.

        Per core, items are read as they are begun. Per device they are read in windows, at most
        8,192 of them or about 64 MB; an actor, and with it a worker's copy of the function, lives
        as long as a window.
        """
        payload, unread = pickle.dumps(function), iter(items)
        self.connect()
        if per == "core":
            answers = TaskStream(payload, unread, time_limit_s, self.n_workers).answers()
        else:
            answers = _by_actors(payload, unread, time_limit_s)
        with closing(answers):
            for item, answer in answers:
                yield _outcome(item, answer)

    def close(self) -> None:
        """End the workers and leave the cluster; one of this machine ends."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _by_actors(
    function: bytes,
    items: Iterator[Item],
    limit: float | Callable[[Item], float] | None,
) -> Generator[tuple[Item, Answer], None, None]:
    """Yield each item with its answer, in order; see `TaskStream.answers`."""
    pool = pool_of(machines())
    while (window := read_window(items, WINDOW_PIECES, limit)).items:
        pieces = window.singles()
        with closing(_answers(function, pieces, pool.at_most(len(pieces)))) as answers:
            yield from zip(window.items, answers, strict=True)


def _answers(
    function: bytes, pieces: Sequence[Sequence[Sealed]], pool: Pool
) -> Generator[Answer, None, None]:
    """Yield the answers to all items of a window, in order."""
    dataset = _dataset(function, pieces, pool)
    # Read ahead, the first answer would wait for the second.
    batches = iter(
        dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    )
    try:
        for rows in _said_by_ray(batches):
            for row in rows[ANSWERS]:
                yield from answers_in(row.as_buffer())
    except BaseException:
        _stop(dataset)
        raise


def _dataset(function: bytes, pieces: Sequence[Sequence[Sealed]], pool: Pool) -> Any:
    """Return a dataset with a row of answers for each piece, which runs when it is read."""
    try:
        import ray.data
    except ImportError as error:  # Ray alone, without what its libraries need
        raise MissingDependencyError.for_extra("Ray Data", "ray") from error

    rows = [{WORK: work_of(piece)} for piece in pieces]
    whole = ray.data.from_items(rows, override_num_blocks=len(rows))
    dataset = whole.map_batches(
        Relay,
        batch_size=1,
        batch_format="pyarrow",
        fn_constructor_args=(function, present_surroundings(pool.n_threads)),
        compute=ray.data.ActorPoolStrategy(size=pool.size),
        **({"num_gpus": pool.n_gpus} if pool.n_gpus else {"num_cpus": pool.n_cpus}),
    )
    _settle(dataset.context)
    return dataset


def _settle(context: Any) -> None:
    """Set what holds for the execution of one dataset."""
    context.execution_options.preserve_order = True
    context.execution_no_progress_timeout_s = -1  # an item may take as long as it likes
    if not is_debugging():
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)


def _said_by_ray(batches: Iterator[Any]) -> Iterator[Any]:
    """Yield the same; what Ray raises on the way becomes an `EngineError`."""
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except Exception as error:
            raise EngineError(gave_up(error)) from error
        yield batch


def _stop(dataset: Any) -> None:
    """End the actors now; left alone, they would finish what they have in hand first."""
    executor = getattr(dataset, "_current_executor", None)
    if executor is not None:
        executor.shutdown(force=True)


def _outcome(item: Item, answer: Answer) -> Outcome[Item, Any]:
    if answer.reason is not None or answer.payload is None:
        return Outcome(item, None, Failure(answer.reason or "raised", answer.detail))
    try:
        return Outcome(item, pickle.loads(answer.payload))  # noqa: S301  (from our own worker)
    except Exception as error:
        return Outcome(item, None, Failure("raised", f"the value cannot be sent back: {error}"))
