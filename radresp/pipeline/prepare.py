"""The order of the steps, fixed by medicine: read this first.

1. ADC maps are fitted from the diffusion-weighted images (or taken as given).
2. T2 intensities are made comparable between scanners.
3. Masks are tidied and checked on the image they were drawn on.
4. The earlier T2 is aligned with the later one, and the fit is judged.
5. A treated bed nobody drew is carried over from the tumour before treatment, if the fit allows.
6. Masks travel to the diffusion grid; images stay where they are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from radresp import intensity, masks, registration
from radresp.core import (
    Alignment,
    Case,
    Mask,
    Note,
    NoteKind,
    Prepared,
    Region,
    RegionKey,
    Roi,
    Sequence,
    Step,
    Timepoint,
    Volume,
)
from radresp.errors import InputError, locating
from radresp.pipeline.plan import Plan
from radresp.pipeline.read import needed_visits

PRE_T2 = (Timepoint.PRE, Sequence.T2)
POST_T2 = (Timepoint.POST, Sequence.T2)
TUMOUR = RegionKey(*PRE_T2, Roi.TUMOUR)
BED = RegionKey(*POST_T2, Roi.BED)
NOISE_LIMIT = 0.2
"""Share of a region whose ADC may rest on noise (fault catalogue A08)."""
VISITS = "post.t2<-pre.t2"


@dataclass
class _Desk:
    """What lies on the table while one case is prepared."""

    case: Case
    plan: Plan
    images: dict[tuple[Timepoint, Sequence], Volume] = field(default_factory=dict)
    outlines: dict[RegionKey, Mask] = field(default_factory=dict)
    alignments: dict[str, Alignment] = field(default_factory=dict)
    fits: dict[Timepoint, intensity.AdcFit] = field(default_factory=dict)
    absent: dict[RegionKey, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)


def prepare_case(case: Case, plan: Plan) -> Prepared:
    """Take a case through all steps up to regions that features can be computed from.

    Parameters
    ----------
    case : Case
        Volumes and masks as read.
    plan : Plan
        What to do and which regions to end with.

    Returns
    -------
    Prepared
        Every planned region present, or absent with the reason.

    Raises
    ------
    InputError
        When an image the plan needs is missing or a mask cannot be used; the case is refused.
    """
    desk = _Desk(case, plan, steps=list(case.trail))
    with locating(case.case_id):
        for timepoint in needed_visits(plan):
            _fit_adc(desk, timepoint)
            _normalise_t2(desk, timepoint)
        _tidy_masks(desk)
        _align_visits(desk)
        _place_bed(desk)
        regions = {key: region for key in plan.regions if (region := _region(desk, key))}
        _judge_adc(desk, regions)
    return Prepared(
        case.case_id, regions, desk.absent, desk.alignments, case.clinical, tuple(desk.steps)
    )


def _fit_adc(desk: _Desk, timepoint: Timepoint) -> None:
    case = desk.case
    if case.has(timepoint, Sequence.ADC):
        desk.images[timepoint, Sequence.ADC] = case.image(timepoint, Sequence.ADC)
    elif dwi := case.dwi(timepoint):
        fit = intensity.fit_adc(dwi, desk.plan.adc)
        desk.images[timepoint, Sequence.ADC] = fit.adc
        desk.fits[timepoint] = fit
        desk.steps.append(fit.step)
    if case.has(timepoint, Sequence.DWI):
        desk.images[timepoint, Sequence.DWI] = case.image(timepoint, Sequence.DWI)


def _normalise_t2(desk: _Desk, timepoint: Timepoint) -> None:
    chosen = desk.plan.t2
    # Only the reference method asks for muscle; another method must not depend on who drew one.
    drawn = desk.case.masks if chosen.method == "reference" else {}
    muscle = drawn.get(RegionKey(timepoint, Sequence.T2, Roi.MUSCLE))
    volume, step = intensity.normalise(
        desk.case.image(timepoint, Sequence.T2),
        chosen.method,
        reference=muscle,
        settings=chosen.settings,
    )
    desk.images[timepoint, Sequence.T2] = volume
    desk.steps.append(step)


def _tidy_masks(desk: _Desk) -> None:
    for key, mask in desk.case.masks.items():
        if key.roi is Roi.RESIDUAL and mask.is_empty:
            continue  # "no visible residual" is an answer, not a fault
        image = desk.case.image(key.timepoint, key.sequence)
        desk.steps.append(masks.check_mask(mask, image, desk.plan.rules))
        tidy, step = masks.clean(mask, desk.plan.clean)
        desk.outlines[key] = tidy
        desk.steps.append(step)


def _align_visits(desk: _Desk) -> None:
    if not (desk.case.has(*PRE_T2) and desk.case.has(*POST_T2)):
        return
    alignment = registration.align(
        desk.case.image(*POST_T2),
        desk.case.image(*PRE_T2),
        fixed_mask=desk.outlines.get(BED),
        moving_mask=desk.outlines.get(TUMOUR),
        method=desk.plan.registration.method,
        settings=desk.plan.registration.settings,
        names=("post.t2", "pre.t2"),
    )
    desk.alignments[VISITS] = alignment
    desk.steps.append(alignment.step)


def _place_bed(desk: _Desk) -> None:
    """Carry the tumour before treatment onto the later visit where nobody drew the bed."""
    asked = any(key.roi in (Roi.BED, Roi.RING) for key in desk.plan.regions)
    if not asked or BED in desk.outlines or TUMOUR not in desk.outlines:
        return
    alignment = desk.alignments.get(VISITS)
    if alignment is None or not alignment.usable:
        return
    grid = desk.case.image(*POST_T2).grid
    bed, step = masks.carry(desk.outlines[TUMOUR], grid, alignment.transform, roi=Roi.BED)
    propagated = Note(
        NoteKind.INFO,
        "BED_PROPAGATED",
        "no bed was drawn: it is the tumour before treatment, carried over by registration",
    )
    desk.outlines[BED] = bed
    desk.steps += [step, Step("pipeline", "place_bed", notes=(propagated,))]


def _region(desk: _Desk, key: RegionKey) -> Region | None:
    """The planned region, or None with the reason noted in ``absent``."""
    image = desk.images.get((key.timepoint, key.sequence))
    if image is None:
        raise InputError(
            "MISSING_INPUT",
            f"no {key.timepoint} {key.sequence} image",
            expected=f"one, since the plan asks for {key}",
        )
    outline = desk.outlines.get(key) or _outline_from_dwi(desk, key, image)
    if outline is None:
        outline = _outline_from_t2(desk, key, image)
    if outline is None or outline.is_empty:
        desk.absent[key] = _why_absent(desk, key)
        return None
    return Region(key, image, outline)


def _outline_from_dwi(desk: _Desk, key: RegionKey, image: Volume) -> Mask | None:
    """What was drawn on the diffusion images, for the ADC fitted from them on the same grid."""
    drawn = desk.outlines.get(RegionKey(key.timepoint, Sequence.DWI, key.roi))
    fits = drawn is not None and key.sequence is Sequence.ADC and drawn.grid.same_as(image.grid)
    return drawn if fits else None


def _outline_from_t2(desk: _Desk, key: RegionKey, image: Volume) -> Mask | None:
    drawn = desk.outlines.get(RegionKey(key.timepoint, Sequence.T2, key.roi))
    if drawn is None and key.roi is Roi.RING:
        core = TUMOUR if key.timepoint is Timepoint.PRE else BED
        drawn = (
            masks.ring(desk.outlines[core], desk.plan.ring_mm) if core in desk.outlines else None
        )
    if drawn is None or drawn.grid.same_as(image.grid):
        return drawn
    carried, step = masks.carry(drawn, image.grid)
    desk.steps.append(step)
    return carried


def _judge_adc(desk: _Desk, regions: dict[RegionKey, Region]) -> None:
    """Say how much of each region's ADC rests on noise; abstain where signal itself is missing."""
    notes = []
    for key, region in regions.items():
        fit = desk.fits.get(key.timepoint)
        if key.sequence is not Sequence.ADC or fit is None:
            continue
        inside = region.mask.array
        missing = float((fit.s0.array[inside] == 0).mean())
        noisy = float(fit.unreliable[inside].mean())
        if missing > NOISE_LIMIT:
            found = f"{missing:.0%} of {key} has no signal above noise at the lowest b-value"
            notes.append(
                Note(NoteKind.ABSTAIN, "ADC_NO_SIGNAL", found, f"at most {NOISE_LIMIT:.0%}")
            )
        elif noisy > NOISE_LIMIT:
            found = f"{noisy:.0%} of {key} lies in the noise at the highest b-value"
            notes.append(Note(NoteKind.WARNING, "ADC_NOISE", found, f"at most {NOISE_LIMIT:.0%}"))
    desk.steps.append(Step("pipeline", "judge_adc", {"limit": NOISE_LIMIT}, notes=tuple(notes)))


def _why_absent(desk: _Desk, key: RegionKey) -> str:
    said = {(drawn.timepoint, drawn.roi) for drawn in desk.case.masks}
    if key.roi is Roi.RESIDUAL and (key.timepoint, key.roi) in said:
        return f"no visible residual at the {key.timepoint} visit"
    alignment = desk.alignments.get(VISITS)
    if key.roi is Roi.BED and alignment is not None and not alignment.usable:
        reasons = "; ".join(alignment.quality.reasons)
        return f"no bed was drawn and the visits could not be aligned ({reasons})"
    mask_column = f"{key.timepoint}_{key.roi}"
    return f"no {key.roi} outline at the {key.timepoint} visit (column {mask_column} is empty)"
