"""How training cases are varied: repeatable, within the plan's limits, and as physics has it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("monai")

import torch

from radresp.cnn import Augment
from radresp.cnn.augment import ADC_SHARE, augmentation
from radresp.cnn.fields import rician
from radresp.cnn.inputs import ADC_MIDDLE, ADC_SPREAD, Inputs

SIZE = (24, 20, 8)
SPACING_MM = (1.5, 1.5, 4.0)
T2, DWI, ADC, MASK = range(4)
NOTHING = {
    "flip": 0.0,
    "shift_mm": 0.0,
    "rotate_degrees": 0.0,
    "deform_mm": 0.0,
    "epi_mm": 0.0,
    "bias": 0.0,
    "noise": 0.0,
    "contrast": 0.0,
    "drop_channel": 0.0,
}
EVERY = ("shift_mm", "rotate_degrees", "deform_mm", "epi_mm", "bias", "noise", "contrast")


def only(size: tuple[int, int, int] = SIZE, **wanted: float) -> Any:
    """A variation that always happens, alone."""
    return augmentation(Augment(chance=1.0, **(NOTHING | wanted)), SPACING_MM, size)


def case(seed: int = 0, size: tuple[int, int, int] = SIZE) -> Inputs:
    """Smooth images with a mask in the middle."""
    x, y, z = size
    random = np.random.default_rng(seed)
    coarse = torch.from_numpy(random.normal(size=(2, 4, 4, 5, 6)).astype(np.float32))
    images = torch.nn.functional.interpolate(coarse, (z, y, x), mode="trilinear").numpy()
    images[:, MASK] = 0
    images[:, MASK, z // 4 : -z // 4, y // 4 : -y // 4, x // 4 : -x // 4] = 1
    return Inputs(images, np.ones((2, 4), np.float32))


def ramp(axis: int, size: tuple[int, int, int] = SIZE) -> Inputs:
    """Every image is the voxel's number along an axis (of z, y, x), a tenth of it."""
    number = np.indices(size[::-1])[axis].astype(np.float32) / 10
    images = np.broadcast_to(number, (2, 4, *number.shape)).copy()
    images[:, MASK] = number > number.mean()
    return Inputs(images, np.ones((2, 4), np.float32))


# Always


@given(
    seed=st.integers(0, 2**31),
    there=st.lists(st.booleans(), min_size=8, max_size=8).filter(lambda t: any(t[:3] + t[4:7])),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_comes_out_is_a_case(seed: int, there: list[bool]) -> None:
    known = np.array(there, np.float32).reshape(2, 4)
    given_case = Inputs(case(seed).images * known[..., None, None, None], known)
    before = given_case.images.copy()
    vary = augmentation(Augment(chance=1, drop_channel=0.5, noise=1), SPACING_MM, SIZE)
    found = vary(given_case, (seed, 1, 2))
    assert found.images.dtype == found.there.dtype == np.float32
    assert found.images.shape == before.shape
    assert np.isfinite(found.images).all()
    assert np.abs(found.images).max() <= 5
    assert set(np.unique(found.images[:, MASK])) <= {0, 1}
    assert not found.images[found.there == 0].any()
    assert (found.there <= known).all()
    assert (found.there[:, MASK] == known[:, MASK]).all()
    assert found.there[:, :MASK].any()
    assert np.array_equal(given_case.images, before)


def test_the_same_seed_gives_the_same_case_and_others_do_not() -> None:
    vary = augmentation(Augment(), SPACING_MM, SIZE)
    same = [vary(case(), (1, 2, 3)) for _ in range(2)]
    assert np.array_equal(same[0].images, same[1].images)
    assert np.array_equal(same[0].there, same[1].there)
    for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert not np.array_equal(vary(case(), other).images, same[0].images)


def test_without_variation_a_case_stays_as_it_is() -> None:
    never = augmentation(
        Augment(**(dict.fromkeys(EVERY, 0.1) | {"chance": 0, "flip": 0, "drop_channel": 0})),
        SPACING_MM,
        SIZE,
    )
    for vary in (only(), never):
        for seed in range(5):
            assert np.array_equal(vary(case(), (seed,)).images, case().images)


# Position


def test_left_and_right_are_swapped_in_all_planes_together() -> None:
    found = only(flip=1.0)(case(), (1,))
    assert np.array_equal(found.images, case().images[..., ::-1])


@pytest.mark.parametrize("kind", ["shift_mm", "rotate_degrees", "deform_mm"])
def test_both_visits_and_their_outlines_move_together(kind: str) -> None:
    given_case = case()
    given_case.images[1] = given_case.images[0]
    given_case.images[:, T2] = given_case.images[:, MASK]
    found = only(**{kind: 6.0})(given_case, (3,)).images
    assert not np.array_equal(found, given_case.images)
    assert np.allclose(found[0], found[1])
    # The outline is where the image says, but for voxels its border runs through.
    assert ((found[0, T2] > 0.5) == (found[0, MASK] == 1)).mean() > 0.99


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(("kind", "largest"), [("shift_mm", 4.0), ("deform_mm", 3.0)])
def test_nothing_moves_farther_than_the_plan_says(axis: int, kind: str, largest: float) -> None:
    given_case = ramp(axis)
    edge = SPACING_MM[::-1][axis]
    moved = [only(**{kind: largest})(given_case, (seed,)).images[0, T2] for seed in range(8)]
    away = np.abs(np.array(moved) - given_case.images[0, T2]) * 10 * edge
    assert 0.1 * largest < away.max() <= largest + 1e-3


def test_a_quarter_turn_is_not_what_eight_degrees_are() -> None:
    x, y = ramp(2), ramp(1)
    vary = only(rotate_degrees=8.0)
    for seed in range(5):
        middle = (slice(2, -2), slice(5, -5), slice(5, -5))
        across = np.gradient(vary(x, (seed,)).images[0, T2][middle], axis=1)
        along = np.gradient(vary(x, (seed,)).images[0, T2][middle], axis=2)
        angle = np.rad2deg(np.arctan2(across, along))
        assert angle.std() < 0.1
        assert abs(angle.mean()) <= 8.01
        # In plane: slices stay slices.
        assert np.allclose(
            np.gradient(vary(y, (seed,)).images[0, T2][middle], axis=0), 0, atol=1e-5
        )


def test_diffusion_alone_is_displaced_along_phase_encoding_differently_at_each_visit() -> None:
    vary = only(epi_mm=4.0)
    along_y, along_x = vary(ramp(1), (2,)).images, vary(ramp(2), (2,)).images
    assert np.array_equal(along_y[:, T2], ramp(1).images[:, T2])
    assert np.array_equal(along_y[:, MASK], ramp(1).images[:, MASK])
    assert np.allclose(along_x[:, ADC], ramp(2).images[:, ADC], atol=1e-5)
    away = np.abs(along_y[:, ADC] - ramp(1).images[:, ADC]) * 10 * SPACING_MM[1]
    assert 0.2 < away.max() <= 4.001
    assert not np.allclose(along_y[0, ADC], along_y[1, ADC], atol=0.01)


@pytest.mark.parametrize("kind", ["epi_mm", "deform_mm"])
def test_tissue_never_folds(kind: str) -> None:
    largest = {"epi_mm": 20.0, "deform_mm": 10.0}[kind]
    size = (48, 48, 8)
    vary = only(size, **{kind: largest})
    for seed in range(5):
        steps = np.diff(vary(ramp(1, size), (seed,)).images[0, ADC], axis=1)
        assert steps.min() > -1e-5


def test_signal_piles_up_where_diffusion_is_squeezed_and_adc_does_not() -> None:
    flat = np.full((2, 4, *SIZE[::-1]), 1.0, np.float32)
    # Half dark, half bright: the darkest stands for no signal.
    flat[..., :12] = -1.0
    found = only(epi_mm=8.0)(Inputs(flat, np.ones((2, 4), np.float32)), (1,)).images
    assert np.allclose(found[:, ADC], flat[:, ADC], atol=1e-5)
    bright, dark = found[0, DWI, :, :, 13:], found[0, DWI, :, :, :11]
    assert bright.std() > 0.02
    assert dark.std() < 0.05 * bright.std()


# Signal


def test_shading_multiplies_signal_above_the_darkest() -> None:
    vary = only(bias=0.3)
    given_case = case()
    given_case.images[:, T2, :, :, :3] = -2.0
    found = vary(given_case, (4,)).images
    assert np.array_equal(found[:, DWI:], given_case.images[:, DWI:])
    assert np.allclose(found[:, T2, :, :, :3], -2.0)
    bright = given_case.images[0, T2] > 0
    gain = (found[0, T2][bright] + 2) / (given_case.images[0, T2][bright] + 2)
    assert 0.7 <= gain.min() < 0.99
    assert 1.0 <= gain.max() <= 1.3 or gain.max() < 1.0
    # Smooth: neighbours differ by little.
    whole = (found[0, T2] + 2) / (given_case.images[0, T2] + 2 + 1e-6)
    assert np.abs(np.diff(whole[:, :, 4:], axis=2)).max() < 0.05


def test_noise_lifts_the_dark_and_blurs_the_bright_of_the_high_b_value_alone() -> None:
    given_case = case()
    given_case.images[:, DWI] = 0.0
    given_case.images[:, DWI, :, :, 12:] = 2.0
    given_case.images[:, DWI, :, :, :3] = -2.0
    # How much is drawn; the noisiest of a few shows it best.
    every = [only(noise=1.0)(given_case, (seed,)).images for seed in range(5)]
    found = max(every, key=lambda one: one[0, DWI, :, :, 12:].std())
    assert np.array_equal(found[:, [T2, ADC, MASK]], given_case.images[:, [T2, ADC, MASK]])
    now = found[0, DWI]
    dark, middle, bright = now[:, :, :3], now[:, :, 3:12], now[:, :, 12:]
    assert bright.std() > 0.1
    # Rician: with no signal, magnitudes are above nothing, and spread less.
    assert dark.mean() - dark.min() > dark.std()
    assert dark.std() < bright.std()
    assert (middle.mean() - dark.mean()) < 0.95 * (bright.mean() - middle.mean())


@pytest.mark.parametrize("signal", [0.0, 1.0, 4.0])
def test_noise_is_that_of_monai(signal: float) -> None:
    transforms = pytest.importorskip("monai.transforms")
    flat = np.full((1, 40, 40, 40), signal, np.float32)
    reference = transforms.RandRicianNoise(prob=1.0, std=0.7, sample_std=False)
    reference.set_random_state(seed=1)
    expected = np.asarray(reference(flat))
    found = rician(flat, 0.7, np.random.default_rng(2))
    assert found.mean() == pytest.approx(expected.mean(), abs=0.01)
    assert found.std() == pytest.approx(expected.std(), abs=0.01)


@pytest.mark.parametrize("kind", ["noise", "contrast"])
def test_the_high_b_value_keeps_the_scale_of_its_patch(kind: str) -> None:
    given_case = case()
    found = only(**{kind: 0.9})(given_case, (6,)).images
    for visit in (0, 1):
        for share in (0.5, 0.98):
            before = np.quantile(given_case.images[visit, DWI], share)
            assert np.quantile(found[visit, DWI], share) == pytest.approx(before, abs=0.1)


def test_contrast_differs_by_visit_and_keeps_the_order_of_tissues() -> None:
    given_case = case()
    given_case.images[1] = given_case.images[0]
    found = only(contrast=0.5)(given_case, (7,)).images
    for sequence in (T2, DWI, ADC):
        assert not np.allclose(found[0, sequence], found[1, sequence], atol=1e-3)
        order = np.argsort(given_case.images[0, sequence].ravel())
        inside = np.abs(found[0, sequence].ravel()[order]) < 4.99
        assert np.diff(found[0, sequence].ravel()[order][inside]).min() > -1e-5


def test_adc_keeps_its_unit() -> None:
    vary = only(contrast=0.2)
    given_case = case()
    for seed in range(10):
        found = vary(given_case, (seed,)).images
        before, after = (
            one[0, ADC].astype(float) * ADC_SPREAD + ADC_MIDDLE
            for one in (given_case.images, found)
        )
        gains = (after / before)[before > 300]
        assert gains.max() - gains.min() < 1e-3
        assert abs(gains.mean() - 1) <= 0.2 * ADC_SHARE + 1e-4


def test_channels_are_taken_away_as_often_as_asked_and_never_all() -> None:
    vary = only(drop_channel=0.3)
    there = np.array([vary(case(), (seed,)).there for seed in range(300)])
    assert there[:, :, MASK].all()
    assert 1 - there[:, :, :MASK].mean() == pytest.approx(0.3, abs=0.04)
    lone = Inputs(case().images, np.array([[0, 1, 0, 1], [0, 0, 0, 0]], np.float32))
    for seed in range(20):
        assert np.array_equal(only(drop_channel=0.9)(lone, (seed,)).there, lone.there)


def test_one_case_is_varied_in_milliseconds() -> None:
    """15 ms on a core of its own; the limit leaves room for a busy machine."""
    torch.set_num_threads(1)
    vary = augmentation(Augment(), SPACING_MM, (48, 48, 16))
    big = case(size=(48, 48, 16))
    taken = []
    for seed in range(20):
        start = time.process_time()
        vary(big, (seed,))
        taken.append(time.process_time() - start)
    assert np.median(taken) < 0.045
