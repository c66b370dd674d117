"""What every store must do, seen on the real ones."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hashed import HashEncoder, passage

from homing.deployment.indexes import opening
from homing.deployment.indexes.base import Store
from homing.deployment.indexes.indexing import Filled, facts_of, fill, prepare
from homing.deployment.indexes.locations import parse_location
from homing.deployment.indexes.opening import open_store
from homing.deployment.indexes.records import Record, record_of
from homing.deployment.indexes.verifying import verify
from homing.errors import MissingDependencyError, StoreError, UsageError, WorkspaceBusyError
from homing.types import Encoder, FloatArray, Passage

RULES = [passage(number) for number in range(50)]
TEXTS = {
    "nul": "Before\0after",
    "emoji": "👩🏽‍🚀 \U0001f600 zwölf — ‮right to left‬",
    "quotes": """'; DROP TABLE passages; -- "double" \\ back % _ $1 {curly}""",
    "escape": "A literal \\u0000, and a line\r\nbreak\ttab",
    "long": "A long passage. " * 6400,
    "space": " ",
    "it's \"quoted\" 'id' %s": "Its id holds quotes.",
    "emoji-👍/../x?y=z&#": "Its id holds an emoji, and what means something in paths.",
    "i" * 300: "Its id is long.",
    "surrogate": "A broken font \ud83d here",
}
STRANGE = [record_of(Passage(i, "d", 0, len(t), t, ("Title ' \0 👍",))) for i, t in TEXTS.items()]


@contextmanager
def opened(
    location: str, encoder: Encoder, *, replace: bool = False, write: bool = True
) -> Iterator[Store]:
    """Give a store that is ready for the vectors of an encoder."""
    with closing(open_store(parse_location(location), write=write)) as store:
        prepare(store, facts_of(encoder, "a-model"), location, replace=replace)
        yield store


def filled(
    location: str,
    records: Sequence[Record],
    encoder: Encoder,
    *,
    keep_removed: bool = False,
    replace: bool = False,
) -> Filled:
    """Fill a store in batches of 20, as a job would, and have it checked."""
    with opened(location, encoder, replace=replace) as store:
        done = fill(store, lambda: iter(records), encoder, batch_size=20, keep_removed=keep_removed)
        seen = verify(store, lambda: iter(records), len(records), encoder, ["what about light 3?"])
        assert seen.n_found_first == seen.n_sampled
        assert seen.recall == 1.0  # so few vectors are compared one by one everywhere
        return done


def stored(location: str, encoder: Encoder) -> dict[str, tuple[str, str]]:
    """Return id -> (digest, text) of all that a store holds, each asked for by its own vector."""
    with opened(location, encoder, write=False) as store:
        digests = [entry for batch in store.entries() for entry in batch]
        vectors = [
            (i, v) for ids, block in store.vectors() for i, v in zip(ids, block, strict=True)
        ]
        assert len({i for i, _ in digests}) == len(digests) == len(vectors) == store.count()
        texts = {}
        for start in range(0, len(vectors), 50):
            part = vectors[start : start + 50]
            for (wanted, _), hits in zip(
                part, store.search(np.stack([v for _, v in part]), 1), strict=True
            ):
                assert hits[0].id == wanted
                assert hits[0].score == pytest.approx(1.0, abs=1e-5)
                texts[wanted] = hits[0].text
        return {i: (digest, texts[i]) for i, digest in digests}


def test_all_passages_are_stored_and_found_with_text_and_place(location: str) -> None:
    encoder = HashEncoder()
    assert filled(location, RULES, encoder) == Filled(50, 50, 0, 0, 0)
    assert stored(location, encoder) == {r.id: (r.digest, r.text) for r in RULES}
    with opened(location, encoder, write=False) as store:
        (hits,) = store.search(encoder.encode_queries([RULES[7].embedded]), 5)
        assert len(hits) == 5
        assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
        assert hits[0].metadata == {
            "title": "Handbook > Rule 7",
            "path": "handbook/part-0.pdf",
            "page": 3,
            "document_id": "doc-0",
            "start": 700,
            "end": 700 + len(RULES[7].text),
        }


def test_a_second_run_embeds_and_writes_nothing(location: str) -> None:
    filled(location, RULES, HashEncoder())
    again = HashEncoder()
    with opened(location, again) as store:
        assert fill(store, lambda: iter(RULES), again) == Filled(50, 0, 50, 0, 0)
    assert again.encoded == []


def test_changed_passages_are_replaced_and_removed_ones_go(location: str) -> None:
    encoder = HashEncoder()
    filled(location, RULES, encoder)
    changed = [passage(n, f"Rule {n} was changed.") for n in range(0, 50, 7)]
    by_id = {r.id: r for r in [*RULES[:40], passage(99), *changed]}
    now = HashEncoder()
    assert filled(location, list(by_id.values()), now) == Filled(43, 9, 34, 8, 0)
    texts = set(now.encoded)
    assert {r.embedded for r in changed} <= texts
    assert stored(location, now) == {i: (r.digest, r.text) for i, r in by_id.items()}


def test_removed_passages_stay_where_that_is_asked_for(location: str) -> None:
    encoder = HashEncoder()
    filled(location, RULES, encoder)
    done = filled(location, RULES[:30], encoder, keep_removed=True)
    assert done == Filled(30, 0, 30, 0, 20)
    assert len(stored(location, encoder)) == 50


def test_strange_texts_and_ids_come_back_as_they_were(location: str) -> None:
    encoder = HashEncoder()
    filled(location, STRANGE, encoder)
    found = stored(location, encoder)
    for record in STRANGE:
        text = record.text.replace("\0", "\ufffd") if "pgvector" in location else record.text
        assert found[record.id] == (record.digest, text), record.id[:20]
    assert filled(location, STRANGE[:3], encoder) == Filled(3, 0, 3, len(STRANGE) - 3, 0)


def test_vectors_of_another_model_are_refused_with_the_remedy(location: str) -> None:
    filled(location, RULES, HashEncoder())
    with pytest.raises(UsageError, match=r"holds the vectors of a-model.*--replace"):
        filled(location, RULES, HashEncoder("another"))
    with pytest.raises(UsageError, match=r"16 dimensions, not 24.*--replace"):
        filled(location, RULES, HashEncoder(dimensions=24))
    assert len(stored(location, HashEncoder())) == 50
    other = HashEncoder("another", dimensions=24)
    assert filled(location, RULES[:20], other, replace=True) == Filled(20, 20, 0, 0, 0)
    assert set(stored(location, other)) == {r.id for r in RULES[:20]}


def test_two_jobs_do_not_fill_the_same_store_at_once(location: str) -> None:
    with opened(location, HashEncoder()), pytest.raises(WorkspaceBusyError):
        open_store(parse_location(location), write=True)


@pytest.mark.slow
def test_two_indexes_do_not_meet(place) -> None:
    for kind in ("lancedb", "qdrant", "chroma", "pgvector"):
        name = "collection" if kind in ("qdrant", "chroma") else "table"
        ours, theirs = (place(kind, **{name: f"the_{which}"}) for which in ("first", "second"))
        filled(ours, RULES, HashEncoder())
        filled(theirs, RULES[:5], HashEncoder("another", 24))
        assert len(stored(ours, HashEncoder())) == 50
        assert len(stored(theirs, HashEncoder("another", 24))) == 5


def test_an_id_for_two_passages_is_refused_before_anything_is_written(location: str) -> None:
    twice = [*RULES, passage(3, "Another text.")]
    with opened(location, HashEncoder()) as store:
        with pytest.raises(UsageError, match="'rule-00003' occurs twice"):
            fill(store, lambda: iter(twice), HashEncoder())
        assert store.count() == 0
        done = fill(store, lambda: iter([*RULES, RULES[3]]), HashEncoder())
        assert (done.n_passages, store.count()) == (50, 50)


@pytest.mark.parametrize("kind", ["lancedb", "parquet"])
def test_what_is_stored_twice_is_put_right(kind: str, place) -> None:
    location, encoder = place(kind), HashEncoder()
    filled(location, RULES, encoder)
    with opened(location, encoder) as store:
        store.upsert(RULES[:5], encoder.encode_passages([r.embedded for r in RULES[:5]]), ())
        assert store.count() == 55
    assert filled(location, RULES, encoder) == Filled(50, 5, 45, 0, 0)
    assert len(stored(location, encoder)) == 50


@pytest.mark.parametrize("kind", ["lancedb", "qdrant", "chroma", "parquet", "pgvector"])
def test_a_store_that_is_changed_behind_ones_back_is_told(kind: str, place) -> None:
    location, encoder = place(kind), HashEncoder()
    filled(location, RULES, encoder)
    with opened(location, encoder) as store:
        remove = store.remove
        store.finish = lambda: remove([RULES[3].id])  # type: ignore[method-assign]
        with pytest.raises(StoreError, match="1 are missing"):
            fill(store, lambda: iter(RULES), encoder)


@pytest.mark.parametrize("kind", ["lancedb", "qdrant", "chroma", "faiss", "pgvector"])
def test_without_its_library_a_store_names_the_extra(kind: str, place, monkeypatch) -> None:
    location = place(kind)
    module = opening.STORES[kind][1]
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == module else find(name, *a)
    )
    with pytest.raises(MissingDependencyError, match=rf"pip install 'homing\[{kind}\]'"):
        open_store(parse_location(location), write=True)


@pytest.mark.parametrize("kind", ["lancedb", "qdrant", "chroma", "faiss", "parquet"])
def test_a_folder_that_is_not_there_or_is_a_file(kind: str, place, tmp_path) -> None:
    with pytest.raises(UsageError, match="homing index"):
        open_store(parse_location(place(kind)), write=False)
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        open_store(parse_location(f"{kind}:{tmp_path / 'file'}"), write=True)


def test_many_passages_that_say_the_same_are_no_fault_of_the_store(location: str) -> None:
    copies = [replace(r, text="Page left blank.", title="") for r in RULES[:25]]
    encoder = HashEncoder()
    assert filled(location, [*copies, *RULES[25:]], encoder).n_written == 50


def test_a_text_without_a_known_word_is_stored_and_found_by_nobody(location: str) -> None:
    class Static(HashEncoder):
        def _vectors(self, texts: Sequence[str]) -> FloatArray:
            known = np.array([["???" not in text] for text in texts], dtype=np.float32)
            return super()._vectors(texts) * known

    encoder, blank = Static(), passage(50, "???")
    filled(location, [*RULES, blank], encoder)
    with opened(location, encoder, write=False) as store:
        assert store.count() == 51
        queries = encoder.encode_queries([record.embedded for record in RULES])
        for record, hits in zip(RULES, store.search(queries, 3), strict=True):
            assert hits[0].id == record.id
