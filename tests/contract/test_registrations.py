"""What every registration method promises."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from builders import ORIENTATIONS, living
from registration.pictures import ball, centred_grid, error_mm, mean_error_mm, picture, rigid

from radresp.core import Alignment, Grid, Mask, Roi, Verdict, resample_mask
from radresp.registration import METHODS
from radresp.registration import align as align_by
from radresp.registration.inverse import parts

TRUTH = rigid((4.0, -3.0, 3.0), (2.0, -1.5, 4.0))

COSTLY = ("epi_mi",)
"""Seconds a promise, and off in every plan: `make test-all` holds it to them."""

pytestmark = pytest.mark.parametrize(
    "method",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name in COSTLY))
        for name, method in METHODS.items()
        if method.installed
    ],
)

LIGHT = {
    "bspline_mi": {"bend_samples": 2000, "bend_iterations": 6},
    "epi_mi": {"bend_samples": 1000, "bend_iterations": 5},
}
"""Fewer samples and steps than the defaults: the promises hold for any."""


def align(fixed, moving, *, method: str, **masks) -> Alignment:
    settings = METHODS[method].settings(**LIGHT.get(method, {}))
    return align_by(fixed, moving, method=method, settings=settings, **masks)


def check_found(alignment: Alignment, mask: Mask) -> None:
    """Half a millimetre: at the farthest corner of the outline's box, or where bent, inside it."""
    linear = alignment.transform.IsLinear()
    error = error_mm if linear else mean_error_mm
    assert error(alignment.transform, TRUTH, mask) < 0.5


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_recovers_a_known_shift_and_rotation(method: str, orientation: str) -> None:
    grid = centred_grid(orientation)
    mask = ball(grid)
    moving = picture(grid, TRUTH, bias=0.4, seed=2)
    alignment = align(picture(grid, seed=1), moving, fixed_mask=mask, method=method)
    check_found(alignment, mask)
    assert alignment.quality.verdict is Verdict.GOOD
    assert alignment.quality.numbers["correlation_after"] > 0.9
    assert alignment.step.room == "registration"
    assert alignment.method == method


def test_recovers_between_different_spacings_and_orientations(method: str) -> None:
    fixed_grid = centred_grid("ras", (80, 76, 24), (1.3, 1.4, 2.2))
    moving_grid = centred_grid("oblique", (70, 66, 15), (1.6, 1.6, 4.0))
    mask = ball(fixed_grid)
    moving = picture(moving_grid, TRUTH, bias=0.3, seed=2)
    alignment = align(picture(fixed_grid, seed=1), moving, fixed_mask=mask, method=method)
    check_found(alignment, mask)
    assert alignment.usable


def test_recovers_with_an_outline_on_the_moving_image_alone(method: str) -> None:
    grid = centred_grid()
    moved = ball(grid, TRUTH.TransformPoint((14.0, -16.0, 30.0)))
    moving = picture(grid, TRUTH, bias=0.3, seed=2)
    alignment = align(picture(grid, seed=1), moving, moving_mask=moved, method=method)
    check_found(alignment, ball(grid))
    assert alignment.quality.verdict is Verdict.GOOD


def test_recovers_without_any_outline(method: str) -> None:
    grid = centred_grid()
    moving = picture(grid, TRUTH, bias=0.3, seed=2)
    alignment = align(picture(grid, seed=1), moving, method=method)
    check_found(alignment, ball(grid))


def test_leaves_an_image_on_itself(method: str) -> None:
    volume = picture(centred_grid())
    mask = ball(volume.grid)
    alignment = align(volume, volume, fixed_mask=mask, moving_mask=mask, method=method)
    assert error_mm(alignment.transform, sitk.Transform(3, sitk.sitkIdentity), mask) < 0.1
    assert alignment.quality.verdict is Verdict.GOOD
    assert alignment.quality.numbers["mask_dice"] > 0.99


def test_is_the_same_twice_and_leaves_nothing_in_memory(method: str) -> None:
    grid = centred_grid()
    pair = picture(grid, seed=1), picture(grid, TRUTH, bias=0.3, seed=2)
    one, two = (align(*pair, method=method) for _ in range(2))
    assert _numbers(one.transform) == _numbers(two.transform)
    assert one.quality.record() == two.quality.record()
    assert living(sitk.ImageRegistrationMethod) == 0


def test_carries_masks_as_masks(method: str) -> None:
    grid = centred_grid()
    moved = ball(grid, TRUTH.TransformPoint((14.0, -16.0, 30.0)), roi=Roi.BED)
    moving = picture(grid, TRUTH, bias=0.3, seed=2)
    alignment = align(picture(grid, seed=1), moving, fixed_mask=ball(grid), method=method)
    carried = resample_mask(moved, grid, alignment.transform)
    assert set(np.unique(carried.array)) == {False, True}
    assert carried.volume_ml == pytest.approx(moved.volume_ml, rel=0.03)
    assert np.count_nonzero(carried.array & ball(grid).array) > 0.95 * carried.voxel_count


def test_leaves_its_inputs_alone(method: str) -> None:
    grid: Grid = centred_grid()
    fixed, moving = picture(grid, seed=1), picture(grid, TRUTH, seed=2)
    before = fixed.array, moving.array
    align(fixed, moving, fixed_mask=ball(grid), method=method)
    assert np.array_equal(fixed.array, before[0])
    assert np.array_equal(moving.array, before[1])


def _numbers(transform: sitk.Transform) -> tuple[float, ...]:
    """Every parameter of a transform, those of a composite's parts too."""
    return tuple(v for part in parts(transform) for v in part.GetParameters())
