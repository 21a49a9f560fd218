"""Gas in the bowel near a region, from T2, and the score of what it does to diffusion images.

What: gas gives no signal, so it is darker than muscle, the darkest tissue there is plenty of.
Voxels well below muscle within a distance of the region are gas when they are no thin line (vessel,
fascia, cortical bone seen edge on). The score counts how much of it lies close, in steps of a
factor of about 2.5, since the field it disturbs falls with the third power of the distance.
Source: the scale of 0 (none) to 5 after the reader's score of susceptibility artefact of van
Griethuysen et al., Eur J Radiol 2018;99:131-137; the volumes behind the steps are our own.
When: to flag diffusion measurements beside gas, and to keep gas out of a propagated bed.

Measured against the digital pelvis in ``docs/reference/intensity.md``. A stand-in for a reader: it
sees gas on T2, minutes away from the DWI, and not the artefact itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from radresp.core import Grid, Mask, Note, NoteKind, Roi, Sequence, Settings, Step, Volume
from radresp.errors import InputError, PlanError
from radresp.intensity.muscle import find_muscle

STEPS_ML = (0.1, 0.3, 0.8, 2.0, 4.0)
"""Gas within reach from which the score is 1 to 5, mL."""


class FindGas(Settings):
    """Where gas is looked for, and what counts."""

    reach_mm: float = Field(
        10.0, gt=0, le=50, description="Distance from the region within which gas counts, mm."
    )
    share_of_muscle: float = Field(
        0.35, gt=0, lt=1, description="Gas is darker than this share of muscle."
    )
    thin_mm: float = Field(
        1.5, ge=0, le=5, description="Half width up to which dark lines are not gas, mm."
    )


@dataclass(frozen=True, slots=True)
class FoundGas:
    """Gas near a region.

    Parameters
    ----------
    mask : Mask
        Gas within reach of the region, named ``lumen``; may be empty.
    volume_ml : float
        How much that is, mL.
    score : int
        0 (none) to 5.
    step : Step
        What was done.
    """

    mask: Mask
    volume_ml: float
    score: int
    step: Step


def find_gas(
    volume: Volume, near: Mask, muscle: Mask | None = None, settings: FindGas | None = None
) -> FoundGas:
    """Outline gas near a region of a T2 and score it.

    Parameters
    ----------
    volume : Volume
        T2, before or after a normalisation that keeps 0 at 0.
    near : Mask
        Tumour or bed on the volume's grid, not empty.
    muscle : Mask, optional
        Outline of muscle on the volume's grid; looked for when not given.
    settings : FindGas, optional
        Defaults when not given.

    Returns
    -------
    FoundGas
        Outline, volume and score.

    Raises
    ------
    InputError
        ``MASK_EMPTY`` for an empty region, ``MUSCLE_UNSURE`` when muscle is not given and not
        found.
    PlanError
        ``NORMALISE`` for another sequence than T2.
    GeometryError
        ``MASK_GEOMETRY`` when an outline lies on another grid.
    """
    started = perf_counter()
    settings = settings or FindGas()
    if volume.sequence is not Sequence.T2:
        raise PlanError("NORMALISE", f"gas on {volume.sequence}", expected="T2")
    if not volume.values_in(near).size:
        raise InputError("MASK_EMPTY", f"the {near.roi} mask has 0 voxels", expected="a region")
    muscle = find_muscle(volume).mask if muscle is None else muscle
    limit = settings.share_of_muscle * float(np.median(volume.values_in(muscle)))
    grid, box = volume.grid, _box(near, settings.reach_mm + 2 * settings.thin_mm)
    away = ndimage.distance_transform_edt(~near.array[box], sampling=grid.spacing_mm[::-1])
    found = np.zeros(grid.size[::-1], dtype=bool)
    thick = _thick(volume.array[box] < limit, grid, settings.thin_mm)
    found[box] = thick & (away <= settings.reach_mm)
    mask = Mask.from_array(found, grid, Roi.LUMEN)
    score = int(np.searchsorted(STEPS_ML, mask.volume_ml, side="right"))
    note = Note(
        NoteKind.INFO,
        "GAS_SCORE",
        f"{mask.volume_ml:.2f} mL of gas within {settings.reach_mm:g} mm of the {near.roi}: "
        f"score {score} of 5",
    )
    made_with = settings.model_dump(mode="json") | {"score": score, "volume_ml": mask.volume_ml}
    step = Step("intensity", "find_gas", made_with, perf_counter() - started, (note,))
    return FoundGas(mask, mask.volume_ml, score, step)


def _box(near: Mask, reach_mm: float) -> tuple[slice, ...]:
    """The region and what lies within reach, as slices (z, y, x)."""
    spans = ndimage.find_objects(near.array.view(np.uint8))[0]
    steps = [int(np.ceil(reach_mm / edge)) for edge in near.grid.spacing_mm[::-1]]
    return tuple(
        slice(max(span.start - step, 0), span.stop + step)
        for span, step in zip(spans, steps, strict=True)
    )


def _thick(dark: NDArray[np.bool_], grid: Grid, thin_mm: float) -> NDArray[np.bool_]:
    """Dark places without those that are thin within their slice."""
    edges_mm = grid.spacing_mm[1], grid.spacing_mm[0]
    kept = np.zeros_like(dark)
    for drawn, out in zip(dark, kept, strict=True):
        core = ndimage.distance_transform_edt(np.pad(drawn, 1), sampling=edges_mm) > thin_mm
        if core.any():
            grown = ndimage.distance_transform_edt(~core, sampling=edges_mm) <= thin_mm
            out[:] = grown[1:-1, 1:-1] & drawn
    return kept
