"""Passages into a store, in batches, and only those that it does not hold as they are.

What is stored is asked of the store itself, by id and digest; so a job that was killed goes on
where it was, and one that is run again writes nothing. Cost: the corpus is read three times, every
new passage is embedded once; memory holds one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from homing.deployment.indexes.base import Facts, Store
from homing.deployment.indexes.planning import Plan
from homing.deployment.indexes.records import Record
from homing.errors import NothingToDoError, StoreError, UsageError
from homing.progress import muted, say, track
from homing.types import Encoder, passage_key

Records = Callable[[], Iterator[Record]]
"""Gives the passages from the first on, as often as it is called."""
PLANNED = 8192
"""Passages read at a time to tell which are new."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What became of a store.

    Attributes:
        n_passages: Of the corpus.
        n_written: New ones and changed ones.
        n_kept: Stored before as they are.
        n_removed: Stored before and no longer in the corpus.
        n_left: The same, but left there.
    """

    n_passages: int
    n_written: int
    n_kept: int
    n_removed: int
    n_left: int

    @property
    def n_stored(self) -> int:
        """How many passages the store must hold now."""
        return self.n_passages + self.n_left


def facts_of(encoder: Encoder, model: str) -> Facts:
    """Return what a store is to say about the vectors of an encoder.

    Args:
        model: Its name, for people.
    """
    return Facts(passage_key=passage_key(encoder), model=model, dimensions=encoder.dimensions)


def prepare(store: Store, facts: Facts, where: str, *, replace: bool = False) -> bool:
    """Return whether the store held an index of these passages' vectors already; else make it.

    Args:
        where: Names the store to people.
        replace: Whether an index of another model gives way.

    Raises:
        UsageError: It holds vectors of another model, or something that is not ours.
    """
    there = store.facts()
    if there is not None and replace:
        store.drop()
        there = None
    if there is None:
        store.create(facts)
        return False
    check_facts(there, facts, where)
    return True


def check_facts(there: Facts, ours: Facts, where: str) -> None:
    """Raise `UsageError` unless the vectors of a store are those of our model."""
    if there.format != ours.format:
        raise UsageError(
            f"{where} was written by another version of Homing. Fill it anew with --replace."
        )
    if there.passage_key == ours.passage_key:
        return
    detail = f"the vectors of {there.model}"
    if there.dimensions != ours.dimensions:
        detail += f" ({there.dimensions:,} dimensions, not {ours.dimensions:,})"
    elif there.model == ours.model:
        detail += " as it was, or in another precision"
    raise UsageError(
        f"{where} holds {detail}, and vectors of two models cannot be compared. Write to another "
        "table, collection or folder, or fill this one anew with --replace."
    )


def fill(
    store: Store,
    records: Records,
    encoder: Encoder,
    *,
    batch_size: int | None = None,
    keep_removed: bool = False,
) -> Filled:
    """Bring a store in line with the corpus; return what that took.

    Args:
        records: The corpus, with ids of its own for each passage.
        batch_size: Passages embedded and written at a time; None takes what suits the store.
        keep_removed: Whether passages stay that the corpus no longer has.

    Raises:
        NothingToDoError: The corpus is empty.
        UsageError: An id stands for two passages.
        StoreError: The store fails, or does not hold afterwards what it should.
    """
    plan = Plan()
    try:
        for batch in batched(records(), PLANNED):
            plan.want([(record.id, record.digest) for record in batch])
        if plan.n_wanted == 0:
            raise NothingToDoError("The corpus holds no passage, so there is nothing to index.")
        plan.found(store.entries())
        _remove_doubled(store, plan)
        n_to_write, n_unwanted = plan.n_to_write, plan.n_unwanted
        if n_to_write:
            store.begin(n_to_write)
            _write(store, records, encoder, plan, n_to_write, batch_size or store.batch_size)
        if not keep_removed:
            for ids in plan.unwanted():
                store.remove(ids)
        store.finish()
        filled = Filled(
            n_passages=plan.n_wanted,
            n_written=n_to_write,
            n_kept=plan.n_wanted - n_to_write,
            n_removed=0 if keep_removed else n_unwanted,
            n_left=n_unwanted if keep_removed else 0,
        )
        _check_ids(store, plan, filled)
    finally:
        plan.close()
    return filled


def batched(records: Iterator[Record], n: int) -> Iterator[list[Record]]:
    """Yield lists of `n` records, the last one shorter."""
    while batch := list(islice(records, n)):
        yield batch


def _remove_doubled(store: Store, plan: Plan) -> None:
    doubled = plan.forget_doubled()
    if doubled:
        say(f"index: {len(doubled):,} passages were stored more than once; they are written anew")
        for start in range(0, len(doubled), PLANNED):
            store.remove(doubled[start : start + PLANNED])


def _write(
    store: Store, records: Records, encoder: Encoder, plan: Plan, n_to_write: int, n: int
) -> None:
    """Embed and write what is missing or changed, batch by batch."""
    with track("Indexing", n_to_write) as progress:
        for batch in batched(_missing(records(), plan), n):
            with muted():  # the encoder's own bar, which would begin anew with every batch
                vectors = encoder.encode_passages([record.embedded for record in batch])
            known = plan.stored_among([record.id for record in batch])
            store.upsert(batch, vectors, known)
            plan.written((record.id, record.digest) for record in batch)
            progress.advance(len(batch))


def _missing(records: Iterator[Record], plan: Plan) -> Iterator[Record]:
    """Yield the passages that are not stored as they are, each id once."""
    for batch in batched(records, PLANNED):
        stored = plan.stored_among([record.id for record in batch])
        for record in batch:
            if stored.get(record.id) != record.digest:
                stored[record.id] = record.digest
                yield record


def _check_ids(store: Store, plan: Plan, filled: Filled) -> None:
    """Raise `StoreError` unless the store holds every passage once, and nothing else."""
    plan.found(store.entries())
    n_stored = store.count()
    n_missing, n_doubled = plan.n_to_write, plan.n_doubled
    n_strange = plan.n_unwanted - filled.n_left
    if n_missing or n_doubled or n_strange or n_stored != filled.n_stored:
        raise StoreError(
            f"The store counts {n_stored:,} passages where {filled.n_stored:,} belong: "
            f"{n_missing:,} are missing, {n_doubled:,} are there more than once and {n_strange:,} "
            "are not of this corpus. Is something else writing to it? Run the same command again."
        )
