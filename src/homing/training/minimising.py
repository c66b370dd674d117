"""L-BFGS: the least of a smooth function of many numbers, in a few dozen evaluations.

Two-loop recursion with a backtracking line search (Nocedal and Wright, Numerical Optimization,
2006, algorithms 7.4 and 3.1). No step is drawn at random: the same function gives the same bytes.
Cost: `MEMORY` pairs of vectors, and mostly one evaluation a step.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from homing.types import FloatArray

MEMORY = 6
SUFFICIENT = 1e-4
"""Share of the decrease that the slope promises which a step must bring (Armijo)."""
HALVINGS = 20

Function = Callable[[FloatArray], tuple[float, FloatArray]]
"""Returns value and gradient, the gradient in the shape of the argument."""


def minimise(
    function: Function, start: FloatArray, *, max_steps: int, tolerance: float = 1e-4
) -> tuple[FloatArray, list[float]]:
    """Return where the function is least, and its value at the start and after each step.

    Args:
        function: To be minimised.
        start: Float32 of one dimension.
        max_steps: Most steps.
        tolerance: A step that lowers the value by less than this share of it is the last.
    """
    at = start
    value, gradient = function(at)
    values = [value]
    pairs: deque[tuple[FloatArray, FloatArray]] = deque(maxlen=MEMORY)
    for _ in range(max_steps):
        direction = _direction(gradient, pairs)
        slope = float(np.vdot(gradient, direction))
        length = 1.0 if pairs else min(1.0, 1.0 / max(float(np.linalg.norm(gradient)), 1e-12))
        for _ in range(HALVINGS):
            there = at + np.float32(length) * direction
            new_value, new_gradient = function(there)
            if new_value <= value + SUFFICIENT * length * slope:
                break
            length /= 2
        else:  # rounding hides what is left to gain
            break
        step, change = there - at, new_gradient - gradient
        if float(np.vdot(step, change)) > 1e-10:
            pairs.append((step, change))
        gained = value - new_value
        at, value, gradient = there, new_value, new_gradient
        values.append(value)
        if gained < tolerance * abs(value):
            break
    return at, values


def _direction(gradient: FloatArray, pairs: deque[tuple[FloatArray, FloatArray]]) -> FloatArray:
    """Return minus the gradient times the approximate inverse Hessian of the kept pairs."""
    direction = -gradient
    shares = []
    for step, change in reversed(pairs):
        share = float(np.vdot(step, direction)) / float(np.vdot(step, change))
        shares.append(share)
        direction = direction - np.float32(share) * change
    if pairs:
        step, change = pairs[-1]
        scale = float(np.vdot(step, change)) / float(np.vdot(change, change))
        direction = np.float32(scale) * direction
    for (step, change), share in zip(pairs, reversed(shares), strict=True):
        back = float(np.vdot(change, direction)) / float(np.vdot(step, change))
        direction = direction + np.float32(share - back) * step
    return direction
