"""The painted pelvis: shapes within normal ranges, in their places, the same however it is cut."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from radresp.phantom.anatomy import draw_anatomy, later, muscle_core
from radresp.phantom.deformation import draw_deformation
from radresp.phantom.geometry import Plane
from radresp.phantom.heights import LADDER, Heights
from radresp.phantom.rectum import draw_rectum
from radresp.phantom.shapes import Scene, Solid, Tube, sine
from radresp.phantom.tissue import Label

STEP_MM, SLICE_MM = 1.0, 2.0
LEFT, FRONT, LOW = -100.0, -110.0, -66.0
SEXES = ["M", "F"]


def flat(z, step=STEP_MM, size=(210, 200), warp=None, corner=(LEFT, FRONT)):
    """An axial plane."""
    down, across = np.array([0, step, 0.0]), np.array([step, 0, 0.0])
    return Plane(np.array([*corner, z], float), down, across, *size, warp)


def oblique(z=4.0, step=0.7, count=240, warp=None):
    """A plane turned about all axes, around the middle of the pelvis."""
    down, across = np.array([0.05, 0.98, 0.19]), np.array([0.99, -0.06, 0.05])
    down, across = (v / np.linalg.norm(v) * step for v in (down, across))
    corner = np.array([0, 8.0, z]) - (down + across) * (count - 1) / 2
    return Plane(corner, down, across, count, count, warp)


class Pelvis:
    """An anatomy with its labels on a lattice, (z, y, x)."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.anatomy = draw_anatomy(rng)
        self.heights = np.arange(LOW, 76, SLICE_MM)
        self.labels = np.stack([self.anatomy.paint(flat(z)) for z in self.heights])

    def ml(self, *labels):
        return np.isin(self.labels, labels).sum() * STEP_MM**2 * SLICE_MM / 1000

    def points(self, *labels, where=None):
        """x, y and z of the points with a label, mm."""
        there = np.isin(self.labels, labels)
        if where is not None:
            there &= where
        z, y, x = np.nonzero(there)
        return LEFT + x * STEP_MM, FRONT + y * STEP_MM, self.heights[z]


def of_sex(sex, count):
    """Seeds of patients of a sex."""
    seeds = (s for s in range(100) if draw_anatomy(np.random.default_rng(s)).sex == sex)
    return [next(seeds) for _ in range(count)]


@pytest.fixture(scope="module", params=SEXES)
def pelvis(request):
    return Pelvis(of_sex(request.param, 1)[0])


@pytest.fixture(scope="module")
def many():
    return [draw_anatomy(np.random.default_rng(seed)) for seed in range(60)]


# What is there


def test_both_sexes_occur_and_have_their_organs(pelvis, many):
    share = np.mean([anatomy.sex == "M" for anatomy in many])
    assert 0.4 < share < 0.8
    present = {Label(v) for v in np.unique(pelvis.labels)}
    everybody = set(Label) - {label for label in Label if label >= Label.GEL}
    only = {"M": {Label.PERIPHERAL_ZONE}, "F": {Label.MYOMETRIUM}}
    others = set().union(*(parts for sex, parts in only.items() if sex != pelvis.anatomy.sex))
    assert everybody - others - {Label.AIR} <= present
    assert not others & present
    assert present & {Label.GEL, Label.GAS}
    assert max(present) < Label.TUMOUR


def test_organs_have_normal_volumes(many):
    def ellipsoid_ml(solid):
        a, b, c = solid.half_mm
        return 4 / 3 * np.pi * a * b * c / 1000

    bladders = [ellipsoid_ml(anatomy.bladder) for anatomy in many]
    assert min(bladders) > 60
    assert max(bladders) < 220
    prostates = [
        ellipsoid_ml(max((s for s in a.organs if _is(s, Label.PERIPHERAL_ZONE)), key=ellipsoid_ml))
        for a in many
        if a.sex == "M"
    ]
    assert 22 < min(prostates) < max(prostates) < 70


def _is(shape, label):
    return getattr(shape, "label", None) == label


def test_wall_and_lumen_of_the_rectum(pelvis):
    rectum = pelvis.anatomy.rectum
    assert 4 < rectum.wall_mm < 6.5
    middle = np.abs(pelvis.heights) < 40
    lumen = np.isin(pelvis.labels[middle], (Label.GEL, Label.GAS)).sum(axis=(1, 2)) * STEP_MM**2
    assert (lumen > 60).all()
    assert (lumen < 1100).all()
    # The anal canal is closed.
    assert not np.isin(pelvis.labels[pelvis.heights < -60], (Label.GEL, Label.GAS)).any()


def test_layers_follow_each_other_from_the_lumen_to_the_fascia(pelvis):
    anatomy = pelvis.anatomy
    axis_x, axis_y = anatomy.rectum.axis_mm(np.array([26.0]))
    plane = flat(26.0, 0.1, (1, 500), corner=(axis_x[0], axis_y[0] + 0.05))
    row = [Label(v) for v in anatomy.paint(plane)[0]]
    order = [row[0]] + [b for a, b in itertools.pairwise(row) if a != b]
    wall = [Label.MUCOSA, Label.SUBMUCOSA, Label.MUSCULARIS, Label.FAT]
    start = order.index(Label.MUCOSA)
    assert order[:start][0] in (Label.GEL, Label.GAS)
    assert order[start : start + 4] == wall
    assert Label.FASCIA in order[start + 4 :]
    outermost = len(row) - 1 - row[::-1].index(Label.MUSCULARIS, 300)
    assert outermost > 100  # mm/10: the wall lies well outside the axis


def test_folds_of_the_wall_reach_into_the_lumen_at_three_heights():
    for seed in range(4):
        rectum = draw_rectum(np.random.default_rng(seed))
        smooth = replace(rectum, folds=())
        lost = []
        for z in np.arange(-30, 56, 2.0):
            plane = flat(z, 0.5, (160, 160), corner=(-40, -5))
            areas = []
            for shape in (rectum, smooth):
                labels = np.zeros((plane.rows, plane.columns), np.uint8)
                shape.paint(labels, plane)
                areas.append(np.isin(labels, (Label.GEL, Label.GAS)).sum())
            lost.append(1 - areas[0] / areas[1])
        _, found = ndimage.label(np.array(lost) > 0.05)
        assert found == 3
        assert 0.1 < max(lost) < 0.8


# Where it is


def test_front_to_back_the_organs_lie_in_their_order(pelvis):
    anatomy = pelvis.anatomy

    def middle(*labels, low=-70, high=70):
        near = (pelvis.heights > low) & (pelvis.heights < high)
        x, y, z = pelvis.points(*labels, where=near[:, None, None])
        return np.array([x.mean(), y.mean(), z.mean()])

    bladder = np.array(anatomy.bladder.centre_mm)
    rectum = [float(v[0]) for v in anatomy.rectum.axis_mm(np.array([20.0]))]
    organ = Label.PERIPHERAL_ZONE if anatomy.sex == "M" else Label.MYOMETRIUM
    between = middle(organ)
    sacrum = anatomy.sacrum.front_mm(np.array([20.0]))[0]
    assert bladder[1] < between[1] + 12 < rectum[1] + 12 < sacrum
    assert between[1] < rectum[1] - 15
    assert abs(between[0]) < 10
    symphysis = middle(Label.MARROW, low=-42, high=-30)[1]
    assert symphysis < bladder[1] + 40
    # The prostate, or the vagina, touches the front of the mesorectum.
    front = anatomy.mesorectum.front_of(anatomy.rectum, -8.0)
    _, y, _ = pelvis.points(organ, where=(pelvis.heights < 8)[:, None, None])
    assert abs(y.max() - front) < 12


def test_prostate_lies_below_the_bladder_and_vesicles_behind_it():
    pelvis = Pelvis(of_sex("M", 2)[1])
    _, back, up = pelvis.points(Label.PERIPHERAL_ZONE, where=(pelvis.heights > 0)[:, None, None])
    bladder = pelvis.anatomy.bladder
    assert back.mean() > bladder.centre_mm[1] + 15
    assert up.max() < 25
    low = pelvis.points(Label.PERIPHERAL_ZONE, where=(pelvis.heights < -20)[:, None, None])
    assert len(low[0]) > 500
    assert bladder.centre_mm[2] - bladder.half_mm[2] > -20


def test_bones_lie_on_both_sides_about_equally(pelvis):
    x, _, _ = pelvis.points(Label.MARROW)
    left, right = (x > 0).sum(), (x < 0).sum()
    assert left == pytest.approx(right, rel=0.2)
    assert left != right  # an irregular body, not a mirror
    for side in (-1, 1):
        head = flat(20.0, 1.0, (12, 12), corner=(side * 88 - 6, -14))
        assert (pelvis.anatomy.paint(head) == Label.MARROW).mean() > 0.9


def test_mesorectum_ends_at_a_thin_fascia_before_the_sacrum(many):
    clocks = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    cos, sin = (f(clocks).astype(np.float32) for f in (np.cos, np.sin))
    for anatomy in many:
        assert 0.5 < anatomy.mesorectum.fascia_mm < 1
        for z in (-20, 0, 20, 40):
            height = np.full(72, z, np.float32)
            _, fascia = anatomy.mesorectum.fascia_at(cos, sin, height)
            _, axis_y = anatomy.rectum.axis_mm(height)
            behind = (axis_y + fascia * sin).max()
            sacrum = anatomy.sacrum.front_mm(np.array([float(z)]))[0]
            assert behind < sacrum + 4
            wide = (fascia * cos).max() - (fascia * cos).min()
            assert 45 < wide < 92
            # Thick behind and beside, thin in front.
            beyond = fascia - anatomy.rectum.outer_mm(height)
            assert beyond[sin > 0.9].min() > 1
            assert beyond[sin < -0.95].mean() < beyond[np.abs(sin) < 0.3].mean()


def test_nodes_and_vessels_lie_in_the_mesorectum(many):
    shorts, gaps, numbers = [], [], []
    for anatomy in many:
        nodes = [s for s in anatomy.mesorectum.contents if _is(s, Label.NODE)]
        numbers.append(len(nodes))
        for node in nodes:
            points = _surface(node)
            _, outside = _beyond(anatomy, points)
            assert outside.max() < 0
            gaps.append(-outside.max())
            shorts.append(2 * min(node.half_mm))
        for tube in anatomy.mesorectum.contents:
            if isinstance(tube, Tube):
                ends = np.array([tube.start_mm, tube.end_mm]).T.astype(np.float32)
                assert _beyond(anatomy, ends)[1].max() < 0
    assert min(numbers) >= 2
    assert max(numbers) <= 9
    assert 0.8 < min(shorts) < np.median(shorts) < max(shorts) <= 9
    assert 2.5 < np.median(shorts) < 5
    assert 0.1 < np.mean(np.array(gaps) < 2) < 0.6  # some near the fascia


def _surface(solid):
    """Points on an ellipsoid without lean, as three arrays."""
    rng = np.random.default_rng(0)
    v = rng.standard_normal((3, 400))
    v *= np.array(solid.half_mm)[:, None] / np.sqrt((v**2).sum(axis=0))
    turn = np.radians(solid.turn_deg)
    x, y, z = v
    turned = x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn), z
    return [(p + c).astype(np.float32) for p, c in zip(turned, solid.centre_mm, strict=True)]


def _beyond(anatomy, points):
    """Distance outside the wall of the rectum and outside the fascia, mm."""
    distance, x, y = anatomy.rectum.locate(tuple(points))
    r, fascia = anatomy.mesorectum.fascia_at(x, y, points[2])
    return distance, r - fascia


def test_nodes_are_seen_in_the_picture():
    anatomy = draw_anatomy(np.random.default_rng(6))
    nodes = [s for s in anatomy.mesorectum.contents if _is(s, Label.NODE)]
    for node in nodes:
        (x, y, z) = node.centre_mm
        plane = flat(z, 0.2, (20, 20), corner=(x - 2, y - 2))
        assert (anatomy.paint(plane) == Label.NODE).any()


def test_reference_muscle_is_muscle(pelvis):
    anatomy = pelvis.anatomy
    for z in (-20.0, 0.0, 16.0):
        plane = flat(z)
        labels, core = anatomy.paint(plane), muscle_core(plane, anatomy)
        assert core.sum() > 150
        assert (labels[core] == Label.MUSCLE).mean() > 0.97
        anybody = muscle_core(plane)
        assert (labels[anybody] == Label.MUSCLE).mean() > 0.9
        assert core[:, :100].any()
        assert core[:, 100:].any()


def test_later_changes_oedema_and_gas_only():
    anatomy = draw_anatomy(np.random.default_rng(1))
    swollen = []
    for seed in range(20):
        after = later(anatomy, np.random.default_rng(seed))
        kept = {"submucosa_mm": 0.0, "gas_level_mm": 0.0}
        assert replace(after.rectum, **kept) == replace(anatomy.rectum, **kept)
        assert replace(after, rectum=anatomy.rectum) == anatomy
        swollen.append(after.rectum.submucosa_mm - anatomy.rectum.submucosa_mm)
    assert 0 <= min(swollen) < max(swollen) < 1.6


# However it is cut


def moves(anatomy, seed=3):
    return draw_deformation(np.random.default_rng(seed), anatomy, filling=1.5, drift_mm=4.0)


@pytest.mark.parametrize("warped", [False, True])
def test_a_plane_shows_the_same_from_any_side(warped):
    anatomy = draw_anatomy(np.random.default_rng(2))
    plane = oblique(warp=moves(anatomy) if warped else None)
    labels = anatomy.paint(plane)
    last = plane.corner + plane.down * (plane.rows - 1)
    upside_down = replace(plane, corner=last, down=-plane.down)
    transposed = replace(plane, down=plane.across, across=plane.down)
    for other, same in ((upside_down, np.flipud), (transposed, np.transpose)):
        assert (same(anatomy.paint(other)) == labels).mean() > 0.9998


@pytest.mark.parametrize("warped", [False, True])
@pytest.mark.parametrize("z", [-48.0, -14.0, 4.0, 44.0])
def test_no_point_is_missed_by_looking_at_windows(monkeypatch, warped, z):
    anatomy = draw_anatomy(np.random.default_rng(4))
    plane = oblique(z, warp=moves(anatomy) if warped else None)
    windowed = anatomy.paint(plane)

    def everywhere(self, centres, halves):
        return ((i, self.whole) for i in range(len(centres)))

    monkeypatch.setattr(Plane, "reached", everywhere)
    np.testing.assert_array_equal(anatomy.paint(plane), windowed)


def test_the_same_draw_gives_the_same_pelvis():
    one, two, other = (draw_anatomy(np.random.default_rng(seed)) for seed in (8, 8, 9))
    np.testing.assert_array_equal(one.paint(oblique()), two.paint(oblique()))
    assert (one.paint(oblique()) != other.paint(oblique())).mean() > 0.05


_PAINT = """
import hashlib, sys
sys.path.insert(0, {folder!r})
from test_anatomy import fingerprint
print(fingerprint())
"""


def fingerprint():
    """Of the labels of a plane before and one after."""
    rng = np.random.default_rng(11)
    anatomy = draw_anatomy(rng)
    warp = draw_deformation(rng, anatomy, filling=1.0, drift_mm=2.0)
    labels = [
        anatomy.paint(oblique(-12.0, 0.5, 330)),
        later(anatomy, rng).paint(oblique(9.0, 0.5, 330, warp)),
    ]
    return hashlib.sha256(b"".join(v.tobytes() for v in labels)).hexdigest()


def test_another_processor_paints_the_same():
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    plain = {
        "NPY_DISABLE_CPU_FEATURES": " ".join(f for f in __cpu_dispatch__ if __cpu_features__[f]),
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F",
        "OPENBLAS_CORETYPE": "Nehalem",
    }
    code = _PAINT.format(folder=os.path.dirname(__file__))  # noqa: PTH120
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | plain,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert found.stdout.strip() == fingerprint()


# The tools


@pytest.mark.parametrize(
    "solid",
    [
        Solid(Label.MUSCLE, (3, -2, 1), (12, 7, 9)),
        Solid(Label.MUSCLE, (3, -2, 1), (12, 7, 9), 35, (0.5, -0.3)),
        Solid(Label.MUSCLE, (3, -2, 1), (12, 7, 9), -70, (0.2, 0.2), square=True),
    ],
)
def test_a_solid_has_its_volume_and_its_mirror_image_too(solid):
    share = 1.0 if not solid.square else 8 / (4 / 3 * np.pi) * 0.8096  # of |x|^4+|y|^4+|z|^4 < 1
    expected = 4 / 3 * np.pi * np.prod(solid.half_mm) * share
    for one in (solid, solid.mirrored()):
        count = 0
        for z in np.arange(-12, 14, 0.5):
            plane = flat(z, 0.5, (120, 120), corner=(-30, -30))
            labels = np.zeros((120, 120), np.uint8)
            Scene([one]).paint(labels, plane)
            count += (labels == Label.MUSCLE).sum()
        assert count * 0.125 == pytest.approx(expected, rel=0.02)


def test_rim_has_its_thickness_and_joined_bones_share_one():
    ball = Solid(Label.MARROW, (0, 0, 0), (10, 10, 10), rim_mm=2.0)
    plane = flat(0.0, 0.1, (1, 300), corner=(-15, 0))
    labels = np.zeros((1, 300), np.uint8)
    Scene([ball]).paint(labels, plane)
    assert (labels == Label.CORTEX).sum() == pytest.approx(40, abs=2)
    assert (labels == Label.MARROW).sum() == pytest.approx(160, abs=2)
    parts = [replace(ball, centre_mm=(x, 0, 0), joins=True) for x in (-4, 4)]
    labels[:] = 0
    Scene(parts).paint(labels, plane)
    assert (labels[0] == Label.CORTEX).sum() == pytest.approx(40, abs=2)
    assert (labels[0, 35:265] == Label.MARROW).all()


def test_a_tube_has_round_ends_and_an_even_radius():
    tube = Tube(Label.VESSEL, (0, 0, -10), (0, 0, 10), 2.0, 4.0)
    areas = {}
    for z in (-13.0, -9.9, 0.0, 9.9, 13.0, 15.0):
        labels = np.zeros((120, 120), np.uint8)
        Scene([tube]).paint(labels, flat(z, 0.1, (120, 120), corner=(-6, -6)))
        areas[z] = (labels == Label.VESSEL).sum() * 0.01
    assert areas[-13.0] == 0
    assert areas[-9.9] == pytest.approx(np.pi * 2.01**2, rel=0.03)
    assert areas[0.0] == pytest.approx(np.pi * 9, rel=0.03)
    assert areas[9.9] == pytest.approx(np.pi * 3.99**2, rel=0.03)
    assert areas[13.0] == pytest.approx(np.pi * 7, rel=0.03)
    assert areas[15.0] == 0


def test_tables_stand_in_for_their_functions():
    phase = np.linspace(-40, 40, 10_000).astype(np.float32)
    np.testing.assert_allclose(sine(phase), np.sin(phase.astype(float)), atol=0.007)
    z = np.linspace(-140, 140, 5000).astype(np.float32)
    (found,) = Heights(np.sin(LADDER / 20)).at(z)
    np.testing.assert_allclose(found, np.sin(z.clip(-130, 130) / 20), atol=6e-4)
