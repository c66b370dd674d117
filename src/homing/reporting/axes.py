"""A number's place on a drawing, and round ticks below it: for intervals drawn inside tables."""

from __future__ import annotations

from dataclasses import dataclass

from homing.types import Interval

WIDTH = 200.0
MARGIN = 8.0
STEPS = (1, 2, 5, 10, 20, 50)
MAX_TICKS = 6


@dataclass(frozen=True, slots=True)
class Drawing:
    """An interval on an axis, in units of a drawing `WIDTH` wide.

    Attributes:
        cut_low: Whether it reaches beyond the axis on the left; `cut_high` on the right.
        is_inside: Whether the value itself lies on the axis.
    """

    low: float
    value: float
    high: float
    cut_low: bool = False
    cut_high: bool = False
    is_inside: bool = True


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of shares, or of differences between them, that is drawn `WIDTH` wide."""

    low: float
    high: float

    def position(self, share: float) -> float:
        """Return where a share is drawn; what lies outside is drawn at the edge."""
        inside = min(max(share, self.low), self.high)
        inner = WIDTH - 2 * MARGIN
        return round(MARGIN + inner * (inside - self.low) / (self.high - self.low), 1)

    def draw(self, interval: Interval) -> Drawing:
        """Return an interval's drawing."""
        return Drawing(
            self.position(interval.low),
            self.position(interval.value),
            self.position(interval.high),
            cut_low=interval.low < self.low,
            cut_high=interval.high > self.high,
            is_inside=self.low <= interval.value <= self.high,
        )

    def ticks(self) -> list[int]:
        """Return up to seven round values on the axis, in percent or points."""
        span = 100 * (self.high - self.low)
        step = next((s for s in STEPS if span / s <= MAX_TICKS), STEPS[-1])
        first = int(-(-100 * self.low // step)) * step
        return list(range(first, int(100 * self.high) + 1, step))
