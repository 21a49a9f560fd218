"""How the pelvis deforms between the visits: filling of rectum and bladder, drift of soft tissue.

What: draws a smooth displacement of the second visit against the first as a cubic B-spline, which
is then exactly what is rendered and what is saved as truth. It maps a point of the later to the
same tissue at the earlier visit. Three parts are laid on the control points:

- the rectum is fuller or emptier: about its axis, the square of the distance changes by an amount
  that depends on height alone, so that wall and fat keep their volume, and fades out by 45 mm;
- the bladder is fuller or emptier: about its middle, the cube of the relative distance changes in
  the same way, while its floor stays in place;
- soft tissue drifts at random, correlated over about 30 mm.

All of it fades towards the bones: sideways from 34 to 64 mm off the middle (of a mean pelvis), in
the last 28 mm before the sacrum, from 48 mm in front of the middle to the pubic bone, and above and
below the height of the pictures.
Source: the sizes are assumptions; rectal and bladder filling change by such amounts between days.
When: making the second visit of a synthetic patient.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radresp.phantom.spline import Deformation, rounded

if TYPE_CHECKING:
    from radresp.phantom.anatomy import Anatomy

__all__ = ["Deformation", "draw_deformation"]

_Array = NDArray[np.float64]
_STEP_MM = 9.0
_FIRST_MM, _LAST_MM = (-90.0, -99.0, -108.0), (90.0, 108.0, 117.0)
_DECIMALS = 4
_RECTUM_REACH_MM = 45.0
_RECTUM_RANGE = (0.8, 1.15)  # radius of the lumen, relative to the first visit
_BLADDER_RANGE = (0.87, 1.13)  # half axes of the bladder
_BLADDER_REACH = 1.9  # in half axes
_DRIFT_MM = 30.0
_SMALLEST_DETERMINANT = 0.3
_LARGEST_GRADIENT = 0.8


def draw_deformation(
    rng: np.random.Generator, anatomy: Anatomy, *, filling: float, drift_mm: float
) -> Deformation:
    """A random deformation between two visits; maps the later to the earlier visit.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the draws come from.
    anatomy : Anatomy
        The pelvis at the first visit.
    filling : float
        Factor on the change of filling of rectum and bladder, 0 to 2.
    drift_mm : float
        About twice the SD of the drift of soft tissue along each axis, mm.

    Returns
    -------
    Deformation
        Without folds: its Jacobian determinant stays above 0.2. A draw that is too strong for that
        is scaled down as a whole.
    """
    counts = [
        int((last - first) / _STEP_MM) + 1 for first, last in zip(_FIRST_MM, _LAST_MM, strict=True)
    ]
    still = Deformation(np.zeros((3, *counts[::-1])), _FIRST_MM, (_STEP_MM,) * 3)
    x, y, z = still.lattice()[0]
    free = _freedom(anatomy, x, y, z)
    filled = np.stack(_rectum(rng, anatomy, filling, (x, y, z)))
    filled += np.stack(_bladder(rng, anatomy, filling, (x, y, z)))
    wanted = free * (filled + _drift(rng, x.shape, drift_mm))
    fitted = np.stack([ndimage.spline_filter(part, 3, mode="mirror") for part in wanted])
    strength = 1.0
    while True:
        found = replace(still, coefficients=rounded(strength * fitted, _DECIMALS))
        if _is_tame(found):
            return found
        strength *= 0.9


def _is_tame(deformation: Deformation) -> bool:
    """Whether it neither folds nor shears so much that it would be hard to invert."""
    steepest = np.sqrt((deformation.gradient() ** 2).sum(axis=(0, 1)).max())
    if steepest > _LARGEST_GRADIENT:
        return False
    return bool(deformation.determinant().min() > _SMALLEST_DETERMINANT)


def _freedom(anatomy: Anatomy, x: _Array, y: _Array, z: _Array) -> _Array:
    """1 in the middle of the pelvis, 0 in the bones and outside."""
    sides = _fade(np.abs(x) / anatomy.width, 34, 64)
    sacrum = anatomy.sacrum.front_mm(z)
    back = _fade(y - sacrum, -28, 3)
    front = _fade(-y, 48, 80)
    return sides * back * front * _fade(z, 55, 90) * _fade(-z, 44, 80)


def _rectum(
    rng: np.random.Generator,
    anatomy: Anatomy,
    filling: float,
    points: tuple[_Array, ...],
) -> tuple[_Array, _Array, _Array]:
    """Displacement by the filling of the rectum."""
    x, y, z = points
    change = filling * (rng.uniform(*_RECTUM_RANGE) - 1)
    waves, phase = filling * rng.uniform(0, 0.05), rng.uniform(0, 2 * np.pi)
    rectum = anatomy.rectum
    # The anal canal stays closed.
    now = 1 + (change + waves * np.sin(z * (2 * np.pi / 70) + phase)) * _fade(-z, 28, 48)
    before_mm = np.maximum(rectum.outer_mm(z) - rectum.wall_mm, 3.0)
    after_mm = before_mm * np.maximum(now, 0.4)
    axis_x, axis_y = rectum.axis_mm(z)
    along, across = x - axis_x, y - axis_y
    r = np.sqrt(along * along + across * across) + 1e-6
    more = (after_mm**2 - before_mm**2) * _fade(r, 22, _RECTUM_REACH_MM)
    earlier = np.where(r < after_mm, r * before_mm / after_mm, np.sqrt(np.maximum(r * r - more, 0)))
    away = earlier / r - 1
    return away * along, away * across, np.zeros_like(away)


def _bladder(
    rng: np.random.Generator,
    anatomy: Anatomy,
    filling: float,
    points: tuple[_Array, ...],
) -> tuple[_Array, _Array, _Array]:
    """Displacement by the filling of the bladder; its floor stays in place."""
    now = max(1 + filling * (rng.uniform(*_BLADDER_RANGE) - 1), 0.5)
    centre, half = anatomy.bladder.centre_mm, anatomy.bladder.half_mm
    from_middle = [p - c for p, c in zip(points, centre, strict=True)]
    relative = [d / h for d, h in zip(from_middle, half, strict=True)]
    r = np.sqrt(sum(v * v for v in relative)) + 1e-6
    more = (now**3 - 1) * _fade(r, 1.2, _BLADDER_REACH)
    earlier = np.where(r < now, r / now, np.cbrt(np.maximum(r**3 - more, 0)))
    away = earlier / r - 1
    x, y, z = (away * d for d in from_middle)
    # The side walls of the pelvis hold it; it grows upwards from its floor.
    lifted = (1 - 1 / now) * half[2] * _fade(r, 1.0, _BLADDER_REACH)
    return 0.6 * x, 0.8 * y, z - lifted


def _drift(rng: np.random.Generator, shape: tuple[int, ...], drift_mm: float) -> _Array:
    """Smooth random displacement with an SD of half the drift along each axis."""
    white = rng.standard_normal((3, *shape))
    # White noise smoothed by a Gaussian of SD s is correlated to 1/e over 2 s.
    sigma = _DRIFT_MM / 2 / _STEP_MM
    smooth = np.stack([ndimage.gaussian_filter(part, sigma, mode="wrap") for part in white])
    return smooth * (drift_mm / 2 * (4 * np.pi * sigma**2) ** 0.75)


def _fade(where: _Array, start: float, end: float) -> _Array:
    """1 up to a start, 0 from an end on, smooth between them."""
    t = ((where - start) / (end - start)).clip(0, 1)
    faded: _Array = 1 - t * t * (3 - 2 * t)
    return faded
