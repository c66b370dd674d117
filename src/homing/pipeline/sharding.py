"""A step of a stage in parts: what workers finish is kept, and put together.

Each *part* is made from one piece of the work, such as a shard of a table, and lies in a folder of
its own under cache/parts/, named by all that decides what is in it. Every attempt writes into a
fresh folder there, and `done.json` is written last, which says which attempt counts. Whoever dies,
worker, machine or driver, a part that is done is not made again, and half of one is never read.
When its stage has ended well, the parts are removed.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from homing.dataset.shards import Shard, concatenate
from homing.engine.base import EngineError, Failure, Per, values_of
from homing.pipeline.job import CACHE, Job
from homing.progress import say, track
from homing.storage import join, list_files, read_bytes, remove, write_bytes
from homing.workspace import hash_code

PARTS = f"{CACHE}/parts"
DONE = "done.json"
READERS = 16
"""Threads that read what `DONE` files say: a store answers many at a time, each after a while."""

Item = TypeVar("Item")
PartFunction = Callable[[Item, str], Mapping[str, Any]]
"""Takes an item, writes tables into a folder (a place), and returns what it counted (JSON)."""
ShardFunction = PartFunction[Shard]


@dataclass(frozen=True, slots=True)
class Part:
    """What a worker made of one piece.

    Attributes:
        folder: The place of its tables.
        summary: What the function returned.
    """

    folder: str
    summary: Mapping[str, Any]

    def table(self, name: str) -> str:
        """Return the place of one of its tables."""
        return join(self.folder, f"{name}.parquet")


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
        found = make(pieces, advance=task.advance)
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
    advance: Callable[[int], None] = lambda _: None,
    per: Per = "core",
    time_limit_s: Callable[[Item], float] | None = None,
) -> list[Part | Failure]:
    """Return the part of each piece, in order, or what became of the worker that died making it.

    Args:
        name: Stage and step.
        advance: Is told the weight of each piece that is dealt with.

    Raises:
        EngineError: The function raised; what others finished is kept.
    """
    folder = join(job.shared, PARTS, name)
    made: dict[str, Part | Failure] = {**_done_parts(folder)}
    missing = [piece for piece in pieces if piece.name not in made]
    advance(sum(piece.weight for piece in pieces if piece.name in made))
    outcomes = job.engine.map(
        partial(_make_part, function=function, folder=folder),
        ((piece.name, piece.item) for piece in missing),
        time_limit_s=time_limit_s and partial(_limit_of, time_limit_s=time_limit_s),
        per=per,
    )
    for piece, outcome in zip(missing, outcomes, strict=True):
        if outcome.failure is not None and outcome.failure.reason != "raised":
            made[piece.name] = outcome.failure
        else:
            made[piece.name] = next(values_of([outcome]))
        advance(piece.weight)
    return [made[piece.name] for piece in pieces]


def make_here(job: Job, name: str, function: PartFunction[Item], piece: Piece[Item]) -> Part:
    """Return a part that is made in this process."""
    return _make_part((piece.name, piece.item), function, join(job.shared, PARTS, name))


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


def _make_part(item: tuple[str, Item], function: PartFunction[Item], folder: str) -> Part:
    """Make one part, in a worker, and say last that it is whole and how large its files are."""
    name, content = item
    attempt = uuid.uuid4().hex[:12]
    place = join(folder, name, attempt)
    summary = dict(function(content, place))
    sizes = {file.name: file.size for file in list_files(place)}
    done = {"attempt": attempt, "files": sizes, "summary": summary}
    write_bytes(join(folder, name, DONE), json.dumps(done).encode())
    return Part(place, summary)


def _limit_of(item: tuple[str, Item], time_limit_s: Callable[[Item], float]) -> float:
    return time_limit_s(item[1])


def _done_parts(folder: str) -> dict[str, Part]:
    """Return name -> part of what earlier runs finished.

    A machine that lost its power may keep names without what was in the files: such a part is none.
    """
    there = {file.name: file.size for file in list_files(folder)}
    names = [path.rpartition("/")[0] for path in there if path.endswith(f"/{DONE}")]
    with ThreadPoolExecutor(READERS) as pool:
        contents = pool.map(lambda name: read_bytes(join(folder, name, DONE)), names)
        parts = {}
        for name, content in zip(names, contents, strict=True):
            with suppress(ValueError):
                done = json.loads(content)
                attempt = f"{name}/{done['attempt']}"
                if all(there.get(f"{attempt}/{n}") == size for n, size in done["files"].items()):
                    parts[name] = Part(join(folder, attempt), done["summary"])
    return parts


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
