"""Perturbed images and outlines: each part of the chain does what its setting says, no more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import make_grid, make_mask, make_volume
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from radresp.core import Mask, Roi, Sequence, Volume
from radresp.features.perturb import (
    Draw,
    Perturbation,
    draw,
    motion,
    noise_sd,
    perturb_mask,
    perturb_volume,
)

STILL = Draw(0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.0, 7)
QUIET = Perturbation(noise=False, contour=False)
GRID = make_grid((48, 40, 12), (1.0, 1.0, 2.0))
CENTRE = (14.0, 24.0, 31.0)


def outline(drawn: Draw, settings: Perturbation = QUIET, *, carried: bool = False) -> Mask:
    moved = motion(drawn, GRID, CENTRE, carried=carried)
    return perturb_mask(make_mask(GRID), make_volume(GRID), moved, drawn, settings)


def centre_of(mask: Mask) -> np.ndarray:
    z, y, x = np.argwhere(mask.array).mean(axis=0)
    return np.array(mask.image.TransformContinuousIndexToPhysicalPoint((x, y, z)))


def test_nothing_drawn_changes_nothing() -> None:
    volume = make_volume(GRID)
    moved = motion(STILL, GRID, CENTRE)
    assert outline(STILL).array.tolist() == make_mask(GRID).array.tolist()
    assert perturb_volume(volume, moved, STILL, QUIET).array == pytest.approx(
        volume.array, abs=1e-3
    )


def test_image_and_outline_move_together() -> None:
    drawn = replace(STILL, angle_rad=0.2, shift_mm=(1.0, -2.0, 2.0))
    bright = Volume.from_array(100.0 * make_mask(GRID).array, GRID, Sequence.T2)
    image = perturb_volume(bright, motion(drawn, GRID, CENTRE), drawn, QUIET)
    inside = outline(drawn).array
    assert float(np.mean((image.array > 50) == inside)) > 0.995
    # A point of the moved image was at point + shift, so that the outline went the other way.
    went = centre_of(outline(replace(STILL, shift_mm=(1.0, -2.0, 2.0)))) - centre_of(
        make_mask(GRID)
    )
    assert went == pytest.approx([-1.0, 2.0, -2.0], abs=0.1)


def test_only_a_carried_outline_is_misplaced() -> None:
    drawn = replace(STILL, error_mm=(2.0, 0.0, 0.0))
    assert centre_of(outline(drawn)) == pytest.approx(centre_of(make_mask(GRID)))
    went = centre_of(outline(drawn, carried=True)) - centre_of(make_mask(GRID))
    assert went == pytest.approx([-2.0, 0.0, 0.0], abs=0.1)


@examples(max_examples=25, deadline=None)
@given(st.floats(-0.5, 0.5))
def test_volume_changes_as_asked_to_the_voxel(growth: float) -> None:
    before, after = make_mask(GRID).array, outline(replace(STILL, growth=growth)).array
    assert after.sum() == round(before.sum() * (1 + growth))
    if growth:
        assert (after & before).sum() == min(after.sum(), before.sum())


def test_contours_are_redrawn_at_the_edge_only() -> None:
    settings = Perturbation(noise=False, supervoxel_mm=3.0)
    drawn = [outline(replace(STILL, seed=seed), settings).array for seed in range(4)]
    before = make_mask(GRID).array
    for one in drawn:
        overlap = 2 * (one & before).sum() / (one.sum() + before.sum())
        assert 0.75 < overlap < 1
    assert len({one.tobytes() for one in drawn}) == 4
    again = outline(replace(STILL, seed=0), settings).array
    assert again.tolist() == drawn[0].tolist()


def test_reference_tissue_is_moved_only() -> None:
    drawn = replace(STILL, growth=0.4)
    mask = make_mask(GRID, Roi.MUSCLE)
    found = perturb_mask(
        mask, make_volume(GRID), motion(drawn, GRID, CENTRE), drawn, Perturbation()
    )
    assert found.array.tolist() == mask.array.tolist()


def test_noise_is_as_strong_as_what_is_there() -> None:
    volume = make_volume(GRID)  # 8 of noise on a smooth picture
    assert noise_sd(volume) == pytest.approx(8, rel=0.1)
    loud = perturb_volume(volume, motion(STILL, GRID, CENTRE), STILL, Perturbation())
    assert noise_sd(loud) == pytest.approx(8 * np.sqrt(2), rel=0.1)


def test_where_the_scanner_set_zero_no_noise_is_found() -> None:
    values = make_volume(GRID).array
    values[:, :, :30] = 0
    assert noise_sd(Volume.from_array(values, GRID, Sequence.T2)) == pytest.approx(8, rel=0.15)
    empty = Volume.from_array(np.zeros_like(values), GRID, Sequence.T2)
    assert noise_sd(empty) == 0


def test_an_outline_pushed_out_of_the_image_is_empty() -> None:
    assert outline(replace(STILL, shift_mm=(200.0, 0.0, 0.0))).is_empty


def test_draws_stay_within_their_settings() -> None:
    settings = Perturbation(rotation_deg=10, translation_mm=2, volume_change=0.1)
    rng = np.random.default_rng(3)
    drawn = [draw(settings, rng) for _ in range(300)]
    assert max(abs(d.angle_rad) for d in drawn) <= np.deg2rad(10)
    assert max(abs(s) for d in drawn for s in d.shift_mm) <= 2
    assert max(abs(d.growth) for d in drawn) <= 0.1
    assert np.std([e for d in drawn for e in d.error_mm]) == pytest.approx(1, rel=0.1)
    assert drawn[0] == draw(settings, np.random.default_rng(3))
