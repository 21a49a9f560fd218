"""Polygons to pixels, against a point-by-point oracle and against exact areas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radresp.io.polygon import area, fill


def star(rng: np.random.Generator, centre, radius: float, points: int) -> np.ndarray:
    """A simple polygon around a centre: angles rise, radii vary."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, points))
    radii = radius * rng.uniform(0.4, 1.0, points)
    return np.asarray(centre) + radii[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])


def inside_by_angles(contour: np.ndarray, x: float, y: float) -> bool:
    """Whether a point is enclosed, by its winding angle: another method than crossings."""
    a = contour - (x, y)
    b = np.roll(a, -1, axis=0)
    turn = np.arctan2(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0], (a * b).sum(axis=1)).sum()
    return abs(turn) > np.pi


def distance_to_edges(contour: np.ndarray, x: float, y: float) -> float:
    start, end = contour, np.roll(contour, -1, axis=0)
    along = end - start
    share = ((np.array([x, y]) - start) * along).sum(axis=1) / np.maximum(
        (along**2).sum(axis=1), 1e-12
    )
    nearest = start + np.clip(share, 0, 1)[:, None] * along
    return float(np.linalg.norm(nearest - (x, y), axis=1).min())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 14), st.integers(0, 3), st.integers(0, 2))
def test_random_polygons_with_holes_and_islands_equal_the_oracle(seed, points, holes, islands):
    rng = np.random.default_rng(seed)
    contours = [star(rng, rng.uniform(4, 12, 2), 9, points)]
    contours += [star(rng, rng.uniform(5, 11, 2), 3, 5) for _ in range(holes)]
    contours += [star(rng, rng.uniform(0, 16, 2), 2, 4) for _ in range(islands)]
    found = fill(contours, 17, 15)
    for y, x in np.ndindex(found.shape):
        if min(distance_to_edges(contour, x, y) for contour in contours) > 1e-9:
            odd = sum(inside_by_angles(contour, x, y) for contour in contours) % 2
            assert found[y, x] == bool(odd), (x, y)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_polygon_is_the_same_from_any_start_and_in_either_direction(seed):
    rng = np.random.default_rng(seed)
    contour = star(rng, (8, 8), 7, 9)
    found = fill([contour], 17, 17)
    assert np.array_equal(fill([np.roll(contour, 4, axis=0)], 17, 17), found)
    assert np.array_equal(fill([contour[::-1]], 17, 17), found)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_pixels_beyond_the_picture_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    contour = star(rng, (8, 8), 30, 11)
    whole = fill([contour + 40], 100, 100)
    assert np.array_equal(fill([contour], 17, 15), whole[40:55, 40:57])


@pytest.mark.parametrize("sides", [3, 4, 7, 40])
def test_volume_has_no_bias(sides):
    """Mean area over random places equals the exact area; each place is off by a rim at most."""
    rng = np.random.default_rng(sides)
    corners = 2 * np.pi * np.arange(sides) / sides + 0.3
    shape = 6.3 * np.column_stack([np.cos(corners), np.sin(corners)])
    counts = [fill([shape + rng.uniform(9, 10, 2)], 20, 20).sum() for _ in range(3000)]
    error = np.std(counts) / np.sqrt(len(counts))
    assert abs(np.mean(counts) - area(shape)) < 4 * error + 1e-9


@pytest.mark.parametrize("corner", [(2, 3), (2.5, 3.5), (2.25, 3.75)])
def test_rectangles_have_exactly_their_area_wherever_their_edges_run(corner):
    x, y = corner
    rectangle = np.array([[x, y], [x + 5, y], [x + 5, y + 4], [x, y + 4]])
    assert fill([rectangle], 12, 12).sum() == 20 == area(rectangle)


def test_two_neighbours_share_no_pixel_and_miss_none():
    rng = np.random.default_rng(5)
    border = np.column_stack([rng.integers(4, 9, 13), np.arange(13)]).astype(float)
    left = np.vstack([[[0, 0]], border, [[0, 12]]])
    right = np.vstack([[[12, 0]], border, [[12, 12]]])
    one, two = fill([left], 13, 13), fill([right], 13, 13)
    assert not (one & two).any()
    assert (one | two)[:12, :12].all()


def test_a_keyhole_is_a_hole():
    outer = [[1, 1], [11, 1], [11, 11], [1, 11]]
    inner = [[4, 4], [4, 8], [8, 8], [8, 4]]
    keyhole = np.array([*outer, [1, 1], *inner, [4, 4]], dtype=float)
    both = fill([np.array(outer, float), np.array(inner, float)], 14, 14)
    assert np.array_equal(fill([keyhole], 14, 14), both)
    assert both.sum() == 100 - 16


def test_nothing_drawn_is_nothing():
    assert not fill([], 4, 3).any()
    assert not fill([np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]])], 4, 3).any()
