"""Carry a mask to another image's grid, and account for what became of it.

What: the outline is held as its signed distance (exact Euclidean, mm), which is interpolated and
cut at the level that keeps the volume; labels themselves are never interpolated. The volume to keep
is measured where the outline lands, at several points within every voxel.
Source: shape-based interpolation, Raya and Udupa, IEEE Trans Med Imaging 1990;9:32-42; the level
that keeps the volume instead of zero is our own, for thin and small regions.
When: every time a mask meets another grid, coarser, finer, or seen through a transform.

Measured (``docs/reference/masks.md``) on balls, shells, crescents and a real gland, turned and
moved between T2 and diffusion grids: the volume stays within 0.7 % from 4 mL up and 1.5 % at
0.5 mL, where nearest neighbour is off by up to 29 % and label-Gaussian interpolation takes half of
a shell 2 mm thick, the shape of a bowel wall.
"""

from __future__ import annotations

import time

import numpy as np
import SimpleITK as sitk

from radresp.core import Grid, Mask, Note, NoteKind, Roi, Step, resample_mask
from radresp.errors import GeometryError
from radresp.masks.landing import Landing, land, placed

MOST_OUTSIDE = 0.05
"""Largest fraction of a mask that may fall outside the target; more is refused."""

NOTEWORTHY_CHANGE = 0.1
"""Change of volume worth a warning, as a fraction."""

_COUNTED_AT_MM = 1.0


def carry(
    mask: Mask, grid: Grid, transform: sitk.Transform | None = None, *, roi: Roi | None = None
) -> tuple[Mask, Step]:
    """Place a mask on another grid, by header positions alone or through an alignment.

    Parameters
    ----------
    mask : Mask
        Outline to carry. An empty one stays empty.
    grid : Grid
        Grid of the image it shall lie on.
    transform : SimpleITK.Transform, optional
        Maps a point of ``grid`` to the same anatomy on the mask's own image (both LPS mm).
        Identity when absent. An alignment's ``transform`` maps fixed to moving, so it carries a
        mask from the moving to the fixed image as it is; to carry one from the fixed to the moving
        image pass ``alignment.transform.GetInverse()``.
    roi : Roi, optional
        New name, for example ``bed`` for a tumour carried to the later visit.

    Returns
    -------
    tuple of Mask and Step
        The binary mask on ``grid``; notes ``MASK_CARRIED`` (voxels and mL before and after, and
        how far the two surfaces lie apart on average), ``MASK_OUTSIDE`` (up to 5 % beyond the field
        of view) and ``MASK_VOLUME`` (volume changed by more than 10 %).

    Raises
    ------
    GeometryError
        ``MASK_LOST`` when nothing arrives; ``MASK_OUTSIDE`` when more than 5 % of the mask falls
        outside the target's field of view.

    Examples
    --------
    >>> fine, coarse = Grid((8, 8, 4), (1, 1, 2)), Grid((4, 4, 4), (2, 2, 2), (0.5, 0.5, 0))
    >>> drawn = np.zeros((4, 8, 8))
    >>> drawn[1:3, 2:6, 2:6] = 1
    >>> bed, step = carry(Mask.from_array(drawn, fine, Roi.TUMOUR), coarse, roi=Roi.BED)
    >>> bed.roi, step.notes[0].found.split(", ")[0]
    (<Roi.BED: 'bed'>, '32 voxels (0.064 mL) became 8 voxels (0.064 mL)')
    """
    started = time.perf_counter()
    landing = land(mask, grid, transform or sitk.Transform(3, sitk.sitkIdentity))
    carried = landing.mask.named(roi or mask.roi)
    notes = [_carried_note(mask, landing)]
    if not mask.is_empty:
        _check_arrived(mask, carried)
        notes += _outside_notes(mask, carried, transform)
        notes += _volume_notes(mask, carried)
    settings = {
        "from": str(mask.roi),
        "to": str(carried.roi),
        "transform": "none" if transform is None else transform.GetName(),
    }
    return carried, Step("masks", "carry", settings, time.perf_counter() - started, tuple(notes))


def _carried_note(mask: Mask, landing: Landing) -> Note:
    found = f"{_amount(mask)} became {_amount(landing.mask)}"
    if not landing.mask.is_empty:
        found += f", surfaces {landing.surface_mm:.2f} mm apart on average"
    return Note(NoteKind.INFO, "MASK_CARRIED", found)


def _check_arrived(mask: Mask, carried: Mask) -> None:
    if carried.is_empty:
        raise GeometryError(
            "MASK_LOST",
            f"{_amount(mask)} of the {mask.roi} mask became 0 voxels",
            expected="an outline that lies in the image it is carried to",
            action="check the alignment, or draw the region on this image",
        )


def _outside_notes(mask: Mask, carried: Mask, transform: sitk.Transform | None) -> list[Note]:
    outside = outside_fraction(mask, carried.grid, transform)
    if outside == 0:
        return []
    found = f"{outside:.1%} of the {mask.roi} mask lies outside the image it is carried to"
    expected = "none of it outside"
    action = "check that both images cover the region"
    if outside > MOST_OUTSIDE:
        raise GeometryError("MASK_OUTSIDE", found, expected=expected, action=action)
    if mask.roi.is_reference:
        return [Note(NoteKind.INFO, "MASK_OUTSIDE", found, "it may go on beyond the image")]
    return [Note(NoteKind.WARNING, "MASK_OUTSIDE", found, expected, action)]


def outside_fraction(mask: Mask, grid: Grid, transform: sitk.Transform | None = None) -> float:
    """Fraction of a mask's volume that falls outside a grid's box, 0 to 1.

    Counted on a grid widened by the mask's own size, with voxels of at least 1 mm, so that no
    inverse of the transform is needed.
    """
    found = np.argwhere(mask.array)
    reach_mm = float(
        np.linalg.norm((np.ptp(found, axis=0) + 1) * np.asarray(mask.grid.spacing_mm[::-1]))
    )
    size = np.ceil(np.asarray(grid.extent_mm) / np.maximum(grid.spacing_mm, _COUNTED_AT_MM))
    spacing = np.asarray(grid.extent_mm) / size
    pad = np.ceil(reach_mm / spacing).astype(int)
    size = size.astype(int)
    first = -0.5 + (0.5 - pad) * spacing / np.asarray(grid.spacing_mm)
    wide = placed(grid, first, size + 2 * pad, spacing)
    there = resample_mask(mask, wide, transform).array
    inside = tuple(slice(p, p + n) for p, n in zip(pad[::-1], size[::-1], strict=True))
    total = int(there.sum())
    return 1.0 - int(there[inside].sum()) / total if total else 1.0


def _volume_notes(mask: Mask, carried: Mask) -> list[Note]:
    change = carried.volume_ml / mask.volume_ml - 1
    if abs(change) <= NOTEWORTHY_CHANGE:
        return []
    return [
        Note(
            NoteKind.WARNING,
            "MASK_VOLUME",
            f"the volume of the {mask.roi} mask changed by {change:+.0%} when it was carried over",
            expected=f"a change of at most {NOTEWORTHY_CHANGE:.0%}",
            action="the region is thin or small for these voxels: compare it with the drawn one",
        )
    ]


def _amount(mask: Mask) -> str:
    return f"{mask.voxel_count} voxels ({mask.volume_ml:.3g} mL)"
