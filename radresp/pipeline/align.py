"""Align the visits, and diffusion with T2 within a visit: judged, with fall-backs that say so."""

from __future__ import annotations

import SimpleITK as sitk

from radresp import registration
from radresp.core import (
    VISITS,
    Alignment,
    Grid,
    Mask,
    Note,
    NoteKind,
    Prepared,
    Sequence,
    Settings,
    Timepoint,
    Verdict,
    Volume,
    resample_mask,
)
from radresp.errors import GeometryError, InputError
from radresp.pipeline.desk import BED, CORE, POST_T2, PRE_T2, TUMOUR, Desk, within
from radresp.pipeline.plan import HEADER, RIGID

SURE_MM = 2.0
"""Motion between T2 and diffusion that a rigid fit of EPI, itself distorted, can tell from none."""
_STILL = sitk.Transform(3, sitk.sitkIdentity)
_ORDER = (Verdict.FAILED, Verdict.DOUBTFUL, Verdict.GOOD)


def align_visits(desk: Desk) -> None:
    """Find where the earlier T2 lies on the later one: as a rigid body first, then deformed.

    The deformed fit is kept when its verdict is no worse than that of the rigid one. When both
    fail, nothing is computed across the visits.
    """
    if not (desk.case.has(*PRE_T2) and desk.case.has(*POST_T2)):
        return
    chosen, bed = desk.plan.registration, desk.outlines.get(BED)
    if chosen.method == RIGID:
        found = _visits(desk, bed, RIGID, chosen.settings)
    else:
        found = _visits(desk, bed, RIGID, desk.plan.rigid)
        if found.usable:
            found = _deformed(desk, found, bed)
    desk.alignments[VISITS] = found
    if not found.usable:
        desk.note("align_visits", _delta_invalid(found))


def align_diffusion(desk: Desk, timepoint: Timepoint) -> None:
    """Find where the diffusion images of a visit lie on its T2, if the plan does not trust headers.

    A deformation is kept only when its verdict is better than that of the rigid fit, or as good
    with more mutual information.
    """
    chosen = desk.plan.registration_dwi
    image = _diffusion(desk, timepoint)
    if chosen.method == HEADER or image is None:
        return
    rigid = chosen.settings if chosen.method == RIGID else desk.plan.rigid
    found = _diffused(desk, timepoint, image, RIGID, rigid)
    if found is not None and chosen.method != RIGID and found.usable:
        bent = _diffused(desk, timepoint, image, chosen.method, chosen.settings)
        if bent is not None and _worth(bent) > _worth(found):
            found = bent
    if found is not None:
        desk.alignments[within(timepoint)] = found


def to_diffusion(desk: Desk | Prepared, timepoint: Timepoint) -> sitk.Transform | None:
    """Maps T2 to diffusion millimetres of one visit; None where the headers say.

    The headers hold where the fit is not good, and where a rigid fit confirms them to
    ``SURE_MM``: a patient who lay still is placed more exactly by the scanner than by a fit.
    """
    found = desk.alignments.get(within(timepoint))
    if found is None or found.quality.verdict is not Verdict.GOOD:
        return None
    still = found.method == RIGID and found.quality.numbers["shift_mm"] < SURE_MM
    return None if still else found.transform


def from_later_t2(
    desk: Desk | Prepared, visit: Timepoint, sequence: Sequence
) -> sitk.Transform | str:
    """From a point of the later T2 to a point of an image; or why there is no way."""
    steps: list[sitk.Transform] = []
    if sequence is not Sequence.T2:
        steps.append(to_diffusion(desk, visit) or _STILL)
    if visit is Timepoint.PRE:
        alignment = desk.alignments.get(VISITS)
        if alignment is None or not alignment.usable:
            return "the visits could not be aligned"
        steps.append(alignment.transform)
    # The last is applied first: to the earlier visit, then to its diffusion images.
    return sitk.CompositeTransform(steps) if steps else _STILL


def from_diffusion(desk: Desk, timepoint: Timepoint, grid: Grid) -> sitk.Transform | None:
    """Maps diffusion to T2 millimetres of one visit on a grid; None where only the headers say."""
    there = to_diffusion(desk, timepoint)
    return None if there is None else registration.invert(there, grid)


def _visits(desk: Desk, region: Mask | None, method: str, settings: Settings) -> Alignment:
    found = desk.kept.align(
        desk.case.image(*POST_T2),
        desk.case.image(*PRE_T2),
        fixed_mask=region,
        moving_mask=desk.outlines.get(TUMOUR),
        method=method,
        settings=settings,
        names=("post.t2", "pre.t2"),
    )
    desk.steps.append(found.step)
    return found


def _deformed(desk: Desk, rigid: Alignment, bed: Mask | None) -> Alignment:
    """The deformed fit around the bed, or the rigid one where that is judged better."""
    region = bed or _carried_tumour(desk, rigid)
    chosen = desk.plan.registration
    found = _visits(desk, region, chosen.method, chosen.settings)
    if _rank(found) >= _rank(rigid):
        return found
    reasons = "; ".join(found.quality.reasons)
    note = Note(
        NoteKind.WARNING,
        "REG_FALLBACK",
        f"the deformed fit is {found.quality.verdict} ({reasons}): the rigid fit, which is "
        f"{rigid.quality.verdict}, was kept",
        expected="a deformed fit no worse than the rigid one",
        action="look at the overlay; a rigid fit cannot follow a shrinking tumour",
    )
    desk.note("align_visits", note)
    return rigid


def _carried_tumour(desk: Desk, rigid: Alignment) -> Mask | None:
    """Where the tumour before treatment lies on the later image, for want of a drawn bed."""
    if TUMOUR not in desk.outlines:
        return None
    grid = desk.case.image(*POST_T2).grid
    carried = resample_mask(desk.outlines[TUMOUR], grid, rigid.transform)
    return None if carried.is_empty else carried


def _diffusion(desk: Desk, timepoint: Timepoint) -> Volume | None:
    """The image of a visit that shows most of where its diffusion images lie."""
    volumes = desk.case.dwi(timepoint)
    if volumes:
        return volumes[0]
    return desk.images.get((timepoint, Sequence.ADC))


def _diffused(
    desk: Desk, timepoint: Timepoint, image: Volume, method: str, settings: Settings
) -> Alignment | None:
    """The alignment within a visit; None, with a note, where it cannot even be tried."""
    key = CORE[timepoint]
    try:
        found = desk.kept.align(
            desk.case.image(timepoint, key.sequence),
            image,
            fixed_mask=desk.outlines.get(key),
            method=method,
            settings=settings,
            names=(f"{timepoint}.t2", f"{timepoint}.dwi"),
        )
    except (GeometryError, InputError) as error:
        note = Note(NoteKind.WARNING, error.code, error.found, error.expected, error.action)
        desk.note("align_diffusion", note)
        return None
    desk.steps.append(found.step)
    return found


def _worth(found: Alignment) -> tuple[int, float]:
    return _rank(found), found.quality.numbers["mutual_information_after"]


def _rank(found: Alignment) -> int:
    return _ORDER.index(found.quality.verdict)


def _delta_invalid(found: Alignment) -> Note:
    return Note(
        NoteKind.WARNING,
        "DELTA_INVALID",
        f"delta not valid, post only: {'; '.join(found.quality.reasons)}",
        expected="two visits that can be aligned",
        action="look at the overlay and check that both visits are of one patient",
    )
