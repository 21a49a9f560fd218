"""How much a transform grows, shrinks or folds the tissue it moves.

What: the determinant of its Jacobian at every voxel of an area, from central differences of where
the voxels go. 1 keeps the volume, 0.5 halves it, 0 or less folds tissue over itself, which no
tissue does.
When: in every verdict; for a linear transform it is one number.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radresp.core import Grid
from radresp.registration.coarse import Area


def folding(transform: sitk.Transform, area: Area) -> dict[str, float]:
    """Range of the Jacobian determinant and the share of an area that is folded.

    Parameters
    ----------
    transform : SimpleITK.Transform
        Any transform of LPS mm.
    area : Area
        Where to look.

    Returns
    -------
    dict of str to float
        ``jacobian_min`` and ``jacobian_max`` (volume ratios) and ``folding_fraction`` (0 to 1).

    Examples
    --------
    >>> from radresp.registration.coarse import area_around
    >>> area = area_around(Grid((6, 6, 4), (2.0, 2.0, 3.0)))
    >>> numbers = folding(sitk.ScaleTransform(3, (1.1, 1.0, 0.5)), area)
    >>> round(numbers["jacobian_min"], 6), numbers["folding_fraction"]
    (0.55, 0.0)
    """
    determinant = jacobian(transform, area.grid)[area.inside]
    return {
        "jacobian_min": float(determinant.min()),
        "jacobian_max": float(determinant.max()),
        "folding_fraction": float((determinant <= 0).mean()),
    }


def jacobian(transform: sitk.Transform, grid: Grid) -> NDArray[np.float64]:
    """Jacobian determinant of a transform at the voxels of a grid, (z, y, x), no unit."""
    like = grid.blank()
    field = sitk.TransformToDisplacementField(
        transform,
        sitk.sitkVectorFloat64,
        like.GetSize(),
        like.GetOrigin(),
        like.GetSpacing(),
        like.GetDirection(),
    )
    moved = sitk.GetArrayFromImage(field)  # (z, y, x, LPS)
    # Differences along index axes, turned into derivatives along x, y, z of the patient.
    along = [_difference(moved, axis) for axis in (2, 1, 0)]
    by_index = np.stack(along, axis=-1) + grid.affine[:3, :3]
    return cast(NDArray[np.float64], np.linalg.det(by_index) / np.linalg.det(grid.affine[:3, :3]))


def _difference(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Central difference of neighbours along an axis; 0 along an axis of one voxel."""
    if values.shape[axis] < 2:
        return np.zeros_like(values)
    return cast(NDArray[np.float64], np.gradient(values, axis=axis))
