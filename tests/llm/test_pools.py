"""Many calls at once are spread over several clients, few are not."""

from __future__ import annotations

import asyncio
from typing import Any

from homing.llm.pools import CALLS_EACH, Pools


class SlowClient:
    """Answers after a moment, with how many calls it had at once."""

    def __init__(self) -> None:
        self.n_now = self.n_most = 0
        self.is_closed = False

    async def post(self, path: str, *, body: str) -> str:
        self.n_now += 1
        self.n_most = max(self.n_most, self.n_now)
        await asyncio.sleep(0.01)
        self.n_now -= 1
        if body == "broken":
            raise ConnectionError(path)
        return f"{path} {body}"

    async def close(self) -> None:
        self.is_closed = True


def pooled() -> tuple[Pools, list[SlowClient]]:
    made: list[SlowClient] = []

    def make() -> SlowClient:
        made.append(SlowClient())
        return made[-1]

    return Pools(make), made


async def post(pools: Pools, *bodies: str) -> list[Any]:
    calls = (pools.post("/chat", body=body) for body in bodies)
    return await asyncio.gather(*calls, return_exceptions=True)


def test_a_few_calls_share_one_client():
    pools, made = pooled()
    assert asyncio.run(post(pools, "a", "b")) == ["/chat a", "/chat b"]
    assert len(made) == 1


def test_many_calls_at_once_get_more_clients_and_go_back_to_the_first():
    pools, made = pooled()

    async def twice() -> None:
        await post(pools, *map(str, range(3 * CALLS_EACH)))
        await post(pools, *map(str, range(CALLS_EACH)))
        await pools.close()

    asyncio.run(twice())
    assert [client.n_most for client in made] == [CALLS_EACH] * 3
    assert all(client.is_closed for client in made)


def test_a_call_that_fails_makes_room_again():
    pools, made = pooled()

    async def fail_and_ask() -> list[Any]:
        failed = await post(pools, *["broken"] * CALLS_EACH)
        return failed + await post(pools, *map(str, range(CALLS_EACH)))

    found = asyncio.run(fail_and_ask())
    assert all(isinstance(error, ConnectionError) for error in found[:CALLS_EACH])
    assert len(made) == 1
