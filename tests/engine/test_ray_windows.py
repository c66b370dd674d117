"""Items go to Ray in windows of bounded size, and in pieces as long as their items are short."""

from __future__ import annotations

from collections.abc import Iterator

from homing.engine import ray_windows
from homing.engine.ray_windows import Pace, read_window


def test_the_first_window_is_short_and_of_single_items() -> None:
    pace = Pace(n_workers=2, is_heavy=False)
    assert pace.window_items() == 64
    assert pace.piece_items(64) == 1


def test_items_that_take_long_stay_alone() -> None:
    pace = Pace(n_workers=2, is_heavy=False, seconds=[3.0, 5.0, 4.0])
    assert pace.piece_items(8_000) == 1


def test_quick_items_go_together_for_about_half_a_second() -> None:
    pace = Pace(n_workers=2, is_heavy=False, seconds=[0.01, 0.01, 9.0])
    assert pace.piece_items(8_000) == 50


def test_every_worker_gets_several_pieces_of_what_there_is() -> None:
    pace = Pace(n_workers=4, is_heavy=False, seconds=[0.0001])
    assert pace.piece_items(640) == 20
    assert pace.piece_items(3) == 1


def test_heavy_items_are_single_and_all_in_one_window_as_far_as_it_goes() -> None:
    pace = Pace(n_workers=1, is_heavy=True)
    assert pace.window_items() == ray_windows.WINDOW_PIECES
    pace.seconds.append(0.0001)
    assert pace.piece_items(5_000) == 1


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
    assert [len(piece) for piece in window.pieces(2)] == [2, 1]
    assert [sealed for piece in window.pieces(2) for sealed in piece] == window.sealed
