"""Set the scene for measures of the whole case: outlines on images as acquired."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from radresp import intensity
from radresp.core import (
    Mask,
    Region,
    RegionKey,
    Roi,
    Scene,
    Sequence,
    Timepoint,
    Volume,
    resample_volume,
)
from radresp.errors import GeometryError, InputError
from radresp.pipeline.align import from_diffusion
from radresp.pipeline.desk import CORE, Desk
from radresp.pipeline.place import outline_on
from radresp.pipeline.read import needed_visits

REFERENCES = tuple(roi for roi in Roi if roi.is_reference)
"""Outlines that measures of the whole case look at beside tumour, bed and residual."""
_FWHM_TO_SD = 1 / 2.3548


def set_scene(desk: Desk) -> Scene:
    """Every outline a measure may need, where it can be had; empty where the plan measures nothing.

    What cannot be had is absent with the reason; nothing here refuses a case.
    """
    regions: dict[RegionKey, Region] = {}
    absent: dict[RegionKey, str] = {}
    noise: dict[Timepoint, float] = {}
    averaged: dict[Timepoint, Volume] = {}
    for timepoint in needed_visits(desk.plan) if desk.plan.measures else ():
        images = _images(desk, timepoint)
        for roi in (CORE[timepoint].roi, Roi.RESIDUAL, *REFERENCES):
            found, missing = _regions(desk, timepoint, roi, images)
            regions |= found
            absent |= missing
        if (sigma := _noise(desk, timepoint)) is not None:
            noise[timepoint] = sigma
        if (adc := images.get(Sequence.ADC)) is not None:
            averaged[timepoint] = _averaged(desk, timepoint, images[Sequence.T2], adc)
    return Scene(regions, absent, _not_seen(desk), noise, averaged)


def _not_seen(desk: Desk) -> frozenset[RegionKey]:
    """What nobody saw, on T2: looked for on any image of the visit and drawn on none."""
    drawn = {key[::2] for key, mask in desk.case.masks.items() if not mask.is_empty}
    return frozenset(
        RegionKey(key.timepoint, Sequence.T2, key.roi)
        for key in desk.empty
        if key[::2] not in drawn
    )


def _images(desk: Desk, timepoint: Timepoint) -> dict[Sequence, Volume]:
    """The images of a visit as acquired; the highest b-value on the grid of the ADC."""
    images = {Sequence.T2: desk.acquired[timepoint]}
    adc = desk.images.get((timepoint, Sequence.ADC))
    dwi = desk.images.get((timepoint, Sequence.DWI))
    if adc is not None:
        images[Sequence.ADC] = adc
    if adc is not None and dwi is not None:
        same = dwi.grid.same_as(adc.grid)
        images[Sequence.DWI] = dwi if same else resample_volume(dwi, adc.grid)
    return images


def _regions(
    desk: Desk, timepoint: Timepoint, roi: Roi, images: dict[Sequence, Volume]
) -> tuple[dict[RegionKey, Region], dict[RegionKey, str]]:
    """One outline on every image of a visit, and why it is not on others."""
    regions: dict[RegionKey, Region] = {}
    absent: dict[RegionKey, str] = {}
    outlines: dict[Sequence, Mask | str] = {}
    for sequence in (Sequence.T2, Sequence.ADC):
        outlines[sequence] = _outline(desk, RegionKey(timepoint, sequence, roi), images)
    outlines[Sequence.DWI] = outlines[Sequence.ADC]  # on one grid, see _images
    for sequence, outline in outlines.items():
        key, image = RegionKey(timepoint, sequence, roi), images.get(sequence)
        if image is None:
            absent[key] = f"no {timepoint} {sequence} image"
        elif isinstance(outline, str):
            absent[key] = outline
        else:
            regions[key] = Region(key, image, outline)
    return regions, absent


def _outline(desk: Desk, key: RegionKey, images: dict[Sequence, Volume]) -> Mask | str:
    """An outline on an image, or the reason why there is none."""
    if key.sequence not in images:
        return f"no {key.timepoint} {key.sequence} image"
    try:
        if key.roi is Roi.MUSCLE:
            _find_muscle(desk, key.timepoint, images[Sequence.T2])
        outline = outline_on(desk, key, images[key.sequence])
    except (GeometryError, InputError) as error:
        return error.found
    if outline is None:
        return desk.absent.get(key) or f"no {key.roi} outline at the {key.timepoint} visit"
    return f"the {key.roi} outline of {key} is empty" if outline.is_empty else outline


def _find_muscle(desk: Desk, timepoint: Timepoint, t2: Volume) -> None:
    """Muscle as found where nobody outlined it.

    Raises
    ------
    InputError
        ``MUSCLE_UNSURE``.
    """
    if any(RegionKey(timepoint, sequence, Roi.MUSCLE) in desk.outlines for sequence in Sequence):
        return
    found = intensity.find_muscle(t2)
    desk.outlines[RegionKey(timepoint, Sequence.T2, Roi.MUSCLE)] = found.mask
    desk.steps.append(found.step)


def _noise(desk: Desk, timepoint: Timepoint) -> float | None:
    """Standard deviation of the noise of the highest b-value, image units; None if not known."""
    dwi = desk.case.dwi(timepoint)
    if len(dwi) < 2:
        return None
    return intensity.dwi_noise(dwi, desk.plan.adc)


def _averaged(desk: Desk, timepoint: Timepoint, t2: Volume, adc: Volume) -> Volume:
    """T2 averaged over the voxels of the ADC, where the patient lay for the diffusion images."""
    edges = zip(adc.grid.spacing_mm[1::-1], t2.grid.spacing_mm[1::-1], strict=True)
    sigma = [_FWHM_TO_SD * coarse / fine for coarse, fine in edges]
    smooth = t2.with_array(ndimage.gaussian_filter(np.nan_to_num(t2.array), (0.0, *sigma)))
    return resample_volume(smooth, adc.grid, from_diffusion(desk, timepoint, adc.grid))
