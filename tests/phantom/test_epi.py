"""Off-resonance and echo-planar imaging against their formulae."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phantom_blocks import PURE, Label, ball, box, centred, subject

from radresp.phantom import PhantomSettings
from radresp.phantom.epi import EchoTrain, dephasing, push, spread
from radresp.phantom.offresonance import GAS_PPM, NODE_MM, dipole_field, draw_shim, field_map
from radresp.phantom.protocol import reference_protocol
from radresp.phantom.sampling import Sampler
from radresp.phantom.scanner import off_resonance, scan_dwi

ALONG_Z = np.array([0.0, 0.0, 1.0])
NO_SHIM = np.zeros(8)


def sphere_share(radius_mm, nodes=41, finer=4):
    """Share of a ball in the middle of cells, and the cells' distances from it (z, y, x), mm."""
    at = (np.arange(nodes) - nodes // 2) * NODE_MM
    fine = (at[:, None] + ((np.arange(finer) + 0.5) / finer - 0.5) * NODE_MM).ravel()
    z, y, x = np.meshgrid(fine, fine, fine, indexing="ij", sparse=True)
    inside = x * x + y * y + z * z < radius_mm**2
    share = inside.reshape(nodes, finer, nodes, finer, nodes, finer).mean(axis=(1, 3, 5))
    return share, np.meshgrid(at, at, at, indexing="ij")


@pytest.mark.parametrize("direction", [ALONG_Z, np.array([0.0, 0.6, 0.8])], ids=["z", "oblique"])
@pytest.mark.parametrize("radius_mm", [9.0, 15.0])
def test_field_of_a_sphere_is_the_analytic_one(radius_mm, direction):
    share, (z, y, x) = sphere_share(radius_mm)
    field = dipole_field(share, NODE_MM, direction)
    r = np.sqrt(x * x + y * y + z * z) + 1e-9
    cosine = (x * direction[0] + y * direction[1] + z * direction[2]) / r
    analytic = GAS_PPM / 3 * (radius_mm / r) ** 3 * (3 * cosine**2 - 1)
    outside = (r > radius_mm + 2 * NODE_MM) & (r < 50)
    assert analytic[outside].max() > 1.3
    np.testing.assert_allclose(field[outside], analytic[outside], atol=0.04)
    assert np.abs(field[r < radius_mm - 1.5 * NODE_MM]).max() < 0.15
    assert not dipole_field(np.zeros((4, 5, 6)), NODE_MM, direction).any()


def test_field_map_is_the_field_at_the_nodes_and_smooth_between():
    share, _ = sphere_share(12.0)
    field = dipole_field(share, NODE_MM, ALONG_Z)
    found = field_map(share, (-6.0, 3.0, 9.0), ALONG_Z, NO_SHIM)
    x, y = -6.0 + NODE_MM * np.arange(41), 3.0 + NODE_MM * np.arange(41)
    np.testing.assert_allclose(found.ppm(x, y, 9.0 + 25 * NODE_MM), field[25], atol=2e-6)
    h = 1e-3
    fine = np.linspace(20.0, 90.0, 60)
    slope = (found.ppm(fine, fine, 80 + h) - found.ppm(fine, fine, 80 - h)) / (2 * h)
    np.testing.assert_allclose(found.ppm_per_mm(fine, fine, 80.0), slope, atol=1e-6)
    half = field_map(share, (-6.0, 3.0, 9.0), ALONG_Z, NO_SHIM, 0.5)
    np.testing.assert_allclose(half.ppm(x, y, 70.0), found.ppm(x, y, 70.0) / 2, atol=1e-5)


def test_residual_shim_is_of_second_order_and_a_few_tenths_of_a_ppm():
    largest = []
    for seed in range(20):
        shim = draw_shim(np.random.default_rng(seed))
        found = field_map(np.zeros((3, 101, 101)), (0.0, 0.0, 0.0), ALONG_Z, shim)
        at = np.linspace(0, 300, 7)
        ppm = found.ppm(at, at, 0.0)
        np.testing.assert_allclose(np.diff(ppm, 3, axis=0), 0, atol=1e-12)
        largest.append(np.abs(ppm).max())
    assert 0.1 < np.median(largest) < 0.8


@pytest.mark.parametrize("shift", [0.0, 0.25, 2.0, -3.5])
def test_a_uniform_field_moves_signal_by_the_formula_and_keeps_its_sum(shift):
    signals = np.zeros((2, 40, 3))
    signals[0, 18:22] = 1.0
    signals[1, 19] = 5.0
    landing = np.arange(41.0)[:, None] / 2 + shift + np.zeros((41, 3))
    seen = push(signals, landing, 20)
    np.testing.assert_allclose(seen.sum(axis=1), signals.sum(axis=1))
    middles = (np.arange(20) + 0.5)[:, None]
    np.testing.assert_allclose((seen[0] * middles).sum(axis=0) / 4, 10 + shift)
    if shift == 0:
        np.testing.assert_allclose(seen, signals[:, ::2] + signals[:, 1::2], atol=1e-12)


@pytest.mark.parametrize("gradient", [-2.5, -0.5, 0.0, 0.3, 2.0])
def test_pile_up_is_one_over_the_jacobian(gradient):
    faces = np.arange(-300.0, 301.0)[:, None] / 3
    landing = faces * (1 + gradient) + 15
    seen = push(np.full((1, 600, 1), 1 / 3), landing, 30)
    np.testing.assert_allclose(seen, 1 / abs(1 + gradient), rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.floats(0, 3),
    rows=st.integers(2, 30),
    edge=st.integers(1, 3),
)
def test_nothing_is_lost_however_the_field_folds(seed, size, rows, edge):
    rng = np.random.default_rng(seed)
    signals = rng.random((2, rows * edge, 4))
    landing = 12 + np.arange(rows * edge + 1.0)[:, None] / edge
    landing = landing + size * np.sin(landing + rng.random(4) * 6)
    seen = push(signals, landing, rows + 24)
    np.testing.assert_allclose(seen.sum(axis=1), signals.sum(axis=1), rtol=1e-6)
    assert seen.min() > -1e-6


def test_what_leaves_the_image_is_gone():
    landing = np.arange(11.0)[:, None] - 4
    seen = push(np.ones((1, 10, 1)), landing, 5)
    np.testing.assert_allclose(seen.ravel(), 1.0)
    assert push(np.ones((1, 10, 1)), landing - 20, 5).sum() == 0


def test_point_spread_keeps_the_sum_and_can_be_switched_off():
    image = np.random.default_rng(0).random((2, 9, 8))
    seen = spread(image.copy())
    np.testing.assert_allclose(seen.sum(axis=(1, 2)), image.sum(axis=(1, 2)))
    np.testing.assert_array_equal(spread(image, 0.0), image)
    np.testing.assert_allclose(spread(np.ones((4, 5))), 1.0)
    point = np.zeros((5, 5))
    point[2, 2] = 1
    np.testing.assert_allclose(spread(point).sum(axis=1), [0, 0.2, 0.6, 0.2, 0])


def test_dephasing_falls_with_gradient_thickness_and_field():
    low, high = reference_protocol(1.5), reference_protocol(3.0)
    slope = np.array([0.0, 0.02, 0.05, 0.1])
    left = dephasing(slope, 3.5, high)
    assert left[0] == 1
    assert (np.diff(left) < 0).all()
    assert (dephasing(slope[1:], 3.5, low) > left[1:]).all()
    assert (dephasing(slope[1:], 2.0, high) > left[1:]).all()
    turns = 0.05 * 127.731 * 3.5 * 33.6e-3 / 4
    assert left[2] == pytest.approx(np.sin(np.pi * turns) / (np.pi * turns), rel=1e-5)


def uniform(grid, ppm):
    """A field that is the same everywhere, by a shim of its own."""
    found = field_map(np.zeros((4, 4, 4)), (0.0, 0.0, 0.0), ALONG_Z, NO_SHIM)
    return replace(found, gas=np.full(found.gas.shape, ppm))


@pytest.mark.parametrize("field", [1.5, 3.0])
@pytest.mark.parametrize("polarity", [1, -1])
def test_an_object_in_a_uniform_field_moves_in_mm_as_the_formula_says(field, polarity):
    scanner = replace(reference_protocol(field), pe_polarity=polarity)
    grid, ppm, edge = centred((6, 60, 2), (2.5, 2.5, 3.5)), 0.7, 3
    train = EchoTrain(scanner, uniform(grid, ppm), grid, 1.0)
    whole = (slice(0, 60), slice(0, 6))
    samples = np.zeros((1, 60 * edge, 6 * edge), np.float32)
    samples[:, 70:95] = 1

    def middle(seen):
        """Where half of the signal lies on either side, mm; exact for boxes of signal."""
        profile = np.concatenate([[0], seen[0].sum(axis=1).cumsum()])
        return np.interp(profile[-1] / 2, profile, np.arange(61) * 2.5)

    still = EchoTrain(scanner, uniform(grid, 0.0), grid, 1.0).move(0, whole, samples, edge)
    moved = train.move(0, whole, samples, edge)
    hz = ppm * 42.577 * field
    expected = polarity * hz / scanner.hz_per_pixel * scanner.pe_pixel_mm
    assert middle(moved) - middle(still) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(train.shift_mm(), expected, rtol=1e-6)
    assert moved.sum() == pytest.approx(samples.sum())
    fat = train.move_fat(0, still.astype(np.float32))
    hz -= 3.4 * 42.577 * field
    expected = polarity * hz / scanner.hz_per_pixel * scanner.pe_pixel_mm
    assert middle(fat) - middle(still) == pytest.approx(expected, rel=1e-6)


def pelvis(**changes):
    """Muscle with a tumour around a bubble of gas."""
    return subject(
        box(Label.MUSCLE, (0, 0, 0), (60, 50, 40)),
        ball(Label.TUMOUR, (0, 0, 0), 24),
        ball(Label.GAS, (0, 0, 0), 12),
        **changes,
    )


def test_field_of_a_subject_is_that_of_its_gas_in_any_orientation():
    directions = {
        "axial": (1, 0, 0, 0, 1, 0, 0, 0, 1),
        "tilted": (1, 0, 0, 0, 0.8, -0.6, 0, 0.6, 0.8),
        "coronal": (1, 0, 0, 0, 0, 1, 0, -1, 0),
    }
    for direction in directions.values():
        grid = centred((40, 40, 24), (3.0, 3.0, 2.0), direction)
        sampler = Sampler(pelvis(), grid, 3, 1, 2.0)
        field = off_resonance(sampler, sampler.middles(), NO_SHIM)
        x, y = (np.arange(n) * 3.0 for n in grid.size[:2])
        for k in (2, 12, 19):
            at = np.stack(np.meshgrid(np.arange(40.0), np.arange(40.0), [float(k)]), axis=-1)
            place = (at.reshape(-1, 3) * grid.spacing_mm) @ grid.axes.T + grid.origin_mm
            r = np.sqrt((place * place).sum(axis=1))
            analytic = GAS_PPM / 3 * (12 / r) ** 3 * (3 * (place[:, 2] / r) ** 2 - 1)
            found = field.ppm(x, y, k * 2.0).ravel()
            # meshgrid runs over rows first, as the plane does.
            far = (r > 18) & (r < 45)
            np.testing.assert_allclose(found[far], analytic[far], atol=0.08)


def test_gas_moves_thins_piles_up_and_destroys_signal_and_the_truth_says_where():
    scanner = reference_protocol(3.0)
    grid = centred((60, 56, 9), (2.0, 2.0, 3.5))
    rng = np.random.default_rng
    real = scan_dwi(pelvis(), grid, scanner, PhantomSettings(**PURE), rng(0))
    ideal = scan_dwi(pelvis(), grid, scanner, PhantomSettings(**PURE, distortion=0.0), rng(0))
    shift, tumour = real.shares["shift_mm"], real.shares["lesion"]
    rim = (tumour > 0.99) & (np.abs(shift) > 4)
    assert rim.sum() > 20
    assert 8 < np.abs(shift[tumour > 0.5]).max() < 40
    ratio = real.images[0] / np.maximum(ideal.images[0], 1)
    assert ratio[rim].min() < 0.6
    assert ratio[tumour > 0.99].max() > 1.4
    assert real.images[0].sum() < 0.999 * ideal.images[0].sum()
    assert real.images[0].sum() > 0.9 * ideal.images[0].sum()
    assert not ideal.shares["shift_mm"].any()
    for name in ("lesion", "lumen", "muscle"):
        np.testing.assert_array_equal(real.shares[name], ideal.shares[name])


def test_distortion_of_zero_is_the_identity_and_half_moves_half_as_far():
    scanner = reference_protocol(1.5)
    grid = centred((40, 48, 4), (2.5, 2.5, 3.5))
    whole, half = (
        scan_dwi(
            pelvis(field=1.5),
            grid,
            scanner,
            PhantomSettings(**PURE, distortion=d),
            np.random.default_rng(3),
        )
        for d in (1.0, 0.5)
    )
    np.testing.assert_allclose(half.shares["shift_mm"], whole.shares["shift_mm"] / 2, atol=1e-3)
    nothing = scan_dwi(
        pelvis(field=1.5),
        grid,
        scanner,
        PhantomSettings(**PURE, distortion=0.0),
        np.random.default_rng(3),
    )
    muscle = nothing.shares["muscle"] == 1
    np.testing.assert_array_equal(nothing.images[0][muscle], nothing.images[0][muscle][0])
    air = sum(nothing.shares[name] for name in ("muscle", "lesion")) == 0
    assert not nothing.images[0][air].any()
