"""Functions of height, tabulated: quick and the same on every machine.

What: rectum and mesorectum change along the body by smooth functions of z. They are worked out once
in double precision on a ladder of heights 0.02 mm apart, and points take the nearest.
When: a shape depends on z by more than plain arithmetic.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LAST_MM = 130
_PER_MM = 50
LADDER = np.linspace(-_LAST_MM, _LAST_MM, 2 * _LAST_MM * _PER_MM + 1)


class Heights:
    """Some functions of height.

    Parameters
    ----------
    *values : numpy.ndarray
        Values of each function at the heights of `LADDER`.
    """

    def __init__(self, *values: NDArray[np.float64]) -> None:
        self._values = [v.astype(np.float32) for v in values]

    def at(self, z: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Value of each function at heights in mm; beyond the ladder that of its end."""
        rung = z * np.float32(_PER_MM)
        rung += np.float32(_LAST_MM * _PER_MM + 0.5)
        index = rung.clip(0, len(LADDER) - 1).astype(np.intp)
        return [values.take(index) for values in self._values]
