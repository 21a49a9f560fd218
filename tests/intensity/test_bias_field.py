"""Shading: taken out where it is known, bounded in time, brightness kept."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from builders import living, make_grid, make_volume

from radresp.core import NoteKind, Sequence, Volume
from radresp.errors import InputError, PlanError, ResourceError
from radresp.intensity import CorrectBias, correct_bias

GRID = make_grid((80, 80, 16), (2.0, 2.0, 3.0))
QUICK = CorrectBias(levels=2, iterations=20)


def shaded(strength: float) -> tuple[Volume, np.ndarray, np.ndarray]:
    """A body of two tissues between air, its body and its shading."""
    z, y, x = np.indices(GRID.size[::-1])
    away = np.hypot(x - 40, y - 40)
    body = away < 34
    tissue = np.select([(x // 9 + y // 9 + z // 5) % 2 == 0, body], [300.0, 120.0]) * body
    bias = np.exp(strength * ((x - 40) / 40 + ((y - 40) / 40) ** 2))
    noisy = tissue * bias + np.random.default_rng(0).normal(0, 3, tissue.shape)
    return Volume.from_array(np.abs(noisy), GRID, Sequence.T2), body, bias


def spread(volume: Volume, body: np.ndarray) -> float:
    """How unevenly the brighter tissue is lit."""
    inside = volume.array[body & (volume.array > np.median(volume.array[body]))]
    return float(np.std(np.log(inside)))


def test_known_shading_is_taken_out_and_brightness_kept() -> None:
    volume, body, bias = shaded(0.5)
    corrected, step = correct_bias(volume, QUICK)
    left = np.log(corrected.array[body] / (volume.array[body] / bias[body]))
    before = np.log(bias[body])
    assert left.std() < 0.3 * before.std()
    assert np.median(corrected.array[body] / volume.array[body]) == pytest.approx(1, abs=0.02)
    assert corrected.grid.same_as(GRID)
    assert step.notes[0].kind is NoteKind.INFO
    assert step.notes[0].code == "BIAS_CORRECTED"


def test_an_even_image_stays_and_twice_gives_the_same() -> None:
    volume, body, _ = shaded(0.0)
    first, _ = correct_bias(volume, QUICK)
    second, _ = correct_bias(volume, QUICK)
    np.testing.assert_array_equal(first.array, second.array)
    assert np.std(np.log(first.array[body] / np.maximum(volume.array[body], 1e-3))) < 0.05
    assert living(sitk.N4BiasFieldCorrectionImageFilter) == 0


def test_it_stops_in_time() -> None:
    volume, _, _ = shaded(0.5)
    with pytest.raises(ResourceError) as caught:
        correct_bias(volume, CorrectBias(levels=2, time_limit_s=0.01))
    assert caught.value.code == "TIMEOUT"


def test_refusals() -> None:
    with pytest.raises(PlanError):
        correct_bias(make_volume(sequence=Sequence.ADC))
    with pytest.raises(InputError) as caught:
        correct_bias(Volume.from_array(np.ones((16, 80, 80)), GRID, Sequence.T2))
    assert caught.value.code == "IMG_CONSTANT"
