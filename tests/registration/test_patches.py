"""Patches recognise their counterparts, trips come home, and folding is seen, for any transform."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from registration.pictures import ball, centred_grid, picture, places, rigid

from radresp.core import Sequence, Verdict, Volume
from radresp.registration import Found, RigidMi, judge
from radresp.registration.coarse import area_around
from radresp.registration.folding import folding, jacobian
from radresp.registration.measures import Copies
from radresp.registration.patches import REACH_MM, cut_pieces, match_numbers, residual_mm
from radresp.registration.round_trip import round_trip_mm

GRID = centred_grid()
TRUTH = rigid((4.0, -3.0, 3.0), (2.0, -1.5, 4.0))
FIXED, MOVING = picture(GRID, seed=1), picture(GRID, TRUTH, seed=2)
COPIES = Copies.of(FIXED, MOVING)


def pieces(moving: Volume, transform: sitk.Transform):
    copies = Copies.of(FIXED, moving)
    return cut_pieces(
        copies.fixed, copies.moving, area_around(copies.fixed.grid), transform, REACH_MM
    )


def off_by(mm: float, direction: tuple[float, float, float] = (0.8, 0.6, 0.0)) -> sitk.Transform:
    push = sitk.TranslationTransform(3, [mm * part for part in direction])
    return sitk.CompositeTransform([TRUTH, push])


def test_patches_of_one_patient_recognise_each_other_and_others_do_not() -> None:
    own = match_numbers(pieces(MOVING, TRUTH), one_sequence=True)
    other = match_numbers(pieces(picture(GRID, content=9), TRUTH), one_sequence=True)
    assert own["match"] > 0.9
    assert own["match_rank"] > 0.95
    assert own["match_z"] > 20
    assert abs(own["match_null"]) < 0.05
    assert abs(other["match"]) < 0.15
    assert other["match_rank"] == pytest.approx(0.5, abs=0.1)
    assert abs(other["match_z"]) < 4


def test_inverted_brightness_is_recognised_as_another_sequence() -> None:
    inverted = MOVING.with_array(300 - 2 * MOVING.array)
    assert match_numbers(pieces(inverted, TRUTH), one_sequence=True)["match"] < -0.9
    assert match_numbers(pieces(inverted, TRUTH), one_sequence=False)["match"] > 0.85


@pytest.mark.parametrize("direction", [(0.8, 0.6, 0.0), (0.0, 0.0, 1.0)])
@pytest.mark.parametrize("error_mm", [0.0, 2.0, 4.0, 6.0])
def test_residual_and_round_trip_measure_a_known_error(
    error_mm: float, direction: tuple[float, float, float]
) -> None:
    wrong = off_by(error_mm, direction)
    residual = residual_mm(pieces(MOVING, wrong), one_sequence=True)
    here, part = COPIES.around(area_around(GRID, ball(GRID), 20.0))
    back = round_trip_mm(here, COPIES.moving, wrong, part)
    assert residual == pytest.approx(error_mm, abs=0.6)
    assert back == pytest.approx(error_mm, abs=0.4)


def test_too_little_to_compare_gives_no_number() -> None:
    apart = rigid((400.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    assert match_numbers(pieces(MOVING, apart), one_sequence=True) == {}
    assert residual_mm(pieces(MOVING, apart), one_sequence=True) is None
    here, part = COPIES.around(area_around(GRID, ball(GRID), 20.0))
    assert round_trip_mm(here, COPIES.moving, apart, part) is None


def bump(height_mm: float, width_mm: float = 12.0) -> sitk.Transform:
    """A displacement along x that folds where its slope is below -1."""
    away = places(GRID) - (14.0, -16.0, 30.0)
    shape = np.exp(-(away**2).sum(axis=-1) / (2 * width_mm**2))
    field = np.stack([height_mm * shape, 0 * shape, 0 * shape], axis=-1)
    image = sitk.GetImageFromArray(field, isVector=True)
    GRID.stamp(image)
    return sitk.DisplacementFieldTransform(sitk.Cast(image, sitk.sitkVectorFloat64))


def test_the_jacobian_of_a_bump_is_one_plus_its_slope() -> None:
    found = jacobian(bump(8.0), GRID)
    away = places(GRID) - (14.0, -16.0, 30.0)
    slope = -away[..., 0] / 144 * 8.0 * np.exp(-(away**2).sum(axis=-1) / 288)
    np.testing.assert_allclose(found[1:-1, 1:-1, 1:-1], (1 + slope)[1:-1, 1:-1, 1:-1], atol=0.01)


@pytest.mark.parametrize("orientation", ["lps", "ras", "oblique"])
def test_the_jacobian_does_not_depend_on_the_grid(orientation: str) -> None:
    shear = sitk.AffineTransform([1.2, 0.3, 0.0, 0.0, 0.9, -0.2, 0.1, 0.0, 1.1], (1.0, 2.0, 3.0))
    numbers = folding(shear, area_around(centred_grid(orientation)))
    expected = np.linalg.det(np.reshape(shear.GetMatrix(), (3, 3)))
    assert numbers["jacobian_min"] == pytest.approx(expected, abs=1e-6)
    assert numbers["jacobian_max"] == pytest.approx(expected, abs=1e-6)


def test_a_fold_fails_and_a_gentle_bump_does_not() -> None:
    mask = ball(GRID)
    gentle = sitk.CompositeTransform([TRUTH, bump(1.0)])
    assert judge(FIXED, MOVING, Found(gentle), RigidMi(), fixed_mask=mask).verdict is Verdict.GOOD
    folded = judge(
        FIXED, MOVING, Found(sitk.CompositeTransform([TRUTH, bump(30.0)])), RigidMi(),
        fixed_mask=mask,
    )  # fmt: skip
    assert folded.verdict is Verdict.FAILED
    assert folded.numbers["folding_fraction"] > 0
    assert "folds over itself" in " ".join(folded.reasons)


def test_every_kind_of_transform_is_judged() -> None:
    spline = sitk.BSplineTransformInitializer(GRID.blank(), [4, 4, 4], order=3)
    spline.SetParameters([0.1] * len(spline.GetParameters()))
    mask = ball(GRID)
    for bent in (spline, bump(0.5)):
        for transform in (sitk.CompositeTransform([TRUTH, bent]), bent):
            quality = judge(FIXED, MOVING, Found(transform), RigidMi(), fixed_mask=mask)
            assert 0 < quality.numbers["jacobian_min"] <= quality.numbers["jacobian_max"]
            assert np.isfinite(list(quality.numbers.values())).all()


def test_blank_slices_are_not_called_good() -> None:
    values = MOVING.array
    values[-2:] = 0
    quality = judge(
        FIXED, MOVING.with_array(values), Found(TRUTH), RigidMi(), fixed_mask=ball(GRID)
    )
    assert quality.numbers["blank_slices"] == 2
    assert quality.verdict is not Verdict.GOOD
    adc = picture(GRID, sequence=Sequence.ADC)
    flat = adc.array
    flat[-2:] = 0
    assert (
        "blank_slices"
        not in judge(
            adc, adc.with_array(flat), Found(rigid((0, 0, 0), (0, 0, 0))), RigidMi()
        ).numbers
    )
