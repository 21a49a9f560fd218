"""Distortion of echo-planar images: found along phase encode, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from registration.pictures import ball, centred_grid, mean_error_mm, picture, places

from radresp.core import Sequence, Volume, resample_volume
from radresp.registration import align
from radresp.registration.epi_mi import EpiMi

GRID = centred_grid()
MASK = ball(GRID)
LIGHT = {"mirror": False, "bend_samples": 5000, "bend_iterations": 20}
MIDDLE = np.asarray(GRID.centre_mm)


def distorted(axis: int, peak_mm: float = 6.0) -> tuple[Volume, sitk.Transform]:
    """A picture of inverted contrast, displaced along one axis around the middle, and the truth."""
    apart = np.linalg.norm(places(GRID) - MIDDLE, axis=-1)
    shift = np.zeros((*GRID.size[::-1], 3))
    shift[..., axis] = peak_mm * np.exp(-((apart / 25.0) ** 2) / 2)
    field = sitk.GetImageFromArray(shift, isVector=True)
    GRID.stamp(field)
    clean = picture(GRID, noise=0.0)
    back = sitk.InvertDisplacementField(field, maximumNumberOfIterations=50)
    moved = resample_volume(clean, GRID, sitk.DisplacementFieldTransform(back)).array
    noise = np.random.default_rng(3).normal(0, 2.0, moved.shape)
    image = Volume.from_array(400.0 - moved + noise, GRID, Sequence.DWI, b_s_per_mm2=0)
    return image, sitk.DisplacementFieldTransform(field)


@pytest.mark.parametrize(("phase_encode", "axis"), [("column", 1), ("row", 0)])
def test_finds_the_shift_that_a_rigid_fit_leaves(phase_encode: str, axis: int) -> None:
    moving, truth = distorted(axis)
    fixed = picture(GRID, seed=1)
    rigid = align(fixed, moving, fixed_mask=MASK, method="rigid_mi")
    bent = align(
        fixed,
        moving,
        fixed_mask=MASK,
        method="epi_mi",
        settings=EpiMi(phase_encode=phase_encode, **LIGHT),
    )
    left = mean_error_mm(bent.transform, truth, MASK)
    assert left < 0.6 * mean_error_mm(rigid.transform, truth, MASK)
    assert left < 1.0


def test_moves_nothing_across_the_phase_encode_axis() -> None:
    moving, _ = distorted(1)
    fixed = picture(GRID, seed=1)

    bent = align(fixed, moving, fixed_mask=MASK, method="epi_mi", settings=EpiMi(**LIGHT))
    linear, field = (bent.transform.GetNthTransform(n) for n in (0, 1))
    along = np.asarray(linear.GetInverse().TransformVector((0.0, 1.0, 0.0), (0.0, 0.0, 0.0)))
    for place in places(GRID)[MASK.array][::101].tolist():
        step = np.subtract(field.TransformPoint(place), place)
        across = step - (step @ along) * along
        assert np.abs(across).max() < 1e-3 * max(np.abs(step).max(), 1e-3)
