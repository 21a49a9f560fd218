"""Random numbers on a patch: smooth fields, and the noise of magnitude images.

Source: cubic B-splines with random coefficients; Rician noise as in Gudbjartsson and Patz, Magn
Reson Med 1995;34:910-914.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Field:
    """Smooth random fields on the patch.

    Cubic B-splines, evaluated by one matrix an axis.

    Parameters
    ----------
    shape : sequence of three ints
        Voxels of the patch (z, y, x).
    edges_mm : sequence of three floats
        Their edges, mm.
    knot_mm : float
        About how far apart control points are, mm; one interval an axis at least.

    Examples
    --------
    >>> field = Field((8, 16, 16), (4.0, 1.5, 1.5), 24.0)
    >>> found = field.draw(np.random.default_rng(1), 2.0, parts=3)
    >>> found.shape, bool(np.abs(found).max() <= 2)
    ((8, 16, 16, 3), True)
    """

    def __init__(self, shape: Sequence[int], edges_mm: Sequence[float], knot_mm: float) -> None:
        self.matrices = []
        for count, edge_mm in zip(shape, edges_mm, strict=True):
            extent_mm = (count - 1) * edge_mm
            intervals = max(1, round(extent_mm / knot_mm))
            self.matrices.append(_spline(count, extent_mm / intervals, edge_mm))

    def draw(self, random: np.random.Generator, largest: float, parts: int = 1) -> Floats:
        """A field of shape (z, y, x, parts) within ``largest`` of 0."""
        z, y, x = self.matrices
        given = random.uniform(-largest, largest, (z.shape[1], y.shape[1], x.shape[1], parts))
        found = np.tensordot(z, given.astype(np.float32), (1, 0))
        found = np.tensordot(y, found, (1, 1))
        return np.tensordot(x, found, (1, 2)).transpose(2, 1, 0, 3)


def _spline(count: int, knot_mm: float, edge_mm: float) -> Floats:
    """Weights of control points (columns) at voxels (rows); every row sums to 1."""
    at = np.arange(count) * edge_mm / knot_mm
    first = np.minimum(np.floor(at), np.floor(at[-1] - 1e-6)).astype(int)
    t = at - first
    weights = np.stack(
        [
            (1 - t) ** 3,
            3 * t**3 - 6 * t**2 + 4,
            -3 * t**3 + 3 * t**2 + 3 * t + 1,
            t**3,
        ]
    )
    matrix = np.zeros((count, first.max() + 4))
    for offset, weight in enumerate(weights / 6):
        matrix[np.arange(count), first + offset] = weight
    return matrix.astype(np.float32)


def rician(magnitude: Floats, size: float, random: np.random.Generator) -> Floats:
    """Magnitudes with complex noise.

    Parameters
    ----------
    magnitude : ndarray
        Signal without noise, 0 or more.
    size : float
        SD of the noise of either part, in the unit of the signal.
    random : numpy.random.Generator
        Where it is drawn from.

    Examples
    --------
    >>> none = np.zeros(10_000, np.float32)
    >>> noise = rician(none, 1.0, np.random.default_rng(1))
    >>> bool(abs(noise.mean() - np.sqrt(np.pi / 2)) < 0.02)
    True
    """
    real, imaginary = random.standard_normal((2, *magnitude.shape), dtype=np.float32)
    return np.hypot(magnitude + np.float32(size) * real, np.float32(size) * imaginary)
