"""A table put together from parts has the very bytes of one that was written in one go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homing.dataset import tables
from homing.dataset.records import passage_schema, save_passages
from homing.dataset.shards import RowStream, Shard, concatenate, shards_of, write_batches
from homing.dataset.tables import write_table
from homing.types import Passage

SMALL = pytest.mark.usefixtures("small_groups")
quick = settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row groups of eight rows or 64 characters."""
    monkeypatch.setattr(tables, "ROWS_IN_GROUP", 8)
    monkeypatch.setattr(tables, "CHARACTERS_IN_GROUP", 64)


def schema() -> Any:
    import pyarrow as pa

    span = pa.struct([("start", pa.int64()), ("title", pa.string())])
    text, number = pa.string(), pa.int64()
    kinds = (text, text, number, pa.list_(text), pa.list_(span), pa.bool_())
    return pa.schema(list(zip("abcdef", kinds, strict=True)))


texts = st.text(max_size=6) | st.just("Keep every receipt. ") | st.text(min_size=62, max_size=66)
rows = st.tuples(
    texts,
    st.none() | texts,
    st.none() | st.integers(-(2**40), 2**40),
    st.none() | st.lists(st.none() | texts, max_size=3),
    st.lists(st.fixed_dictionaries({"start": st.integers(0, 9), "title": texts}), max_size=2),
    st.booleans(),
)


def cut(items: Sequence[Any], borders: Sequence[int]) -> Iterator[Sequence[Any]]:
    """Yield the items in parts that end at the borders, some of them empty."""
    places = [0, *sorted(min(border, len(items)) for border in borders), len(items)]
    for start, stop in pairwise(places):
        yield items[start:stop]


@pytest.mark.slow
@SMALL
@quick
@given(st.lists(rows, max_size=40), st.lists(st.integers(0, 40), max_size=5))
def test_parts_put_together_have_the_bytes_of_a_table_written_in_one_go(
    table: list[Any], borders: list[int]
) -> None:
    with TemporaryDirectory() as folder:
        parts = [f"{folder}/{n}.parquet" for n in range(len(borders) + 1)]
        for part, own in zip(parts, cut(table, borders), strict=True):
            write_table(own, part, schema())
        assert concatenate(parts, f"{folder}/joined.parquet", schema()) == len(table)
        assert write_table(table, Path(folder, "whole.parquet"), schema()) == len(table)
        assert (
            Path(folder, "joined.parquet").read_bytes()
            == Path(folder, "whole.parquet").read_bytes()
        )


@pytest.mark.parametrize("n", [0, 1, 8191, 8192, 8193, 16384, 20000])
def test_row_groups_of_the_real_size_are_cut_at_the_same_rows(tmp_path: Path, n: int) -> None:
    passages = [
        Passage(str(i), str(i // 9), i, i + 9, f"Rule {i} " * (i % 7), ("Rules", f"{i % 5}"), i % 3)
        for i in range(n)
    ]
    parts = []
    for number, own in enumerate(cut(passages, [100, 100, 8192, 9000])):
        parts.append(f"{tmp_path}/{number}.parquet")
        save_passages(own, parts[-1])
    save_passages(passages, tmp_path / "whole.parquet")
    assert concatenate(parts, tmp_path / "joined.parquet", passage_schema()) == n
    assert (tmp_path / "joined.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


@SMALL
def test_a_lone_surrogate_is_replaced_in_a_part_as_in_a_whole_table(tmp_path: Path) -> None:
    table = [(f"caf\udce9 {n}", None, n, ["\udce9"], [], True) for n in range(20)]
    parts = [f"{tmp_path}/{n}.parquet" for n in range(3)]
    for part, own in zip(parts, cut(table, [5, 11]), strict=True):
        write_table(own, part, schema())
    concatenate(parts, tmp_path / "joined.parquet", schema())
    write_table(table, tmp_path / "whole.parquet", schema())
    assert (tmp_path / "joined.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_a_table_that_cannot_be_finished_leaves_what_was_there(tmp_path: Path) -> None:
    write_table([("a", "b", 1, [], [], True)], f"{tmp_path}/part.parquet", schema())
    (tmp_path / "part-2.parquet").write_text("no table")
    target = tmp_path / "joined.parquet"
    target.write_text("what was there")
    with pytest.raises(Exception, match="Parquet"):
        concatenate([f"{tmp_path}/part.parquet", f"{tmp_path}/part-2.parquet"], target, schema())
    assert target.read_text() == "what was there"
    assert not list(tmp_path.glob(".*"))


def numbered(folder: Path, n: int) -> Path:
    """Return a table of rows that say where they are."""
    path = folder / "numbers.parquet"
    write_table(((f"{i}", None, i, None, [], True) for i in range(n)), path, schema())
    return path


def numbers(shard: Shard) -> list[int]:
    return [row["c"] for row in shard.rows(["c"])]


@SMALL
@pytest.mark.parametrize("n", [0, 1, 8, 9, 75, 160, 300])
def test_shards_have_every_row_once_in_order_and_at_most_a_tenth_of_the_groups(
    tmp_path: Path, n: int
) -> None:
    shards = shards_of(numbered(tmp_path, n))
    assert [i for shard in shards for i in numbers(shard)] == list(range(n))
    assert [shard.number for shard in shards] == list(range(len(shards)))
    for shard in shards:
        assert numbers(shard) == list(range(shard.first_row, shard.first_row + shard.n_rows))
        assert shard.stop - shard.first <= max(1, n // 8 // 10)


@SMALL
def test_halves_of_halves_down_to_single_rows_have_every_row_once(tmp_path: Path) -> None:
    shards = shards_of(numbered(tmp_path, 330))
    assert any(shard.stop - shard.first == 2 for shard in shards)

    def singles(shard: Shard) -> Iterator[Shard]:
        if shard.n_rows == 1:
            yield shard
            return
        for half in shard.halves():
            assert numbers(half) == list(range(half.first_row, half.first_row + half.n_rows))
            yield from singles(half)

    for shard in shards:
        found = list(singles(shard))
        assert [i for single in found for i in numbers(single)] == numbers(shard)
        for single in found:
            assert numbers(single.before()) == list(range(shard.first_row, single.first_row))


@SMALL
def test_a_stream_of_rows_is_taken_and_passed_over_across_tables(tmp_path: Path) -> None:
    parts = []
    for number, own in enumerate(cut(range(50), [0, 3, 30])):
        parts.append(f"{tmp_path}/{number}.parquet")
        write_table([(str(i), None, i, None, [], True) for i in own], parts[-1], schema())
    stream = RowStream(parts)

    def taken(n: int) -> list[int]:
        return [i for batch in stream.take(n) for i in batch.column("c").to_pylist()]

    assert taken(5) == [0, 1, 2, 3, 4]
    stream.go_to(28)
    assert taken(0) == []
    assert taken(4) == [28, 29, 30, 31]
    stream.go_to(32)
    assert taken(18) == list(range(32, 50))
    with pytest.raises(EOFError):
        taken(1)


@SMALL
def test_rows_picked_from_a_stream_make_the_table_of_those_rows(tmp_path: Path) -> None:
    stream = RowStream([numbered(tmp_path, 40)])

    def picked() -> Iterator[Any]:
        yield from stream.take(3)
        stream.go_to(20)
        yield from stream.take(15)

    assert write_batches(picked(), tmp_path / "picked.parquet", schema()) == 18
    wanted = [0, 1, 2, *range(20, 35)]
    rows_ = ((f"{i}", None, i, None, [], True) for i in wanted)
    write_table(rows_, tmp_path / "whole.parquet", schema())
    assert (tmp_path / "picked.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
