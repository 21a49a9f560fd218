"""Sizes: exact on boxes, within a voxel on ellipsoids, blind to how a file stores its axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk
from builders import index_arrays, make_grid, make_region
from hypothesis import given, settings
from hypothesis import strategies as st

from radresp.core import Grid, Region
from radresp.features import Volumetry, volumetry


def measured(grid: Grid, inside: np.ndarray) -> Mapping[str, float]:
    region = make_region(grid)
    return volumetry.extract(
        replace(region, mask=region.mask.with_array(inside)), Volumetry()
    ).values


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(*[st.integers(1, 9)] * 3),
    st.tuples(*[st.floats(0.4, 4.0)] * 3),
    st.sampled_from(["lps", "ras", "oblique"]),
)
def test_a_box_is_measured_exactly(
    voxels: tuple[int, int, int], spacing: tuple[float, float, float], orientation: str
) -> None:
    grid = make_grid((12, 12, 12), spacing, orientation=orientation)
    inside = np.zeros((12, 12, 12), dtype=bool)
    nx, ny, nz = voxels
    inside[2 : 2 + nz, 1 : 1 + ny, 3 : 3 + nx] = True
    across, down, along = (n * mm for n, mm in zip(voxels, spacing, strict=True))
    found = measured(grid, inside)
    assert found["volume_ml"] == pytest.approx(across * down * along / 1000)
    assert found["axial_slices"] == nz
    assert found["longest_axial_diameter_mm"] == pytest.approx(np.hypot(across, down))
    assert found["craniocaudal_length_mm"] == pytest.approx(along)


def test_an_ellipsoid_is_measured_to_the_voxel() -> None:
    spacing, radii_mm = (0.5, 0.5, 1.0), (20.0, 12.0, 30.0)
    grid = make_grid((100, 60, 70), spacing)
    axes = zip(index_arrays(grid), grid.size, spacing, radii_mm, strict=True)
    parts = [((i - (n - 1) / 2) * mm / radius) ** 2 for i, n, mm, radius in axes]
    found = measured(grid, sum(parts) <= 1)
    assert found["volume_ml"] == pytest.approx(4 / 3 * np.pi * 20 * 12 * 30 / 1000, rel=0.005)
    assert found["longest_axial_diameter_mm"] == pytest.approx(40, abs=0.8)
    assert found["craniocaudal_length_mm"] == pytest.approx(60, abs=1.0)


def test_a_ring_and_two_islands_are_spanned() -> None:
    grid = make_grid((20, 20, 9), (1, 1, 3))
    inside = np.zeros((9, 20, 20), dtype=bool)
    inside[1, 3, 4] = inside[1, 15, 9] = inside[7, 10, 10] = True
    found = measured(grid, inside)
    assert found["axial_slices"] == 2
    assert found["craniocaudal_length_mm"] == 21
    assert found["longest_axial_diameter_mm"] == pytest.approx(np.hypot(13, 6))


def stored(region: Region, order: tuple[int, ...], flips: tuple[bool, ...]) -> Region:
    """The same patient, with the axes of the file permuted and flipped."""

    def move(image: sitk.Image) -> sitk.Image:
        return sitk.Flip(sitk.PermuteAxes(image, order), flips)

    volume, mask = region.volume, region.mask
    return replace(
        region,
        volume=replace(volume, image=move(volume.image)),
        mask=replace(mask, image=move(mask.image)),
    )


@pytest.mark.parametrize("orientation", ["lps", "oblique"])
def test_the_order_of_axes_in_a_file_does_not_matter(orientation: str) -> None:
    region = make_region(make_grid(orientation=orientation))
    expected = dict(volumetry.extract(region, Volumetry()).values)
    for order in permutations(range(3)):
        for flips in product((False, True), repeat=3):
            found = volumetry.extract(stored(region, order, flips), Volumetry()).values
            assert found == pytest.approx(expected)


def test_a_coronal_series_is_measured_along_the_patient() -> None:
    inside = np.zeros((12, 20, 24), dtype=bool)
    inside[3:6, 5:15, 8:12] = True
    found = measured(make_grid(spacing_mm=(1.0, 2.0, 3.0), orientation="coronal"), inside)
    assert found["craniocaudal_length_mm"] == 20
    assert found["longest_axial_diameter_mm"] == pytest.approx(np.hypot(4, 9))


@pytest.mark.parametrize("degrees", [0, 30, 44, 46, 50])
def test_tilted_slices_still_count_as_axial(degrees: int) -> None:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    grid = Grid((24, 20, 12), (1, 2, 3), (0, 0, 0), (1, 0, 0, 0, cos, -sin, 0, sin, cos))
    inside = np.zeros((12, 20, 24), dtype=bool)
    inside[3:6, 5:15, 8:12] = True
    assert measured(grid, inside)["craniocaudal_length_mm"] == 9
