"""What runs in a process of Ray: it hands items to one worker process of `LocalEngine`, and back.

Ray's own process never runs a user's function: a crash or a hang ends the worker process below it
and costs one item, exactly as on one machine. Items and values pass through pickled; what they
are made of is imported in the worker process alone. Nothing here imports Ray.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from homing.engine.base import FailureReason, Item, Outcome, Value
from homing.engine.local import LocalEngine
from homing.engine.worker import pack

WORK = "work"
"""The one column of what goes to actors: a pickled list of `Sealed` items."""
ANSWERS = "answers"
"""The one column of what comes back from them: a pickled list of `Answer`, or `Refusal`."""

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
CARRIED = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"),
    *("AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
    *("HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "TQDM_DISABLE"),
)
"""Variables that a worker gets from whoever started the job: values, never names of files."""
CARRIED_PREFIXES = ("HOMING_", "OPENAI_", "ANTHROPIC_", "TOKENIZERS_")


@dataclass(frozen=True, slots=True)
class Sealed:
    """Something pickled that unpickles as what it was: to pass it on without opening it."""

    payload: bytes
    limit_s: float | None = None

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        return pickle.loads, (self.payload,)


@dataclass(frozen=True, slots=True)
class Answering(Generic[Item, Value]):
    """A function whose values come back pickled."""

    function: Callable[[Item], Value]

    def __call__(self, item: Item) -> bytes:
        return pack(self.function(item))


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one item: its value, pickled, or the reason why it has none."""

    payload: bytes | None
    reason: FailureReason | None
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """That the workers cannot load the function, and why."""

    detail: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a worker process finds around it, as it would on the machine that started the job.

    Attributes:
        n_threads: For libraries that would otherwise take every core.
        folder: The working folder, where the worker's machine has it.
        path: Where Python looks for modules after its own places.
        variables: Of the environment.
    """

    n_threads: int
    folder: str
    path: tuple[str, ...]
    variables: dict[str, str]

    def take_on(self) -> None:
        """Give them to this process, whose children inherit them."""
        if os.path.isdir(self.folder):
            os.chdir(self.folder)
        os.environ.update(self.variables)
        os.environ.update(dict.fromkeys(THREADS, str(self.n_threads)))
        known = {os.path.realpath(place) for place in sys.path}
        sys.path += [p for p in self.path if os.path.exists(p) and os.path.realpath(p) not in known]


def present_surroundings(n_threads: int) -> Surroundings:
    """Return those of this process."""
    folder = os.getcwd()
    path = tuple(os.path.join(folder, place) for place in sys.path)
    variables = {
        name: value
        for name, value in os.environ.items()
        if name in CARRIED or name.startswith(CARRIED_PREFIXES)
    }
    return Surroundings(n_threads, folder, path, variables)


class Relay:
    """Hands items to a worker process; Ray Data's `map_batches` makes one in each actor.

    Args:
        function: Pickled.
    """

    def __init__(self, function: bytes, surroundings: Surroundings) -> None:
        surroundings.take_on()
        self.surroundings = surroundings
        self.engine = LocalEngine(1)
        self.take(function)

    def take(self, function: bytes) -> None:
        """Have the worker process run this function from now on; it keeps one that it has."""
        self.function: Answering[Any, Any] = Answering(Sealed(function))  # type: ignore[arg-type]

    def __call__(self, batch: Any) -> Any:
        """Return one row of answers for each row of work (Arrow tables)."""
        import pyarrow as pa

        answers = [self.answer(row.as_py()) for row in batch[WORK]]
        return pa.table({ANSWERS: pa.array(answers, pa.large_binary())})

    def answer(self, work: bytes) -> bytes:
        """Return the answers to a row of work, for `answers_in`."""
        return pickle.dumps(self._answer(work), protocol=5)

    def _answer(self, work: bytes) -> list[Answer] | Refusal:
        items: Sequence[Sealed] = [Sealed(*parts) for parts in pickle.loads(work)]  # noqa: S301
        answers = []
        before = time.monotonic()
        try:
            outcomes = self.engine.map(self.function, items, time_limit_s=_own_limit)
            for outcome in outcomes:
                now = time.monotonic()
                answers.append(_answered(outcome, now - before))
                before = now
        except TypeError as error:  # the one error of a map that is not an item's
            return Refusal(str(error))
        return answers


_present: Relay | None = None
"""Of this process of Ray, which runs tasks of one map after another."""


def relay(work: bytes, shared: tuple[bytes, Surroundings]) -> bytes:
    """Return what a `Relay` answers; the process and the one below it are kept for the next map.

    Args:
        shared: The function, pickled, and the surroundings.
    """
    global _present
    function, surroundings = shared
    if _present is None or _present.surroundings != surroundings:
        if _present is not None:
            _present.engine.close()
        _present = Relay(function, surroundings)
    _present.take(function)
    return _present.answer(work)


def answers_in(payload: bytes | memoryview) -> list[Answer]:
    """Return the answers that a `Relay` has pickled.

    Raises:
        TypeError: The workers cannot load the function.
    """
    answers: list[Answer] | Refusal = pickle.loads(payload)  # noqa: S301
    if isinstance(answers, Refusal):
        raise TypeError(answers.detail)
    return answers


def work_of(items: Sequence[Sealed]) -> bytes:
    """Return one row of work."""
    return pickle.dumps([(item.payload, item.limit_s) for item in items], protocol=5)


def _own_limit(item: Sealed) -> float:
    return item.limit_s or 0.0  # 0 is no limit


def _answered(outcome: Outcome[Sealed, bytes], seconds: float) -> Answer:
    if outcome.failure is None:
        return Answer(outcome.value, None, "", seconds)
    return Answer(None, outcome.failure.reason, outcome.failure.detail, seconds)
