from __future__ import annotations

import math

import numpy as np
import pytest
import SimpleITK as sitk
from builders import ORIENTATIONS, make_grid, make_mask
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from radresp.core import Grid, Mask, Roi
from radresp.errors import GeometryError, PlanError
from radresp.masks import agreement

SHAPE = (5, 7, 8)
drawings = arrays(bool, SHAPE, elements=st.booleans(), fill=st.just(False))
edges = st.tuples(*[st.sampled_from([0.5, 1.0, 1.3, 3.0])] * 3)


def box(grid: Grid, *spans: tuple[int, int]) -> Mask:
    """A cuboid of voxels, spans ordered (z, y, x)."""
    drawn = np.zeros(grid.size[::-1], bool)
    drawn[tuple(slice(*span) for span in spans)] = True
    return Mask.from_array(drawn, grid, Roi.BED)


T2 = make_grid((60, 60, 24), (0.6, 0.6, 3.0))
SLAB = box(T2, (8, 16), (10, 50), (10, 50))


def test_a_slab_one_slice_off_by_hand() -> None:
    moved = box(T2, (9, 17), (10, 50), (10, 50))
    found = agreement(SLAB, moved)
    assert found.dice == pytest.approx(7 / 8)
    assert found.hd95_mm == pytest.approx(3.0)
    assert found.volume_difference_ml == 0.0
    # A cube of 24 mm: two of its six faces are 3 mm off, and half a slice of the four others.
    assert found.surface_dice == pytest.approx((4 * 22.5) / (6 * 24), abs=0.03)
    assert agreement(SLAB, moved, 3.0).surface_dice == 1.0


def test_a_slab_one_voxel_off_within_the_slice_by_hand() -> None:
    moved = box(T2, (8, 16), (11, 51), (10, 50))
    found = agreement(SLAB, moved)
    assert found.dice == pytest.approx(39 / 40)
    assert found.hd95_mm == pytest.approx(0.6)
    assert found.surface_dice == 1.0  # within 1 mm
    assert agreement(SLAB, moved, 0.5).surface_dice == pytest.approx(4 / 6, abs=0.03)


def test_two_balls_by_geometry() -> None:
    """Concentric balls of 15 and 17 mm: every surface is 2 mm from the other."""
    grid = make_grid((100, 100, 100), (0.5, 0.5, 0.5))
    place = np.stack(np.indices((100, 100, 100)) * 0.5 - 24.75)
    away = np.linalg.norm(place, axis=0)
    small, large = (Mask.from_array(away <= r, grid, Roi.BED) for r in (15, 17))
    found = agreement(small, large, 1.0)
    assert found.dice == pytest.approx(2 * 15**3 / (15**3 + 17**3), abs=0.005)
    assert found.surface_dice < 0.02
    assert found.hd95_mm == pytest.approx(2.0, abs=0.3)
    assert found.volume_difference_ml == pytest.approx(
        4 / 3 * math.pi * (17**3 - 15**3) / 1000, rel=0.01
    )
    assert agreement(small, large, 2.5).surface_dice == 1.0


@settings(max_examples=30, deadline=None)
@given(drawings, drawings, edges)
def test_symmetric_and_as_simpleitk_has_it(
    one: np.ndarray, other: np.ndarray, spacing: tuple[float, float, float]
) -> None:
    grid = make_grid(SHAPE[::-1], spacing)
    a, b = (Mask.from_array(drawn, grid, Roi.BED) for drawn in (one, other))
    found, back = agreement(a, b), agreement(b, a)
    assert (found.dice, found.surface_dice, found.hd95_mm) == (
        back.dice,
        back.surface_dice,
        back.hd95_mm,
    )
    assert 0 <= found.surface_dice <= 1
    if one.any() and other.any():
        overlap = sitk.LabelOverlapMeasuresImageFilter()
        overlap.Execute(a.image, b.image)
        assert found.dice == pytest.approx(overlap.GetDiceCoefficient())
        assert np.isfinite(found.hd95_mm)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([0.5, 2.0, 7.0]), st.integers(1, 4))
def test_distances_scale_with_the_voxels(factor: float, shift: int) -> None:
    small = make_mask(make_grid((24, 20, 12), (1.0, 1.0, 3.0)))
    large = make_mask(make_grid((24, 20, 12), (factor, factor, 3 * factor)))
    results = [
        agreement(mask, mask.with_array(np.roll(mask.array, shift, axis=2)), tolerance)
        for mask, tolerance in ((small, 1.0), (large, factor))
    ]
    assert results[1].hd95_mm == pytest.approx(factor * results[0].hd95_mm)
    assert results[1].surface_dice == pytest.approx(results[0].surface_dice, abs=1e-6)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_itself_agrees_even_at_the_border(orientation: str) -> None:
    mask = box(make_grid(orientation=orientation), (0, 12), (0, 20), (0, 24))
    assert agreement(mask, mask).record() == {
        "dice": 1.0,
        "surface_dice": 1.0,
        "hd95_mm": 0.0,
        "volume_difference_ml": 0.0,
        "tolerance_mm": 1.0,
    }


def test_nothing_agrees_with_nothing_only() -> None:
    empty = make_mask().with_array(np.zeros((12, 20, 24)))
    both = agreement(empty, empty)
    assert (both.dice, both.surface_dice, both.hd95_mm) == (1.0, 1.0, 0.0)
    one = agreement(empty, make_mask())
    assert (one.dice, one.surface_dice, one.hd95_mm) == (0.0, 0.0, math.inf)
    assert one.volume_difference_ml == make_mask().volume_ml


def test_refusals() -> None:
    with pytest.raises(GeometryError) as grids:
        agreement(make_mask(), make_mask(make_grid(spacing_mm=(1, 1, 2))))
    assert grids.value.code == "MASK_GEOMETRY"
    for tolerance in (-1.0, math.nan, 1e6):
        with pytest.raises(PlanError) as caught:
            agreement(make_mask(), make_mask(), tolerance)
        assert caught.value.code == "CONFIG_RANGE"
