"""Vectors in several files are read like one table, and searched like one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from homing.retrieval.array_files import ALIGNMENT, open_member
from homing.retrieval.cache import write_part
from homing.retrieval.nearest import nearest
from homing.retrieval.stacked import StackedVectors, VectorFile
from homing.types import FloatArray
from homing.vectors import normalised

SIZES = (5, 1, 400, 94)


def draw(n: int, seed: int = 1) -> FloatArray:
    table = np.random.default_rng(seed).standard_normal((n, 24)).astype(np.float32)
    return normalised(table)


@pytest.fixture
def table() -> FloatArray:
    return draw(sum(SIZES))


@pytest.fixture
def stacked(tmp_path: Path, table: FloatArray) -> StackedVectors:
    files, start = [], 0
    for number, size in enumerate(SIZES):
        rows = table[start : start + size]
        path = tmp_path / f"part-{number}.npz"
        write_part(path, [bytes([number, i % 256]) * 16 for i in range(size)], rows)
        files.append(VectorFile(str(path), size))
        start += size
    return StackedVectors(files, 24)


def test_slices_and_picked_rows_are_those_of_the_table(
    stacked: StackedVectors, table: FloatArray
) -> None:
    assert stacked.shape == table.shape
    for rows in (slice(0, 3), slice(4, 300), slice(380, None), slice(7, 7), slice(None)):
        np.testing.assert_array_equal(stacked[rows], table[rows])
    picked = np.array([499, 0, 5, 6, 405, 406, 5, -1])
    np.testing.assert_array_equal(stacked[picked], table[picked])


def test_products_are_those_of_the_table(stacked: StackedVectors, table: FloatArray) -> None:
    np.testing.assert_allclose(stacked.dot(table[:9]), table[:9] @ table.T, atol=1e-6)


def test_a_search_finds_the_same_in_files(stacked: StackedVectors, table: FloatArray) -> None:
    queries = draw(40, seed=2)
    for ours, whole in zip(nearest(queries, stacked, 30), nearest(queries, table, 30), strict=True):
        np.testing.assert_array_equal(ours, whole)


def test_cut_vectors_have_length_one_again(stacked: StackedVectors, table: FloatArray) -> None:
    cut = stacked.cut(8)
    assert cut.shape == (sum(SIZES), 8)
    np.testing.assert_array_equal(cut[:], normalised(table[:, :8]))


@pytest.mark.parametrize("n_rows", [1, 6, 100, 10_000])
def test_ranges_hold_every_row_once(
    stacked: StackedVectors, table: FloatArray, n_rows: int
) -> None:
    ranges = list(stacked.ranges(n_rows))
    np.testing.assert_array_equal(np.concatenate([part[:] for _, part in ranges]), table)
    assert [first for first, _ in ranges] == [
        sum(len(part) for _, part in ranges[:number]) for number in range(len(ranges))
    ]


def test_files_are_mapped_where_they_lie_and_aligned(stacked: StackedVectors) -> None:
    mapped = open_member(stacked.files[2].place, "vectors")
    assert isinstance(mapped, np.memmap)
    assert mapped.offset % ALIGNMENT == 0
