"""A block of every tissue, large enough that nothing but that tissue is in the voxels inside it.

The blocks lie side by side across and along the patient and are long from front to back, so that
what echo-planar imaging moves along phase encode stays in its own block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radresp.core import Grid, Volume
from radresp.core import Sequence as Kind
from radresp.intensity import FitAdc, fit_adc
from radresp.phantom import PhantomSettings, Protocol, tissue_table
from radresp.phantom.geometry import Plane
from radresp.phantom.physics import texture_lattice
from radresp.phantom.scanner import Subject, scan_dwi, scan_t2
from radresp.phantom.tissue import ROWS, Label, Properties

COLUMNS, LAYERS = 6, 4
EDGE_MM = np.array([30.0, 24.0])  # of a block, along x and z
HALF_DEPTH_MM = 75.0
INNER_MM = (8.0, 7.0)  # half edges of the part that is measured, along x and z
_LABEL_OF = {row: label for label, row in ROWS.items()}
LABELS = {row: _LABEL_OF[row] for row in tissue_table() if row != ROWS[Label.GAS]}
"""One label for every tissue that gives signal."""


@dataclass(frozen=True)
class Blocks:
    """Stands in for the anatomy: paints blocks of some labels, by columns and layers."""

    labels: tuple[Label, ...]
    rectum: None = None

    def paint(self, plane: Plane) -> NDArray[np.uint8]:
        """Labels of every point of a plane."""
        x, y, z = np.broadcast_arrays(*plane.points(plane.whole))
        cells = np.full(COLUMNS * LAYERS + 1, Label.AIR, np.uint8)
        cells[: len(self.labels)] = self.labels
        column = np.floor(x / EDGE_MM[0] + COLUMNS / 2).astype(int)
        layer = np.floor(z / EDGE_MM[1] + LAYERS / 2).astype(int)
        inside = (column >= 0) & (column < COLUMNS) & (layer >= 0) & (layer < LAYERS)
        inside &= np.abs(y) < HALF_DEPTH_MM
        painted: NDArray[np.uint8] = cells[np.where(inside, layer * COLUMNS + column, -1)]
        return painted

    def inner(self, grid: Grid, half_depth_mm: float) -> list[tuple[slice, slice, slice]]:
        """Voxels (z, y, x) well inside each block."""
        found = []
        for i in range(len(self.labels)):
            layer, column = divmod(i, COLUMNS)
            x = (column + 0.5 - COLUMNS / 2) * EDGE_MM[0]
            z = (layer + 0.5 - LAYERS / 2) * EDGE_MM[1]
            spans = ((x, INNER_MM[0]), (0.0, half_depth_mm), (z, INNER_MM[1]))
            cut = [
                slice(int(np.ceil(low)), int(np.floor(high)) + 1)
                for (middle, half), first, step in zip(
                    spans, grid.origin_mm, grid.spacing_mm, strict=True
                )
                for low, high in [((middle - half - first) / step, (middle + half - first) / step)]
            ]
            found.append((cut[2], cut[1], cut[0]))
        return found


class _NoLesion:
    """The blocks hold whatever lesion there is."""

    def paint(self, labels: NDArray[np.uint8], plane: Plane, rectum: None) -> None:
        """Leave the labels as they are."""


def centred(size: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> Grid:
    """An axial grid with its middle at 0."""
    corner = [-(n - 1) / 2 * mm for n, mm in zip(size, spacing_mm, strict=True)]
    return Grid(size, spacing_mm, (corner[0], corner[1], corner[2]))


@dataclass(frozen=True)
class Imaged:
    """Voxel values inside every block: T2, each b-value, fitted ADC (1e-6 mm2/s)."""

    t2: list[NDArray[np.float32]]
    dwi: list[list[NDArray[np.float32]]]
    adc: list[NDArray[np.float32]]


def image(
    labels: Sequence[Label],
    tissue: Properties,
    protocol: Protocol,
    settings: PhantomSettings,
    seed: int,
) -> Imaged:
    """Image blocks of some labels on a scanner."""
    rng = np.random.default_rng(seed)
    blocks = Blocks(tuple(labels))
    lattices = texture_lattice(rng), texture_lattice(rng)
    subject = Subject(blocks, _NoLesion(), tissue, protocol.field_strength_t, lattices, np.eye(4))
    nx, _, nz = protocol.t2_size
    t2_grid = centred((nx, 36, nz), protocol.t2_spacing_mm)
    dwi_grid = centred(protocol.dwi_size, protocol.dwi_spacing_mm)
    t2 = scan_t2(subject, t2_grid, protocol, settings, rng).images[0]
    dwi = scan_dwi(subject, dwi_grid, protocol, settings, rng).images
    volumes = tuple(
        Volume.from_array(picture, dwi_grid, Kind.DWI, b_s_per_mm2=b)
        for b, picture in zip(protocol.b_values_s_per_mm2, dwi, strict=True)
    )
    # Nothing is left out of the fit: what the noise floor does shall be seen.
    fit = fit_adc(volumes, FitAdc(noise_floor_snr=0, noise_sigma=0))
    inner = blocks.inner(dwi_grid, 30.0)
    return Imaged(
        [t2[at].ravel() for at in blocks.inner(t2_grid, 9.0)],
        [[picture[at].ravel() for at in inner] for picture in dwi],
        [fit.adc.array[at].ravel() for at in inner],
    )
