"""Off-resonance: what gas in the bowel and an imperfect shim do to the main field.

What: the field around gas, in ppm, as the convolution of its susceptibility with the unit dipole,
done as a product in k-space on a zero-padded 3-mm grid; and a residual shim of second order. Both
are evaluated between the nodes, with the gradient through the slice.
Source: Salomir et al., Concepts Magn Reson B 2003;19:26-34; Marques and Bowtell, Concepts Magn
Reson B 2005;25:65-78. Gas against tissue 9.4 ppm (0.36 against about -9.05). The size of the
residual shim is an assumption, and so is that air around the body is shimmed away.
When: DWI by echo-planar imaging, which turns off-resonance into shifts (`radresp.phantom.epi`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

GAS_PPM = 9.4
"""Susceptibility of gas less that of tissue."""

NODE_MM = 3.0

# Residual shim at 150 mm from the middle, SD in ppm: linear terms, then those of second order.
_SHIM_PPM = np.array([0.12] * 3 + [0.08] * 5)
_SHIM_REACH_MM = 150.0
_BEYOND_MM = 30.0
_SMOOTH = 0.5  # SD in cells
_DIGITS = 6  # transforms differ between machines in the 15th


@dataclass(frozen=True, slots=True)
class FieldMap:
    """The deviation of the field, ppm, in the frame of an image.

    Places are mm along the axes of the image from the centre of its first voxel.

    Parameters
    ----------
    gas : numpy.ndarray
        Field of the gas as cubic B-spline coefficients on the nodes, with one more node on each
        side, (z, y, x).
    first_mm : tuple of float
        Place of the first node, without the one more, along x, y, z.
    step_mm : float
        Distance of the nodes.
    shim : numpy.ndarray
        Eight coefficients of the residual shim.
    middle_mm : tuple of float
        Where the shim is centred.
    """

    gas: NDArray[np.float64]
    first_mm: tuple[float, float, float]
    step_mm: float
    shim: NDArray[np.float64]
    middle_mm: tuple[float, float, float]

    def ppm(
        self, x_mm: NDArray[np.float64], y_mm: NDArray[np.float64], z_mm: float
    ) -> NDArray[np.float64]:
        """Field on a plane of columns and rows at one height, shape (rows, columns)."""
        field = self._gas(x_mm, y_mm, z_mm, slope=False)
        field += self._shim(x_mm, y_mm, z_mm)
        return field

    def ppm_per_mm(
        self, x_mm: NDArray[np.float64], y_mm: NDArray[np.float64], z_mm: float
    ) -> NDArray[np.float64]:
        """Gradient of the field through the plane; the shim's own is too small to count."""
        return self._gas(x_mm, y_mm, z_mm, slope=True) / self.step_mm

    def _gas(
        self, x_mm: NDArray[np.float64], y_mm: NDArray[np.float64], z_mm: float, *, slope: bool
    ) -> NDArray[np.float64]:
        places = (np.array([z_mm]), y_mm, x_mm)
        spans = [
            self._nodes(place, axis, slope=slope and axis == 2)
            for place, axis in zip(places, (2, 1, 0), strict=True)
        ]
        (slab, by_z), (rows, by_y), (columns, by_x) = spans
        field = sum(by_z[t] * self.gas[slab[0] + t] for t in range(4))
        field = sum(by_y[t][:, None] * field[rows + t] for t in range(4))
        # Columns are gathered as rows of the transpose, which is what takes the time.
        nodes = np.ascontiguousarray(field.T)
        across = by_x[0][:, None] * nodes[columns]
        for t in (1, 2, 3):
            part = nodes[columns + t]
            part *= by_x[t][:, None]
            across += part
        return across.T

    def _nodes(
        self, place_mm: NDArray[np.float64], axis: int, *, slope: bool
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """First of four nodes around each place, and their weights, shape (4, places)."""
        last = self.gas.shape[2 - axis] - 3
        at = ((place_mm - self.first_mm[axis]) / self.step_mm).clip(0, last)
        first = np.minimum(at.astype(np.intp), last - 1)
        t = at - first
        u = 1 - t
        if slope:
            return first, np.stack(
                [-u * u / 2, (1.5 * t - 2) * t, (2 - 1.5 * u) * u, t * t / 2],
            )
        return first, np.stack(
            [
                u * u * u / 6,
                2 / 3 - (1 - t / 2) * t * t,
                2 / 3 - (1 - u / 2) * u * u,
                t * t * t / 6,
            ]
        )

    def _shim(
        self, x_mm: NDArray[np.float64], y_mm: NDArray[np.float64], z_mm: float
    ) -> NDArray[np.float64]:
        x = (x_mm - self.middle_mm[0]) / _SHIM_REACH_MM
        y = (y_mm - self.middle_mm[1]) / _SHIM_REACH_MM
        z = (z_mm - self.middle_mm[2]) / _SHIM_REACH_MM
        c = self.shim
        by_x = (c[0] + c[5] * z) * x + (c[6] - c[7]) * (x * x)
        by_y = (c[1] + c[4] * z) * y - (c[6] + c[7]) * (y * y) + (c[2] * z + 2 * c[7] * z * z)
        # x y, y z, z x, x2 - y2 and 2 z2 - x2 - y2 are the terms of second order.
        plane = (c[3] * x)[:, None] * y
        plane += by_x[:, None]
        plane += by_y
        return plane.T


def on_nodes(
    gas: Sequence[NDArray[np.bool_]], spacing_mm: tuple[float, float, float], edge: int
) -> tuple[NDArray[np.float64], tuple[float, float, float]]:
    """Share of gas in cells of 3 mm; gas goes on for 30 mm beyond the first and last slice.

    Parameters
    ----------
    gas : sequence of numpy.ndarray
        For every slice, which sample points lie in gas, (y, x).
    spacing_mm : tuple of float
        Of the voxels, along x, y, z.
    edge : int
        Sample points along both edges of a voxel in its plane.

    Returns
    -------
    numpy.ndarray
        Share, 0 to 1, (z, y, x).
    tuple of float
        Centre of the first cell, mm along x, y, z from the centre of the first voxel.
    """
    dx, dy, dz = spacing_mm
    beyond = int(np.ceil(_BEYOND_MM / dz))
    planes = [
        _cells(_cells(plane, NODE_MM * edge / dx, 1), NODE_MM * edge / dy, 0) for plane in gas
    ]
    share = _cells(
        np.pad(np.stack(planes), ((beyond, beyond), (0, 0), (0, 0)), "edge"), NODE_MM / dz, 0
    )
    first = [(NODE_MM - mm) / 2 for mm in spacing_mm]
    return share, (first[0], first[1], first[2] - beyond * dz)


def _cells(values: NDArray[Any], length: float, axis: int) -> NDArray[np.float64]:
    """Means over cells of a length, in values, along an axis; beyond the end there is nothing."""
    sums = np.cumsum(values, axis, dtype=np.float64)
    sums = np.concatenate([np.zeros_like(sums.take([0], axis)), sums], axis)
    count = values.shape[axis]
    faces = (np.arange(int(np.ceil(count / length)) + 1) * length).clip(0, count)
    whole = np.minimum(faces.astype(np.intp), count - 1)
    part = np.expand_dims(faces - whole, tuple(range(1, values.ndim - axis)))
    below = sums.take(whole, axis)
    below += part * (sums.take(whole + 1, axis) - below)
    means: NDArray[np.float64] = np.diff(below, axis=axis) / length
    return means


def field_map(
    gas_share: NDArray[np.float64],
    first_mm: tuple[float, float, float],
    main_field: NDArray[np.float64],
    shim: NDArray[np.float64],
    factor: float = 1.0,
) -> FieldMap:
    """The field of gas and shim, ready to be looked up.

    Parameters
    ----------
    gas_share : numpy.ndarray
        Share of gas in cells of 3 mm along the axes of the image, (z, y, x).
    first_mm : tuple of float
        Centre of the first cell, mm along x, y, z from the centre of the first voxel.
    main_field : numpy.ndarray
        Direction of the main field along the axes of the image, unit length, (x, y, z).
    shim : numpy.ndarray
        From `draw_shim`.
    factor : float
        On everything.
    """
    field = dipole_field(gas_share, NODE_MM, main_field) * factor
    nodes = np.round(ndimage.spline_filter(field, 3, np.float64, mode="mirror"), _DIGITS)
    middle = [a + (n - 1) / 2 * NODE_MM for a, n in zip(first_mm, nodes.shape[::-1], strict=True)]
    return FieldMap(
        np.pad(nodes, 1, mode="reflect"),
        first_mm,
        NODE_MM,
        shim * factor,
        (middle[0], middle[1], middle[2]),
    )


def draw_shim(rng: np.random.Generator) -> NDArray[np.float64]:
    """A random residual shim: a few tenths of a ppm at the edge of the body."""
    return _SHIM_PPM * rng.standard_normal(len(_SHIM_PPM)).clip(-2, 2)


def dipole_field(
    gas_share: NDArray[np.float64], step_mm: float, main_field: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Deviation of the field around gas in tissue, ppm of the main field.

    Parameters
    ----------
    gas_share : numpy.ndarray
        Share of gas in each cell, 0 to 1, (z, y, x).
    step_mm : float
        Edge of the cubic cells.
    main_field : numpy.ndarray
        Direction of the main field, unit length, (x, y, z).

    Returns
    -------
    numpy.ndarray
        ppm, (z, y, x), rounded to 1e-6. For a sphere of radius a it is
        ``9.4 / 3 * (a / r)**3 * (3 cos**2 - 1)`` outside and 0 inside.
    """
    filled = np.nonzero(gas_share)
    if not len(filled[0]):
        return np.zeros_like(gas_share)
    # Room for the gas once more keeps its periodic images away from every cell.
    padded = [
        _odd_length(n + int(np.ptp(where)) + 1)
        for n, where in zip(gas_share.shape, filled, strict=True)
    ]
    k = [np.fft.fftfreq(n, step_mm) for n in padded[:2]] + [np.fft.rfftfreq(padded[2], step_mm)]
    kz, ky, kx = k[0][:, None, None], k[1][:, None], k[2]
    along = kx * main_field[0] + ky * main_field[1] + kz * main_field[2]
    square = kx * kx + ky * ky + kz * kz
    square[0, 0, 0] = 1.0  # the mean field is left at 0 below
    # Outside gas the field is harmonic: smoothing leaves it alone and takes the ringing away.
    smooth = np.exp(-2 * (np.pi * _SMOOTH * step_mm) ** 2 * square)
    kernel = (1 / 3 - along * along / square) * smooth
    kernel[0, 0, 0] = 0.0
    spectrum = fft.rfftn(gas_share, padded) * (kernel * GAS_PPM)
    whole = fft.irfftn(spectrum, padded)
    z, y, x = gas_share.shape
    return np.round(whole[:z, :y, :x], _DIGITS)


def _odd_length(least: int) -> int:
    """A length that transforms quickly; odd, so that no frequency is its own opposite."""
    length = int(fft.next_fast_len(least))
    while length % 2 == 0:
        length = int(fft.next_fast_len(length + 1))
    return length
