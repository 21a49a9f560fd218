from __future__ import annotations

import numpy as np
import pytest
from builders import ORIENTATIONS, make_grid, make_mask, make_volume

from radresp.core import Grid, Mask, Roi, Sequence, Unit, Volume
from radresp.errors import GeometryError, InputError
from radresp.masks import MaskRules, check_mask

GRID = make_grid()
SHAPE = GRID.size[::-1]


def box(z: slice, y: slice, x: slice, roi: Roi = Roi.TUMOUR) -> Mask:
    drawn = np.zeros(SHAPE)
    drawn[z, y, x] = 1
    return Mask.from_array(drawn, GRID, roi)


GOOD = box(slice(3, 8), slice(5, 12), slice(6, 14))


def refusal(mask: Mask, volume: Volume | None = None, **rules: float) -> str:
    with pytest.raises(InputError) as caught:
        check_mask(mask, volume or make_volume(GRID), MaskRules(**rules))
    assert caught.value.expected
    return caught.value.code


def warnings(mask: Mask, volume: Volume | None = None, **rules: float) -> list[str]:
    step = check_mask(mask, volume or make_volume(GRID), MaskRules(**rules))
    return [note.code for note in step.notes]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("sequence", Sequence)
def test_a_drawn_region_passes(orientation: str, sequence: Sequence) -> None:
    grid = make_grid(orientation=orientation)
    b = 800.0 if sequence is Sequence.DWI else None
    step = check_mask(make_mask(grid), make_volume(grid, sequence, b_s_per_mm2=b))
    assert step.notes == ()
    assert (step.room, step.method) == ("masks", "check_mask")


def test_empty_and_small_masks_are_refused() -> None:
    assert refusal(GOOD.with_array(np.zeros(SHAPE))) == "MASK_EMPTY"
    assert refusal(box(slice(3, 6), slice(5, 8), slice(5, 12))) == "MASK_TOO_SMALL"  # 63 voxels
    assert refusal(box(slice(3, 5), slice(5, 15), slice(5, 15))) == "MASK_TOO_SMALL"  # 2 slices
    assert warnings(box(slice(3, 7), slice(5, 9), slice(5, 9))) == []  # 64 voxels, 4 slices


def test_a_one_slice_mask_is_noted_where_the_rules_admit_it() -> None:
    one_slice = box(slice(3, 4), slice(3, 13), slice(3, 13))
    assert refusal(one_slice) == "MASK_TOO_SMALL"
    assert warnings(one_slice, min_slices=1) == ["MASK_2D"]


def test_slices_are_counted_across_the_longest_edge() -> None:
    grid = Grid((12, 20, 24), (3.0, 1.0, 1.0))
    drawn = np.zeros((24, 20, 12))
    drawn[3:20, 5:15, 4:6] = 1  # two sagittal slices
    with pytest.raises(InputError) as caught:
        check_mask(Mask.from_array(drawn, grid, Roi.BED), make_volume(grid))
    assert "2 slices" in caught.value.found


def test_an_inverted_mask_is_refused() -> None:
    assert refusal(GOOD.with_array(~GOOD.array)) == "MASK_INVERTED"


def test_a_mask_on_another_grid_is_refused() -> None:
    elsewhere = make_volume(make_grid(origin_mm=(-5.0, 5.0, 20.0)))
    with pytest.raises(GeometryError) as caught:
        check_mask(GOOD, elsewhere)
    assert caught.value.code == "MASK_GEOMETRY"


def half_air(sequence: Sequence = Sequence.T2) -> Volume:
    """Air left of the middle, tissue right of it."""
    volume = make_volume(GRID, sequence, b_s_per_mm2=800.0 if sequence is Sequence.DWI else None)
    values = volume.array
    noise = np.abs(np.random.default_rng(1).normal(0, 3, SHAPE))
    values[:, :, :12] = 0 if sequence is Sequence.ADC else noise[:, :, :12]
    return volume.with_array(values)


IN_AIR = box(slice(3, 8), slice(5, 12), slice(2, 10))


@pytest.mark.parametrize("sequence", [Sequence.T2, Sequence.ADC])
def test_a_mask_in_air_is_refused(sequence: Sequence) -> None:
    assert refusal(IN_AIR, half_air(sequence)) == "MASK_ON_BACKGROUND"
    flipped = IN_AIR.with_array(IN_AIR.array[:, :, ::-1])
    assert warnings(flipped, half_air(sequence)) == []


def test_dark_places_may_be_lumen_or_a_high_b_value_image() -> None:
    assert warnings(IN_AIR.named(Roi.LUMEN), half_air()) == []
    assert warnings(IN_AIR, half_air(Sequence.DWI)) == []


def test_brightness_may_be_in_any_unit() -> None:
    for scale in (1e-3, 1e4):
        volume = half_air()
        scaled = volume.with_array(volume.array * scale)
        assert refusal(IN_AIR, scaled) == "MASK_ON_BACKGROUND"
        assert warnings(IN_AIR.with_array(IN_AIR.array[:, :, ::-1]), scaled) == []


def test_a_mask_where_nothing_was_measured_is_refused() -> None:
    left = np.zeros(SHAPE, dtype=np.uint8)
    left[:, :, :12] = 1
    unmeasured = Mask.from_array(left, GRID, Roi.BED).image
    values = make_volume(GRID).array
    values[:, :, :12] = np.nan
    volume = Volume.from_array(values, GRID, Sequence.T2, Unit.ARBITRARY, background=unmeasured)
    assert refusal(IN_AIR, volume) == "MASK_ON_BACKGROUND"
    partly = box(slice(3, 8), slice(5, 12), slice(10, 18))
    assert refusal(partly, volume) == "ROI_NONFINITE"
    assert warnings(IN_AIR.with_array(IN_AIR.array[:, :, ::-1]), volume) == []


def test_a_constant_region_is_refused() -> None:
    values = make_volume(GRID).array
    values[GOOD.array] = 300
    assert refusal(GOOD, make_volume(GRID).with_array(values)) == "ROI_CONSTANT"


def test_stray_pieces_and_touching_the_border_are_noted() -> None:
    stray = GOOD.array
    stray[9, 15, 20] = True
    assert warnings(GOOD.with_array(stray)) == ["MASK_ISLANDS"]
    two = GOOD.array
    two[3:8, 14:18, 6:14] = True
    assert warnings(GOOD.with_array(two)) == []
    assert warnings(box(slice(0, 5), slice(5, 12), slice(6, 14))) == ["ROI_AT_EDGE"]
    at_the_end = box(slice(3, 8), slice(5, 12), slice(16, 24))
    assert warnings(at_the_end) == ["ROI_AT_EDGE"]
    lumen = Mask.from_array(at_the_end.array, at_the_end.grid, Roi.LUMEN)
    assert warnings(lumen) == []  # a tube goes on beyond the image
