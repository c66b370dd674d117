"""How many calls run at once, from what became of those before."""

from __future__ import annotations

import asyncio
import math

from homing.llm.limiter import Limiter, Pace, Turn


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def begin_all(pace: Pace) -> list[Turn]:
    """Begin as many calls as there is room for."""
    turns = []
    while pace.has_room:
        turns.append(pace.begin())
    return turns


def answer_a_round(pace: Pace, seconds: float = 0.1) -> int:
    """Fill the room, answer every call, and return how many there were."""
    turns = begin_all(pace)
    for turn in turns:
        pace.answered(turn, seconds)
    return len(turns)


def test_the_number_of_calls_doubles_with_each_round_of_answers_up_to_the_most() -> None:
    pace = Pace(64)
    assert [answer_a_round(pace) for _ in range(6)] == [4, 8, 16, 32, 64, 64]


def test_a_small_maximum_is_kept_from_the_start() -> None:
    pace = Pace(2)
    assert [answer_a_round(pace) for _ in range(3)] == [2, 2, 2]


def test_a_rate_limit_halves_the_number_once_for_all_calls_that_were_under_way() -> None:
    pace = Pace(64, start=32)
    turns = begin_all(pace)
    for turn in turns[:20]:
        pace.limited(turn)
    assert pace.limit == 16
    for turn in turns[20:]:
        pace.answered(turn)
    late = pace.begin()
    pace.limited(late)
    assert pace.limit == 8


def test_after_a_rate_limit_the_number_grows_by_one_with_each_round() -> None:
    pace = Pace(64, start=8)
    for turn in begin_all(pace):
        pace.limited(turn)
    assert [answer_a_round(pace) for _ in range(4)] == [4, 5, 6, 7]


def test_the_number_never_falls_below_one() -> None:
    pace = Pace(64, start=1)
    for _ in range(5):
        pace.limited(pace.begin())
    assert pace.limit == 1
    assert pace.has_room


def test_answers_to_calls_from_before_a_rate_limit_say_nothing_about_the_number_after_it() -> None:
    pace = Pace(64, start=16)
    first, *others = begin_all(pace)
    pace.limited(first)
    for turn in others:
        pace.answered(turn)
    assert pace.limit == 8


def test_no_call_begins_until_the_time_that_the_server_asked_to_wait_is_over() -> None:
    clock = Clock()
    pace = Pace(64, clock=clock)
    early, late = pace.begin(), pace.begin()
    pace.limited(early, 30.0)
    pace.limited(late, 5.0)
    assert not pace.has_room
    clock.now += 29.9
    assert not pace.has_room
    assert math.isclose(pace.pause_s, 0.1, abs_tol=1e-6)
    clock.now += 0.2
    assert pace.has_room


def test_a_number_that_is_not_used_does_not_grow() -> None:
    pace = Pace(64)
    for _ in range(200):
        pace.answered(pace.begin())
    assert pace.limit <= 8


def test_a_slow_server_is_not_given_more_to_do() -> None:
    pace = Pace(64, patience_s=30.0)
    for _ in range(5):
        answer_a_round(pace, seconds=40.0)
    assert pace.limit == 4


def test_a_failure_that_is_nobodys_limit_leaves_the_number_as_it_is() -> None:
    pace = Pace(64)
    for turn in begin_all(pace):
        pace.failed(turn)
    assert (pace.limit, pace.n_running) == (4, 0)


def test_those_who_wait_get_their_turn_in_the_order_in_which_they_came() -> None:
    async def main() -> list[int]:
        limiter = Limiter(Pace(1))
        order: list[int] = []

        async def call(number: int) -> None:
            turn = await limiter.turn()
            order.append(number)
            await asyncio.sleep(0)
            limiter.answered(turn, 0.1)

        await asyncio.gather(*(call(number) for number in range(5)))
        return order

    assert asyncio.run(main()) == [0, 1, 2, 3, 4]


def test_calls_go_on_by_themselves_when_a_pause_is_over() -> None:
    async def main() -> int:
        limiter = Limiter(Pace(8))
        limiter.limited(await limiter.turn(), 0.02)
        turns = await asyncio.gather(limiter.turn(), limiter.turn())
        return len(turns)

    assert asyncio.run(main()) == 2


def test_whoever_gives_up_waiting_takes_nobodys_turn() -> None:
    async def main() -> int:
        limiter = Limiter(Pace(1))
        held = await limiter.turn()
        tired = asyncio.create_task(limiter.turn())
        patient = asyncio.create_task(limiter.turn())
        await asyncio.sleep(0)
        tired.cancel()
        await asyncio.sleep(0)
        limiter.give_back(held)
        limiter.give_back(await patient)
        return limiter.pace.n_running

    assert asyncio.run(main()) == 0


def test_a_turn_that_comes_as_its_waiter_gives_up_is_passed_on() -> None:
    async def main() -> int:
        limiter = Limiter(Pace(1))
        held = await limiter.turn()
        tired = asyncio.create_task(limiter.turn())
        patient = asyncio.create_task(limiter.turn())
        await asyncio.sleep(0)
        limiter.give_back(held)
        tired.cancel()
        limiter.give_back(await patient)
        return limiter.pace.n_running

    assert asyncio.run(main()) == 0
