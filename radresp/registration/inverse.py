"""The inverse of any transform: exact where it is linear, to a tolerance where it is deformable.

What: linear transforms are inverted by their matrix. A deformable ``T`` is its linear parts ``L``
followed by a displacement near the identity; that displacement is inverted by fixed-point steps on
the voxels of a grid, and the linear parts by their matrix.
Source: Chen et al., Med Phys 2008;35:81-88 (fixed-point inversion).
When: a mask or a place has to go the other way, from the fixed to the moving image.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radresp.core import Grid
from radresp.errors import GeometryError

_STEPS = 80
_SLOWEST, _LEAST_RATE = 0.9, 0.2
_MARGIN_VOXELS = 2


def invert(transform: sitk.Transform, grid: Grid, *, tolerance_mm: float = 0.05) -> sitk.Transform:
    """The transform that undoes another one.

    Parameters
    ----------
    transform : SimpleITK.Transform
        Maps fixed to moving LPS mm; linear, B-spline, displacement field or a composite of these.
    grid : Grid
        Where the inverse of a deformable transform is needed: a grid of the moving image's space.
        Beyond it the inverse is that of the linear parts.
    tolerance_mm : float, optional
        Largest distance that ``transform(inverse(y))`` may end from a voxel ``y`` of the grid, mm.

    Returns
    -------
    SimpleITK.Transform
        Maps moving to fixed LPS mm: linear for a linear transform, otherwise a composite of the
        linear parts' inverse and a displacement field.

    Raises
    ------
    GeometryError
        ``REG_IMPLAUSIBLE`` when there is none: a matrix is singular, or tissue folds.

    Examples
    --------
    >>> shift = sitk.TranslationTransform(3, (2.0, -1.0, 0.5))
    >>> invert(shift, Grid((4, 4, 4), (1.0, 1.0, 1.0))).TransformPoint((2.0, -1.0, 0.5))
    (0.0, 0.0, 0.0)
    """
    linear = [part for part in parts(transform) if part.IsLinear()]
    back = sitk.CompositeTransform([_undone(part) for part in reversed(linear)] or [_still()])
    if len(linear) == len(list(parts(transform))):
        return back.GetNthTransform(0) if back.GetNumberOfTransforms() == 1 else back
    bent = sitk.CompositeTransform([transform, *_members(back)])
    field = _solved(bent, _padded(grid, bent), tolerance_mm)
    found = sitk.CompositeTransform([*_members(back), field])
    _check(transform, found, grid, tolerance_mm)
    return found


def parts(transform: sitk.Transform) -> Iterator[sitk.Transform]:
    """The simple transforms a transform is made of, the one applied last first."""
    simple = transform.Downcast()
    if isinstance(simple, sitk.CompositeTransform):
        for part in _members(simple):
            yield from parts(part)
    else:
        yield simple


def _members(composite: sitk.CompositeTransform) -> list[sitk.Transform]:
    return [composite.GetNthTransform(i) for i in range(composite.GetNumberOfTransforms())]


def _still() -> sitk.Transform:
    return sitk.TranslationTransform(3)


def _undone(linear: sitk.Transform) -> sitk.Transform:
    try:
        return linear.GetInverse()
    except RuntimeError as error:
        raise _no_inverse("a matrix without an inverse") from error


def _field(transform: sitk.Transform, grid: Grid) -> sitk.Image:
    """Displacement (LPS mm) at the voxels of a grid."""
    like = grid.blank()
    return sitk.TransformToDisplacementField(
        transform,
        sitk.sitkVectorFloat64,
        like.GetSize(),
        like.GetOrigin(),
        like.GetSpacing(),
        like.GetDirection(),
    )


def _solved(bent: sitk.Transform, grid: Grid, tolerance_mm: float) -> sitk.Transform:
    """The field that undoes a displacement, by fixed-point steps at the voxels of a grid."""
    shift, rate, last = -sitk.GetArrayFromImage(_field(bent, grid)), 1.0, np.inf
    for _ in range(_STEPS):
        field = _transform_of(shift, grid)
        left = sitk.GetArrayFromImage(_field(sitk.CompositeTransform([bent, field]), grid))
        furthest = float(np.abs(left).max())
        if furthest < tolerance_mm / 4:
            break
        if furthest > _SLOWEST * last:  # steep tissue: whole steps would leap over the answer
            rate = max(rate / 2, _LEAST_RATE)
        shift -= rate * left
        last = furthest
    return field


def _transform_of(shift: NDArray[np.float64], grid: Grid) -> sitk.Transform:
    image = sitk.GetImageFromArray(shift, isVector=True)
    grid.stamp(image)
    return sitk.DisplacementFieldTransform(image)


def _padded(grid: Grid, bent: sitk.Transform) -> Grid:
    """The grid widened by how far its voxels move, so that all come from within."""
    reach_mm = float(np.abs(sitk.GetArrayFromImage(_field(bent, grid))).max()) * np.sqrt(3)
    spacing = np.asarray(grid.spacing_mm)
    wider = np.ceil(reach_mm / spacing).astype(int) + _MARGIN_VOXELS
    size = cast(tuple[int, int, int], tuple((np.asarray(grid.size) + 2 * wider).tolist()))
    return Grid(size, grid.spacing_mm, grid.to_mm(-wider.astype(float)), grid.direction)


def _check(transform: sitk.Transform, found: sitk.Transform, grid: Grid, most_mm: float) -> None:
    left = _field(sitk.CompositeTransform([transform, found]), grid)
    error_mm = float(np.linalg.norm(sitk.GetArrayFromImage(left), axis=-1).max())
    if not error_mm <= most_mm:
        raise _no_inverse(f"a deformation whose best inverse is {error_mm:.2g} mm off")


def _no_inverse(found: str) -> GeometryError:
    return GeometryError(
        "REG_IMPLAUSIBLE",
        found,
        expected="a deformation that tissue can make, without folds",
        action="align with a coarser grid or a stronger penalty",
    )
