"""The verdict on an alignment, with its reasons, for every method alike.

It rests on facts a radiologist could check: how far the patient moved, how much of the area both
visits show, how alike the pictures are there, and whether the place found is better than places
15 and 30 mm beside it. The last tells a fit from two pictures that merely hold the same
brightnesses: mutual information at the place found is divided by its largest value after pushing
the moving image sideways (the idea behind the protocol of Skerl, Likar and Pernus for similarity
measures, IEEE Trans Med Imaging 2006;25:779-791).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk
from pydantic import Field

from radresp.core import Mask, Note, Quality, Settings, Verdict, Volume, resample_mask
from radresp.registration.coarse import area_around
from radresp.registration.measures import likeness, motion, outlines_agree, overlap_fraction


class QualityRules(Settings):
    """When an alignment is good, doubtful or failed. Every method's settings extend these.

    The defaults were set on real pelvic T2 and ADC images of one visit, a real pair of brain
    images from two visits, and 20 sabotaged pairs made of these (flipped, noise, other body part):
    true pairs stood out 1.84 to 11 times, sabotaged ones at most 1.4 times save left-right flips,
    which the mirror ratio finds. Nobody has validated them on treated rectums.
    """

    mask_margin_mm: float = Field(
        10.0,
        ge=5,
        le=100,
        description="How far around the outline the images are compared, in 3-D, mm.",
    )
    max_rotation_deg: float = Field(
        30.0, gt=0, le=180, description="Failed when the rotation is larger, degrees."
    )
    max_shift_mm: float = Field(
        100.0, gt=0, le=500, description="Failed when the shift of the area is larger, mm."
    )
    min_scale: float = Field(
        0.8, gt=0, lt=1, description="Failed when lengths shrink below this factor."
    )
    max_scale: float = Field(
        1.25, gt=1, le=10, description="Failed when lengths grow beyond this factor."
    )
    min_overlap: float = Field(
        0.5, ge=0, le=1, description="Failed below this fraction of the area in both images."
    )
    good_overlap: float = Field(
        0.9, ge=0, le=1, description="Doubtful below this fraction of the area in both images."
    )
    min_standout: float = Field(
        1.3,
        ge=0,
        le=100,
        description="Failed below this ratio of the mutual information at the place found to "
        "the largest 15 and 30 mm beside it.",
    )
    good_standout: float = Field(
        1.65, ge=0, le=100, description="Doubtful below this value of the same ratio."
    )
    min_correlation: float = Field(
        0.3, ge=-1, le=1, description="Failed below this correlation; images of one sequence only."
    )
    good_correlation: float = Field(
        0.5,
        ge=-1,
        le=1,
        description="Doubtful below this correlation; images of one sequence only.",
    )
    max_mirror_ratio: float = Field(
        1.05,
        ge=1,
        le=10,
        description="Doubtful when the left-right mirrored image shares more than this many "
        "times the mutual information.",
    )
    max_mask_distance_mm: float = Field(
        30.0, gt=0, le=500, description="Doubtful when the outlines' centres end farther apart, mm."
    )


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
        ``overlap_fraction`` (of the fixed image), ``area_overlap_fraction`` (of the area around the
        outline; without one, of the smaller image),
        ``correlation_before/after`` (native fixed grid), ``mutual_information_before/after`` and
        ``_beside`` (nats, 2-mm copies), ``standout`` (after over beside), the method's own
        figures, and ``mask_dice`` and ``mask_distance_mm`` where both outlines exist.
    """
    transform = found.transform
    carried = None
    if moving_mask is not None:
        carried = resample_mask(moving_mask, fixed.grid, transform)
    outline = fixed_mask or (None if carried is None or carried.is_empty else carried)
    area = area_around(fixed.grid, outline, rules.mask_margin_mm)
    numbers = motion(transform, area.centre_mm)
    numbers["overlap_fraction"] = overlap_fraction(fixed.grid, moving.grid, transform)
    numbers |= likeness(fixed, moving, transform, area)
    if outline is None:
        sizes = [float(np.prod(volume.grid.extent_mm)) for volume in (fixed, moving)]
        share = numbers["area_overlap_fraction"] * sizes[0] / min(sizes)
        numbers["area_overlap_fraction"] = min(share, 1.0)
    numbers |= found.numbers
    if fixed_mask is not None and carried is not None:
        numbers |= outlines_agree(fixed_mask, carried)
    one_sequence = fixed.sequence is moving.sequence
    failed = [*implausible(numbers, rules), *_misfits(numbers, rules, one_sequence)]
    if carried is not None and carried.is_empty:
        failed.append("the moving outline ends outside the fixed image")
    doubts = [*found.doubts, *_doubts(numbers, rules, one_sequence)]
    verdict = Verdict.FAILED if failed else Verdict.DOUBTFUL if doubts else Verdict.GOOD
    return Quality(verdict, numbers, tuple(failed + doubts))


def implausible(numbers: Mapping[str, float], rules: QualityRules) -> Iterator[str]:
    """Why no patient can have moved like that, in words; nothing when it is plausible."""
    if numbers["shift_mm"] > rules.max_shift_mm:
        yield f"a shift of {numbers['shift_mm']:.0f} mm (at most {rules.max_shift_mm:g} mm)"
    if numbers["rotation_deg"] > rules.max_rotation_deg:
        limit = f"at most {rules.max_rotation_deg:g}"
        yield f"a rotation of {numbers['rotation_deg']:.0f} degrees ({limit})"
    if not rules.min_scale <= numbers["scale"] <= rules.max_scale:
        limits = f"{rules.min_scale:g} to {rules.max_scale:g}"
        yield f"lengths scaled by {numbers['scale']:.2f} ({limits})"


def _misfits(
    numbers: Mapping[str, float], rules: QualityRules, one_sequence: bool
) -> Iterator[str]:
    yield from _too_small_overlap(numbers, rules.min_overlap)
    yield from _too_little_standout(numbers, rules.min_standout)
    if one_sequence:
        yield from _too_low_correlation(numbers, rules.min_correlation)


def _doubts(numbers: Mapping[str, float], rules: QualityRules, one_sequence: bool) -> Iterator[str]:
    if rules.min_overlap <= numbers["area_overlap_fraction"]:
        yield from _too_small_overlap(numbers, rules.good_overlap)
    if "standout" not in numbers:
        yield "the shared area is too small to compare this place with places beside it"
    elif numbers["standout"] >= rules.min_standout:
        yield from _too_little_standout(numbers, rules.good_standout)
    if one_sequence and numbers["correlation_after"] >= rules.min_correlation:
        yield from _too_low_correlation(numbers, rules.good_correlation)
    mirror = numbers.get("mirror_ratio", 0.0)
    if mirror > rules.max_mirror_ratio:
        yield f"the left-right mirrored image fits {mirror:.1f} times as well"
    apart = numbers.get("mask_distance_mm", 0.0)
    if apart > rules.max_mask_distance_mm:
        yield (
            f"the centres of the two outlines end {apart:.0f} mm apart "
            f"(at most {rules.max_mask_distance_mm:g} mm)"
        )


def _too_small_overlap(numbers: Mapping[str, float], least: float) -> Iterator[str]:
    shared = numbers["area_overlap_fraction"]
    if shared < least:
        yield f"{shared:.0%} of the compared area lies in both images (at least {least:.0%})"


def _too_little_standout(numbers: Mapping[str, float], least: float) -> Iterator[str]:
    ratio = numbers.get("standout", least)
    if ratio < least:
        yield (
            f"the images match {ratio:.2f} times as well here as 15 to 30 mm beside "
            f"(at least {least:g} times)"
        )


def _too_low_correlation(numbers: Mapping[str, float], least: float) -> Iterator[str]:
    value = numbers["correlation_after"]
    if value < least:
        yield f"the images correlate by {value:.2f} in the compared area (at least {least:g})"
