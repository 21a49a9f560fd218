"""The body: its outline with skin, subcutaneous fat and the thin septa in it.

What: painted first, and the septa last, over what is still fat beneath the skin.
Source: proportions after standard axial pelvic anatomy; there is no citation for single numbers.
When: drawing the pelvis.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from radresp.phantom.geometry import Plane
from radresp.phantom.tissue import Label

_LOBULE_CELLS = (120, 120, 30)
_LOBULE_CELL_MM = (0.5, 0.5, 2.0)
_LOBULES = 32


@dataclass(frozen=True, slots=True)
class Outline:
    """Outline of the body; lengths in mm.

    Parameters
    ----------
    half_width_mm, half_depth_mm : float
        Half axes.
    """

    half_width_mm: float
    half_depth_mm: float

    def paint(
        self, labels: NDArray[np.uint8], plane: Plane
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Paint skin and fat; return what is inside, and 0 in the middle to 1 at the skin."""
        x, y, _ = plane.points(plane.whole)
        # Rounder than a box, boxier than an ellipse; the cleft opens towards the feet.
        u, v = (
            x * np.float32(1 / self.half_width_mm),
            y * np.float32(1 / self.half_depth_mm),
        )
        u *= u
        v *= v
        np.minimum(u, 1.4, out=u)
        np.minimum(v, 1.4, out=v)
        depth = u * v
        depth *= np.float32(-0.35)
        depth += u
        depth += v
        inside = depth < 1
        np.copyto(labels, np.uint8(Label.SKIN), where=inside)
        np.copyto(
            labels,
            np.uint8(Label.FAT),
            where=depth < np.float32(1 - 4.4 / self.half_depth_mm),
        )
        self._cleave(labels, plane, inside)
        return inside, depth

    def paint_septa(
        self, labels: NDArray[np.uint8], plane: Plane, depth: NDArray[np.float32]
    ) -> None:
        """Thin sheets of connective tissue between the lobules of the subcutaneous fat."""
        fat = (depth > np.float32(0.7)) & (labels == Label.FAT)
        cells = [
            (p[fat] * np.float32(1 / edge) + 1000).astype(np.int32) % count
            for p, edge, count in zip(
                plane.points(plane.whole), _LOBULE_CELL_MM, _LOBULE_CELLS, strict=True
            )
        ]
        labels[fat] = np.where(
            _lobules()[tuple(cells)], np.uint8(Label.FASCIA), np.uint8(Label.FAT)
        )

    def _cleave(self, labels: NDArray[np.uint8], plane: Plane, inside: NDArray[np.bool_]) -> None:
        """The cleft between the buttocks, lined with skin."""
        centre = np.array([0.0, self.half_depth_mm, -60.0])
        window = plane.window(centre, np.array([20.0, 70.0, 80.0]))
        if window is None:
            return
        x, y, z = plane.points(window)
        depth = y - np.float32(self.half_depth_mm - 24) - np.float32(0.35) * z
        near = np.abs(x) * 6 - depth
        cleft = (near < 14) & (depth > -4) & inside[window]
        np.copyto(labels[window], np.uint8(Label.SKIN), where=cleft)
        inside[window] &= near > 0


@cache
def _lobules() -> NDArray[np.bool_]:
    """Whether a septum runs through a cell of a block that repeats."""
    rng = np.random.default_rng(1)
    # Taller than wide: most septa stand upright.
    cell = np.array(_LOBULE_CELL_MM) * (1, 1, 0.3)
    edges = np.array(_LOBULE_CELLS) * cell
    tree = cKDTree(rng.uniform(0, 1, (_LOBULES, 3)) * edges, boxsize=edges)
    cells = np.stack(np.meshgrid(*map(np.arange, _LOBULE_CELLS), indexing="ij"), axis=-1)
    near, far = np.moveaxis(tree.query((cells + 0.5) * cell, k=2)[0], -1, 0)
    return np.asarray(far - near < 0.4)
