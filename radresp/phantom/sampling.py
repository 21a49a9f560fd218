"""Sample points: from a painted patient to voxels, with real partial volume.

What: every voxel is the mean over sample points in its plane and through the thickness of its
slice. Values are looked up by label; shares of tissues are counted where those tissues are.
When: everything a scanner does to a synthetic patient starts here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radresp.core import Grid
from radresp.phantom.anatomy import Anatomy, muscle_core
from radresp.phantom.deformation import Deformation
from radresp.phantom.geometry import Plane, Points, Window
from radresp.phantom.lesion import Lesion
from radresp.phantom.tissue import BED_PARTS, Label, Properties

_MUSCLE = (Label.MUSCLE,)
_LUMEN = (Label.GEL, Label.GAS)  # only lesions have higher labels
_MARGIN_MM = 6.0  # the wall and a bit


@dataclass(frozen=True, slots=True)
class Subject:
    """A patient at one visit, as the scanner meets them.

    Parameters
    ----------
    anatomy, lesion : Anatomy, Lesion
        What there is, in anatomical mm.
    tissue : Properties
        How it looks.
    field_strength_t : float
        1.5 or 3.
    lattices : tuple of numpy.ndarray
        Texture of the signal and of diffusion.
    to_anatomy : numpy.ndarray
        4x4, LPS mm of the scanner to anatomical mm of this visit.
    warp : Deformation, optional
        From there to the anatomical mm in which everything is painted.
    """

    anatomy: Anatomy
    lesion: Lesion
    tissue: Properties
    field_strength_t: float
    lattices: tuple[NDArray[np.float32], NDArray[np.float32]]
    to_anatomy: NDArray[np.float64]
    warp: Deformation | None = None

    def paint(self, plane: Plane) -> NDArray[np.uint8]:
        """Labels of every point of a plane, lesion included."""
        labels = self.anatomy.paint(plane)
        self.lesion.paint(labels, plane, self.anatomy.rectum)
        return labels


@dataclass(frozen=True, slots=True)
class Layer:
    """The sample points of one depth in a slice, or of a window in it.

    Parameters
    ----------
    at : float
        Slice index of the depth.
    window : tuple of slice
        Rows and columns of voxels that the labels cover.
    labels : numpy.ndarray
        Of every sample point in the window.
    weight : numpy.ndarray or int
        For how many depths the points of each voxel stand, of the shape of the window.
    """

    at: float
    window: Window
    labels: NDArray[np.uint8]
    weight: NDArray[np.float32] | int


@dataclass(frozen=True, slots=True)
class Sampler:
    """Sample points of the voxels of a grid.

    All depths of a slice are painted where the bowel's lumen and the lesion are, and around them;
    elsewhere the depth in the middle stands for all.

    Parameters
    ----------
    subject : Subject
        Who is painted.
    grid : Grid
        Voxels.
    edge : int
        Sample points along both edges of a voxel in its plane.
    depths : int
        Sample points through a slice.
    thickness_mm : float
        Of a slice; the rest of the slice distance is a gap that nothing is seen of.
    """

    subject: Subject
    grid: Grid
    edge: int
    depths: int
    thickness_mm: float

    @property
    def samples(self) -> int:
        """Sample points in a voxel."""
        return self.edge * self.edge * self.depths

    def plane(self, at: float, edge: int | None = None, window: Window | None = None) -> Plane:
        """The sample points at a slice index, which may lie between slices."""
        edge = edge or self.edge
        nx, ny, _ = self.grid.size
        rows, columns = window or (slice(0, ny), slice(0, nx))
        affine = self.subject.to_anatomy @ self.grid.affine
        first = 0.5 / edge - 0.5
        corner = affine @ np.array([first + columns.start, first + rows.start, at, 1.0])
        return Plane(
            corner[:3],
            affine[:3, 1] / edge,
            affine[:3, 0] / edge,
            (rows.stop - rows.start) * edge,
            (columns.stop - columns.start) * edge,
            self.subject.warp,
        )

    def points(self, k: int) -> Points:
        """Where the middles of the voxels of a slice lie, anatomical mm."""
        plane = self.plane(k, edge=1)
        return plane.points(plane.whole)

    def middles(self) -> list[NDArray[np.uint8]]:
        """Labels of the depth nearest the middle, for every slice."""
        at = self._at[self.depths // 2]
        return [self.subject.paint(self.plane(k + at)) for k in range(self.grid.size[2])]

    def layers(self, k: int, middles: list[NDArray[np.uint8]]) -> Iterator[Layer]:
        """All layers of slice k, that of the middle first.

        Parameters
        ----------
        k : int
            The slice.
        middles : list of numpy.ndarray
            From `middles`.
        """
        nx, ny, slices = self.grid.size
        middle, window = self.depths // 2, None
        if self.depths > 1:
            near = middles[max(k - 1, 0) : min(k + 2, slices)]
            window = self._around(np.logical_or.reduce([m >= min(_LUMEN) for m in near]))
        weight = np.full((ny, nx), self.depths, np.float32)
        if window is not None:
            weight[window] = 1
        yield Layer(k + self._at[middle], (slice(0, ny), slice(0, nx)), middles[k], weight)
        if window is None:
            return
        for at in (k + a for i, a in enumerate(self._at) if i != middle):
            yield Layer(at, window, self.subject.paint(self.plane(at, window=window)), 1)

    @property
    def _at(self) -> list[float]:
        """Where the depths lie, in slice distances from the middle of a slice."""
        share = self.thickness_mm / self.grid.spacing_mm[2]
        return [((i + 0.5) / self.depths - 0.5) * share for i in range(self.depths)]

    def _around(self, there: NDArray[np.bool_]) -> Window | None:
        """The voxels around all sample points where something holds, with a margin."""
        spans = []
        for axis in (0, 1):
            where = np.flatnonzero(there.any(axis=1 - axis)) // self.edge
            if not len(where):
                return None
            margin = int(np.ceil(_MARGIN_MM / self.grid.spacing_mm[1 - axis]))
            last = self.grid.size[1 - axis]
            spans.append(slice(max(where[0] - margin, 0), min(where[-1] + 1 + margin, last)))
        return spans[0], spans[1]


class Outlines:
    """Shares of the voxels that are one tissue or another, and how much there is of each label.

    Parameters
    ----------
    sampler : Sampler
        Whose layers will be given to `add`.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        lesion = tuple(label for label in Label if label >= Label.TUMOUR)
        self._groups = {"muscle": _MUSCLE, "lumen": _LUMEN, "lesion": lesion, **BED_PARTS}
        self._counts = np.zeros(len(Label))
        self._shares: dict[str, NDArray[np.float32]] = {}

    def add(self, k: int, layer: Layer) -> None:
        """Count one layer of slice k."""
        counts = np.bincount(layer.labels.ravel(), minlength=len(Label))
        # Where lesions are, every layer stands for itself alone.
        self._counts += counts
        for name, group in self._groups.items():
            if counts[list(group)].any():
                first, last = min(group), max(group)
                # Labels of a group follow each other: those below wrap round to large numbers.
                inside = (layer.labels - np.uint8(first)) <= np.uint8(last - first)
                self._share(name)[k][layer.window] += (
                    pooled(inside.view(np.uint8), self._sampler.edge) * layer.weight
                )

    def _share(self, name: str) -> NDArray[np.float32]:
        if name not in self._shares:
            self._shares[name] = np.zeros(self._sampler.grid.size[::-1], np.float32)
        return self._shares[name]

    @property
    def shares(self) -> dict[str, NDArray[np.float32]]:
        """Share of each voxel, 0 to 1, by name; the parts of a bed where there is one."""
        bed = any(name in self._shares for name in BED_PARTS)
        return {
            name: self._share(name) / np.float32(self._sampler.samples)
            for name in self._groups
            if bed or name not in BED_PARTS
        }

    @property
    def volume_ml(self) -> dict[Label, float]:
        """Volume of every lesion label, mL."""
        volume = self._counts / self._sampler.samples * self._sampler.grid.voxel_volume_ml
        return {label: float(volume[label]) for label in Label if label >= Label.TUMOUR}


def core_of_muscle(subject: Subject, grid: Grid) -> NDArray[np.bool_]:
    """Voxels whose centre lies well inside the obturator internus, (z, y, x)."""
    sampler = Sampler(subject, grid, 1, 1, 1.0)
    return np.stack([muscle_core(sampler.plane(k), subject.anatomy) for k in range(grid.size[2])])


def pooled(values: NDArray[Any], edge: int) -> NDArray[Any]:
    """Sums over square blocks of sample points."""
    return beside(sum((values[i::edge] for i in range(1, edge)), values[::edge]), edge)


def beside(values: NDArray[Any], edge: int) -> NDArray[Any]:
    """Sums over sample points side by side in a row of a voxel."""
    return sum((values[:, i::edge] for i in range(1, edge)), values[:, ::edge])
