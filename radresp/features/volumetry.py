"""Volumetry: the sizes a radiologist measures, from the outline alone.

What: volume, number of slices, longest axial diameter and craniocaudal length. Lengths run from
voxel edge to voxel edge, as a caliper is set; a box of voxels is measured exactly. Texture,
intensity and mesh-based shape are the business of ``original``.

Rectal T2 slices are laid perpendicular to the tumour's axis, so "axial" means in the slice plane
and "craniocaudal" across the slices. Where another stored axis runs clearly closer to the
patient's long axis (coronal or sagittal series, files with permuted axes), it takes the place of
the slice axis; slices tilted up to 50 degrees still count as axial. Flipping or permuting the
axes of a file of axial slices therefore changes nothing.

Source: size measures of MR tumour regression reading; volume reduction is
``1 - exp(delta log ratio of volume_ml)``. When to use: always; it costs milliseconds and is the
baseline any texture model has to beat.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from radresp.core import Grid, Region, Settings, Step
from radresp.features.family import Extracted

NAMES = ("volume_ml", "axial_slices", "longest_axial_diameter_mm", "craniocaudal_length_mm")


class Volumetry(Settings):
    """Nothing to set: every plan measures sizes the same way."""


def names(settings: Volumetry) -> tuple[str, ...]:
    """Feature names, in order."""
    return NAMES


def extract(region: Region, settings: Volumetry) -> Extracted:
    """Measure the outline of a region.

    Parameters
    ----------
    region : Region
        Only its mask is looked at.
    settings : Volumetry
        Empty.

    Returns
    -------
    Extracted
        ``volume_ml``, voxels times voxel volume; ``axial_slices``, slices the outline occurs on;
        ``longest_axial_diameter_mm``, largest distance in any one slice;
        ``craniocaudal_length_mm``, first to last slice. Never absent.

    Examples
    --------
    >>> from radresp.core import Mask, RegionKey, Roi, Sequence, Timepoint, Volume
    >>> grid = Grid((8, 8, 4), (1, 1, 3))
    >>> box = np.zeros((4, 8, 8), dtype=bool)
    >>> box[1:3, 2:6, 2:5] = True
    >>> region = Region(
    ...     RegionKey(Timepoint.PRE, Sequence.T2, Roi.TUMOUR),
    ...     Volume.from_array(np.zeros((4, 8, 8)), grid, Sequence.T2),
    ...     Mask.from_array(box, grid, Roi.TUMOUR),
    ... )
    >>> {name: round(v, 6) for name, v in extract(region, Volumetry()).values.items()} == {
    ...     "volume_ml": 0.072, "axial_slices": 2.0,
    ...     "longest_axial_diameter_mm": 5.0, "craniocaudal_length_mm": 6.0}
    True
    """
    started = perf_counter()
    mask = region.mask
    order = axial_order(mask.grid)
    slices, spacing_mm = mask.array.transpose(order), np.array(mask.grid.spacing_mm[::-1])[order]
    occupied = np.flatnonzero(slices.any(axis=(1, 2)))
    diameters = [longest_diameter_mm(slices[index], spacing_mm[1:]) for index in occupied]
    values = dict(
        zip(
            NAMES,
            (
                mask.volume_ml,
                float(occupied.size),
                max(diameters),
                float((occupied[-1] - occupied[0] + 1) * spacing_mm[0]),
            ),
            strict=True,
        )
    )
    step = Step("features", "volumetry", settings.model_dump(mode="json"), perf_counter() - started)
    return Extracted(values, {}, step)


def axial_order(grid: Grid) -> list[int]:
    """The array axes (z, y, x) of a grid in the order that puts the craniocaudal one first."""
    towards_head = np.abs(grid.axes[2])
    # The margin keeps two scans of one patient, tilted 44 and 46 degrees, on the same axis.
    axis = 2 if towards_head[2] >= towards_head.max() - 0.2 else int(towards_head.argmax())
    return sorted(range(3), key=lambda array_axis: array_axis != 2 - axis)


def longest_diameter_mm(plane: NDArray[np.bool_], spacing_mm: NDArray[np.float64]) -> float:
    """Largest distance between voxel corners of one slice; only each row's ends can hold it."""
    rows = np.flatnonzero(plane.any(axis=1))
    first = plane[rows].argmax(axis=1)
    last = plane.shape[1] - plane[rows, ::-1].argmax(axis=1)
    corners = [(row, column) for row in (rows, rows + 1) for column in (first, last)]
    points = np.concatenate([np.stack(corner, axis=1) for corner in corners]) * spacing_mm
    squares = [np.subtract.outer(axis, axis) ** 2 for axis in points.T]
    return float(np.sqrt(sum(squares).max()))
