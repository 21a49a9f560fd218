"""Repeated diffusion-weighted images of one b-value, combined into one.

Several gradient directions give the trace-weighted image by their geometric mean, because the
logarithm of the signal is linear in the diffusion coefficient along each direction; repeats of the
same direction are averaged as they are. See Le Bihan et al., J Magn Reson Imaging 2001;13:534.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from radresp.core import Note, NoteKind

Direction = tuple[float, float, float]


def same_direction(directions: Sequence[Direction | None]) -> bool:
    """Whether all gradient directions are known to be one, or none is known.

    Parameters
    ----------
    directions : sequence of (float, float, float) or None
        Unit vectors; the sign of a gradient does not matter.
    """
    known = [np.asarray(d) for d in directions if d is not None and any(d)]
    return all(abs(float(np.dot(known[0], other))) > 0.999 for other in known)


def notes(b_s_per_mm2: float, directions: Sequence[Direction | None]) -> tuple[Note, ...]:
    """How repeats of one b-value were combined, when there are any.

    Parameters
    ----------
    b_s_per_mm2 : float
        Their b-value.
    directions : sequence of (float, float, float) or None
        Gradient direction of each, where known.
    """
    if len(directions) == 1:
        return ()
    how = "arithmetic" if same_direction(directions) else "geometric"
    found = f"b {b_s_per_mm2:g} is the {how} mean of {len(directions)} images"
    return (Note(NoteKind.INFO, "DWI_REPEATS", found),)


def combine(
    arrays: Sequence[NDArray[np.float32]], directions: Sequence[Direction | None]
) -> NDArray[np.float32]:
    """One image from the repeats of one b-value.

    Parameters
    ----------
    arrays : sequence of ndarray of float32
        Images of one shape.
    directions : sequence of (float, float, float) or None
        Gradient direction of each, where known.

    Returns
    -------
    ndarray of float32
        Geometric mean over several directions, else arithmetic; negative signal counts as 0 in
        a geometric mean.

    Examples
    --------
    >>> one, two = np.full(1, 2, np.float32), np.full(1, 8, np.float32)
    >>> combine([one, two], [(1, 0, 0), (0, 1, 0)]).item()
    4.0
    >>> combine([one, two], [None, None]).item()
    5.0
    """
    stack = np.stack([np.asarray(array, dtype=np.float64) for array in arrays])
    if same_direction(directions):
        return np.asarray(stack.mean(axis=0), dtype=np.float32)
    with np.errstate(divide="ignore"):
        logarithms = np.log(np.maximum(stack, 0.0))
    return np.asarray(np.exp(logarithms.mean(axis=0)), dtype=np.float32)
