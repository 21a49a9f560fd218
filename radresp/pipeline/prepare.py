"""The order of the steps, fixed by medicine: read this first.

1. ADC maps are fitted from the diffusion-weighted images (or taken as given).
2. T2 intensities are made comparable between scanners.
3. Masks are tidied and checked on the image they were drawn on.
4. The earlier T2 is aligned with the later one, and diffusion with T2 within each visit; every fit
   is judged. A failed one makes the case "delta not valid: post only".
5. A treated bed nobody drew is carried over from the tumour before treatment, if the fit allows.
6. Masks travel to the diffusion grid; images stay where they are.
7. Where the fit of the visits is good, every voxel's change is mapped.
8. Where the plan measures the whole case, its outlines are put on the images as acquired.
9. Where the plan has a network, both visits are cut out around the bed on one grid.

A bed or residual nobody saw, or one too small for texture, is a state of the case and no fault.
"""

from __future__ import annotations

import numpy as np

from radresp import intensity, masks
from radresp.core import (
    Case,
    Mask,
    Note,
    NoteKind,
    Patch,
    Prepared,
    Region,
    RegionKey,
    Roi,
    Sequence,
    Step,
    Timepoint,
    Trail,
    Volume,
)
from radresp.errors import InputError, locating
from radresp.pipeline.align import align_diffusion, align_visits
from radresp.pipeline.change import map_changes
from radresp.pipeline.desk import POST_T2, PRE_T2, Desk
from radresp.pipeline.kept_fits import NONE_KEPT, KeptFits
from radresp.pipeline.outline import MAY_BE_EMPTY, check_outline
from radresp.pipeline.patch import cut_patch
from radresp.pipeline.place import place_bed, place_regions
from radresp.pipeline.plan import Plan
from radresp.pipeline.read import needed_visits
from radresp.pipeline.scene import set_scene

NOISE_LIMIT = 0.2
"""Share of a region whose ADC may rest on noise (fault catalogue A08)."""
JUMP = 50.0
"""Ratio of brightness between the visits that no scanner makes by itself (fault catalogue A09)."""


def prepare_case(case: Case, plan: Plan, kept: KeptFits = NONE_KEPT) -> Prepared:
    """Take a case through all steps up to regions that features can be computed from.

    Parameters
    ----------
    case : Case
        Volumes and masks as read.
    plan : Plan
        What to do and which regions to end with.
    kept : KeptFits, optional
        Registrations found before.

    Returns
    -------
    Prepared
        Every planned region present, or absent with the reason.

    Raises
    ------
    InputError
        When an image the plan needs is missing or a mask cannot be used; the case is refused.
    """
    with locating(case.case_id):
        desk = _lay_out(case, plan, kept)
        regions = place_regions(desk)
        _judge_adc(desk, regions)
        maps, unmapped = map_changes(desk)
        scene = set_scene(desk)
        patch = None if plan.cnn is None else cut_patch(desk, plan.cnn.patch)
    return Prepared(
        case.case_id,
        regions,
        desk.absent,
        desk.alignments,
        case.clinical,
        tuple(desk.steps),
        maps,
        unmapped,
        scene,
        patch,
    )


def prepare_patch(case: Case, plan: Plan, kept: KeptFits = NONE_KEPT) -> tuple[Patch, Trail]:
    """The patch of a case alone, without regions, change maps and measures.

    Parameters
    ----------
    case : Case
        From :func:`radresp.pipeline.read.load_case`.
    plan : Plan
        With a section ``cnn``.
    kept : KeptFits, optional
        Registrations found before.

    Raises
    ------
    InputError
        As :func:`prepare_case`; ``PATCH`` when the plan has no section ``cnn``.
    """
    if plan.cnn is None:
        raise InputError("PATCH", "the plan has no section cnn", case=case.case_id)
    with locating(case.case_id):
        desk = _lay_out(case, plan, kept)
        return cut_patch(desk, plan.cnn.patch), tuple(desk.steps)


def _lay_out(case: Case, plan: Plan, kept: KeptFits) -> Desk:
    """Images made comparable, outlines tidied, visits aligned, the bed in its place."""
    desk = Desk(case, plan, kept, steps=list(case.trail))
    for timepoint in needed_visits(plan):
        _fit_adc(desk, timepoint)
        _normalise_t2(desk, timepoint)
    _compare_scales(desk)
    _tidy_masks(desk)
    align_visits(desk)
    for timepoint in needed_visits(plan):
        align_diffusion(desk, timepoint)
    place_bed(desk)
    return desk


def _fit_adc(desk: Desk, timepoint: Timepoint) -> None:
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


def _normalise_t2(desk: Desk, timepoint: Timepoint) -> None:
    volume = desk.case.image(timepoint, Sequence.T2)
    if desk.plan.bias_field is not None:
        volume, step = intensity.correct_bias(volume, desk.plan.bias_field)
        desk.steps.append(step)
    desk.acquired[timepoint] = volume
    chosen = desk.plan.t2
    volume, step = intensity.normalise(
        volume,
        chosen.method,
        reference=_reference(desk, timepoint, volume),
        settings=chosen.settings,
    )
    desk.images[timepoint, Sequence.T2] = volume
    desk.steps.append(step)


def _compare_scales(desk: Desk) -> None:
    """Say how much brighter the later T2 is; a jump says that one was rescaled on its way here."""
    if not (desk.case.has(*PRE_T2) and desk.case.has(*POST_T2)):
        return
    pre, post = (_brightness(desk.case.image(*role)) for role in (PRE_T2, POST_T2))
    if not (pre and post):
        return
    ratio = post / pre
    jumped = Note(
        NoteKind.WARNING,
        "INTENSITY_JUMP",
        f"the later T2 is {ratio:.3g} times as bright as the earlier one",
        f"at most {JUMP:g} times, or {1 / JUMP:g}",
        "check whether one of them was rescaled",
    )
    notes = () if 1 / JUMP <= ratio <= JUMP else (jumped,)
    ratios = {"post_to_pre": float(f"{ratio:.4g}")}
    desk.steps.append(Step("pipeline", "compare_scales", ratios, notes=notes))


def _brightness(volume: Volume) -> float:
    """Median of what is not dark; 0 where all is."""
    values = volume.array
    bright = values[np.isfinite(values) & (values > 0)]
    return float(np.median(bright)) if bright.size else 0.0


def _reference(desk: Desk, timepoint: Timepoint, volume: Volume) -> Mask | None:
    """The tissue T2 is divided by: as drawn, else muscle as found, to be looked at."""
    settings = desk.plan.t2.settings
    # Only the reference method asks for an outline; another must not depend on who drew one.
    if not isinstance(settings, intensity.ReferenceTissue):
        return None
    key = RegionKey(timepoint, Sequence.T2, Roi(settings.tissue))
    if key in desk.case.masks or key.roi is not Roi.MUSCLE:
        return desk.case.masks.get(key)
    found = intensity.find_muscle(volume)
    desk.outlines[key] = found.mask
    desk.steps.append(found.step)
    return found.mask


def _tidy_masks(desk: Desk) -> None:
    for key, mask in desk.case.masks.items():
        if key.roi in MAY_BE_EMPTY and mask.is_empty:  # an answer, not a fault
            desk.empty.add(key)
            desk.note("tidy_masks", _not_seen(key))
            continue
        image = desk.case.image(key.timepoint, key.sequence)
        desk.steps.append(check_outline(mask, image, key, desk.plan.rules))
        tidy, step = masks.clean(mask, desk.plan.clean)
        desk.outlines[key] = tidy
        desk.steps.append(step)


def _not_seen(key: RegionKey) -> Note:
    return Note(
        NoteKind.INFO,
        "MASK_EMPTY",
        f"nobody saw a {key.roi} at the {key.timepoint} visit: its volume is 0, and other measures "
        "are taken where the tumour lay",
        action="look at the carried outline",
    )


def _judge_adc(desk: Desk, regions: dict[RegionKey, Region]) -> None:
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
