"""Items go to Ray in pieces of bounded size, the larger the quicker the items are done."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from homing.engine import ray_windows
from homing.engine.ray_windows import Pace, read_window


def test_the_first_pieces_are_single_items() -> None:
    assert Pace().piece_items() == 1


def test_items_that_take_long_stay_alone() -> None:
    assert Pace(deque([3.0, 5.0, 4.0])).piece_items() == 1


def test_quick_items_go_together_for_about_half_a_second() -> None:
    assert Pace(deque([0.01, 0.01, 9.0])).piece_items() == 50


def test_no_piece_has_more_items_than_can_be_spared() -> None:
    assert Pace(deque([0.0])).piece_items() == ray_windows.PIECE_ITEMS


def test_only_the_last_items_count() -> None:
    pace = Pace()
    pace.seconds.extend([9.0] * 1000)
    pace.seconds.extend([0.01] * ray_windows.REMEMBERED)
    assert pace.piece_items() == 50


def test_a_window_holds_a_bounded_number_of_bytes() -> None:
    n_read = 0

    def items() -> Iterator[bytes]:
        nonlocal n_read
        for _ in range(100):
            n_read += 1
            yield bytes(10_000_000)

    source = items()
    window = read_window(source, 50, None)
    assert n_read == len(window.items) == 7
    rest = [len(read_window(source, 50, None).items) for _ in range(14)]
    assert rest == [7] * 13 + [2]
    assert not read_window(source, 50, None).items


def test_each_item_keeps_its_limit_and_its_place() -> None:
    window = read_window(iter([5, 6, 7]), 10, lambda item: item / 2)
    assert [sealed.limit_s for sealed in window.sealed] == [2.5, 3.0, 3.5]
    assert window.singles() == [[sealed] for sealed in window.sealed]
