"""Small matrices that blur, read and window rows of voxels, and where one image lies in another.

A volume is smoothed, resampled or summed over windows by one matrix along each axis. Written for
`bspline_lncc`, which applies them on a CPU or a GPU alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radresp.core import Grid
from radresp.registration.control_grid import Matrix, cubic

_SHARP = 1e-3  # a sigma below this many voxels blurs nothing


@dataclass(frozen=True)
class AffineMap:
    """From mm along the area's axes to voxels of the moving image: ``turn @ x + start``."""

    turn: NDArray[np.float64]
    start: NDArray[np.float64]

    @classmethod
    def between(cls, grid: Grid, moving: Grid, rigid: sitk.Transform) -> AffineMap:
        """The map that a linear transform of LPS mm makes of mm and voxels."""
        corner = np.array(rigid.TransformPoint(grid.origin_mm))
        ends = np.asarray(grid.origin_mm) + grid.axes.T
        moved = np.array([rigid.TransformPoint(end) for end in ends.tolist()]) - corner
        inverse = np.linalg.inv(moving.affine[:3, :3])
        return cls(inverse @ moved.T, inverse @ (corner - moving.affine[:3, 3]))


def resampler(count: int, at: Matrix, sigma: float) -> Matrix:
    """The matrix that smooths a row of voxels and reads it between them by a cubic spline.

    Parameters
    ----------
    count : int
        Voxels in the row.
    at : ndarray
        Where to read, in voxels; beyond the ends the end voxel's neighbourhood is mirrored.
    sigma : float
        Of the Gaussian that goes before, voxels; 0 for none.

    Returns
    -------
    ndarray
        (place, voxel); every row sums to 1.
    """
    index, beyond = np.arange(count, dtype=float), np.arange(-1.0, count + 1)
    collocation = _mirrored(cubic(np.subtract.outer(index, beyond)))
    inside = np.clip(at, 0, count - 1)
    reading = _mirrored(cubic(np.subtract.outer(inside, beyond)))
    matrix = np.linalg.solve(collocation.T, reading.T).T
    if sigma > _SHARP:
        smooth = np.exp(-0.5 * ((index[:, None] - index) / sigma) ** 2)
        smooth[np.abs(index[:, None] - index) > 3 * sigma + 1e-9] = 0
        matrix = matrix @ (smooth / smooth.sum(axis=1, keepdims=True))
    return cast(Matrix, matrix)


def _mirrored(basis: Matrix) -> Matrix:
    """A basis on one point more at each end, folded back onto the points."""
    folded = basis[:, 1:-1].copy()
    if folded.shape[1] == 1:
        return np.ones_like(folded)
    folded[:, 1] += basis[:, 0]
    folded[:, -2] += basis[:, -1]
    return folded


def blur(wanted_mm: float, own_mm: float) -> float:
    """Sigma in voxels that makes voxels of one size look like larger ones."""
    return 0.5 * float(np.sqrt(max((wanted_mm / own_mm) ** 2 - 1, 0)))


def windows(places: NDArray[np.float64], edge: float, sigma: float) -> NDArray[np.float64]:
    """Gaussian windows about a sigma apart, so scaled that every voxel counts once in all."""
    sigma = max(sigma, 0.75 * edge)
    every = max(1, round(sigma / edge))
    first = ((len(places) - 1) % every) / 2
    middles = places[0] + edge * (np.arange(0, len(places), every) + first)
    weights = np.exp(-0.5 * ((middles[:, None] - places) / sigma) ** 2)
    weights[weights < np.exp(-4.5)] = 0
    return weights / weights.sum(axis=0)


def smoothing(count: int) -> NDArray[np.float64]:
    """Each value averaged with its neighbours, weights 1 2 1; the ends repeat themselves."""
    matrix = 0.5 * np.eye(count) + 0.25 * (np.eye(count, k=1) + np.eye(count, k=-1))
    matrix[0, 0] += 0.25
    matrix[-1, -1] += 0.25
    return matrix


def root_of(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    """The symmetric square root of a Gram matrix."""
    values, vectors = np.linalg.eigh(gram)
    return (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
