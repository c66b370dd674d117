"""How texts of many requests are put into runs of the model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from homing.deployment.server.batching import Batcher, Batching


async def stays() -> bool:
    return False


SMALL = Batching(max_tokens=8, share_tokens=4, wait_s=0.02)


def run(
    script: Callable[[Batcher[int, int]], Awaitable[Any]],
) -> tuple[Any, list[list[int]]]:
    """Return what a script on a batcher gives, and the items of each run."""
    runs: list[list[int]] = []

    def work(items: list[int]) -> list[int]:
        runs.append(list(items))
        if 13 in items:
            raise ValueError("unlucky")
        return [item * item for item in items]

    async def main() -> Any:
        with ThreadPoolExecutor(1) as executor:
            async with Batcher(work, executor, batching=SMALL) as batcher:
                found = await asyncio.wait_for(script(batcher), 20)
                assert batcher.n_waiting == 0
                return found

    return asyncio.run(main()), runs


def many(batcher: Batcher[int, int], *requests: range) -> Awaitable[list[Any]]:
    return asyncio.gather(
        *(batcher.do(items, [1] * len(items), stays) for items in requests),
        return_exceptions=True,
    )


def test_requests_that_come_together_share_a_run():
    found, runs = run(lambda batcher: many(batcher, range(1, 3), range(3, 4), range(4, 6)))
    assert found == [[1, 4], [9], [16, 25]]
    assert runs == [[1, 2, 3, 4, 5]]


def test_nothing_asked_is_nothing_done():
    found, runs = run(lambda batcher: batcher.do([], [], stays))
    assert (found, runs) == ([], [])


def test_a_long_request_is_done_in_slices_between_which_others_pass():
    found, runs = run(lambda batcher: many(batcher, range(100, 120), range(1, 2), range(2, 3)))
    assert found[0] == [n * n for n in range(100, 120)]
    assert found[1:] == [[1], [4]]
    assert runs[0] == [100, 101, 102, 103, 1, 2, 104, 105]
    assert [item for items in runs for item in items if item >= 100] == list(range(100, 120))
    assert all(len(items) <= 8 for items in runs)


def test_texts_of_about_the_same_length_are_done_together():
    async def script(batcher: Batcher[int, int]) -> list[Any]:
        asked = [batcher.do([n], [cost], stays) for n, cost in enumerate([1, 5, 1, 5, 1, 5, 1])]
        return await asyncio.gather(*asked)

    found, runs = run(script)
    assert found == [[n * n] for n in range(7)]
    assert runs[0] == [0, 2, 4, 6, 1]
    assert sorted(runs[1] + (runs[2] if len(runs) > 2 else [])) == [3, 5]


def test_a_requests_texts_are_done_by_length_and_come_back_in_their_order():
    async def script(batcher: Batcher[int, int]) -> list[int]:
        return await batcher.do([1, 2, 3, 4], [1, 4, 2, 3], stays)

    found, runs = run(script)
    assert found == [1, 4, 9, 16]
    assert [item for items in runs for item in items] == [2, 4, 3, 1]


def test_an_item_larger_than_a_run_has_one_of_its_own():
    async def script(batcher: Batcher[int, int]) -> list[int]:
        return await batcher.do([5, 6], [50, 50], stays)

    found, runs = run(script)
    assert found == [25, 36]
    assert runs == [[5], [6]]


def test_an_error_costs_the_request_that_made_it_alone():
    found, runs = run(lambda batcher: many(batcher, range(1, 3), range(13, 14), range(4, 5)))
    assert found[0] == [1, 4]
    assert found[2] == [16]
    assert isinstance(found[1], ValueError)
    assert runs[0] == [1, 2, 13, 4]


def test_after_an_error_the_next_request_is_served():
    async def script(batcher: Batcher[int, int]) -> list[int]:
        with pytest.raises(ValueError, match="unlucky"):
            await batcher.do(range(12, 30), [1] * 18, stays)
        return await batcher.do([3], [1], stays)

    assert run(script)[0] == [9]


def test_who_is_cancelled_is_not_done():
    async def script(batcher: Batcher[int, int]) -> list[int]:
        leaving = asyncio.create_task(batcher.do(range(50, 60), [1] * 10, stays))
        await asyncio.sleep(0)
        leaving.cancel()
        return await batcher.do([3], [1], stays)

    found, runs = run(script)
    assert (found, runs) == ([9], [[3]])
