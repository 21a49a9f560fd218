"""Put every outline where it is needed: masks travel, images stay."""

from __future__ import annotations

from radresp import intensity, masks
from radresp.core import (
    VISITS,
    Mask,
    Note,
    NoteKind,
    Region,
    RegionKey,
    Roi,
    Sequence,
    Timepoint,
    Verdict,
    Volume,
)
from radresp.errors import InputError
from radresp.pipeline.align import from_diffusion
from radresp.pipeline.desk import BED, CORE, POST_T2, TUMOUR, Desk, within


def place_bed(desk: Desk) -> None:
    """Carry the tumour before treatment onto the later visit where nobody drew the bed."""
    asked = any(key.roi in (Roi.BED, Roi.RING) for key in desk.plan.regions)
    if not asked or BED in desk.outlines or TUMOUR not in desk.outlines:
        return
    alignment = desk.alignments.get(VISITS)
    if alignment is None or not alignment.usable:
        return
    image = desk.case.image(*POST_T2)
    carried, step = masks.carry(desk.outlines[TUMOUR], image.grid, alignment.transform)
    bed, clipped = masks.place_bed(carried, air=_gas(desk, image, carried))
    desk.outlines[BED] = bed
    desk.steps += [step, clipped]


def _gas(desk: Desk, image: Volume, near: Mask) -> Mask | None:
    """Gas near a region of a T2; None, with a note, where there is no muscle to tell it by."""
    try:
        found = intensity.find_gas(image, near)
    except InputError as error:
        note = Note(NoteKind.WARNING, error.code, error.found, error.expected, error.action)
        desk.note("place_bed", note)
        return None
    desk.steps.append(found.step)
    return found.mask


def place_regions(desk: Desk) -> dict[RegionKey, Region]:
    """The planned regions that can be had; the others are noted in ``absent``.

    Raises
    ------
    InputError
        ``MISSING_INPUT`` when the image of a planned region is missing.
    """
    return {key: region for key in desk.plan.regions if (region := _region(desk, key))}


def outline_on(desk: Desk, key: RegionKey, image: Volume) -> Mask | None:
    """An outline on the grid of an image of its visit, carried there where it was drawn elsewhere.

    None where nobody drew it.
    """
    drawn = desk.outlines.get(key) or _outline_from_dwi(desk, key, image)
    if drawn is None:
        drawn = _outline_from_t2(desk, key, image)
    return drawn


def _region(desk: Desk, key: RegionKey) -> Region | None:
    image = desk.images.get((key.timepoint, key.sequence))
    if image is None:
        raise InputError(
            "MISSING_INPUT",
            f"no {key.timepoint} {key.sequence} image",
            expected=f"one, since the plan asks for {key}",
        )
    outline = outline_on(desk, key, image)
    if outline is None or outline.is_empty:
        desk.absent[key] = _why_absent(desk, key)
        return None
    desk.outlines[key] = outline
    return Region(key, image, outline)


def _outline_from_dwi(desk: Desk, key: RegionKey, image: Volume) -> Mask | None:
    """What was drawn on the diffusion images, for the ADC fitted from them on the same grid."""
    drawn = desk.outlines.get(RegionKey(key.timepoint, Sequence.DWI, key.roi))
    fits = drawn is not None and key.sequence is Sequence.ADC and drawn.grid.same_as(image.grid)
    return drawn if fits else None


def _outline_from_t2(desk: Desk, key: RegionKey, image: Volume) -> Mask | None:
    drawn = desk.outlines.get(RegionKey(key.timepoint, Sequence.T2, key.roi))
    if drawn is None and key.roi is Roi.RING:
        core = CORE[key.timepoint]
        drawn = (
            masks.ring(desk.outlines[core], desk.plan.ring_mm) if core in desk.outlines else None
        )
    if drawn is None or key.sequence is Sequence.T2:
        return drawn
    back = from_diffusion(desk, key.timepoint, image.grid)
    if back is None:
        _note_header(desk, key.timepoint)
        if drawn.grid.same_as(image.grid):
            return drawn
    carried, step = masks.carry(drawn, image.grid, back)
    desk.steps.append(step)
    return carried


def _note_header(desk: Desk, timepoint: Timepoint) -> None:
    """Say that diffusion masks lie where the headers say, when the plan had asked for more."""
    tried = desk.alignments.get(within(timepoint))
    if tried is None or tried.quality.verdict is Verdict.GOOD:
        return
    note = Note(
        NoteKind.WARNING,
        "DWI_BY_HEADER",
        f"masks lie on the {timepoint} diffusion images where the headers say, since their "
        f"alignment with T2 is {tried.quality.verdict}: {'; '.join(tried.quality.reasons)}",
        expected="a good alignment",
        action="look at the pictures of the diffusion regions",
    )
    desk.note("place_regions", note)


def _why_absent(desk: Desk, key: RegionKey) -> str:
    said = {(drawn.timepoint, drawn.roi) for drawn in desk.case.masks}
    if key.roi is Roi.RESIDUAL and (key.timepoint, key.roi) in said:
        return f"no visible residual at the {key.timepoint} visit"
    alignment = desk.alignments.get(VISITS)
    if key.roi is Roi.BED and alignment is not None and not alignment.usable:
        reasons = "; ".join(alignment.quality.reasons)
        return f"no bed was drawn and the visits could not be aligned ({reasons})"
    mask_column = f"{key.timepoint}_{key.roi}"
    return f"no {key.roi} outline at the {key.timepoint} visit (column {mask_column} is empty)"
