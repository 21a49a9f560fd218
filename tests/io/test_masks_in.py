"""Masks from disk: labels, rounding and geometry are settled, or refused, and always said."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from builders import ORIENTATIONS, make_grid, make_mask, shared_data

from radresp.core import Grid, Mask, NoteKind, Roi
from radresp.errors import GeometryError, InputError
from radresp.io.dicom_series import read_series
from radresp.io.masks_in import empty_mask, load_mask, split_choice

TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
GRID = make_grid(size=(24, 20, 12))


def save(path, array, grid: Grid = GRID):
    """Write an array ordered (z, y, x)."""
    affine = TO_RAS @ grid.affine
    array = np.asarray(array)
    image = nib.Nifti1Image(np.ascontiguousarray(array.transpose(2, 1, 0)), affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    nib.save(image, path)
    return path


def ball(grid: Grid = GRID) -> np.ndarray:
    return make_mask(grid).array.astype(np.uint8)


def load(path, grid: Grid = GRID, **options):
    return load_mask(path, Roi.TUMOUR, grid, **options)


def found(step, kind=None):
    return [note.code for note in step.notes if kind in (None, note.kind)]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_mask_is_read_voxel_by_voxel_in_every_orientation(tmp_path, orientation):
    grid = make_grid(size=(24, 20, 12), orientation=orientation)
    path = save(tmp_path / "m.nii.gz", ball(grid), grid)
    mask, step = load(path, grid)
    assert np.array_equal(mask.array, ball(grid).astype(bool))
    assert mask.grid == grid
    assert mask.roi is Roi.TUMOUR
    assert found(step, NoteKind.FIX) == []
    assert step.settings["voxels"] == mask.voxel_count
    assert step.settings["file"] == "m.nii.gz"


def test_empty_mask_is_loaded_and_said(tmp_path):
    mask, step = load(save(tmp_path / "m.nii", 0 * ball()))
    assert mask.is_empty
    assert "MASK_EMPTY" in found(step, NoteKind.INFO)


def test_a_single_other_label_is_taken_and_said(tmp_path):
    mask, step = load(save(tmp_path / "m.nii", 255 * ball()))
    assert np.array_equal(mask.array, ball() == 1)
    assert found(step, NoteKind.FIX) == ["MASK_LABEL"]


def test_several_labels_need_a_choice(tmp_path):
    labels = ball().astype(np.int16)
    labels[:4, :3, :3] = 5
    path = save(tmp_path / "m.nii", labels)
    with pytest.raises(InputError, match=r"2 outlines; expected one of .*: 1, 5;") as caught:
        load(path)
    assert caught.value.code == "MASK_LABEL"
    mask, step = load(path, choice="5")
    assert np.array_equal(mask.array, labels == 5)
    assert "MASK_LABEL" in found(step, NoteKind.INFO)
    with pytest.raises(InputError, match=r"'3' fits nothing; expected one of .*: 1, 5;") as caught:
        load(path, choice="3")
    assert caught.value.code == "MASK_LABEL"


def test_many_labels_are_listed_shortly(tmp_path):
    labels = np.arange(GRID.size[0] * GRID.size[1] * GRID.size[2], dtype=np.int32) % 300
    with pytest.raises(InputError, match=r"299 outlines; .* and 287 more"):
        load(save(tmp_path / "m.nii", labels.reshape(GRID.size[::-1])))


@pytest.mark.parametrize("value", [0.9999, 1.00000006, 1.0005])
def test_rounding_of_labels_is_mended(tmp_path, value):
    mask, step = load(save(tmp_path / "m.nii", (ball() * value).astype(np.float64)))
    assert np.array_equal(mask.array, ball() == 1)
    assert set(found(step, NoteKind.FIX)) <= {"MASK_NOT_INTEGER"}


def test_mask_saved_by_scaling_is_still_found(tmp_path):
    """Measured trap: nibabel stores a float mask as 0/255 with a slope; == 1 finds no voxel."""
    affine = TO_RAS @ GRID.affine
    image = nib.Nifti1Image(ball().astype(np.float64).transpose(2, 1, 0), affine)
    image.set_data_dtype(np.uint8)
    image.set_sform(affine, 1)
    nib.save(image, tmp_path / "m.nii")
    mask, _ = load(tmp_path / "m.nii")
    assert mask.voxel_count == ball().sum()


@pytest.mark.parametrize(("scale", "words"), [(0.4, "a probability map"), (2.5, "off a whole")])
def test_fractions_are_refused(tmp_path, scale, words):
    path = save(tmp_path / "m.nii", (ball() * scale).astype(np.float32))
    with pytest.raises(InputError, match=words) as caught:
        load(path)
    assert caught.value.code == "MASK_NOT_INTEGER"


def shifted(mm: float) -> Grid:
    x, y, z = GRID.origin_mm
    return Grid(GRID.size, GRID.spacing_mm, (x + mm, y, z), GRID.direction)


def test_another_origin_is_refused_with_its_distance(tmp_path):
    with pytest.raises(GeometryError, match="corners up to 5 mm apart") as caught:
        load(save(tmp_path / "m.nii", ball(), shifted(5)))
    assert caught.value.code == "MASK_GEOMETRY"
    assert str(tmp_path) not in caught.value.message


def test_rounding_of_the_header_is_snapped_and_said(tmp_path):
    mask, step = load(save(tmp_path / "m.nii", ball(), shifted(5e-4)))
    assert mask.grid == GRID
    assert found(step, NoteKind.FIX) == ["MASK_SNAPPED"]


def test_another_size_is_refused_or_resampled_with_volume_kept(tmp_path):
    fine = make_grid(size=(48, 40, 12), spacing_mm=(0.5, 0.5, 3.0), origin_mm=(-10.25, 4.75, 20.0))
    path = save(tmp_path / "m.nii", ball(fine), fine)
    with pytest.raises(GeometryError) as caught:
        load(path)
    assert caught.value.code == "MASK_GEOMETRY"
    mask, step = load(path, resample=True)
    assert mask.grid == GRID
    before = Mask.from_array(ball(fine), fine, Roi.TUMOUR).volume_ml
    assert mask.volume_ml == pytest.approx(before, rel=0.05)
    (note,) = [note for note in step.notes if note.code == "MASK_GEOMETRY"]
    assert note.kind is NoteKind.FIX
    assert f"became {mask.voxel_count}" in note.found


def test_resampling_that_would_cut_the_mask_is_refused(tmp_path):
    whole = save(tmp_path / "m.nii", ball(), shifted(12))
    with pytest.raises(GeometryError, match=r"\d+\.\d% of the tumour mask") as caught:
        load(whole, resample=True)
    assert caught.value.code == "MASK_OUTSIDE"


def test_resampling_that_would_lose_the_mask_is_refused(tmp_path):
    fine = make_grid(size=(48, 40, 60), spacing_mm=(0.5, 0.5, 0.6), origin_mm=(-10.25, 4.75, 20.0))
    one = np.zeros(fine.size[::-1], np.uint8)
    one[2, 10, 10] = 1  # between two slices of the coarse grid
    with pytest.raises(GeometryError) as caught:
        load(save(tmp_path / "m.nii", one, fine), resample=True)
    assert caught.value.code == "MASK_LOST"


def test_empty_mask_of_another_grid_may_be_resampled(tmp_path):
    mask, _ = load(save(tmp_path / "m.nii", 0 * ball(), shifted(12)), resample=True)
    assert mask.is_empty
    assert mask.grid == GRID


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
@pytest.mark.parametrize("flips", [(0,), (1,), (0, 1), (0, 1, 2)])
def test_the_same_voxels_in_another_order_are_placed_exactly(tmp_path, order, flips):
    """As a tool does that turns masks to RAS before it saves them."""
    drawn = ball()
    drawn[2, 3, 4] = 1  # nothing symmetric
    affine, stored = GRID.affine, drawn.transpose(2, 1, 0)
    for axis in flips:
        start = np.zeros(4)
        start[axis], start[3] = stored.shape[axis] - 1, 1
        affine = affine.copy()
        affine[:, 3] = affine @ start
        affine[:, axis] *= -1
        stored = np.flip(stored, axis)
    affine = affine[:, [*order, 3]]
    image = nib.Nifti1Image(np.ascontiguousarray(stored.transpose(order)), TO_RAS @ affine)
    image.set_sform(TO_RAS @ affine, 1)
    nib.save(image, tmp_path / "m.nii")
    mask, step = load(tmp_path / "m.nii")
    assert np.array_equal(mask.array, drawn == 1)
    assert mask.grid == GRID
    assert found(step, NoteKind.FIX) == ["MASK_REORDERED"]


def test_a_part_of_the_image_is_placed_and_a_part_that_sticks_out_is_refused(tmp_path):
    inner = Grid((10, 9, 5), GRID.spacing_mm, GRID.to_mm((7.0, 6.0, 3.0)), GRID.direction)
    part = ball()[3:8, 6:15, 7:17]
    mask, step = load(save(tmp_path / "m.nii", part, inner))
    assert np.array_equal(mask.array[3:8, 6:15, 7:17], part == 1)
    assert mask.voxel_count == part.sum()
    assert found(step, NoteKind.FIX) == ["MASK_REORDERED"]
    beyond = Grid((10, 9, 5), GRID.spacing_mm, GRID.to_mm((20.0, 6.0, 3.0)), GRID.direction)
    between = Grid((10, 9, 5), GRID.spacing_mm, GRID.to_mm((7.5, 6.0, 3.0)), GRID.direction)
    for grid in (beyond, between):
        with pytest.raises(GeometryError) as caught:
            load(save(tmp_path / "m.nii", part, grid))
        assert caught.value.code == "MASK_GEOMETRY"


@pytest.mark.parametrize("top", [1.0, 0.9])
def test_a_probability_map_is_cut_only_at_a_declared_threshold(tmp_path, top):
    fractions = (ball() * top * np.linspace(0.2, 1, 24)).astype(np.float32)
    path = save(tmp_path / "m.nii", fractions)
    with pytest.raises(InputError) as caught:
        load(path)
    assert (caught.value.code, caught.value.found) == ("MASK_NOT_INTEGER", "a probability map")
    mask, step = load(path, choice=">=0.5")
    assert np.array_equal(mask.array, fractions >= np.float32(0.5))
    assert found(step) == ["MASK_THRESHOLD"]
    assert step.settings["choice"] == ">=0.5"
    with pytest.raises(InputError) as caught:
        load(path, choice="1>=0.5")
    assert caught.value.code == "MASK_CHOICE"
    with pytest.raises(InputError) as caught:
        load(save(tmp_path / "m.nii", ball() * 7.5), choice=">=0.5")
    assert caught.value.code == "MASK_NOT_INTEGER"


def test_several_volumes_are_no_mask(tmp_path):
    image = nib.Nifti1Image(np.ones((4, 3, 2, 2), np.uint8), np.eye(4))
    image.set_sform(np.eye(4), 1)
    nib.save(image, tmp_path / "m.nii")
    with pytest.raises(InputError) as caught:
        load(tmp_path / "m.nii")
    assert caught.value.code == "NII_4D"


def test_a_folder_is_no_mask(tmp_path):
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    assert caught.value.code == "NOT_A_FILE"


def test_a_mask_that_cannot_be_opened_is_not_said_to_be_damaged(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(5, "Input/output error")

    path = tmp_path / "mask.nii"
    path.write_bytes(b"x")
    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(InputError) as caught:
        load(path)
    assert caught.value.code == "FILE_UNREADABLE"


def test_a_declared_empty_mask_lies_on_its_image():
    mask, step = empty_mask(Roi.RESIDUAL, GRID)
    assert mask.is_empty
    assert mask.grid == GRID
    assert found(step) == ["MASK_EMPTY"]


def test_a_mask_argument_is_taken_apart_unless_a_file_is_called_so(tmp_path):
    path = tmp_path / "a#b.nii"
    assert split_choice(path) == (tmp_path / "a", "b.nii")
    assert split_choice(tmp_path / "seg.dcm") == (tmp_path / "seg.dcm", None)
    path.touch()
    assert split_choice(path) == (path, None)


@pytest.mark.parametrize("name", ["gland_AI_Bosma22b", "gland_AI_Guerbet23"])
def test_real_masks_lie_on_the_grid_of_their_dicom_series(name):
    grid = read_series(shared_data("prostatex_0001", "dicom", "t2_tra")).volumes[0].grid
    path = shared_data("prostatex_0001", "masks", f"{name}.nii.gz")
    mask, step = load_mask(path, Roi.TUMOUR, grid)
    assert mask.grid == grid
    assert 25 < mask.volume_ml < 40
    assert step.notes == ()


def test_real_empty_label_map_is_loaded_as_empty():
    grid = read_series(shared_data("prostatex_0001", "dicom", "t2_tra")).volumes[0].grid
    path = shared_data("prostatex_0001", "masks", "lesion_expert_original.nii.gz")
    mask, step = load_mask(path, Roi.TUMOUR, grid)
    assert mask.is_empty
    assert found(step) == ["MASK_EMPTY"]
