"""The verdict on an alignment, with its reasons, for every method alike.

It rests on facts a radiologist could check: how far the patient moved, whether tissue folds, how
much of the area both visits show, how alike the pictures are there, whether small pieces of one
image recognise their counterparts in the other among all others (`radresp.registration.patches`),
whether a search back comes home (`radresp.registration.round_trip`), and whether the place found is
better than places 15 and 30 mm beside it. The last tells a fit from two pictures that merely hold
the same brightnesses: mutual information at the place found is divided by its largest value after
pushing the moving image sideways (the idea behind the protocol of Skerl, Likar and Pernus for
similarity measures, IEEE Trans Med Imaging 2006;25:779-791).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from radresp.core import Grid, Mask, Note, Quality, Sequence, Verdict, Volume, resample_mask
from radresp.registration.coarse import Area, area_around
from radresp.registration.folding import folding
from radresp.registration.measures import (
    Copies,
    blank_slices,
    correlation,
    likeness,
    motion,
    outlines_agree,
    overlap_fraction,
)
from radresp.registration.patches import REACH_MM, cut_pieces, match_numbers, residual_mm
from radresp.registration.reasons import doubts, implausible, misfits
from radresp.registration.round_trip import round_trip_mm
from radresp.registration.rules import QualityRules

__all__ = ["Found", "QualityRules", "implausible", "judge"]

_SURROUNDINGS_MM = 25.0
_IDENTITY = sitk.Transform(3, sitk.sitkIdentity)


@dataclass(frozen=True, slots=True)
class Found:
    """What a method hands back: the transform, what it noticed, own figures and own doubts."""

    transform: sitk.Transform
    notes: tuple[Note, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()


def judge(
    fixed: Volume,
    moving: Volume,
    found: Found,
    rules: QualityRules,
    *,
    fixed_mask: Mask | None = None,
    moving_mask: Mask | None = None,
) -> Quality:
    """Measure an alignment and give a verdict with its reasons.

    Parameters
    ----------
    fixed, moving : Volume
        The aligned images.
    found : Found
        The transform (fixed to moving LPS mm) with the method's own figures and doubts.
    rules : QualityRules
        Thresholds.
    fixed_mask, moving_mask : Mask, optional
        Outlines, each on its image's grid. The fit is judged around the fixed one, else around the
        moving one as carried over, else everywhere.

    Returns
    -------
    Quality
        ``numbers`` holds ``shift_mm`` (of the area's centre), ``rotation_deg``, ``scale``,
        ``bend_mm`` (from the closest rigid motion),
        ``jacobian_min/max`` and ``folding_fraction`` (in the area), ``overlap_fraction`` (of the
        fixed image), ``area_overlap_fraction`` (of the area around the outline; without one, of the
        smaller image), ``correlation_before/after`` (native fixed grid),
        ``mutual_information_before/after`` and ``_beside`` (nats, 2-mm copies), ``standout`` (after
        over beside), ``match_before``, ``match``, ``match_near``, ``match_null``, ``match_z`` and
        ``match_rank`` (patches of the whole images), ``residual_mm`` (around the outline),
        ``round_trip_mm`` (in the area), ``blank_slices``, the method's own figures, and
        ``mask_dice`` and ``mask_distance_mm`` where both outlines exist. A figure that
        cannot be measured is left out.
    """
    transform = found.transform
    carried = None
    if moving_mask is not None:
        carried = resample_mask(moving_mask, fixed.grid, transform)
    outline = fixed_mask or (None if carried is None or carried.is_empty else carried)
    area = area_around(fixed.grid, outline, rules.mask_margin_mm)
    numbers = _numbers(fixed, moving, transform, area, outline)
    if outline is None:
        sizes = [float(np.prod(volume.grid.extent_mm)) for volume in (fixed, moving)]
        share = numbers["area_overlap_fraction"] * sizes[0] / min(sizes)
        numbers["area_overlap_fraction"] = min(share, 1.0)
    numbers |= found.numbers
    if fixed_mask is not None and carried is not None:
        numbers |= outlines_agree(fixed_mask, carried)
    same = fixed.sequence is moving.sequence
    failed = [*implausible(numbers, rules), *misfits(numbers, rules, one_sequence=same)]
    if carried is not None and carried.is_empty:
        failed.append("the moving outline ends outside the fixed image")
    doubted = [*found.doubts, *doubts(numbers, rules, one_sequence=same)]
    verdict = Verdict.FAILED if failed else Verdict.DOUBTFUL if doubted else Verdict.GOOD
    return Quality(verdict, numbers, tuple(failed + doubted))


def _numbers(
    fixed: Volume, moving: Volume, transform: sitk.Transform, area: Area, outline: Mask | None
) -> dict[str, float]:
    """Everything measured of a transform between two images, by name."""
    copies = Copies.of(fixed, moving)
    numbers = motion(transform, area.centre_mm)
    numbers["overlap_fraction"] = overlap_fraction(fixed.grid, moving.grid, transform)
    numbers["correlation_before"] = correlation(fixed, moving, _IDENTITY, area)
    numbers["correlation_after"] = correlation(fixed, moving, transform, area)
    numbers |= likeness(copies, transform, area)
    same = fixed.sequence is moving.sequence
    numbers |= _matches(copies, transform, one_sequence=same)
    near = _surroundings(fixed.grid, outline) if outline else area
    error = residual_mm(cut_pieces(*copies.seen_from(near), transform, REACH_MM), one_sequence=same)
    if error is not None:
        numbers["residual_mm"] = error
    here, part = copies.around(area)
    numbers |= folding(transform, part)
    back = round_trip_mm(here, copies.moving, transform, part)
    if back is not None:
        numbers["round_trip_mm"] = back
    if fixed.sequence is not Sequence.ADC:  # an ADC map is 0 wherever it was not fitted
        numbers["blank_slices"] = float(blank_slices(fixed) + blank_slices(moving))
    return numbers


def _matches(copies: Copies, transform: sitk.Transform, *, one_sequence: bool) -> dict[str, float]:
    """Whether patches of the whole images find their counterparts, before and after."""
    whole = area_around(copies.fixed.grid)
    sides = (copies.fixed, copies.moving, whole)
    before = match_numbers(cut_pieces(*sides, _IDENTITY), one_sequence=one_sequence)
    after = match_numbers(cut_pieces(*sides, transform, REACH_MM), one_sequence=one_sequence)
    return after | ({"match_before": before["match"]} if before else {})


def _surroundings(grid: Grid, outline: Mask) -> Area:
    """The tissue around an outline, without what was treated inside it and no longer matches."""
    wide = area_around(grid, outline, _SURROUNDINGS_MM)
    inside = wide.inside & ~resample_mask(outline, wide.grid).array
    return Area(wide.grid, inside, wide.centre_mm)
