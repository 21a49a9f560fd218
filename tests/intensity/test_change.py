"""Change maps: what rose, fell and stayed, and that noise alone is not called a change."""

from __future__ import annotations

import numpy as np
import pytest
from builders import make_grid

from radresp.core import Grid, Mask, Roi, Sequence, Unit, Volume, resample_volume
from radresp.errors import GeometryError, InputError
from radresp.intensity import (
    ChangeRules,
    FitAdc,
    adc_change,
    adc_noise,
    fit_adc,
    t2_change,
    voxel_noise,
)

GRID = make_grid((60, 60, 12), (1.0, 1.0, 3.0), (0.0, 0.0, 0.0), "lps")
RULES = ChangeRules()
RNG = np.random.default_rng(5)


def bed() -> Mask:
    drawn = np.zeros(GRID.size[::-1], bool)
    drawn[3:9, 20:40, 20:40] = True
    return Mask.from_array(drawn, GRID, Roi.BED)


def adc(values: np.ndarray, grid: Grid = GRID) -> Volume:
    return Volume.from_array(values, grid, Sequence.ADC, Unit.UM2_PER_S)


def t2(values: np.ndarray) -> Volume:
    return Volume.from_array(values, GRID, Sequence.T2)


def test_shares_of_a_known_change_are_exact() -> None:
    before = np.full(GRID.size[::-1], 1000.0)
    after = before.copy()
    after[3:6, 20:40, 20:40] += 600  # half of the bed rises
    after[6:9, 20:40, 20:25] -= 450  # an eighth falls
    numbers = adc_change(adc(before), adc(after), bed(), 10.0, RULES).numbers
    assert numbers["rose_550"] == pytest.approx(0.5)
    assert numbers["fell_400"] == pytest.approx(0.125)
    assert numbers["fell_550"] == 0
    assert numbers["stayed_550"] == pytest.approx(0.5)
    assert numbers["rose_800"] == 0


def test_a_threshold_below_the_noise_is_left_out() -> None:
    flat = np.full(GRID.size[::-1], 1000.0)
    numbers = adc_change(adc(flat), adc(flat), bed(), 350.0, RULES).numbers
    assert "rose_300" not in numbers
    assert "rose_400" in numbers
    assert numbers["noise"] == 350.0


def test_noise_alone_passes_its_95_percent_threshold_in_five_percent() -> None:
    shape, sigma = GRID.size[::-1], 90.0
    before, after = (1200 + RNG.normal(0, sigma, shape) for _ in range(2))
    numbers = adc_change(adc(before), adc(after), bed(), sigma * np.sqrt(2), RULES).numbers
    assert numbers["rose_noise95"] + numbers["fell_noise95"] == pytest.approx(0.05, abs=0.02)


def test_the_noise_of_a_fitted_adc_is_what_the_fit_scatters_by() -> None:
    grid, sigma = Grid((40, 40, 10), (2, 2, 4)), 8.0
    volumes = []
    for b in (0.0, 400.0, 800.0):
        signal = 400 * np.exp(-b * 1.1e-3) + RNG.normal(0, sigma, grid.size[::-1])
        volumes.append(Volume.from_array(signal, grid, Sequence.DWI, b_s_per_mm2=b))
    fit = fit_adc(tuple(volumes), FitAdc(noise_sigma=sigma))
    expected = adc_noise(tuple(volumes), FitAdc(noise_sigma=sigma))
    assert expected is not None
    assert np.median(expected) == pytest.approx(fit.adc.array.std(), rel=0.1)


def test_t2_is_measured_against_the_tissue_around() -> None:
    shape = GRID.size[::-1]
    shading = 1 + 0.3 * np.linspace(-1, 1, shape[2])
    before = (300 + RNG.normal(0, 3, shape)) * shading
    after = 2.5 * (300 + RNG.normal(0, 3, shape)) * shading  # another gain of the scanner
    after[bed().array] *= 0.5
    change = t2_change(t2(before), t2(after), bed(), RULES)
    assert change.numbers["median"] == pytest.approx(np.log(0.5), abs=0.01)
    assert change.numbers["fell_0.5"] == pytest.approx(1.0, abs=0.01)
    assert change.volume.unit is Unit.RATIO
    outside = change.volume.array[~bed().array]
    assert abs(np.median(outside)) < 0.01


def test_swapping_the_visits_swaps_rise_and_fall() -> None:
    shape = GRID.size[::-1]
    one, two = (t2(300 + RNG.normal(0, 30, shape)) for _ in range(2))
    there, back = (t2_change(*pair, bed(), RULES).numbers for pair in ((one, two), (two, one)))
    assert there["rose_0.15"] == pytest.approx(back["fell_0.15"], abs=1e-6)
    assert there["median"] == pytest.approx(-back["median"], abs=1e-6)


def test_what_neither_visit_measured_is_background() -> None:
    values = np.full(GRID.size[::-1], 1000.0)
    aside = Grid(GRID.size, GRID.spacing_mm, (30.0, 0.0, 0.0), GRID.direction)
    before = resample_volume(adc(values, aside), GRID)
    change = adc_change(before, adc(values), bed(), 10.0, RULES)
    assert change.numbers["measured_fraction"] == pytest.approx(0.5, abs=0.06)
    assert change.volume.background is not None
    nowhere = Grid(GRID.size, GRID.spacing_mm, (300.0, 0.0, 0.0), GRID.direction)
    with pytest.raises(InputError) as caught:
        adc_change(resample_volume(adc(values, nowhere), GRID), adc(values), bed(), 10.0, RULES)
    assert caught.value.code == "ROI_NONFINITE"


def test_another_grid_is_refused() -> None:
    other = Grid(GRID.size, GRID.spacing_mm, (1.0, 0.0, 0.0), GRID.direction)
    values = np.full(GRID.size[::-1], 1000.0)
    with pytest.raises(GeometryError):
        adc_change(adc(values, other), adc(values), bed(), 10.0, RULES)


def test_texture_never_makes_the_noise_smaller() -> None:
    inside = np.ones(GRID.size[::-1], bool)
    plain = RNG.normal(0, 2.0, GRID.size[::-1])
    x = np.arange(GRID.size[0])
    assert voxel_noise(plain, inside) == pytest.approx(2.0, rel=0.05)
    assert voxel_noise(plain + 20 * np.sin(x), inside) > 2.0
