"""How many calls run at once: as many as the provider takes, found out by asking.

The way TCP finds the width of a line (additive increase, multiplicative decrease): the number
doubles with each round of answers until something says that it is too many, then grows by one a
round and halves at each sign, once for the calls that were under way together. `Pace` is the
arithmetic and knows no clock of its own; `Limiter` lets coroutines wait for their turn, first come
first served, with one timer at most and no polling. Cost: constant for a call.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

START = 4


@dataclass(frozen=True, slots=True)
class Turn:
    """Leave for one call; goes back to `Pace.answered`, `limited` or `failed`, once.

    Attributes:
        epoch: How often the number had been halved when the call began.
        number: Which one of several that were given to the same worker.
    """

    epoch: int
    number: int = 0


class Pace:
    """How many calls may run, from what became of those before.

    Attributes:
        limit: How many may run now.
        n_running: How many do.
        paused_until: On the clock, when a server that asked to wait may be asked again.
    """

    def __init__(
        self,
        maximum: int = 64,
        *,
        start: int = START,
        patience_s: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with `start` calls, or the maximum if that is less.

        Args:
            maximum: Most calls at once, at least 1.
            patience_s: While answers take longer, the number does not grow: a server that works
                off a queue answers no faster for being asked more, it times out.
            clock: Seconds, never running backwards.
        """
        assert maximum >= 1
        assert start >= 1
        self.maximum = maximum
        self.limit = min(start, maximum)
        self.n_running = 0
        self.paused_until = -math.inf
        self._patience_s = patience_s
        self._clock = clock
        self._epoch = 0
        self._doubling = True
        self._credit = 0
        self._most_running = self._most_running_before = 0
        self._n_answers_of_round = 0

    @property
    def has_room(self) -> bool:
        """Whether a call may begin now."""
        return self.n_running < self.limit and self.pause_s <= 0

    @property
    def pause_s(self) -> float:
        """How long no call may begin, because the server asked for it; 0.0 or less for none."""
        return self.paused_until - self._clock()

    def begin(self) -> Turn:
        """Count one more call as running."""
        self.n_running += 1
        self._most_running = max(self._most_running, self.n_running)
        return Turn(self._epoch)

    def answered(self, turn: Turn, seconds: float = 0.0) -> None:
        """Note an answer and how long it took: the number may grow."""
        self.n_running -= 1
        # What was never used cannot be known to hold, so that the number grows only as it is used.
        if seconds <= self._patience_s and turn.epoch == self._epoch:
            self._grow()
        self._n_answers_of_round += 1
        if self._n_answers_of_round >= self.limit:
            self._n_answers_of_round = 0
            self._most_running_before, self._most_running = self._most_running, self.n_running

    def _grow(self) -> None:
        most = max(self._most_running, self._most_running_before)
        if self._doubling:
            self.limit = min(self.limit + 1, max(self.limit, 2 * most), self.maximum)
        elif self.limit <= most:
            self._credit += 1
            if self._credit >= self.limit:
                self._credit = 0
                self.limit = min(self.limit + 1, self.maximum)

    def limited(self, turn: Turn, retry_after_s: float | None = None) -> None:
        """Note a sign that there are too many calls, and how long the server asked to wait."""
        self.n_running -= 1
        if retry_after_s is not None:
            self.paused_until = max(self.paused_until, self._clock() + retry_after_s)
        self._doubling = False
        if turn.epoch == self._epoch:
            self._epoch += 1
            self._credit = 0
            self.limit = max(1, self.limit // 2)

    def failed(self, turn: Turn) -> None:
        """Note a call that failed, or was given up, in a way that says nothing about the number."""
        self.n_running -= 1


class Limiter:
    """Lets coroutines wait for their turn; use it in one event loop."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._waiting: deque[asyncio.Future[Turn]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def turn(self) -> Turn:
        """Return when a call may begin; it counts as running from then on."""
        if not self._waiting and self.pace.has_room:
            return self.pace.begin()
        place: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._set_timer()
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # the turn had come in the same moment
                self.give_back(place.result())
            else:
                with contextlib.suppress(ValueError):
                    self._waiting.remove(place)
            raise

    def answered(self, turn: Turn, seconds: float) -> None:
        """See `Pace.answered`; wakes those whose turn it is."""
        self.pace.answered(turn, seconds)
        self._wake()

    def limited(self, turn: Turn, retry_after_s: float | None = None) -> None:
        """See `Pace.limited`."""
        self.pace.limited(turn, retry_after_s)
        self._wake()

    def give_back(self, turn: Turn) -> None:
        """Give a turn back that was not used, or whose call failed for another reason."""
        self.pace.failed(turn)
        self._wake()

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        while self._waiting and self.pace.has_room:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(self.pace.begin())
        self._set_timer()

    def _set_timer(self) -> None:
        """Wake those who wait when a pause is over; nothing else would."""
        pause_s = self.pace.pause_s
        if self._waiting and pause_s > 0 and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(pause_s, self._pause_is_over)

    def _pause_is_over(self) -> None:
        self._timer = None
        self._wake()
