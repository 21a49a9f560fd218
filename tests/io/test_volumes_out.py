"""Volumes, masks and transforms on disk: what was written is what another program reads."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from builders import ORIENTATIONS, make_grid, make_mask, make_volume

from radresp import io
from radresp.core import Grid, Sequence, Volume
from radresp.errors import GeometryError, OutputError, PlanError
from radresp.io.volumes_out import save_dwi, save_mask, save_transform, save_volume


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("suffix", ["nii", "nii.gz"])
def test_two_independent_readers_see_every_voxel_at_its_place(
    tmp_path: Path, orientation: str, suffix: str
) -> None:
    grid = make_grid(orientation=orientation, spacing_mm=(0.7, 0.9, 3.3))
    volume = make_volume(grid)
    path = tmp_path / f"t2.{suffix}"
    save_volume(volume, path)

    by_nibabel = nib.load(path)
    assert by_nibabel.get_data_dtype() == np.float32
    np.testing.assert_array_equal(np.asarray(by_nibabel.dataobj), volume.array.T)
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ by_nibabel.affine
    index = np.array([3, 5, 7, 1])
    np.testing.assert_allclose((lps @ index)[:3], grid.to_mm((3.0, 5.0, 7.0)), atol=1e-4)

    by_itk = sitk.ReadImage(str(path))
    assert Grid.of(by_itk).same_as(grid)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(by_itk), volume.array)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_mask_is_uint8_zero_and_one(tmp_path: Path, orientation: str) -> None:
    mask = make_mask(make_grid(orientation=orientation))
    save_mask(mask, tmp_path / "bed.nii.gz")
    image = nib.load(tmp_path / "bed.nii.gz")
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(image.dataobj).T, mask.array)
    assert Grid.of(sitk.ReadImage(str(tmp_path / "bed.nii.gz"))).same_as(mask.grid)


def test_the_header_is_unambiguous_and_holds_no_free_text(tmp_path: Path) -> None:
    save_volume(make_volume(), tmp_path / "t2.nii")
    header = nib.load(tmp_path / "t2.nii").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 1)
    np.testing.assert_allclose(header.get_sform(), header.get_qform(), atol=1e-5)
    assert header["descrip"].item() == header["aux_file"].item() == b""
    assert header["db_name"].item() == header["intent_name"].item() == b""
    assert len(header.extensions) == 0
    assert header.get_xyzt_units()[0] == "mm"
    raw = (tmp_path / "t2.nii").read_bytes()
    slope, intercept = np.frombuffer(raw[112:120], "<f4")
    assert (slope, intercept) == (1.0, 0.0)


def test_the_same_volume_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_volume(make_volume(), tmp_path / f"{name}.nii.gz")
    data = (tmp_path / "a.nii.gz").read_bytes()
    assert data == (tmp_path / "b.nii.gz").read_bytes()
    assert data[4:8] == b"\0\0\0\0"  # no time
    assert data[3] & 0x08 == 0  # no file name
    assert gzip.decompress(data)[344:348] == b"n+1\0"


def test_background_that_is_not_finite_becomes_zero(tmp_path: Path) -> None:
    grid = make_grid()
    array = make_volume(grid).array
    array[0, 0, :3] = [np.nan, np.inf, -np.inf]
    background = grid.blank()
    for x in range(3):
        background[x, 0, 0] = 1
    save_volume(
        Volume.from_array(array, grid, Sequence.T2, background=background), tmp_path / "v.nii"
    )
    stored = np.asarray(nib.load(tmp_path / "v.nii").dataobj).T
    assert stored[0, 0, :3].tolist() == [0.0, 0.0, 0.0]
    np.testing.assert_array_equal(stored.ravel()[3:], array.ravel()[3:])


def test_b_values_stand_beside_the_dwi_in_rising_order(tmp_path: Path) -> None:
    grid = make_grid()
    dwi = [
        make_volume(grid, Sequence.DWI, seed, b) for seed, b in ((1, 800.0), (0, 0.0), (2, 50.0))
    ]
    save_dwi(dwi, tmp_path / "dwi.nii.gz")
    assert (tmp_path / "dwi.bval").read_text() == "0 50 800\n"
    stored = np.asarray(nib.load(tmp_path / "dwi.nii.gz").dataobj)
    assert stored.shape == (*grid.size, 3)
    for place, seed in enumerate((0, 2, 1)):
        np.testing.assert_array_equal(stored[..., place].T, dwi[{0: 1, 2: 2, 1: 0}[seed]].array)


def test_b_values_on_different_grids_are_refused(tmp_path: Path) -> None:
    near = make_volume(make_grid(), Sequence.DWI, 0, 0.0)
    far = make_volume(make_grid(origin_mm=(0, 0, 0)), Sequence.DWI, 0, 800.0)
    with pytest.raises(GeometryError):
        save_dwi([near, far], tmp_path / "dwi.nii.gz")
    with pytest.raises(PlanError):
        save_dwi([near], tmp_path / "dwi.nii.gz")
    assert list(tmp_path.iterdir()) == []


def make_transform() -> sitk.Transform:
    rigid = sitk.Euler3DTransform((1 / 3, -40 / 7, 12.5), 0.1, -0.2, 1 / 3, (math.pi, -2, 3))
    field = sitk.Image([4, 4, 4], sitk.sitkVectorFloat64)
    field.SetSpacing((50.0, 50.0, 50.0))
    field[1, 2, 3] = (1 / 3, 2.0, -1.0)
    return sitk.CompositeTransform([rigid, sitk.DisplacementFieldTransform(field)])


@pytest.mark.parametrize("suffix", ["tfm", "h5"])
def test_a_transform_moves_points_as_before(tmp_path: Path, suffix: str) -> None:
    transform, path = make_transform(), tmp_path / f"t.{suffix}"
    save_transform(transform, path)
    read = sitk.ReadTransform(str(path))
    for point in ((0.0, 0.0, 0.0), (40.0, 90.0, 140.0), (-70.0, 3.0, 9.0)):
        np.testing.assert_allclose(read.TransformPoint(point), transform.TransformPoint(point))
    first = path.read_bytes()
    save_transform(transform, path)
    assert path.read_bytes() == first


def test_a_transform_cut_short_by_the_disk_never_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sitk.WriteTransform

    def cut(transform: sitk.Transform, name: str) -> None:
        real(transform, name)
        whole = Path(name).read_bytes()
        Path(name).write_bytes(whole[: len(whole) * 2 // 3])

    monkeypatch.setattr(sitk, "WriteTransform", cut)
    for suffix in ("tfm", "h5"):
        with pytest.raises(OutputError) as caught:
            save_transform(make_transform(), tmp_path / f"t.{suffix}")
        assert caught.value.code == "WRITE_FAILED"
    assert list(tmp_path.iterdir()) == []


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError) as caught:
        save_volume(make_volume(), tmp_path / "t2.mha")
    assert caught.value.code == "OUTPUT_FORMAT"
    with pytest.raises(PlanError):
        save_transform(make_transform(), tmp_path / "t.txt")


def test_whole_numbers_are_stored_as_int16_and_read_back_the_same(tmp_path: Path) -> None:
    whole = np.arange(-4, 20, dtype=np.float32).reshape(2, 3, 4)
    for values, kind in ((whole, np.int16), (whole + 0.5, np.float32), (whole * 9e3, np.float32)):
        volume = Volume.from_array(values, Grid((4, 3, 2), (1.0, 1.0, 2.0), (0, 0, 0)), Sequence.T2)
        io.save_volume(volume, tmp_path / "t2.nii.gz")
        assert nib.load(tmp_path / "t2.nii.gz").get_data_dtype() == kind
        (read,), _ = io.load_volumes(tmp_path / "t2.nii.gz", Sequence.T2)
        np.testing.assert_array_equal(read.array, values)


def test_a_map_is_written_on_its_grid_or_refused(tmp_path: Path) -> None:
    grid = Grid((4, 3, 2), (1.0, 1.0, 2.0), (5, 6, 7))
    values = np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 3, 4)
    io.save_map(values, grid, tmp_path / "share.nii.gz")
    image = nib.load(tmp_path / "share.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(image.dataobj).T, values)
    np.testing.assert_allclose(image.affine[:3, 3], (-5, -6, 7))
    with pytest.raises(GeometryError, match="a map of shape") as caught:
        io.save_map(values[:1], grid, tmp_path / "share.nii.gz")
    assert caught.value.code == "GRID"
