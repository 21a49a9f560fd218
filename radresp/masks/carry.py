"""Carry: take an outline to another grid in one step, and say what became of it."""

from __future__ import annotations

from time import perf_counter

import SimpleITK as sitk

from radresp.core import Grid, Mask, Note, NoteKind, Roi, Step, resample_mask
from radresp.errors import GeometryError, InputError

MAX_OUTSIDE = 0.05
"""Share of an outline that may fall outside the new field of view; beyond it the rest misleads."""


def carry(
    mask: Mask, grid: Grid, transform: sitk.Transform | None = None, *, roi: Roi | None = None
) -> tuple[Mask, Step]:
    """Carry a mask to another grid by nearest neighbour.

    Parameters
    ----------
    mask : Mask
        Outline to carry.
    grid : Grid
        Where to.
    transform : SimpleITK.Transform, optional
        Maps a point of ``grid`` (LPS mm) to the mask (LPS mm): the transform of an alignment
        whose fixed image has ``grid`` and whose moving image carries the mask, or the inverse
        (``transform.GetInverse()``) of an alignment the other way round. Identity when absent.
    roi : Roi, optional
        New name of the outline.

    Returns
    -------
    Mask, Step
        The mask on ``grid``; notes give voxels and volume before and after.

    Raises
    ------
    InputError
        ``MASK_EMPTY`` when there is nothing to carry.
    GeometryError
        ``MASK_LOST`` when nothing arrives, ``MASK_OUTSIDE`` when more than 5 % of the outline
        falls outside the new field of view.
    """
    started = perf_counter()
    if mask.is_empty:
        raise InputError(
            "MASK_EMPTY", f"the {mask.roi} mask to carry has 0 voxels", expected="some"
        )
    carried = resample_mask(mask, grid, transform).named(roi or mask.roi)
    outside = _share_outside(mask, grid, transform)
    before = f"{mask.voxel_count} voxels, {mask.volume_ml:.3g} mL"
    after = f"{carried.voxel_count} voxels, {carried.volume_ml:.3g} mL"
    if carried.is_empty:
        raise GeometryError(
            "MASK_LOST",
            f"the {mask.roi} mask vanished on the new grid: {before} before, none after",
            expected="an outline inside the field of view and larger than a voxel",
            action="check the registration and the field of view",
        )
    if outside > MAX_OUTSIDE:
        raise GeometryError(
            "MASK_OUTSIDE",
            f"{outside:.0%} of the {mask.roi} mask lies outside the new field of view",
            expected=f"at most {MAX_OUTSIDE:.0%}",
            action="check that both images cover the region",
        )
    notes = [Note(NoteKind.INFO, "MASK_CARRIED", f"{mask.roi}: {before}; after: {after}")]
    if outside > 0:
        found = f"{outside:.1%} of the {mask.roi} mask lies outside the new field of view"
        notes.append(Note(NoteKind.WARNING, "MASK_OUTSIDE", found, "none of it"))
    seconds = perf_counter() - started
    return carried, Step("masks", "carry", {"roi": str(carried.roi)}, seconds, tuple(notes))


def _share_outside(mask: Mask, grid: Grid, transform: sitk.Transform | None) -> float:
    """Share of the outline the new field of view does not cover.

    Everything the new grid sees is carried back onto the mask's own grid, so that the transform
    is never inverted numerically where it can be applied.
    """
    seen = Mask(grid.blank() + 1, mask.roi)
    back = None if transform is None else transform.GetInverse()
    covered = resample_mask(seen, mask.grid, back)
    lost = mask.array & ~covered.array
    return float(lost.sum()) / mask.voxel_count
