"""Bounded non-linear least squares for a million voxels at once.

What: Levenberg and Marquardt's method, every voxel with its own damping, steps cut at the bounds. A
step is kept where it lowers the sum of squares; voxels that have settled leave the work.
Source: Marquardt, J Soc Ind Appl Math 1963;11:431-441; bounds by projection: Kanzow, Yamashita and
Fukushima, J Comput Appl Math 2004;172:375-397.
When: a diffusion model has no closed form; the loop is over steps, never over voxels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Model = Callable[[Numbers], tuple[Numbers, Numbers]]
"""From parameters (n, p) to the signal (n, b) and its derivatives (n, b, p)."""

_BLOCK = 16_384  # voxels fitted at a time
_STEPS = 30
_SETTLED = 1e-6  # relative gain of a step below which a voxel has settled
_DAMPING = 1e-2
_STUCK = 1e8  # damping at which no step helps any more


def fit_bounded(
    signal: NDArray[np.float32], model: Model, start: Numbers, low: Numbers, high: Numbers
) -> Numbers:
    """Fit a model to every voxel.

    Parameters
    ----------
    signal : numpy.ndarray
        (voxels, b), scaled so that values are of order 1.
    model : callable
        Signal and derivatives from parameters of order 1.
    start : numpy.ndarray
        First guess within the bounds, (voxels, parameters).
    low, high : numpy.ndarray
        Bounds, (parameters,).

    Returns
    -------
    numpy.ndarray
        Parameters within the bounds, (voxels, parameters).
    """
    found = np.clip(start, low, high)
    for first in range(0, len(found), _BLOCK):
        block = slice(first, first + _BLOCK)
        found[block] = _fit_block(signal[block].astype(float), model, found[block], low, high)
    return found


def _fit_block(
    signal: Numbers, model: Model, found: Numbers, low: Numbers, high: Numbers
) -> Numbers:
    found = found.copy()
    moving = np.arange(len(found))
    damping = np.full(len(found), _DAMPING)
    expected, slopes = model(found)
    rest = signal - expected
    for _ in range(_STEPS):
        here, current = found[moving], np.einsum("nb,nb->n", rest, rest)
        there = _step(here, rest, slopes, damping[moving], low, high)
        expected, new_slopes = model(there)
        new_rest = signal[moving] - expected
        reached = np.einsum("nb,nb->n", new_rest, new_rest)
        better = reached < current
        found[moving[better]] = there[better]
        rest[better], slopes[better] = new_rest[better], new_slopes[better]
        damping[moving] *= np.where(better, 0.2, 10.0)
        going = np.where(better, current - reached > _SETTLED * current, damping[moving] < _STUCK)
        moving, rest, slopes = moving[going], rest[going], slopes[going]
        if not len(moving):
            break
    return found


def _step(
    here: Numbers, rest: Numbers, slopes: Numbers, damping: Numbers, low: Numbers, high: Numbers
) -> Numbers:
    """Parameters after one damped step; those pressed against a bound stay there."""
    pull = np.einsum("nbp,nb->np", slopes, rest)
    curve = np.einsum("nbp,nbq->npq", slopes, slopes)
    pinned = ((here <= low) & (pull < 0)) | ((here >= high) & (pull > 0))
    pull[pinned] = 0
    curve[pinned] = 0
    curve.swapaxes(1, 2)[pinned] = 0
    diagonal = np.einsum("npp->np", curve)
    diagonal *= 1 + damping[:, None]
    diagonal += np.where(pinned, 1.0, 1e-12)
    return np.clip(here + np.linalg.solve(curve, pull[..., None])[..., 0], low, high)
