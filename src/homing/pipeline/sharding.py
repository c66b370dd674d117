"""A step of a stage in parts: what workers finish is kept, and put together.

Each part is made from one piece of the work, such as a shard of a table, and lies in a folder of
its own under cache/parts/, named by all that decides what is in it. Whoever dies, worker, machine
or driver, a part that is done is not made again. When its stage has ended well, the parts are
removed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from homing.dataset.parts import Part, PartFunction, done_parts, make_part
from homing.dataset.shards import Shard, concatenate
from homing.engine.base import EngineError, Failure, Per, values_of
from homing.pipeline.job import CACHE, Job
from homing.progress import Task, say, track
from homing.storage import join, remove
from homing.workspace import hash_code

__all__ = [
    "PARTS",
    "Part",
    "PartFunction",
    "Piece",
    "ShardFunction",
    "Step",
    "forget_parts",
    "make_here",
    "make_parts",
    "name_for",
    "put_together",
    "run_step",
    "summaries",
]

PARTS = f"{CACHE}/parts"
Item = TypeVar("Item")
ShardFunction = PartFunction[Shard]


@dataclass(frozen=True, slots=True)
class Piece(Generic[Item]):
    """What one part is made from.

    Attributes:
        name: Of the part's folder; stands for all that decides what is in it.
        item: What the function is given.
        weight: How far the progress bar moves with it.
    """

    name: str
    item: Item
    weight: int = 0


@dataclass(frozen=True)
class Step:
    """A function over all shards of a table.

    Attributes:
        name: Stage and step, such as "write/questions"; the parts' folder is called so.
        function: See `ShardFunction`; importable, as an engine asks.
        rooms: Parts of Homing whose code decides the outcome.
        depends: Whatever else does, JSON-able: settings, digests of other inputs.
        reject: Makes, in the driver, the part of a single row whose worker died of it, given what
            became of the worker. Without it such a row ends the job.
    """

    name: str
    function: ShardFunction
    rooms: Sequence[str]
    depends: Mapping[str, Any]
    reject: Callable[[Shard, str, Failure], Mapping[str, Any]] | None = None

    def pieces(self, shards: Sequence[Shard], digest: str) -> list[Piece[Shard]]:
        """Return what there is to do, given the SHA-256 of the table that the shards are of."""
        said = f"{hash_code(*self.rooms)}\0{json.dumps(self.depends, sort_keys=True)}\0"
        return [
            Piece(f"{shard.number:05d}-{name_for(said + shard.key(digest))}", shard, shard.n_rows)
            for shard in shards
        ]


def name_for(text: str) -> str:
    """Return a short name that stands for a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def run_step(
    job: Job,
    step: Step,
    shards: Sequence[Shard],
    *,
    digest: str,
    title: str,
    per: Per = "core",
) -> list[Part]:
    """Return the parts of all shards, in order; those that are there are not made again.

    A shard whose worker dies is tried once more. Where that fails as well, and the step can reject
    a row, the shard is halved until the row is found of which workers die: then there are several
    parts of the shard, in order.

    Args:
        digest: SHA-256 of the table that the shards are of.
        title: Of the progress bar, which counts rows.

    Raises:
        EngineError: A worker failed; what others finished is kept.
    """
    pieces = step.pieces(shards, digest)
    with track(title, sum(shard.n_rows for shard in shards)) as task:
        make = partial(make_parts, job, step.name, step.function, per=per)
        found = make(pieces, task=task)
        return [
            part
            for piece, made in zip(pieces, found, strict=True)
            for part in ([made] if isinstance(made, Part) else _rescued(job, step, piece, make))
        ]


def make_parts(
    job: Job,
    name: str,
    function: PartFunction[Item],
    pieces: Sequence[Piece[Item]],
    *,
    task: Task | None = None,
    per: Per = "core",
    time_limit_s: Callable[[Item], float] | None = None,
) -> list[Part | Failure]:
    """Return the part of each piece, in order, or what became of the worker that died making it.

    Args:
        name: Stage and step.
        task: Counts the weight of each piece that is dealt with.

    Raises:
        EngineError: The function raised; what others finished is kept.
    """
    folder = join(job.shared, PARTS, name)
    made: dict[str, Part | Failure] = {**done_parts(folder)}
    missing = [piece for piece in pieces if piece.name not in made]
    task = task or Task(name, None)
    task.already(sum(piece.weight for piece in pieces if piece.name in made))
    outcomes = job.engine.map(
        partial(make_part, function=function, folder=folder),
        ((piece.name, piece.item) for piece in missing),
        time_limit_s=time_limit_s and partial(_limit_of, time_limit_s=time_limit_s),
        per=per,
    )
    for piece, outcome in zip(missing, outcomes, strict=True):
        if outcome.failure is not None and outcome.failure.reason != "raised":
            made[piece.name] = outcome.failure
        else:
            made[piece.name] = next(values_of([outcome]))
        task.advance(piece.weight)
    return [made[piece.name] for piece in pieces]


def make_here(job: Job, name: str, function: PartFunction[Item], piece: Piece[Item]) -> Part:
    """Return a part that is made in this process."""
    return make_part((piece.name, piece.item), function, join(job.shared, PARTS, name))


def put_together(job: Job, parts: Sequence[Part], table: str, relative: str, schema: Any) -> int:
    """Return how many rows the workspace's table now has: those of all parts, in order."""
    return concatenate([part.table(table) for part in parts], job.path(relative), schema)


def forget_parts(job: Job, stage: str) -> None:
    """Remove the parts of a stage that has ended well."""
    remove(join(job.shared, PARTS, stage))


def summaries(parts: Sequence[Part], name: str) -> Iterator[Any]:
    """Yield one entry of all summaries."""
    for part in parts:
        yield part.summary[name]


def _limit_of(item: tuple[str, Item], time_limit_s: Callable[[Item], float]) -> float:
    return time_limit_s(item[1])


def _rescued(
    job: Job, step: Step, piece: Piece[Shard], make: Callable[..., list[Part | Failure]]
) -> list[Part]:
    """Return the parts of a shard whose worker died, which may have had nothing to do with it."""
    shard = piece.item
    say(f"{step.name}: the worker of rows {_rows(shard)} died; they are tried again")
    (again,) = make([piece])
    return [again] if isinstance(again, Part) else _halved(job, step, piece, again, make)


def _halved(
    job: Job,
    step: Step,
    piece: Piece[Shard],
    failure: Failure,
    make: Callable[..., list[Part | Failure]],
) -> list[Part]:
    shard = piece.item
    if step.reject is None:
        raise EngineError(
            f"{step.name}: workers die of rows {_rows(shard)} of {shard.place}: {failure.detail}. "
            "What other workers finished is kept: run the same command again, which continues."
        )
    if shard.n_rows == 1:
        reject = step.reject
        return [make_here(job, step.name, lambda row, place: reject(row, place, failure), piece)]
    halves = [Piece(f"{piece.name}.{i}", half) for i, half in enumerate(shard.halves())]
    return [
        part
        for half, made in zip(halves, make(halves), strict=True)
        for part in ([made] if isinstance(made, Part) else _halved(job, step, half, made, make))
    ]


def _rows(shard: Shard) -> str:
    return f"{shard.first_row + 1:,} to {shard.first_row + shard.n_rows:,}"
