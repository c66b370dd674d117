"""Whichever engine runs: the same outcomes, values, reasons and details, in the same order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import mapped_functions as functions
import pytest

from homing.engine.local import LocalEngine
from homing.engine.ray import RayEngine

pytestmark = pytest.mark.ray


@dataclass(frozen=True)
class Case:
    name: str
    function: Callable[[Any], Any]
    items: Any
    options: dict[str, Any] = field(default_factory=dict)


def own_limit(seconds: float) -> float:
    return min(2 * seconds + 0.2, 1.0)


CASES = [
    Case("values", functions.double, range(40)),
    Case("no items", functions.double, []),
    Case("nothing", functions.none, [1, 2]),
    Case("exceptions", functions.refuse_even, range(7)),
    Case("a segmentation fault", functions.die_on_three, range(6)),
    Case("processes that leave", functions.leave, [0, 7, 0, 1]),
    Case("an item that hangs", functions.nap, [0.0, 600.0, 0.1], {"time_limit_s": 0.5}),
    Case("limits of their own", functions.nap, [0.3, 600.0], {"time_limit_s": own_limit}),
    Case("big values", functions.megabytes, [10, 1, 10]),
    Case("values that cannot be sent", functions.make_function, [1, 2]),
    Case("values that fall apart", functions.Fragile, [1, 2]),
    Case("items that fall apart", functions.unlucky, [functions.Fragile(4)]),
    Case("a partial function", partial(pow, 2), [3, 4]),
    Case("big items", len, [b"x" * 10_000_000, b"", b"y" * 3]),
    Case("the whole machine", functions.double, range(3), {"per": "device"}),
    Case("five thousand small items", functions.double, range(5_000)),
]


@pytest.fixture(scope="module")
def local_engine() -> Iterator[LocalEngine]:
    with LocalEngine(2) as engine:
        yield engine


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_both_engines_have_the_same_outcomes(
    case: Case, local_engine: LocalEngine, ray_engine: RayEngine
) -> None:
    ours = list(local_engine.map(case.function, case.items, **case.options))
    assert list(ray_engine.map(case.function, iter(case.items), **case.options)) == ours
    assert len(ours) == len(case.items)


@pytest.mark.parametrize("name", ["local_engine", "ray_engine"])
def test_a_function_that_workers_cannot_load_is_refused(
    name: str, request: pytest.FixtureRequest
) -> None:
    engine = request.getfixturevalue(name)
    said = r"a worker cannot load the function: RuntimeError: number 7 fell apart"
    with pytest.raises(TypeError, match=said):
        list(engine.map(functions.Unloadable(), [1, 2, 3]))
    with pytest.raises((AttributeError, TypeError)):
        list(engine.map(lambda number: number, [1]))
    assert [outcome.value for outcome in engine.map(functions.double, [4])] == [8]


@pytest.mark.parametrize("name", ["local_engine", "ray_engine"])
def test_an_error_while_items_are_read_reaches_whoever_reads_outcomes(
    name: str, request: pytest.FixtureRequest
) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the source is gone")

    engine = request.getfixturevalue(name)
    with pytest.raises(OSError, match="the source is gone"):
        list(engine.map(functions.double, items()))
