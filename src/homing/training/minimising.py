"""The least of a smooth function of many numbers, by SciPy's L-BFGS-B.

No step is drawn at random: the same function gives the same bytes. The function is asked in
float32, as the vectors are; SciPy's own arithmetic is float64.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from homing.types import FloatArray

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
    from scipy.optimize import OptimizeResult, minimize

    values: list[float] = []

    def in_float64(at: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        value, gradient = function(at.astype(np.float32))
        if not values:
            values.append(value)
        return value, gradient.astype(np.float64)

    def note(intermediate_result: OptimizeResult) -> None:
        values.append(float(intermediate_result.fun))

    found = minimize(
        in_float64,
        start.astype(np.float64),
        jac=True,
        method="L-BFGS-B",
        callback=note,
        options={"maxiter": max_steps, "ftol": tolerance, "gtol": 0.0},
    )
    return found.x.astype(np.float32), values
