"""What deformable methods share: where they start and bend, that they neither fold nor get worse.

A deformable method first finds a linear fit, then a displacement ``u`` on copies of the
surroundings of an outline, so that ``T(x) = L(x + u(x))``: the displacement first, in the fixed
image's space, then the linear part. Beyond the surroundings ``u``
fades to 0 within 12 mm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from radresp.core import Grid, Mask, Note, NoteKind, Volume, resample_mask, resample_volume
from radresp.registration import affine_mi, rigid_mi
from radresp.registration.coarse import area_around, measured
from radresp.registration.descent import Level, level_of
from radresp.registration.folding import jacobian
from radresp.registration.quality import Found
from radresp.registration.rigid_mi import RigidMi

_FADE_MM = 12.0
_GENTLER = 0.8
_LEAST_STRENGTH = 0.1
_FLAT = 1e-6  # of the product of the variances


class Deformable(RigidMi):
    """Settings that every deformable method has beside those of its linear start."""

    start: Literal["rigid", "affine"] = Field(
        "affine", description="The linear fit that is bent: rigid, or with stretch and shear."
    )
    bend_margin_mm: float = Field(
        40.0,
        ge=10,
        le=500,
        description="How far around the outline the fit is bent, mm; everywhere without one.",
    )
    least_jacobian: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Smallest local volume ratio; a deformation that squeezes tissue below it is "
        "scaled down.",
    )


@dataclass(frozen=True, slots=True)
class Bending:
    """Where and from what a method bends.

    Parameters
    ----------
    start : Found
        The linear fit.
    level : Level
        Copies of both images on the work grid, and where on it to compare.
    """

    start: Found
    level: Level

    @property
    def grid(self) -> Grid:
        """The work grid, in the fixed image's space."""
        return self.level.area.grid

    def likeness(self, transform: sitk.Transform) -> float:
        """How alike the copies are.

        The mean correlation of small neighbourhoods for images of one sequence, else their mutual
        information (nats).
        """
        level = self.level
        if level.fixed.sequence is not level.moving.sequence:
            return level.agreement(transform)
        moved = resample_volume(level.moving, self.grid, transform)
        local = local_correlation(level.fixed.array, moved.array)
        return float(local[level.area.inside & measured(moved)].mean())


def bending(
    fixed: Volume,
    moving: Volume,
    settings: Deformable,
    fixed_mask: Mask | None,
    moving_mask: Mask | None,
) -> Bending:
    """The linear fit, and copies of what lies around the outline.

    Parameters
    ----------
    fixed, moving : Volume
        The images, finite everywhere.
    settings : Deformable
        How to start, and how far around the outline to bend.
    fixed_mask, moving_mask : Mask, optional
        Outlines; the moving one is carried over where there is no other.

    Raises
    ------
    GeometryError, InputError, ResourceError
        As the linear method.
    """
    linear = affine_mi if settings.start == "affine" else rigid_mi
    masks = {"fixed_mask": fixed_mask, "moving_mask": moving_mask}
    start = linear.find(fixed, moving, settings, **masks)
    outline = fixed_mask
    if outline is None and moving_mask is not None:
        carried = resample_mask(moving_mask, fixed.grid, start.transform)
        outline = None if carried.is_empty else carried
    area = area_around(fixed.grid, outline, settings.bend_margin_mm)
    level = level_of(fixed, moving, area, settings.work_spacing_mm, settings.unshade_mm)
    return Bending(start, level)


def finished(bent: Bending, shift_mm: NDArray[np.float64], least_jacobian: float) -> Found:
    """The fit bent by a displacement, scaled down until nothing folds, or its start where worse.

    Parameters
    ----------
    bent : Bending
        Where it was found.
    shift_mm : ndarray
        Displacement on the work grid, (z, y, x, 3), LPS mm.
    least_jacobian : float
        Smallest determinant kept, above 0.
    """
    (grid, faded), strength = _faded(bent.grid, shift_mm), 1.0
    field = _transform_of(grid, faded)
    while strength > _LEAST_STRENGTH and jacobian(field, grid).min() < least_jacobian:
        strength *= _GENTLER
        field = _transform_of(grid, strength * faded)
    transform: sitk.Transform = sitk.CompositeTransform([bent.start.transform, field])
    notes = list(bent.start.notes)
    if strength < 1:
        notes.append(_gentler_note(strength, least_jacobian))
    before, after = bent.likeness(bent.start.transform), bent.likeness(transform)
    if strength <= _LEAST_STRENGTH or after < before:
        notes.append(_worse_note(before, after))
        transform, strength = bent.start.transform, 0.0
    numbers = {**bent.start.numbers, "bend_strength": strength}
    return Found(transform, tuple(notes), numbers, bent.start.doubts)


def _faded(grid: Grid, shift_mm: NDArray[np.float64]) -> tuple[Grid, NDArray[np.float64]]:
    """A displacement that goes on beyond its grid and fades to 0 there, with the wider grid."""
    wider = [int(np.ceil(_FADE_MM / edge)) + 1 for edge in grid.spacing_mm[::-1]]
    padded = np.pad(shift_mm, [*((n, n) for n in wider), (0, 0)], mode="edge")
    for axis, n in enumerate(wider):
        t = np.minimum(np.arange(padded.shape[axis]), np.arange(padded.shape[axis])[::-1]) / n
        window = np.clip(t, 0, 1) ** 2 * (3 - 2 * np.clip(t, 0, 1))
        padded *= np.expand_dims(window, [other for other in range(4) if other != axis])
    nz, ny, nx = padded.shape[:3]
    corner = grid.to_mm(-np.array(wider[::-1], dtype=float))
    return Grid((nx, ny, nz), grid.spacing_mm, corner, grid.direction), padded


def _transform_of(grid: Grid, shift_mm: NDArray[np.float64]) -> sitk.Transform:
    image = sitk.GetImageFromArray(shift_mm, isVector=True)
    grid.stamp(image)
    return sitk.DisplacementFieldTransform(image)


def local_correlation(
    one: NDArray[np.float32], other: NDArray[np.float32], radius: int = 2
) -> NDArray[np.float64]:
    """Correlation of two arrays within a cube around each voxel, -1 to 1; 0 where one is flat.

    Parameters
    ----------
    one, other : ndarray
        Values on one grid, (z, y, x).
    radius : int, optional
        Half the edge of the cube, voxels.
    """

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = ndimage.uniform_filter(values, 2 * radius + 1, mode="nearest")
        return found

    a, b = (v.astype(np.float64) - v.mean() for v in (one, other))
    mean_a, mean_b = mean(a), mean(b)
    spread = (mean(a * a) - mean_a**2).clip(0) * (mean(b * b) - mean_b**2).clip(0)
    least = _FLAT * max(float(a.var() * b.var()), 1e-30)
    return np.where(spread > least, (mean(a * b) - mean_a * mean_b) / np.sqrt(spread + least), 0.0)


def _gentler_note(strength: float, least: float) -> Note:
    return Note(
        NoteKind.WARNING,
        "REG_FOLDING",
        f"the deformation squeezed tissue below {least:g} of its volume: {strength:.0%} of it kept",
        expected="a deformation that tissue can make",
        action="look at the overlay",
    )


def _worse_note(before: float, after: float) -> Note:
    return Note(
        NoteKind.WARNING,
        "REG_WORSE_THAN_START",
        f"bent, the images are less alike ({after:.3f}) than before ({before:.3f}): the linear fit "
        "was kept",
        expected="a deformed fit better than the linear one",
        action="look at the overlay, or outline the region on the fixed image",
    )
