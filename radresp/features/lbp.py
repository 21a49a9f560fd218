"""Local binary patterns: which neighbours of a voxel are brighter, whatever the contrast.

Within the slice: Ojala et al., IEEE TPAMI 2002;24:971, uniform and rotation invariant, as
scikit-image's ``local_binary_pattern(method="uniform")``. In three dimensions: Banerjee et al.,
ACCV 2012 workshops (LNCS 7728:26), signs on a sphere described by spherical harmonics, as
pyradiomics has it, including that it takes the two angles of a direction for each other.

Written here because pyradiomics' own would need scikit-image, trimesh and a function that SciPy has
removed; both are held to the values of those.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special, stats

SAMPLES, RADIUS_VOXELS = 8, 1.0
LEVELS = 2
_AT_ONCE = 20_000
Image = NDArray[np.floating]


def pattern_2d(values: Image) -> Image:
    """Uniform patterns within each slice.

    Parameters
    ----------
    values : numpy.ndarray
        Ordered (z, y, x); beyond its edge counts as 0.

    Returns
    -------
    numpy.ndarray
        0 to 8, the number of neighbours not darker, where these lie side by side; else 9.

    Examples
    --------
    >>> pattern_2d(np.pad(np.ones((1, 1, 1)), ((0, 0), (1, 1), (1, 1))))[0, 1, 1]
    np.float64(0.0)
    """
    angles = 2 * np.pi * np.arange(SAMPLES) / SAMPLES
    ways = np.round(RADIUS_VOXELS * np.stack([-np.sin(angles), np.cos(angles)], axis=1), 5)
    z, y, x = np.indices(values.shape, dtype=float)
    brighter = np.array(
        [
            ndimage.map_coordinates(values, (z, y + dy, x + dx), order=1, cval=0.0, mode="constant")
            >= values
            for dy, dx in ways
        ]
    )
    changes = np.sum(brighter[1:] != brighter[:-1], axis=0)
    return np.where(changes <= 2, brighter.sum(axis=0), SAMPLES + 1).astype(float)


def patterns_3d(values: Image, inside: NDArray[np.bool_]) -> dict[str, Image]:
    """Rotation-invariant patterns on a sphere of one voxel around each voxel of a region.

    Parameters
    ----------
    values : numpy.ndarray
        The image, ordered (z, y, x); intensities on the sphere get its precision.
    inside : numpy.ndarray
        The region, same shape.

    Returns
    -------
    dict of str to numpy.ndarray
        ``m1`` and ``m2``, energy of the signs in the harmonics of degree 0 and 1; ``k``, kurtosis
        of the intensities. 0 outside the region.
    """
    ways = _icosphere()
    degrees, harmonics = _harmonics(ways)
    where = np.argwhere(inside)
    smooth = ndimage.spline_filter(values, order=3, output=np.float64, mode="constant")
    found = np.empty((len(where), LEVELS + 1))
    for start in range(0, len(where), _AT_ONCE):
        part = where[start : start + _AT_ONCE]
        points = (part[:, None, :] + ways[None, :, :]).transpose(2, 0, 1)
        around = ndimage.map_coordinates(
            smooth, points, order=3, prefilter=False, output=values.dtype
        )
        centre = values[tuple(part.T)]
        found[start : start + _AT_ONCE] = _described(around, centre, degrees, harmonics)
    images: dict[str, Image] = {}
    for name, column in zip((*(f"m{n + 1}" for n in range(LEVELS)), "k"), found.T, strict=True):
        images[name] = np.zeros(values.shape)
        images[name][inside] = column
    return images


def _described(
    around: Image, centre: Image, degrees: NDArray[np.int_], harmonics: NDArray[np.complex128]
) -> Image:
    with np.errstate(all="ignore"):
        kurtosis = stats.kurtosis(around.astype(np.float64), axis=1)
    weights = (around >= centre[:, None]).astype(float) @ harmonics
    energy = [
        # The norm of a complex sum, of which pyradiomics takes the root and the real part.
        np.real(np.sqrt(np.sum((weights[:, of] @ harmonics[:, of].T) ** 2, axis=1)))
        for of in (degrees == n for n in range(LEVELS))
    ]
    return np.column_stack([*energy, kurtosis])


def _icosphere() -> Image:
    """42 directions: the corners of an icosahedron and the middles of its edges, of length 1."""
    golden = (1 + np.sqrt(5)) / 2
    corners = [(0.0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    corners = [tuple(np.roll(corner, turn)) for corner in corners for turn in range(3)]
    solid = np.array(corners) / np.hypot(1, golden)
    edge = min(np.linalg.norm(a - b) for a, b in combinations(solid, 2))
    middles = [a + b for a, b in combinations(solid, 2) if np.linalg.norm(a - b) < 1.1 * edge]
    return np.concatenate([solid, [m / np.linalg.norm(m) for m in middles]])


def _harmonics(ways: Image) -> tuple[NDArray[np.int_], NDArray[np.complex128]]:
    """Degrees, and the spherical harmonics of each direction, shape (directions, degrees)."""
    theta, phi = np.arccos(np.clip(ways[:, 2], -1, 1)), np.arctan2(ways[:, 1], ways[:, 0])
    orders = [(n, m) for n in range(LEVELS) for m in range(-n, n + 1)]
    # pyradiomics hands over polar and azimuthal angle in each other's place.
    columns = [special.sph_harm_y(n, m, phi, theta) for n, m in orders]
    return np.array([n for n, _ in orders]), np.column_stack(columns)
