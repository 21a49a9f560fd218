"""Single-shot echo-planar imaging: shifts along phase encode, pile-up, and signal lost beside gas.

What: signal that is off resonance is moved along phase encode by the line time of the echo train.
Every sample of the painted patient is moved as a short interval of signal and laid over the
voxels it lands on, so that nothing is lost or gained: where the field squeezes, signal piles up
(the Jacobian), where it stretches, it thins out, and where it folds, it adds up.
Source: Jezzard and Balaban, Magn Reson Med 1995;34:65-73; ``docs/reference/clinical.md`` 2.3:
shift = off-resonance / bandwidth per pixel, bandwidth = 1 / (echo spacing * steps / acceleration).
When: between the painted patient and the DWI voxels.

Assumptions. A spin echo refocuses the dephasing through the slice at the echo only; the phase that
is left while the rest of the train is read is taken at a quarter of the train. Of the fat signal
that suppression leaves, a quarter is taken to be the main peak, 3.4 ppm below water and moved as
such, the rest olefinic fat, which lies beside water and is reached by no spectral suppression.
A voxel's point spread, along phase encode wider for the decay during the train, takes a fifth to
either neighbour along phase encode and a tenth along read-out. Failing fat suppression near gas and
ghosts are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radresp.core import Grid
from radresp.phantom.geometry import Window
from radresp.phantom.offresonance import FieldMap
from radresp.phantom.protocol import Protocol
from radresp.phantom.sampling import beside

FAT_PPM = -3.4
"""Main peak of fat less water."""

MAIN_PEAK_SHARE = 0.25
"""How much of the fat signal that suppression leaves is at the main peak."""

_STEEP = 0.1  # voxels of shift from column to column
_SPREAD = (0.2, 0.1)  # to either neighbour, along phase encode and along read-out
_THINNEST = 1e-9  # voxels; keeps the density finite where a fold turns round


@dataclass(frozen=True, slots=True)
class EchoTrain:
    """Where the echo train of a scanner takes the signal of a grid's voxels.

    Parameters
    ----------
    protocol : Protocol
        The scanner.
    field : FieldMap
        Off-resonance in the frame of the grid.
    grid : Grid
        Voxels.
    factor : float
        On all that the train does; the field has it already.
    """

    protocol: Protocol
    field: FieldMap
    grid: Grid
    factor: float

    @property
    def rows_per_ppm(self) -> float:
        """Voxels along phase encode for each ppm."""
        return self.protocol.shift_mm_per_ppm / self.grid.spacing_mm[1]

    def move(
        self, at: float, window: Window, samples: NDArray[np.float32], edge: int
    ) -> NDArray[np.float64]:
        """What the columns of a window get of the samples in it.

        Parameters
        ----------
        at : float
            Slice index.
        window : tuple of slice
            Rows and columns of voxels that the samples cover.
        samples : numpy.ndarray
            Signal, (images, rows, columns), ``edge`` to a voxel along both axes.
        edge : int
            Samples along the edge of a voxel.

        Returns
        -------
        numpy.ndarray
            Sums over the samples, (images, all rows of the image, columns of the window).
        """
        rows, columns = window
        landing = self._landing(at, rows, edge, columns, 1)
        height = self.grid.size[1]
        seen = push(np.stack([beside(image, edge) for image in samples]), landing, height)
        # Beside gas, samples of one voxel land apart; elsewhere the field at its middle will do.
        steep = np.flatnonzero((np.abs(np.diff(landing, axis=1)) > _STEEP).any(axis=0))
        if edge > 1 and len(steep):
            first, last = int(steep[0]), int(steep[-1]) + 2
            near = slice(columns.start + first, columns.start + last)
            landing = self._landing(at, rows, edge, near, edge)
            fine = push(samples[..., first * edge : last * edge], landing, height)
            seen[..., first:last] = sum(fine[..., i::edge] for i in range(edge))
        return seen

    def move_fat(self, k: int, voxels: NDArray[np.float32]) -> NDArray[np.float64]:
        """What the voxels of slice k get of the main peak of fat in them; whole voxels will do."""
        nx, ny, _ = self.grid.size
        landing = self._landing(k, slice(0, ny), 1, slice(0, nx), 1)
        return push(voxels, landing + self.factor * FAT_PPM * self.rows_per_ppm, ny)

    def _landing(
        self, at: float, rows: slice, by_row: int, columns: slice, by_column: int
    ) -> NDArray[np.float64]:
        """Where the faces between rows of samples of water land, in voxels from the first face."""
        dx, dy, dz = self.grid.spacing_mm
        faces = np.arange(rows.start * by_row, rows.stop * by_row + 1) / by_row
        x = (np.arange(columns.start * by_column, columns.stop * by_column) + 0.5) / by_column - 0.5
        landing = self.field.ppm(x * dx, (faces - 0.5) * dy, at * dz)
        landing *= self.rows_per_ppm
        landing += faces[:, None]
        return landing

    def left(self, k: int, thickness_mm: float) -> NDArray[np.float32]:
        """Share of the signal of every voxel of a slice that dephasing leaves."""
        x, y, z = self._middles_mm
        return dephasing(self.field.ppm_per_mm(x, y, z[k]), thickness_mm, self.protocol)

    def shift_mm(self) -> NDArray[np.float32]:
        """How far towards higher y the water in every voxel is moved, (z, y, x)."""
        x, y, z = self._middles_mm
        shift = [self.field.ppm(x, y, at) * self.protocol.shift_mm_per_ppm for at in z]
        return np.stack(shift).astype(np.float32)

    @property
    def _middles_mm(self) -> list[NDArray[np.float64]]:
        """Middles of columns, rows and slices from the first voxel."""
        return [
            np.arange(float(n)) * mm
            for n, mm in zip(self.grid.size, self.grid.spacing_mm, strict=True)
        ]


def push(
    signals: NDArray[np.floating], landing: NDArray[np.float64], voxels: int
) -> NDArray[np.float64]:
    """Lay samples over the voxels they land on; the sum of what lands inside is kept.

    Parameters
    ----------
    signals : numpy.ndarray
        Signal of every sample, for one image or more, (images, rows, columns). Rows run along
        phase encode.
    landing : numpy.ndarray
        Where the faces between the rows of samples land, (rows + 1, columns), in voxels from the
        outer face of the first voxel.
    voxels : int
        Voxels along phase encode.

    Returns
    -------
    numpy.ndarray
        Sums over the samples, (images, voxels, columns).

    Examples
    --------
    >>> faces = np.arange(5.0)[:, None]
    >>> push(np.ones((1, 4, 1)), faces, 4).ravel()
    array([1., 1., 1., 1.])
    >>> push(np.ones((1, 4, 1)), 0.5 * faces, 4).ravel()
    array([2., 2., 0., 0.])
    """
    width = np.diff(landing, axis=0)
    width[np.abs(width) < _THINNEST] = _THINNEST
    # A box of signal is a step up at one face and a step down at the other. What a voxel gets of a
    # step inside it is the part beyond the step, and every voxel further on gets the whole; so the
    # steps are collected by voxel and then summed up along the rows.
    density = signals / width
    steps = np.empty((len(signals), *landing.shape))
    steps[:, 0] = density[:, 0]
    np.subtract(density[:, 1:], density[:, :-1], out=steps[:, 1:-1])
    np.negative(density[:, -1], out=steps[:, -1])
    columns = landing.shape[1]
    face = landing.clip(0, voxels)
    into = face.astype(np.intp)
    face -= into
    into *= columns
    into += np.arange(columns)
    live = np.flatnonzero(steps.any(axis=0))
    index, part = into.ravel()[live], face.ravel()[live]
    size = (voxels + 1) * columns
    seen = np.empty((len(signals), voxels, columns))
    for image, step in zip(seen, steps.reshape(len(steps), -1), strict=True):
        whole = step[live]
        beyond = whole * part
        collected = np.bincount(index, whole - beyond, size)
        collected[columns:] += np.bincount(index, beyond, size)[:-columns]
        np.cumsum(collected.reshape(-1, columns)[:voxels], axis=0, out=image)
    return seen


def dephasing(
    ppm_per_mm: NDArray[np.float64], thickness_mm: float, scanner: Protocol
) -> NDArray[np.float32]:
    """Share of the signal, 0 to 1, that a field gradient through the slice leaves.

    Parameters
    ----------
    ppm_per_mm : numpy.ndarray
        Gradient of the field through the slice.
    thickness_mm : float
        Of the slice.
    scanner : Protocol
        Gives the field strength and the echo train.
    """
    seconds = scanner.readout_ms / 4000
    turns = ppm_per_mm * (scanner.hz_per_ppm * thickness_mm * seconds)
    return np.abs(np.sinc(turns)).astype(np.float32)


def spread(images: NDArray[np.float64], factor: float = 1.0) -> NDArray[np.float64]:
    """Images after the point spread of the acquisition, (..., rows, columns); sums are kept.

    Parameters
    ----------
    images : numpy.ndarray
        Rows run along phase encode.
    factor : float
        On the width; 0 for none.
    """
    for axis, share in zip((-2, -1), _SPREAD, strict=True):
        lines = np.moveaxis(images, axis, -1)
        passed = (factor * share) * lines
        lines = lines - 2 * passed
        lines[..., 1:] += passed[..., :-1]
        lines[..., :-1] += passed[..., 1:]
        lines[..., 0] += passed[..., 0]
        lines[..., -1] += passed[..., -1]
        images = np.moveaxis(lines, -1, axis)
    return images
