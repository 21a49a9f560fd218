"""Good pairs are called good; pairs that cannot be good are not."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from registration.pictures import ball, centred_grid, error_mm, picture, rigid

from radresp.core import NoteKind, Sequence, Verdict, Volume
from radresp.registration import Found, RigidMi, align, judge, mutual_information, similarity
from radresp.registration.measures import motion, overlap_fraction

GRID = centred_grid()
TRUTH = rigid((4.0, -3.0, 3.0), (2.0, -1.5, 4.0))
IDENTITY = sitk.Transform(3, sitk.sitkIdentity)


def flipped(volume: Volume, axis: int) -> Volume:
    return volume.with_array(np.flip(volume.array, axis))


SABOTAGED = {
    "other content": lambda: picture(GRID, content=9),
    "noise": lambda: picture(GRID).with_array(
        np.random.default_rng(4).normal(100, 20, GRID.size[::-1])
    ),
    "left-right": lambda: flipped(picture(GRID, TRUTH, seed=2), 2),
    "front-back": lambda: flipped(picture(GRID, TRUTH, seed=2), 1),
    "head-foot": lambda: flipped(picture(GRID, TRUTH, seed=2), 0),
    "far away": lambda: picture(GRID, rigid((0.0, 95.0, 0.0), (0.0, 0.0, 0.0)), seed=2),
}


@pytest.mark.parametrize(
    ("name", "with_mask"),
    [*((name, True) for name in SABOTAGED), ("other content", False), ("left-right", False)],
)
def test_a_sabotaged_pair_is_not_called_good(name: str, with_mask: bool) -> None:
    mask = ball(GRID) if with_mask else None
    alignment = align(picture(GRID, seed=1), SABOTAGED[name](), fixed_mask=mask)
    assert alignment.quality.verdict is not Verdict.GOOD
    assert alignment.quality.reasons


def test_a_mirrored_image_makes_the_case_abstain() -> None:
    moving = flipped(picture(GRID, TRUTH, seed=2), 2)
    rules = RigidMi(min_correlation=-1, min_standout=0, max_rotation_deg=180, min_overlap=0)
    alignment = align(picture(GRID, seed=1), moving, settings=rules)
    assert alignment.quality.numbers["mirror_ratio"] > 1.5
    (note,) = [n for n in alignment.step.notes if n.code == "LATERALITY_SUSPECT"]
    assert note.kind is NoteKind.ABSTAIN


def test_another_sequence_with_inverted_brightness_is_good() -> None:
    adc = picture(GRID, TRUTH, seed=2, sequence=Sequence.ADC)
    inverted = adc.with_array(2500 - 5 * adc.array)
    alignment = align(picture(GRID, seed=1), inverted, fixed_mask=ball(GRID))
    assert alignment.quality.numbers["correlation_after"] < -0.9
    assert alignment.quality.verdict is Verdict.GOOD


def test_a_wrong_transform_is_judged_by_what_it_does() -> None:
    fixed, moving = picture(GRID, seed=1), picture(GRID, TRUTH, seed=2)
    right = judge(fixed, moving, Found(TRUTH), RigidMi(), fixed_mask=ball(GRID))
    assert right.verdict is Verdict.GOOD
    assert right.reasons == ()
    assert right.numbers["shift_mm"] == pytest.approx(np.sqrt(34), abs=0.5)
    assert right.numbers["scale"] == pytest.approx(1.0)
    assert right.numbers["standout"] > 1.65
    assert right.numbers["mutual_information_after"] > right.numbers["mutual_information_before"]
    for wrong in (rigid((20, 10, 0), (0, 0, 0)), rigid((300, 0, 0), (0, 0, 0))):
        judged = judge(fixed, moving, Found(wrong), RigidMi(), fixed_mask=ball(GRID))
        assert judged.verdict is Verdict.FAILED


def test_scaling_and_mirroring_transforms_are_implausible() -> None:
    volume = picture(GRID)
    for factors in ((1.4, 1.4, 1.4), (-1.0, 1.0, 1.0)):
        scaling = sitk.AffineTransform(np.diag(factors).ravel().tolist(), (0, 0, 0))
        scaling.SetCenter(GRID.centre_mm)
        judged = judge(volume, volume, Found(scaling), RigidMi())
        assert judged.verdict is Verdict.FAILED
        assert any("scaled" in reason for reason in judged.reasons)


def test_two_fields_that_share_little_cannot_be_good() -> None:
    aside = picture(centred_grid(middle_mm=(80.0, -20.0, 30.0)), seed=2)
    judged = judge(picture(GRID, seed=1), aside, Found(IDENTITY), RigidMi())
    assert judged.verdict is Verdict.FAILED
    assert judged.numbers["area_overlap_fraction"] == pytest.approx(38 / 108, abs=0.03)
    assert "both images" in " ".join(judged.reasons)


@pytest.mark.parametrize("with_mask", [True, False])
def test_a_small_field_inside_a_large_one_can_be_good(with_mask: bool) -> None:
    middle = TRUTH.TransformPoint((10.0, -20.0, 30.0))
    grid = centred_grid(size=(36, 36, 12), middle_mm=middle)
    mask = ball(GRID, (10.0, -20.0, 30.0), 10.0) if with_mask else None
    near = RigidMi(mask_margin_mm=10)  # the surroundings must fit into the small field
    small = picture(grid, TRUTH, seed=2)
    alignment = align(picture(GRID, seed=1), small, fixed_mask=mask, settings=near)
    assert error_mm(alignment.transform, TRUTH, ball(GRID)) < 0.5
    assert alignment.quality.numbers["overlap_fraction"] < 0.25
    assert alignment.quality.verdict is Verdict.GOOD


def test_an_outline_carried_out_of_the_image_fails() -> None:
    volume, corner = picture(GRID), ball(GRID, (60.0, 30.0, 50.0), 8.0)
    judged = judge(
        volume, volume, Found(rigid((-30, -30, 0), (0, 0, 0))), RigidMi(), moving_mask=corner
    )
    assert judged.verdict is Verdict.FAILED
    assert "outside the fixed image" in " ".join(judged.reasons)


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.floats(-40, 40)] * 3),
    st.floats(0, 35),
    st.sampled_from([(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.6, 0, 0.8)]),
)
def test_motion_is_measured(
    shift: tuple[float, float, float], degrees: float, axis: tuple[float, float, float]
) -> None:
    centre = (12.0, -7.0, 31.0)
    transform = sitk.VersorRigid3DTransform(axis, np.radians(degrees), shift, centre)
    numbers = motion(transform, centre)
    assert numbers["shift_mm"] == pytest.approx(np.linalg.norm(shift), abs=1e-6)
    assert numbers["rotation_deg"] == pytest.approx(degrees, abs=1e-4)
    assert numbers["scale"] == pytest.approx(1.0, abs=1e-9)
    assert numbers["bend_mm"] == pytest.approx(0.0, abs=1e-6)


def test_a_bend_is_measured_beside_the_rigid_motion() -> None:
    # 10 % longer: 6 mm at 60 mm, whose root mean square on the lattice is 0.1 x 73.5 mm.
    longer = sitk.ScaleTransform(3, (1.1, 1.1, 1.1))
    turned = sitk.VersorRigid3DTransform((0, 0, 1), 0.3, (20.0, -4.0, 2.0))
    both = sitk.CompositeTransform([turned, longer])
    lattice = np.stack(np.meshgrid(*[(-60, -30, 0, 30, 60)] * 3), axis=-1)
    expected = 0.1 * np.sqrt((lattice**2).sum(axis=-1).mean())
    assert motion(both, (5.0, 9.0, -7.0))["bend_mm"] == pytest.approx(expected, rel=1e-6)


def test_a_fit_that_bends_the_anatomy_is_doubtful() -> None:
    volume = picture(GRID)
    bent = Found(sitk.ScaleTransform(3, (1.06, 1.0, 1.06)))
    judged = judge(volume, volume, bent, RigidMi())
    assert any("had to bend" in reason for reason in judged.reasons)
    straight = judge(volume, volume, Found(IDENTITY), RigidMi())
    assert not any("bend" in reason for reason in straight.reasons)


def test_overlap_is_a_fraction_of_the_first_grid() -> None:
    half = centred_grid(middle_mm=(10.0 + 54.0, -20.0, 30.0))
    assert overlap_fraction(GRID, half) == pytest.approx(0.5, abs=0.04)
    assert overlap_fraction(GRID, half, rigid((54.0, 0, 0), (0, 0, 0))) == 1.0
    small = centred_grid(size=(36, 36, 18))
    assert overlap_fraction(small, GRID) == 1.0
    assert overlap_fraction(GRID, small) == pytest.approx(0.25, abs=0.04)


def test_mutual_information_has_its_known_values() -> None:
    values = np.random.default_rng(0).normal(size=20_000)
    other = np.random.default_rng(1).normal(size=20_000)
    assert mutual_information(values, -3 * values) == pytest.approx(np.log(16), abs=1e-3)
    assert mutual_information(values, other) == pytest.approx(15**2 / (2 * 20_000), abs=3e-3)
    assert mutual_information(values, values * 0) == 0.0
    # Two Gaussians of correlation r share -log(1 - r^2) / 2 nats; 16 bins hold a little less.
    mixed = 0.8 * values + 0.6 * other
    assert mutual_information(values, mixed) == pytest.approx(-np.log(1 - 0.64) / 2, rel=0.06)


def test_similarity_looks_where_it_is_told_and_ignores_units() -> None:
    fixed, moving = picture(GRID, seed=1), picture(GRID, seed=2)
    spoiled = moving.array
    spoiled[~ball(GRID).array] = 0
    broken = moving.with_array(spoiled)
    inside = similarity(fixed, broken, IDENTITY, ball(GRID))
    assert inside == pytest.approx(similarity(fixed, moving, IDENTITY, ball(GRID)))
    assert similarity(fixed, broken, IDENTITY) < inside
    scaled = moving.with_array(moving.array * 40 + 7)
    assert similarity(fixed, scaled, IDENTITY) == pytest.approx(
        similarity(fixed, moving, IDENTITY), abs=1e-5
    )
    assert similarity(fixed, moving, rigid((500, 0, 0), (0, 0, 0))) == 0.0
    assert similarity(fixed, moving.with_array(spoiled * 0), IDENTITY) == 0.0
