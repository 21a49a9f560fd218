"""Figures of an alignment: how alike two images are, how far one moved, how outlines agree.

Mutual information is measured here anew, with bins of equal count, so that no method is judged by
the number it optimised itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radresp.core import Grid, Mask, Volume, resample_volume
from radresp.registration.coarse import (
    Area,
    area_around,
    coarse_copy,
    coarse_grid,
    compared,
    filled,
)

MI_BINS = 16
JUDGED_AT_MM = 2.0
_LATTICE_MM = (-60.0, -30.0, 0.0, 30.0, 60.0)
_BESIDE_MM = (15.0, 30.0)
_DIRECTIONS = 8
_FEWEST_BESIDE = 4
_LEAST_SHARED = 0.25


@dataclass(frozen=True, slots=True)
class Copies:
    """The 2-mm copies of two whole images that a verdict is measured on."""

    fixed: Volume
    moving: Volume

    @classmethod
    def of(cls, fixed: Volume, moving: Volume) -> Self:
        """Copies of two images, finite everywhere."""
        return cls(*(coarse_copy(v, coarse_grid(v.grid, JUDGED_AT_MM)) for v in (fixed, moving)))

    def around(self, area: Area) -> tuple[Volume, Area]:
        """The fixed copy on a coarser copy of an area, and that copy."""
        part = area.coarser(JUDGED_AT_MM)
        return resample_volume(self.fixed, part.grid), part

    def seen_from(self, area: Area) -> tuple[Volume, Volume, Area]:
        """The fixed copy on a coarser copy of an area, the moving copy, and the area's copy."""
        fixed, part = self.around(area)
        return fixed, self.moving, part


def similarity(
    fixed: Volume, moving: Volume, transform: sitk.Transform, mask: Mask | None = None
) -> float:
    """Pearson correlation of two images where both have a measurement.

    Parameters
    ----------
    fixed, moving : Volume
        The images; the moving one is sampled linearly on the fixed grid.
    transform : SimpleITK.Transform
        Maps fixed LPS mm to moving LPS mm.
    mask : Mask, optional
        Where to look, on the fixed grid and not empty; everywhere when absent.

    Returns
    -------
    float
        In -1 to 1; 0 where nothing overlaps or one image is constant.

    Examples
    --------
    >>> from radresp.core import Grid, Sequence
    >>> grid = Grid((4, 4, 4), (1, 1, 1))
    >>> volume = Volume.from_array(np.arange(64.0).reshape(4, 4, 4), grid, Sequence.T2)
    >>> round(similarity(volume, volume, sitk.Transform(3, sitk.sitkIdentity)), 6)
    1.0
    """
    area = area_around(fixed.grid, mask)
    return correlation(filled(fixed), filled(moving), transform, area)


def correlation(fixed: Volume, moving: Volume, transform: sitk.Transform, area: Area) -> float:
    """Pearson correlation inside an area on the fixed grid; 0 where it is not defined."""
    a, b, _ = compared(coarse_copy(fixed, area.grid), moving, area, transform)
    if a.size < 2 or a.min() == a.max() or b.min() == b.max():
        return 0.0
    return float(np.corrcoef(a.astype(np.float64), b.astype(np.float64))[0, 1])


def mutual_information(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Mutual information of two flat arrays in nats, from 16 x 16 bins of about equal count.

    Examples
    --------
    >>> a = np.arange(160.0)
    >>> bool(np.isclose(mutual_information(a, -a), np.log(16)))
    True
    """
    if a.size == 0:
        return 0.0
    joint = np.bincount(_binned(a) * MI_BINS + _binned(b), minlength=MI_BINS**2)
    p = joint.reshape(MI_BINS, MI_BINS) / a.size
    alone = p.sum(axis=1, keepdims=True) * p.sum(axis=0, keepdims=True)
    seen = p > 0
    return float((p[seen] * np.log(p[seen] / alone[seen])).sum())


def agreement(fixed: Volume, moving: Volume, transform: sitk.Transform, area: Area) -> float:
    """Mutual information times the fraction of the area both images show, in nats.

    The factor keeps a search from winning by pushing the images apart. 0 when less than a quarter
    is shared.
    """
    a, b, shared = compared(fixed, moving, area, transform)
    return mutual_information(a, b) * shared if shared >= _LEAST_SHARED else 0.0


def likeness(copies: Copies, transform: sitk.Transform, area: Area) -> dict[str, float]:
    """Mutual information before and after, and beside the place found.

    Returns
    -------
    dict of str to float
        ``mutual_information_before``, ``mutual_information_after`` (nats),
        ``area_overlap_fraction``; and, where enough places 15 and 30 mm beside the found one can be
        tried, ``mutual_information_beside`` (the largest of them) and ``standout`` (after over
        beside).
    """
    fixed, part = copies.around(area)
    a, b, shared = compared(fixed, copies.moving, part, transform)
    after = mutual_information(a, b)
    a, b, _ = compared(fixed, copies.moving, part, sitk.Transform(3, sitk.sitkIdentity))
    numbers = {
        "mutual_information_before": mutual_information(a, b),
        "mutual_information_after": after,
        "area_overlap_fraction": shared,
    }
    beside = []
    for pushed in _pushed(transform, part.grid):
        a, b, still_shared = compared(fixed, copies.moving, part, pushed)
        if still_shared > shared / 2:
            beside.append(mutual_information(a, b))
    if len(beside) >= _FEWEST_BESIDE:
        numbers["mutual_information_beside"] = max(beside)
        numbers["standout"] = after / max(max(beside), 1e-6)
    return numbers


def motion(transform: sitk.Transform, centre_mm: tuple[float, float, float]) -> dict[str, float]:
    """How far a transform moves a place, and turns and scales its surroundings.

    The turn and the scale are those of the affine map closest to the transform on a lattice that
    reaches 60 mm to every side, so that a deformation of the rectum alone does not count as one of
    the patient.

    Returns
    -------
    dict of str to float
        ``shift_mm``, ``rotation_deg``, ``scale`` (length; negative for a mirror image) and
        ``bend_mm`` (root mean square distance from the closest rigid motion on the lattice).
    """
    steps = np.stack(np.meshgrid(*[_LATTICE_MM] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    places = np.asarray(centre_mm) + steps
    moved = np.array([transform.TransformPoint(place) for place in places.tolist()])
    design = np.column_stack([steps, np.ones(len(steps))])
    linear = np.linalg.lstsq(design, moved, rcond=None)[0][:3].T
    u, _, vt = np.linalg.svd(linear)
    turn = u @ vt
    cosine = np.clip((np.trace(turn) - 1) / 2, -1, 1)
    bend = moved - moved.mean(axis=0) - steps @ turn.T
    shift = np.subtract(transform.TransformPoint(centre_mm), centre_mm)
    return {
        "shift_mm": float(np.linalg.norm(shift)),
        "rotation_deg": float(np.degrees(np.arccos(cosine))),
        "scale": float(np.cbrt(np.linalg.det(linear))),
        "bend_mm": float(np.sqrt((bend**2).sum(axis=1).mean())),
    }


def overlap_fraction(fixed: Grid, moving: Grid, transform: sitk.Transform | None = None) -> float:
    """Fraction of the fixed box that lies inside the moving box, from at most 16^3 places."""
    steps = [(np.arange(min(n, 16)) + 0.5) * n / min(n, 16) - 0.5 for n in fixed.size]
    index = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    points = index @ fixed.affine[:3, :3].T + fixed.affine[:3, 3]
    if transform is not None:
        points = np.array([transform.TransformPoint(point) for point in points.tolist()])
    seen = (points - moving.affine[:3, 3]) @ np.linalg.inv(moving.affine[:3, :3]).T
    inside = (seen > -0.5) & (seen < np.asarray(moving.size) - 0.5)
    return float(inside.all(axis=1).mean())


def outlines_agree(fixed: Mask, carried: Mask) -> dict[str, float]:
    """Dice overlap and distance of the centres (mm) of two outlines on one grid.

    An empty outline has Dice 0 and no distance.
    """
    a, b = fixed.array, carried.array
    numbers = {"mask_dice": 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + b.sum())}
    if b.any():
        apart = np.argwhere(a).mean(axis=0) - np.argwhere(b).mean(axis=0)
        distance = np.linalg.norm(apart * np.asarray(fixed.grid.spacing_mm[::-1]))
        numbers["mask_distance_mm"] = float(distance)
    return {name: float(value) for name, value in numbers.items()}


def _pushed(transform: sitk.Transform, grid: Grid) -> Iterator[sitk.Transform]:
    """The transform after pushing the fixed place sideways, in the image plane."""
    first, second = np.argsort(grid.spacing_mm, kind="stable")[:2]
    for distance in _BESIDE_MM:
        for angle in np.arange(_DIRECTIONS) * 2 * np.pi / _DIRECTIONS:
            push = np.cos(angle) * grid.axes[:, first] + np.sin(angle) * grid.axes[:, second]
            beside = sitk.TranslationTransform(3, (distance * push).tolist())
            yield sitk.CompositeTransform([transform, beside])


def _binned(values: NDArray[np.floating]) -> NDArray[np.intp]:
    edges = np.quantile(values, np.arange(1, MI_BINS) / MI_BINS)
    return np.searchsorted(edges, values, side="right")


def blank_slices(volume: Volume) -> int:
    """How many slices of an image hold one value throughout."""
    values = volume.array
    return int((values.max(axis=(1, 2)) == values.min(axis=(1, 2))).sum())
