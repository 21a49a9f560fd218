"""The deformation between the visits: smooth, without folds, exactly what ITK gets, invertible."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from radresp.phantom.anatomy import draw_anatomy
from radresp.phantom.deformation import Deformation, draw_deformation
from radresp.phantom.geometry import Plane
from radresp.phantom.tissue import Label

SIDE = ((-85, -85, -80), (85, 95, 90))  # a box around everything that moves, mm


def drawn(seed, filling=1.0, drift_mm=2.0):
    rng = np.random.default_rng(seed)
    anatomy = draw_anatomy(rng)
    return anatomy, draw_deformation(rng, anatomy, filling=filling, drift_mm=drift_mm)


def places(count, seed=0):
    """Random points of the pelvis as x, y and z."""
    return tuple(np.random.default_rng(seed).uniform(*SIDE, (count, 3)).T)


def length(vectors):
    return np.sqrt(sum(v * v for v in vectors))


def determinants(deformation, count=8_000):
    """At random points, by differences over 0.02 mm."""
    points, step = places(count, 5), 0.01
    columns = []
    for axis in range(3):
        ahead, behind = ([*points], [*points])
        ahead[axis], behind[axis] = points[axis] + step, points[axis] - step
        moved = zip(deformation.moved(ahead), deformation.moved(behind), strict=True)
        columns.append([(a - b) / (2 * step) for a, b in moved])
    return np.linalg.det(np.array(columns).transpose(2, 0, 1))


@pytest.fixture(scope="module")
def usual():
    return drawn(1)


# What it is


def test_itk_moves_points_to_the_same_places(usual):
    _, deformation = usual
    transform = deformation.transform()
    points = places(2000)
    itk = np.array([transform.TransformPoint(p) for p in np.stack(points, axis=1).tolist()])
    np.testing.assert_allclose(np.stack(deformation.moved(points), axis=1), itk, atol=1e-9)


@pytest.mark.parametrize(("step", "count"), [(0.3, 260), (1.0, 200), (2.5, 60)])
def test_planes_show_the_spline_itself(usual, step, count):
    _, deformation = usual
    down, across = np.array([0.06, 0.97, 0.21]), np.array([0.99, -0.06, 0.03])
    down, across = (v / np.linalg.norm(v) * step for v in (down, across))
    for z in (-30.0, 4.0, 33.0):
        corner = np.array([0, 10.0, z]) - (down + across) * (count - 1) / 2
        still = Plane(corner, down, across, count, count)
        warped = replace(still, warp=deformation)
        exact = deformation.moved([p.astype(float) for p in still.points(still.whole)])
        shown = warped.points(warped.whole)
        error = length([a - b for a, b in zip(exact, shown, strict=True)])
        assert error.max() < 0.02
        assert length(deformation.shift(still.points(still.whole))).max() > 1  # it does move


def test_a_bent_plane_is_moved_twice(usual):
    anatomy, deformation = usual
    down, across = np.array([0, 0.8, 0.1]), np.array([0.8, 0, 0.0])
    plane = Plane(np.array([-80.0, -70, 0]), down, across, 200, 200, deformation)
    bent = plane.bent(anatomy.irregular)
    still = replace(plane, warp=None)
    once = deformation.moved([p.astype(float) for p in still.points(still.whole)])
    exact, shown = anatomy.irregular.moved(once), bent.points(bent.whole)
    assert length([a - b for a, b in zip(exact, shown, strict=True)]).max() < 0.03


def test_it_ends_smoothly_and_reaches_no_further_than_it_says(usual):
    _, deformation = usual
    here = length(deformation.shift(places(20_000)))
    assert 2 < here.max() <= deformation.reach_mm < 2 * here.max()
    first = np.array(deformation.origin_mm)
    last = first + np.array(deformation.spacing_mm) * (
        np.array(deformation.coefficients.shape[:0:-1]) - 1
    )
    rng = np.random.default_rng(0)
    shell = rng.uniform(first - 30, last + 30, (20_000, 3))
    inner = ((shell > first + 9) & (shell < last - 9)).all(axis=1)
    assert not length(deformation.shift(tuple(shell[~inner].T))).any()


def test_control_points_at_the_faces_must_be_zero():
    knots = np.zeros((3, 9, 9, 9))
    knots[1, 2, 4, 4] = 1.0
    with pytest.raises(ValueError, match="outer layers"):
        Deformation(knots, (0.0, 0.0, 0.0), (9.0, 9.0, 9.0))
    with pytest.raises(ValueError, match="outer layers"):
        Deformation(np.zeros((3, 6, 9, 9)), (0.0, 0.0, 0.0), (9.0, 9.0, 9.0))


# No folds, and a way back


@pytest.mark.parametrize(
    ("seed", "filling", "drift_mm"),
    [(0, 1, 2), (8, 1, 2), (14, 1, 4), (2, 2, 2), (7, 2, 10), (3, 2, 40), (5, 0, 60)],
)
def test_it_never_folds(seed, filling, drift_mm):
    found = determinants(drawn(seed, filling, drift_mm)[1])
    assert found.min() > 0.2
    assert found.max() < 6


def test_what_is_too_strong_is_scaled_down():
    tame, wild = (drawn(5, 0, drift_mm)[1] for drift_mm in (4, 60))
    factor = wild.coefficients.std() / tame.coefficients.std()
    assert 1.2 < factor < 14
    np.testing.assert_allclose(wild.coefficients, factor * tame.coefficients, atol=1e-3 * factor)


@pytest.mark.parametrize(("seed", "filling", "drift_mm"), [(1, 1, 2), (14, 1, 2), (2, 1.5, 2)])
def test_the_inverse_takes_points_back_and_survives_its_file(tmp_path, seed, filling, drift_mm):
    _, deformation = drawn(seed, filling, drift_mm)
    forward, inverse = tmp_path / "forward.tfm", tmp_path / "inverse.tfm"
    sitk.WriteTransform(deformation.transform(), forward)
    sitk.WriteTransform(deformation.inverse(), inverse)
    ahead, back = sitk.ReadTransform(forward), sitk.ReadTransform(inverse)
    points = np.stack(places(4_000, 3), axis=1).tolist()
    there = np.array([ahead.TransformPoint(back.TransformPoint(p)) for p in points])
    assert np.sqrt(((there - points) ** 2).sum(axis=1)).max() < 0.05
    exact = np.array(deformation.moved(np.array(points[:500]).T)).T
    read = np.array([ahead.TransformPoint(p) for p in points[:500]])
    np.testing.assert_allclose(read, exact, atol=1e-9)
    if filling == 1 and seed != 14:
        assert forward.stat().st_size + inverse.stat().st_size < 2_000_000


# What it does to the patient


def test_nothing_asked_for_moves_nothing():
    _, deformation = drawn(0, 0.0, 0.0)
    assert not deformation.coefficients.any()
    assert deformation.reach_mm == 0
    assert determinants(deformation, 100) == pytest.approx(1)


def test_bones_stay():
    for seed in range(6):
        anatomy, deformation = drawn(seed, 1.5, 4.0)
        rng = np.random.default_rng(seed)
        ball = rng.standard_normal((3, 2000))
        ball *= 24 / length(ball)
        for side in (-1, 1):
            head = ball + np.array([[side * 93], [-9], [20]])
            assert length(deformation.shift(tuple(head))).max() < 0.3
        x, z = rng.uniform(-25, 25, 2000), rng.uniform(10, 55, 2000)
        sacrum = anatomy.sacrum.front_mm(z) + rng.uniform(3, 14, 2000)
        assert length(deformation.shift((x, sacrum, z))).max() < 0.4


def area(anatomy, z, warp, *labels):
    step, count = 0.4, 200
    axis_x, axis_y = (float(v[0]) for v in anatomy.rectum.axis_mm(np.array([z])))
    corner = np.array([axis_x - 40, axis_y - 40, z])
    plane = Plane(corner, np.array([0, step, 0]), np.array([step, 0, 0]), count, count, warp)
    painted = np.zeros((count, count), np.uint8)
    anatomy.rectum.paint(painted, plane)
    return np.isin(painted, labels).sum() * step**2


def test_the_rectum_is_filled_differently_and_keeps_its_wall():
    wall = Label.MUSCULARIS, Label.SUBMUCOSA, Label.MUCOSA
    lumens, walls = [], []
    for seed in range(10):
        anatomy, deformation = drawn(seed, 1.0, 0.0)
        for found, labels in ((lumens, (Label.GEL, Label.GAS)), (walls, wall)):
            before, after = (
                sum(area(anatomy, z, warp, *labels) for z in (2.0, 22.0))
                for warp in (None, deformation)
            )
            found.append(after / before)
    assert 0.55 < min(lumens) < 0.85
    assert 1.1 < max(lumens) < 1.5
    assert max(abs(np.array(walls) - 1)) < 0.12
    assert np.std(walls) < 0.4 * np.std(lumens)


def test_the_bladder_grows_or_shrinks_upwards():
    volumes, floors = [], []
    for seed in range(8):
        anatomy, deformation = drawn(seed, 1.0, 0.0)
        bladder = anatomy.bladder
        x, y, z = bladder.centre_mm
        half = bladder.half_mm
        grid = np.meshgrid(
            *(c + np.arange(-1.5, 1.5, 0.08) * h for c, h in zip((x, y, z), half, strict=True))
        )
        before = bladder.distance(tuple(g.astype(np.float32) for g in grid)) < 1
        moved = deformation.moved(grid)
        after = bladder.distance(tuple(g.astype(np.float32) for g in moved)) < 1
        volumes.append(after.sum() / before.sum())
        floors.append(grid[2][after].min() - grid[2][before].min())
    assert 0.6 < min(volumes) < 0.9
    assert 1.1 < max(volumes) < 1.6
    assert np.abs(floors).max() < 3


def test_drift_has_its_size_and_its_reach():
    points = tuple(np.random.default_rng(0).uniform((-20, -20, -20), (20, 20, 30), (400, 3)).T)
    here, near, far = [], [], []
    for seed in range(14):
        _, deformation = drawn(seed, 0.0, 2.0)
        here.append(deformation.shift(points))
        near.append(deformation.shift((points[0], points[1], points[2] + 10)))
        far.append(deformation.shift((points[0] - 30, points[1], points[2] + 30)))
    here, near, far = (np.array(v) for v in (here, near, far))
    assert here.std() == pytest.approx(1.0, rel=0.35)
    assert np.corrcoef(here.ravel(), near.ravel())[0, 1] > 0.75
    assert abs(np.corrcoef(here.ravel(), far.ravel())[0, 1]) < 0.35


def test_the_same_draw_gives_the_same_deformation():
    one, two, other = (drawn(seed)[1] for seed in (4, 4, 5))
    np.testing.assert_array_equal(one.coefficients, two.coefficients)
    assert not np.array_equal(one.coefficients, other.coefficients)
    # Rounded before it is used: the file says exactly what was rendered.
    np.testing.assert_array_equal(one.coefficients, np.round(one.coefficients, 4))
