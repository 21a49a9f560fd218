from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from builders import ORIENTATIONS, make_grid, make_mask, make_volume

from radresp.core import Mask, Roi, Sequence, Unit, Volume, resample_mask, resample_volume
from radresp.errors import GeometryError, InputError


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_arrays_are_z_y_x_and_come_back_unchanged(orientation: str) -> None:
    grid = make_grid(orientation=orientation)
    array = np.arange(np.prod(grid.size), dtype=np.float32).reshape(grid.size[::-1])
    volume = Volume.from_array(array, grid, Sequence.T2)
    np.testing.assert_array_equal(volume.array, array)
    assert volume.grid == grid
    assert volume.array[2, 1, 3] == volume.image.GetPixel(3, 1, 2)


def test_an_array_of_another_shape_is_refused() -> None:
    with pytest.raises(GeometryError, match="shape"):
        Volume.from_array(np.zeros((24, 20, 12)), make_grid(), Sequence.T2)


def test_any_pixel_type_becomes_float32() -> None:
    image = sitk.Cast(make_volume().image, sitk.sitkInt16)
    assert Volume(image, Sequence.T2).image.GetPixelID() == sitk.sitkFloat32


def test_several_components_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        Volume(sitk.Image((4, 4, 4), sitk.sitkVectorFloat32, 3), Sequence.T2)
    assert caught.value.code == "NII_DTYPE"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nonfinite_voxels_are_refused_unless_declared_background(bad: float) -> None:
    array = make_volume().array
    array[0, 0, 0] = bad
    with pytest.raises(InputError) as caught:
        Volume.from_array(array, make_grid(), Sequence.T2)
    assert caught.value.code == "NONFINITE"
    flags = np.zeros(array.shape, np.uint8)
    flags[0, 0, 0] = 1
    background = Mask.from_array(flags, make_grid(), Roi.LUMEN).image
    Volume.from_array(array, make_grid(), Sequence.T2, background=background)
    with pytest.raises(GeometryError) as other:
        Volume.from_array(array, make_grid(), Sequence.T2, background=background[:-1])
    assert other.value.code == "MASK_GEOMETRY"


@pytest.mark.parametrize(
    ("sequence", "unit", "b", "code"),
    [
        (Sequence.ADC, Unit.ARBITRARY, None, "ADC_UNITS"),
        (Sequence.T2, Unit.UM2_PER_S, None, "ADC_UNITS"),
        (Sequence.DWI, Unit.ARBITRARY, None, "DWI_BVALUE_MISSING"),
        (Sequence.T2, Unit.ARBITRARY, 800.0, "DWI_BVALUE_MISSING"),
    ],
)
def test_meaning_is_checked(sequence: Sequence, unit: Unit, b: float | None, code: str) -> None:
    with pytest.raises(InputError) as caught:
        Volume(make_volume().image, sequence, unit, b)
    assert caught.value.code == code


def test_masks_hold_only_zero_and_one() -> None:
    with pytest.raises(InputError, match="255") as caught:
        Mask.from_array(make_mask().array * np.uint8(255), make_grid(), Roi.BED)
    assert caught.value.code == "MASK_LABEL"


def test_an_empty_mask_says_so() -> None:
    empty = make_mask().with_array(np.zeros((12, 20, 24), bool))
    assert empty.is_empty
    assert empty.volume_ml == 0


def test_volume_of_a_box_in_ml() -> None:
    grid = make_grid(size=(10, 10, 10), spacing_mm=(2.0, 2.0, 5.0))
    box = np.zeros((10, 10, 10), bool)
    box[2:4, 3:8, 1:6] = True
    mask = Mask.from_array(box, grid, Roi.TUMOUR)
    assert mask.voxel_count == 50
    assert mask.volume_ml == pytest.approx(50 * 0.02)


def test_values_in_a_mask_on_another_grid_are_refused() -> None:
    with pytest.raises(GeometryError, match="origin") as caught:
        make_volume().values_in(make_mask(make_grid(origin_mm=(-5.0, 5.0, 20.0))))
    assert caught.value.code == "MASK_GEOMETRY"


def test_copies_do_not_reach_into_the_noun() -> None:
    volume = make_volume()
    volume.array[:] = 0
    assert volume.array.max() > 0


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_resampling_to_another_orientation_and_back_keeps_the_values(orientation: str) -> None:
    volume = make_volume()
    turned = Volume.from_array(
        np.zeros((12, 20, 24)), make_grid(orientation=orientation), Sequence.T2
    )
    there = resample_volume(volume, turned.grid)
    inside = (
        sitk.GetArrayViewFromImage(there.background) == 0
        if there.background is not None
        else np.ones((12, 20, 24), bool)
    )
    if orientation == "lps":
        np.testing.assert_allclose(there.array, volume.array, rtol=1e-6)
    assert there.array[~inside].sum() == 0


def test_a_shift_moves_the_picture_and_marks_what_was_never_seen() -> None:
    volume = make_volume()
    moved = resample_volume(volume, volume.grid, sitk.TranslationTransform(3, (2.0, 0.0, 0.0)))
    np.testing.assert_allclose(moved.array[:, :, :-2], volume.array[:, :, 2:], rtol=1e-5)
    assert moved.background is not None
    outside = sitk.GetArrayFromImage(moved.background).astype(bool)
    assert outside[:, :, -2:].all()
    assert not outside[:, :, :-2].any()


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_resampled_masks_stay_binary(orientation: str) -> None:
    mask = make_mask(make_grid(orientation=orientation))
    fine = make_grid(size=(48, 40, 12), spacing_mm=(0.5, 0.5, 3.0), orientation=orientation)
    carried = resample_mask(mask, fine, sitk.Euler3DTransform((0, 0, 0), 0.05, 0.02, 0.1))
    assert set(np.unique(carried.array)) <= {False, True}
    assert carried.roi is mask.roi


def test_a_mask_carried_out_of_sight_is_empty_and_says_so() -> None:
    far = sitk.TranslationTransform(3, (500.0, 0.0, 0.0))
    assert resample_mask(make_mask(), make_grid(), far).is_empty
