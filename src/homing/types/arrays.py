"""Names of arrays that stand in signatures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]
    IntArray = NDArray[np.int64]
    Values = NDArray[np.float64]
else:  # importing NumPy takes 0.15 s, and the processes that read files do without it
    FloatArray = IntArray = Values = Any
