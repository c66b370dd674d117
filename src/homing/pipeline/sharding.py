"""A step of a stage over the shards of a table: what workers finish is kept, and put together.

Each shard's results, a *part*, lie in a folder of their own under cache/parts/, named by what they
were made from; `done.json` is written last. Whoever dies, worker, machine or driver, a part that is
done is not made again. When its stage has ended well, the parts are removed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from homing.dataset.shards import Shard, concatenate
from homing.engine.base import Engine, Per, values_of
from homing.pipeline.job import CACHE, Job
from homing.progress import track
from homing.storage import join, list_files, read_bytes, remove, write_bytes
from homing.workspace import hash_code

PARTS = f"{CACHE}/parts"
DONE = "done.json"

ShardFunction = Callable[[Shard, str], Mapping[str, Any]]
"""Reads a shard, writes tables into a folder (a place), and returns what it counted (JSON)."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a worker made of one shard.

    Attributes:
        folder: The place of its tables.
        summary: What the function returned.
    """

    folder: str
    summary: Mapping[str, Any]

    def table(self, name: str) -> str:
        """Return the place of one of its tables."""
        return join(self.folder, f"{name}.parquet")


@dataclass(frozen=True)
class Step:
    """A function over all shards of a table.

    Attributes:
        name: Stage and step, such as "write/questions"; the parts' folder is called so.
        function: See `ShardFunction`; importable, as an engine asks.
        rooms: Parts of Homing whose code decides the outcome.
        depends: Whatever else does, JSON-able: settings, digests of other inputs.
    """

    name: str
    function: ShardFunction
    rooms: Sequence[str]
    depends: Mapping[str, Any]

    def key(self, content: str) -> str:
        """Return the name of a part, given what stands for its shard's content."""
        said = [hash_code(*self.rooms), json.dumps(self.depends, sort_keys=True), content]
        return hashlib.sha256("\0".join(said).encode()).hexdigest()[:16]


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

    Args:
        digest: SHA-256 of the table that the shards are of.
        title: Of the progress bar, which counts rows.

    Raises:
        EngineError: A worker failed; what others finished is kept.
    """
    folder = join(job.shared, PARTS, step.name)
    keys = [f"{shard.number:05d}-{step.key(shard.key(digest))}" for shard in shards]
    done = {file.name.partition("/")[0] for file in list_files(folder) if _is_done(file.name)}
    places = [join(folder, key) for key in keys]
    missing = [
        (shard, place)
        for shard, place, key in zip(shards, places, keys, strict=True)
        if key not in done
    ]
    with track(title, sum(shard.n_rows for shard in shards)) as task:
        task.advance(sum(s.n_rows for s, k in zip(shards, keys, strict=True) if k in done))
        made = _make(job.engine, step.function, missing, per, task.advance)
    return [Part(place, made[place] if place in made else _summary(place)) for place in places]


def put_together(job: Job, parts: Sequence[Part], table: str, relative: str, schema: Any) -> int:
    """Return how many rows the workspace's table now has: those of all parts, in order."""
    return concatenate([part.table(table) for part in parts], job.path(relative), schema)


def forget_parts(job: Job, stage: str) -> None:
    """Remove the parts of a stage that has ended well."""
    remove(join(job.shared, PARTS, stage))


def _make(
    engine: Engine,
    function: ShardFunction,
    missing: Sequence[tuple[Shard, str]],
    per: Per,
    advance: Callable[[int], None],
) -> dict[str, Mapping[str, Any]]:
    if not missing:
        return {}
    made = {}
    outcomes = engine.map(partial(_one_part, function=function), missing, per=per)
    for (shard, place), summary in zip(missing, values_of(outcomes), strict=True):
        made[place] = summary
        advance(shard.n_rows)
    return made


def _one_part(item: tuple[Shard, str], function: ShardFunction) -> Mapping[str, Any]:
    """Make one part in a worker, and say last that it is whole."""
    shard, place = item
    summary = dict(function(shard, place))
    write_bytes(join(place, DONE), json.dumps(summary).encode())
    return summary


def _summary(place: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(read_bytes(join(place, DONE)))
    return found


def _is_done(name: str) -> bool:
    return name.endswith(f"/{DONE}")


def summaries(parts: Sequence[Part], name: str) -> Iterator[Any]:
    """Yield one entry of all summaries."""
    for part in parts:
        yield part.summary[name]
