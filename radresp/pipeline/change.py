"""Change maps: what every voxel of the bed did between the visits, where the fit allows it.

Each map lies on the later image's own grid, so that only the earlier image is interpolated, once,
through all transforms together.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from radresp import intensity, registration
from radresp.core import (
    VISITS,
    ChangeMap,
    Mask,
    RegionKey,
    Roi,
    Sequence,
    Timepoint,
    Verdict,
    Volume,
    resample_mask,
    resample_volume,
)
from radresp.errors import InputError
from radresp.pipeline.align import from_diffusion, to_diffusion
from radresp.pipeline.desk import BED, POST_T2, PRE_T2, Desk
from radresp.pipeline.place import outline_on

_POST_ADC = (Timepoint.POST, Sequence.ADC)
_PRE_ADC = (Timepoint.PRE, Sequence.ADC)
_STILL = sitk.Transform(3, sitk.sitkIdentity)


def map_changes(desk: Desk) -> tuple[dict[str, ChangeMap], dict[str, str]]:
    """The change maps of a case, by sequence, and why others do not exist.

    Returns
    -------
    dict of str to ChangeMap, dict of str to str
        Keys ``"t2"`` and ``"adc"``; each is in one of the two, unless the case has one visit.
    """
    alignment = desk.alignments.get(VISITS)
    if alignment is None:
        return {}, {}
    if alignment.quality.verdict is not Verdict.GOOD:
        reasons = "; ".join(alignment.quality.reasons)
        why = f"the alignment of the visits is {alignment.quality.verdict}: {reasons}"
        return {}, dict.fromkeys(("t2", "adc"), why)
    maps, missing = {}, {}
    for name, make in (("t2", _t2_map), ("adc", _adc_map)):
        try:
            maps[name] = make(desk, alignment.transform)
        except InputError as error:
            missing[name] = error.found
    return maps, missing


def _t2_map(desk: Desk, visits: sitk.Transform) -> ChangeMap:
    """T2 as acquired: normalised images may lie around zero, where no ratio exists."""
    post, pre = desk.case.image(*POST_T2), desk.case.image(*PRE_T2)
    bed = _cut(_bed(desk, BED, post), desk)
    after = resample_volume(post, bed.grid)
    before = resample_volume(pre, bed.grid, visits)
    return intensity.t2_change(before, after, bed, desk.plan.change_maps)


def _adc_map(desk: Desk, visits: sitk.Transform) -> ChangeMap:
    post, pre = desk.images.get(_POST_ADC), desk.images.get(_PRE_ADC)
    if post is None or pre is None:
        raise InputError("MISSING_INPUT", "there is no ADC of both visits")
    bed = _cut(_bed(desk, RegionKey(*_POST_ADC, Roi.BED), post), desk)
    steps = [to_diffusion(desk, Timepoint.PRE) or _STILL, visits]
    if (back := from_diffusion(desk, Timepoint.POST, bed.grid)) is not None:
        steps.append(back)
    whole = sitk.CompositeTransform(steps)  # the last is applied first
    after = resample_volume(post, bed.grid)
    before = resample_volume(pre, bed.grid, whole)
    parts = (_noise(desk, Timepoint.PRE, bed, whole), _noise(desk, Timepoint.POST, bed, _STILL))
    return intensity.adc_change(before, after, bed, float(np.hypot(*parts)), desk.plan.change_maps)


def _bed(desk: Desk, key: RegionKey, image: Volume) -> Mask:
    bed = outline_on(desk, key, image)
    if bed is None or bed.is_empty:
        raise InputError("MASK_EMPTY", f"there is no {key}")
    return bed


def _cut(bed: Mask, desk: Desk) -> Mask:
    """The outline on a cut of its own grid with a margin."""
    near = registration.area_around(bed.grid, bed, desk.plan.change_maps.margin_mm)
    return resample_mask(bed, near.grid)


def _noise(desk: Desk, timepoint: Timepoint, bed: Mask, transform: sitk.Transform) -> float:
    """Noise of the ADC of a voxel of the bed at one visit, 1e-6 mm2/s.

    From the noise of the diffusion images where there is air to read it from; else from the map
    itself, where texture adds to it.
    """
    image = desk.images[timepoint, Sequence.ADC]
    dwi = desk.case.dwi(timepoint) if timepoint in desk.fits else ()
    spread = intensity.adc_noise(dwi, desk.plan.adc) if dwi else None
    if spread is not None:
        noise = resample_volume(image.with_array(spread), bed.grid, transform)
        return float(np.median(noise.array[bed.array]))
    seen = resample_volume(image, bed.grid, transform)
    return intensity.voxel_noise(seen.array, bed.array)
