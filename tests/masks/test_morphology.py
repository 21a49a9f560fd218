from __future__ import annotations

import numpy as np
import pytest
from builders import ORIENTATIONS, make_grid, make_mask
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from radresp.core import Grid, Mask, Roi
from radresp.errors import PlanError
from radresp.masks import grow, ring, shrink

SHAPE = (4, 6, 7)
drawings = arrays(bool, SHAPE, elements=st.booleans(), fill=st.just(False))
distances = st.sampled_from([0.0, 0.7, 1.0, 1.5, 2.0, 3.0, 4.2])
edges = st.tuples(*[st.sampled_from([0.5, 1.0, 1.3, 3.0])] * 3)


def distance_by_hand(drawn: np.ndarray, grid: Grid) -> np.ndarray:
    """Distance of every voxel centre to the nearest centre inside, all pairs."""
    places = np.argwhere(np.ones(drawn.shape, bool)) * np.array(grid.spacing_mm[::-1])
    inside = places[drawn.ravel()]
    if not len(inside):
        return np.full(drawn.shape, np.inf)
    apart = np.linalg.norm(places[:, None] - inside[None], axis=-1)
    return apart.min(axis=1).reshape(drawn.shape)


@settings(max_examples=40, deadline=None)
@given(drawings, edges, distances)
def test_grow_and_shrink_are_exact(
    drawn: np.ndarray, spacing: tuple[float, float, float], mm: float
) -> None:
    grid = make_grid(SHAPE[::-1], spacing)
    mask = Mask.from_array(drawn, grid, Roi.BED)
    assert np.array_equal(grow(mask, mm).array, distance_by_hand(drawn, grid) <= mm + 1e-3)
    padded = np.pad(~drawn, 1, constant_values=True)
    depth = distance_by_hand(padded, grid)[1:-1, 1:-1, 1:-1]
    assert np.array_equal(shrink(mask, mm).array, depth > mm + 1e-3)


@settings(max_examples=25, deadline=None)
@given(drawings, edges, distances, distances)
def test_ring_is_grown_minus_the_gap(
    drawn: np.ndarray, spacing: tuple[float, float, float], width: float, gap: float
) -> None:
    mask = Mask.from_array(drawn, make_grid(SHAPE[::-1], spacing), Roi.BED)
    made = ring(mask, width, gap)
    assert made.roi is Roi.RING
    assert not (made.array & drawn).any()
    assert np.array_equal(made.array, grow(mask, width + gap).array & ~grow(mask, gap).array)


def test_growing_is_as_wide_along_thick_slices_as_within_them() -> None:
    grid = make_grid((41, 41, 13), (1.0, 1.0, 3.0))
    dot = np.zeros((13, 41, 41))
    dot[6, 20, 20] = 1
    grown = grow(Mask.from_array(dot, grid, Roi.BED), 15).array
    widths = [np.ptp(np.flatnonzero(grown.any(axis=other))) for other in ((1, 2), (0, 2), (0, 1))]
    assert widths == [10, 30, 30]  # slices of 3 mm, then voxels of 1 mm


def test_rounding_of_the_slice_distance_does_not_lose_slices() -> None:
    sizes = {
        grow(make_mask(make_grid(spacing_mm=(1.0, 1.0, edge))), 3).voxel_count
        for edge in (2.99999997, 3.0, 3.00000003)
    }
    assert len(sizes) == 1


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_orientation_does_not_matter(orientation: str) -> None:
    here, there = make_mask(make_grid()), make_mask(make_grid(orientation=orientation))
    assert np.array_equal(ring(here, 4, 1).array, ring(there, 4, 1).array)
    assert ring(there, 4, 1).grid.same_as(there.grid)


def test_empty_masks_stay_empty() -> None:
    mask = make_mask().with_array(np.zeros((12, 20, 24)))
    assert grow(mask, 5).is_empty
    assert shrink(mask, 5).is_empty
    assert ring(mask, 5).is_empty


@pytest.mark.parametrize("mm", [-1.0, float("nan"), float("inf")])
def test_a_distance_must_be_a_length(mm: float) -> None:
    for change in (grow, shrink, ring):
        with pytest.raises(PlanError) as caught:
            change(make_mask(), mm)
        assert caught.value.code == "CONFIG_RANGE"
