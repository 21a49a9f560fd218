from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import SimpleITK as sitk
from builders import ORIENTATIONS, make_grid
from hypothesis import given, settings
from hypothesis import strategies as st

from radresp.core import Grid
from radresp.errors import GeometryError

orientations = pytest.mark.parametrize("orientation", ORIENTATIONS)


@orientations
def test_grid_of_an_image_says_what_the_image_says(orientation: str) -> None:
    grid = make_grid(orientation=orientation)
    image = grid.blank()
    assert Grid.of(image) == grid
    assert Grid.of(image).same_as(grid, tol_mm=0)


@orientations
def test_positions_agree_with_itk(orientation: str) -> None:
    grid = make_grid(orientation=orientation)
    image = grid.blank()
    for index in [(0, 0, 0), (3, 2, 1), (23, 19, 11)]:
        np.testing.assert_allclose(
            grid.to_mm(index), image.TransformIndexToPhysicalPoint(index), atol=1e-9
        )
    np.testing.assert_allclose(
        grid.centre_mm, image.TransformContinuousIndexToPhysicalPoint([11.5, 9.5, 5.5]), atol=1e-9
    )


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"size": (0, 4, 4)}, "size"),
        ({"spacing_mm": (1.0, 0.0, 1.0)}, "spacing_mm"),
        ({"spacing_mm": (1.0, -1.0, 1.0)}, "spacing_mm"),
        ({"spacing_mm": (1.0, float("nan"), 1.0)}, "spacing_mm"),
        ({"origin_mm": (float("inf"), 0.0, 0.0)}, "origin_mm"),
        ({"origin_mm": (0.0, 0.0)}, "origin_mm"),
        ({"direction": (1, 0, 0, 0, 1, 0, 0, 0, 2)}, "direction"),
        ({"direction": (1, 0.2, 0, 0, 1, 0, 0, 0, 1)}, "direction"),
    ],
)
def test_impossible_grids_are_refused(change: dict[str, object], where: str) -> None:
    with pytest.raises(GeometryError, match=where) as caught:
        replace(make_grid(), **change)
    assert caught.value.code == "GRID"


@pytest.mark.parametrize(
    "change",
    [
        {"size": (24, 20, 13)},
        {"spacing_mm": (1.0, 1.0, 3.01)},
        {"origin_mm": (-10.0, 5.0, 20.01)},
        {"direction": ORIENTATIONS["ras"]},
        {"direction": (np.cos(0.01), -np.sin(0.01), 0, np.sin(0.01), np.cos(0.01), 0, 0, 0, 1)},
    ],
    ids=["size", "spacing", "origin", "flip", "rotation"],
)
def test_every_clause_of_the_comparison_counts(change: dict[str, object]) -> None:
    grid = make_grid()
    other = replace(grid, **change)
    assert not grid.same_as(other)
    assert not other.same_as(grid)
    assert next(iter(change)) in grid.difference(other)


def test_a_single_slice_is_compared_in_thickness_and_tilt_too() -> None:
    slab = make_grid(size=(8, 8, 1))
    assert not slab.same_as(replace(slab, spacing_mm=(1.0, 1.0, 5.0)))


def test_rounding_in_headers_is_the_same_grid() -> None:
    grid = make_grid()
    assert grid.same_as(replace(grid, origin_mm=(-10.0004, 5.0, 20.0)))
    assert not grid.same_as(replace(grid, origin_mm=(-10.0004, 5.0, 20.0)), tol_mm=1e-4)


@settings(max_examples=40, deadline=None)
@given(
    spacing=st.tuples(*[st.floats(0.2, 10)] * 3),
    origin=st.tuples(*[st.floats(-500, 500)] * 3),
    angle=st.floats(-3, 3),
)
def test_affine_and_itk_agree_for_any_oblique_grid(
    spacing: tuple[float, float, float], origin: tuple[float, float, float], angle: float
) -> None:
    rotation = sitk.Euler3DTransform((0, 0, 0), angle, 0.3 * angle, -0.7 * angle)
    grid = Grid((5, 6, 7), spacing, origin, tuple(rotation.GetMatrix()))
    point = grid.affine @ np.array([4, 5, 6, 1.0])
    np.testing.assert_allclose(
        point[:3], grid.blank().TransformIndexToPhysicalPoint((4, 5, 6)), atol=1e-6
    )


def test_anisotropic_voxel_volume_and_extent() -> None:
    grid = make_grid(size=(10, 20, 5), spacing_mm=(0.5, 0.5, 4.0))
    assert grid.voxel_volume_ml == pytest.approx(0.001)
    assert grid.extent_mm == (5.0, 10.0, 20.0)


def test_grids_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        make_grid().size = (1, 1, 1)  # type: ignore[misc]


def test_only_three_dimensions() -> None:
    with pytest.raises(GeometryError, match="2 dimensions"):
        Grid.of(sitk.Image(4, 4, sitk.sitkUInt8))
