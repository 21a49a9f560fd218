"""Tumours and beds: shapes, volumes, and beds that hold what their response says."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from radresp.phantom.geometry import Plane
from radresp.phantom.lesion import _sampled, draw_bed, draw_tumour, lesion_volume_ml
from radresp.phantom.presets import OUTCOMES, regimens
from radresp.phantom.rectum import draw_rectum
from radresp.phantom.response import VOLUME_RANGE_ML, draw_response, draw_volume_ml
from radresp.phantom.tissue import BED_PARTS, Label

REGIMEN = regimens()["SCRT, then chemoimmunotherapy"]
TUMOUR = (Label.TUMOUR, Label.TUMOUR_MUCINOUS)


def draw(seed: int, outcome: str = "residual", mucinous: bool = False, volume_ml: float = 20.0):
    """A rectum, its tumour, the response and the bed."""
    rng = np.random.default_rng([seed, 3])
    rectum = draw_rectum(rng)
    tumour = draw_tumour(rng, rectum, volume_ml, mucinous)
    rng = np.random.default_rng([seed, 4])
    response = draw_response(rng, outcome, REGIMEN, mucinous)
    bed = draw_bed(rng, tumour, rectum, response, lesion_volume_ml(tumour, rectum))
    return rectum, tumour, response, bed


def painted(lesion, rectum, step_mm: float = 0.8):
    """Labels, points and depths of the lesion on other points than those it was made with."""
    points, depth, _ = _sampled(lesion, rectum, step_mm)
    x, y, z = points
    labels = np.empty(len(z), np.uint8)
    for height in np.unique(z):
        here = z == height
        labels[here] = _on_plane(lesion, rectum, x[here], y[here], float(height), step_mm)
    return labels, points, depth


def _on_plane(lesion, rectum, x, y, z, step_mm):
    corner = np.array([x.min(), y.min(), z], float)
    rows, columns = (round(float(np.ptp(v)) / step_mm) + 1 for v in (y, x))
    plane = Plane(corner, np.array([0, step_mm, 0]), np.array([step_mm, 0, 0]), rows, columns)
    labels = np.zeros((rows, columns), np.uint8)
    lesion.paint(labels, plane, rectum)
    row, column = (np.rint((v - v.min()) / step_mm).astype(int) for v in (y, x))
    return labels[row, column]


CASES = [
    (seed, outcome, mucinous)
    for seed, (outcome, mucinous) in enumerate(
        (outcome, mucinous) for outcome in OUTCOMES for mucinous in (False, False, True)
    )
]


@pytest.mark.parametrize(("seed", "outcome", "mucinous"), CASES)
def test_a_bed_holds_the_shares_of_its_response(seed, outcome, mucinous):
    rectum, tumour, response, bed = draw(seed, outcome, mucinous)
    labels, _, _ = painted(bed, rectum)
    assert len(labels) > 500
    for part, members in BED_PARTS.items():
        share = np.isin(labels, members).mean()
        assert share == pytest.approx(getattr(response, part), abs=0.02), part
    whole = lesion_volume_ml(bed, rectum) / lesion_volume_ml(tumour, rectum)
    assert whole == pytest.approx(response.shrinkage, rel=0.03)


def test_foci_are_small_near_the_lumen_and_inside_scar():
    found = 0
    for seed in range(6):
        rectum, _, response, bed = draw(seed)
        if not response.focus:
            assert bed.foci == ()
            continue
        found += 1
        assert {focus.kind for focus in bed.foci} == {"viable"}
        radii = np.array([focus.radius_mm for focus in bed.foci])
        assert radii.min() > 0.7
        assert radii.max() < 3.2
        labels, points, depth = painted(bed, rectum)
        nearness = np.full(len(labels), np.inf)
        for focus in bed.foci:
            away = [axis - c for axis, c in zip(points, focus[:3], strict=True)]
            nearness = np.minimum(nearness, np.sqrt(sum(a * a for a in away)) / focus.radius_mm)
        viable = labels == Label.BED_VIABLE
        # Lumps, not balls: their surface lies within about 40 % of the radius.
        assert viable[nearness < 0.7].all()
        assert not viable[nearness > 1.7].any()
        assert 0.02 < (viable != (nearness < 1)).sum() / viable.sum() < 0.5
        assert np.median(depth[viable]) < np.median(depth)
        xyz = np.stack(points, axis=1)
        around = np.zeros(len(labels), bool)
        for focus in bed.foci:
            far = np.linalg.norm(xyz - np.array(focus[:3]), axis=1)
            around |= (far > focus.radius_mm) & (far < focus.radius_mm + 1)
        scar = np.isin(labels, (Label.BED_FIBROSIS, Label.BED_MICROSCOPIC))
        rest = labels != Label.BED_VIABLE
        assert scar[around & rest].mean() > scar[rest].mean()
    assert found >= 4


def test_tissues_mingle_and_the_rim_has_recovered():
    for seed, outcome in ((0, "fibrosis"), (1, "inflammation"), (2, "residual")):
        rectum, _, response, bed = draw(seed, outcome)
        labels, _, _ = painted(bed, rectum)
        _, _, rim = _sampled(bed, rectum, 0.8)
        wall = np.isin(labels, BED_PARTS["wall"])
        assert wall[rim > 0.6].mean() > response.wall + 0.05
        assert wall[rim == 0].mean() < response.wall


def test_granulation_foci_are_called_so():
    kinds = set()
    for seed in range(9):
        _, _, response, bed = draw(seed, "inflammation")
        kinds |= {focus.kind for focus in bed.foci}
        assert bool(bed.foci) == (response.granulation > 0)
    assert kinds == {"granulation"}


def test_a_split_scar_spares_the_muscularis_and_a_thick_one_does_not():
    spared = {True: [], False: []}
    for seed in range(9):
        rectum, _, response, bed = draw(seed, "fibrosis")
        labels, _, depth = painted(bed, rectum)
        layer = rectum.layer(depth, (0, 1, 2))
        muscle = (layer == 2) & (depth < rectum.wall_mm)
        scar = labels == Label.BED_FIBROSIS
        spared[response.split].append(scar[muscle].mean() - scar[~muscle].mean())
    assert min(map(len, spared.values())) >= 2
    assert max(spared[True]) < 0
    assert np.mean(spared[True]) < -0.3
    assert np.mean(spared[False]) > -0.05


def test_tumours_have_the_volume_asked_for_and_all_shapes_occur():
    shapes = set()
    for seed in range(24):
        rng = np.random.default_rng(seed)
        rectum = draw_rectum(rng)
        wanted = float(draw_volume_ml(rng, 1)[0])
        tumour = draw_tumour(rng, rectum, wanted)
        shapes.add(tumour.shape)
        assert lesion_volume_ml(tumour, rectum) == pytest.approx(wanted, rel=0.05)
        assert 1 <= tumour.clock_hour <= 12
        assert 5 <= tumour.distance_from_verge_mm < 150
    assert shapes == {"annular", "crescent", "polypoid"}


def test_drawn_volumes_are_log_normal_within_their_range():
    volumes = draw_volume_ml(np.random.default_rng(1), 20_000)
    low, high = VOLUME_RANGE_ML
    assert volumes.min() >= low
    assert volumes.max() <= high
    assert np.median(volumes) == pytest.approx(20, rel=0.05)


def test_painted_volume_is_the_counted_volume():
    for seed in (0, 5):
        rectum, tumour, _, bed = draw(seed)
        for lesion in (tumour, bed):
            labels, _, _ = painted(lesion, rectum)
            # Only points on the very surface may round to the other side.
            assert (labels >= Label.TUMOUR).mean() > 0.999
            assert len(labels) * 0.8**3 / 1000 == pytest.approx(
                lesion_volume_ml(lesion, rectum), rel=0.03
            )


def test_an_annular_tumour_closes_the_ring_and_leaves_the_lumen_open():
    rectum, tumour, _, bed = next(
        drawn for seed in range(40) if (drawn := draw(seed, volume_ml=30))[1].shape == "annular"
    )
    labels, points, _ = painted(tumour, rectum)
    axis_x, axis_y = rectum.axis_mm(points[2])
    at_middle = np.abs(points[2] - tumour.height_mm) < 3
    angle = np.arctan2(points[1] - axis_y, points[0] - axis_x)[at_middle]
    counts, _ = np.histogram(angle, np.linspace(-np.pi, np.pi, 13))
    assert counts.min() > 0
    from_axis = np.sqrt((points[0] - axis_x) ** 2 + (points[1] - axis_y) ** 2)
    assert from_axis.min() > 1
    assert bed.shape == "crescent"
    assert np.isin(labels, TUMOUR).mean() > 0.999


def test_an_ulcer_is_a_hollow_in_the_luminal_surface():
    rectum, tumour, _, _ = next(
        drawn for seed in range(40) if (drawn := draw(seed))[1].shape == "crescent"
    )
    flat, crater = replace(tumour, ulcer=0.0), replace(tumour, ulcer=0.9)
    lost = lesion_volume_ml(flat, rectum) - lesion_volume_ml(crater, rectum)
    assert 0.05 < lost < 0.3 * lesion_volume_ml(flat, rectum)


def test_a_mucinous_tumour_is_mostly_pools_in_a_matrix():
    for seed in range(4):
        rectum, tumour, _, _ = draw(seed, mucinous=True)
        labels, _, _ = painted(tumour, rectum)
        assert np.isin(labels, TUMOUR).mean() > 0.999
        assert 0.45 < (labels == Label.TUMOUR_MUCINOUS).mean() < 0.9
    rectum, tumour, _, _ = draw(0)
    assert (painted(tumour, rectum)[0] == Label.TUMOUR).mean() > 0.999


def test_higher_tumours_are_farther_from_the_verge():
    _, tumour, _, _ = draw(0)
    far = [replace(tumour, height_mm=z).distance_from_verge_mm for z in (-25.0, 0.0, 25.0)]
    assert all(low < high for low, high in pairwise(far))
    assert far[0] < 50 < far[2]


def test_the_same_stream_draws_the_same_lesion():
    first, again = draw(7), draw(7)
    assert first[2] == again[2]
    for one, other in zip(first[3].foci, again[3].foci, strict=True):
        assert one == other
    assert painted(first[3], first[0])[0].tobytes() == painted(again[3], again[0])[0].tobytes()
