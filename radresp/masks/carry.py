"""Carry a mask to another image's grid, and account for what became of it.

One nearest-neighbour step through grid and transform together. Measured on spheres, thin shells
and a real gland, rotated and moved from 0.5 x 0.5 x 3 mm voxels to 2 x 2 x 3 mm: nearest neighbour
keeps the volume (mean error 0.2 %), while label-Gaussian interpolation takes 1 % of a 14-mL
sphere, 7 % of a 0.5-mL one and nearly half of a shell 2 mm thick, the shape of a bowel wall.
Single small masks still lose or gain by chance (8 % at 0.5 mL), which the notes report.
"""

from __future__ import annotations

import time
from typing import cast

import numpy as np
import SimpleITK as sitk

from radresp.core import Grid, Mask, Note, NoteKind, Roi, Step, resample_mask
from radresp.errors import GeometryError

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
        The binary mask on ``grid``; notes ``MASK_CARRIED`` (voxels and mL before and after),
        ``MASK_OUTSIDE`` (up to 5 % beyond the field of view) and ``MASK_VOLUME`` (volume changed by
        more than 10 %).

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
    >>> bed.roi, bed.voxel_count, step.notes[0].found
    (<Roi.BED: 'bed'>, 8, '32 voxels (0.064 mL) became 8 voxels (0.064 mL)')
    """
    started = time.perf_counter()
    carried = resample_mask(mask, grid, transform).named(roi or mask.roi)
    notes = [
        Note(
            NoteKind.INFO,
            "MASK_CARRIED",
            f"{_amount(mask)} became {_amount(carried)}",
        )
    ]
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
    corner = -0.5 + (0.5 - pad) * spacing / np.asarray(grid.spacing_mm)
    wide = Grid(
        cast(tuple[int, int, int], tuple(int(n) for n in size + 2 * pad)),
        cast(tuple[float, float, float], tuple(float(s) for s in spacing)),
        grid.to_mm(corner),
        grid.direction,
    )
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
