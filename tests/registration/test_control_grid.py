"""Matrices of a cubic B-spline along each axis."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from registration.pictures import centred_grid, places

from radresp.registration.control_grid import ControlGrid, fading, itk_transform
from radresp.registration.sampling import resampler, windows

BOX = (0.0, -2.0, 5.0), (30.0, 41.0, 80.0)
LATTICE = ControlGrid.over(*BOX, 12.0)


def field(lattice: ControlGrid, coefficients: np.ndarray, at: tuple) -> np.ndarray:
    """The spline at the product of places along the axes."""
    z, y, x = lattice.basis(at)
    return np.einsum("zi,yj,xk,cijk->czyx", z, y, x, coefficients, optimize=True)


def draw(lattice: ControlGrid, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-5, 5, (3, *lattice.count))


def test_the_lattice_fills_its_box_with_steps_no_longer_than_asked() -> None:
    for low, high, step, count in zip(*BOX, LATTICE.step_mm, LATTICE.count, strict=True):
        assert step <= 12.0
        assert step * (count - 3) == pytest.approx(high - low)
    thick = ControlGrid.over(*BOX, 3.0, (6.5, 0.7, 0.7))
    assert thick.step_mm[0] <= 6.5
    assert thick.step_mm[0] > 3.0


def test_the_basis_sums_to_one_and_its_derivative_is_one() -> None:
    at = LATTICE.lattice_mm(5)
    for axis in range(3):
        basis = LATTICE.basis(at)[axis]
        assert np.allclose(basis.sum(axis=1), 1)
        step = 1e-5
        ahead, behind = (LATTICE.basis(tuple(p + s for p in at))[axis] for s in (step, -step))
        slope = LATTICE.basis(at, derived=axis)[axis]
        assert np.allclose(slope, (ahead - behind) / (2 * step), atol=1e-6)


def test_a_lattice_with_half_the_steps_holds_the_same_displacement() -> None:
    halves = tuple(step / 2 for step in LATTICE.step_mm)
    finer = ControlGrid(LATTICE.start_mm, halves, tuple(2 * n - 3 for n in LATTICE.count))
    z, y, x = LATTICE.towards(finer)
    coefficients = draw(LATTICE)
    refined = np.einsum("ai,bj,ck,nijk->nabc", z, y, x, coefficients, optimize=True)
    at = LATTICE.lattice_mm(3)
    assert np.allclose(field(finer, refined, at), field(LATTICE, coefficients, at), atol=1e-8)


def test_an_affine_displacement_does_not_bend() -> None:
    once, twice = LATTICE.stiffness()
    for axis in range(3):
        ramp = 2.0 + 0.3 * LATTICE.step_mm[axis] * np.arange(LATTICE.count[axis])
        assert np.allclose(twice[axis] @ ramp, 0, atol=1e-9)
        assert ramp @ once[axis] @ ramp == pytest.approx(0.09 * (LATTICE.count[axis] - 1))


@pytest.mark.parametrize("orientation", ["lps", "ras", "oblique"])
def test_itk_moves_points_as_the_matrices_do(orientation: str) -> None:
    grid = centred_grid(orientation)
    edges = grid.spacing_mm[::-1]
    high = tuple((n - 1) * s for n, s in zip(grid.size[::-1], edges, strict=True))
    lattice = ControlGrid.over((0.0, 0.0, 0.0), high, 14.0)  # type: ignore[arg-type]
    wide, coefficients = fading(lattice, draw(lattice, 1))
    transform = itk_transform(wide, coefficients, grid)
    at = tuple(np.arange(n) * s for n, s in zip(grid.size[::-1], edges, strict=True))
    local = np.moveaxis(field(wide, coefficients, at), 0, -1)
    wanted = places(grid) + local @ grid.axes.T
    for index in [(0, 0, 0), (5, 40, 11), (17, 71, 71), (9, 3, 60)]:
        found = transform.TransformPoint(places(grid)[index].tolist())
        assert np.allclose(found, wanted[index], atol=1e-6)


def test_a_displacement_fades_to_nothing_and_is_unchanged_in_its_box() -> None:
    coefficients = draw(LATTICE)
    wide, padded = fading(LATTICE, coefficients)
    at = LATTICE.lattice_mm(2)
    assert np.allclose(field(wide, padded, at), field(LATTICE, coefficients, at), atol=1e-9)
    inner = padded[:, 3:-3, 3:-3, 3:-3]
    assert np.abs(padded).sum() == pytest.approx(np.abs(inner).sum())
    transform = itk_transform(wide, padded, centred_grid())
    far = np.add(centred_grid().origin_mm, 900.0).tolist()
    assert np.allclose(transform.TransformPoint(far), far)
    rim = field(wide, padded, wide.lattice_mm(4))[:, :2]
    assert np.abs(rim).max() < 0.05  # no step where ITK ends the deformation


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.floats(0, 3), st.integers(0, 99))
def test_reading_between_voxels_keeps_a_level_and_passes_through_them(
    count: int, sigma: float, seed: int
) -> None:
    at = np.linspace(-1, count, 3 * count)
    matrix = resampler(count, at, sigma)
    assert np.allclose(matrix.sum(axis=1), 1)
    row = np.random.default_rng(seed).normal(size=count)
    assert np.allclose(resampler(count, np.arange(count), 0.0) @ row, row)


def test_reading_between_voxels_is_cubic() -> None:
    at = np.arange(12, 28, 0.37)
    wave = np.sin(np.arange(40) / 3)
    assert np.allclose(resampler(40, at, 0.0) @ wave, np.sin(at / 3), atol=2e-4)


def test_the_transform_can_be_saved_and_read_by_itk(tmp_path: object) -> None:
    wide, padded = fading(LATTICE, draw(LATTICE))
    transform = itk_transform(wide, padded, centred_grid("oblique"))
    path = f"{tmp_path}/spline.tfm"
    sitk.WriteTransform(transform, path)
    again = sitk.ReadTransform(path)
    point = centred_grid("oblique").centre_mm
    assert np.allclose(again.TransformPoint(point), transform.TransformPoint(point), atol=1e-9)


@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_windows_count_every_voxel_once(count: int) -> None:
    found = windows(np.arange(count) * 3.0, 3.0, 4.0)
    assert np.allclose(found.sum(axis=0), 1)
