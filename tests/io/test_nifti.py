"""The NIfTI reader: sound files are read exactly, each fault is refused by its code."""

from __future__ import annotations

import gzip
import os
import struct
import time
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from builders import ORIENTATIONS, make_grid, make_volume, shared_data

from radresp.core import Grid, NoteKind, Sequence
from radresp.errors import InputError, RadrespError
from radresp.io.images import load_adc_image, load_images, load_volumes
from radresp.io.nifti import read_nifti

TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def nifti_bytes(array=None, affine=None, kind=nib.Nifti1Image, **fields) -> bytes:
    """A file in memory; the array is ordered (x, y, z); fields are written into the header raw."""
    if array is None:
        array = np.arange(10 * 8 * 6, dtype=np.int16).reshape(10, 8, 6)
    if affine is None:
        affine = np.diag([1.0, 1.5, 3.0, 1.0])
    image = kind(array, affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    content = bytearray(image.to_bytes())
    for name, (place, form, value) in fields.items():
        assert name
        struct.pack_into("<" + form, content, place, *np.atleast_1d(value).tolist())
    return bytes(content)


def write(folder: Path, content: bytes, name: str = "image.nii") -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    return path


def code_of(path: Path, read=load_images) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    assert caught.value.file == str(path)
    assert str(path.parent) not in caught.value.message
    return caught.value.code


def found(notes, kind=None):
    return [note.code for note in notes if kind in (None, note.kind)]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("name", ["image.nii", "image.nii.gz"])
def test_values_and_geometry_survive_in_every_orientation(tmp_path, orientation, name):
    volume = make_volume(make_grid(size=(14, 12, 10), orientation=orientation))
    array = np.ascontiguousarray(volume.array.transpose(2, 1, 0))
    path = write(tmp_path, nifti_bytes(array, TO_RAS @ volume.grid.affine), name)
    nifti = read_nifti(path)
    assert np.array_equal(nifti.arrays[0], volume.array)
    assert nifti.grid.same_as(volume.grid, tol_mm=1e-4)


def test_same_as_simpleitk_and_nibabel(tmp_path):
    path = write(tmp_path, nifti_bytes())
    image = sitk.ReadImage(str(path))
    nifti = read_nifti(path)
    assert np.array_equal(sitk.GetArrayFromImage(image), nifti.arrays[0])
    assert Grid.of(image).same_as(nifti.grid, tol_mm=1e-5)
    assert np.array_equal(nib.load(path).get_fdata().transpose(2, 1, 0), nifti.arrays[0])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_flipped_storage_is_the_same_picture_in_space(tmp_path, axis):
    array = np.random.default_rng(0).normal(size=(9, 8, 7)).astype(np.float32)
    affine = np.diag([1.0, 1.2, 2.0, 1.0])
    flip = np.eye(4)
    flip[axis, axis], flip[axis, 3] = -1, array.shape[axis] - 1
    one = load_images(write(tmp_path, nifti_bytes(array, affine), "a.nii"))[0].image
    two = load_images(
        write(tmp_path, nifti_bytes(np.flip(array, axis).copy(), affine @ flip), "b.nii")
    )[0].image
    still = sitk.Transform(3, sitk.sitkIdentity)
    back = sitk.Resample(two, one, still, sitk.sitkNearestNeighbor)
    assert np.array_equal(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(one))


@pytest.mark.parametrize(
    "dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", ">i2", ">f4"]
)
def test_every_scalar_type_and_byte_order(tmp_path, dtype):
    array = np.arange(60).reshape(5, 4, 3).astype(dtype)
    header = nib.Nifti1Header(endianness=">" if dtype.startswith(">") else "<")
    header.set_data_dtype(dtype)
    image = nib.Nifti1Image(array, np.eye(4), header)
    image.set_sform(np.eye(4), 1)
    nifti = read_nifti(write(tmp_path, image.to_bytes()))
    assert np.array_equal(nifti.arrays[0], np.arange(60).reshape(5, 4, 3).transpose(2, 1, 0))


def test_nifti_2(tmp_path):
    path = write(tmp_path, nifti_bytes(kind=nib.Nifti2Image), "image.nii.gz")
    assert read_nifti(path).grid.spacing_mm == (1.0, 1.5, 3.0)


def test_slope_and_intercept_are_applied(tmp_path):
    content = nifti_bytes(slope=(112, "f", 1e-6), intercept=(116, "f", 0.5))
    nifti = read_nifti(write(tmp_path, content))
    assert nifti.arrays[0][5, 7, 9] == pytest.approx(479e-6 + 0.5, rel=1e-6)
    assert nifti.scaling == "scl_slope"


@pytest.mark.parametrize("slope", [0.0, np.nan])
def test_slope_zero_or_nan_means_no_scaling(tmp_path, slope):
    nifti = read_nifti(write(tmp_path, nifti_bytes(slope=(112, "f", slope), inter=(116, "f", 7.0))))
    assert nifti.arrays[0].max() == 479
    assert nifti.scaling == "none"


HEADER_FAULTS = {
    "no dimensions": ("NII_DIM", {"dim": (40, "h", 0)}),
    "two dimensions": ("NII_DIM", {"dim": (40, "h", 2)}),
    "nine dimensions": ("NII_DIM", {"dim": (40, "h", 9)}),
    "size 0": ("NII_DIM", {"dim": (44, "h", 0)}),
    "size negative": ("NII_DIM", {"dim": (44, "h", -8)}),
    "more voxels than bytes": ("NII_TRUNCATED", {"dim": (44, "h", 9)}),
    "fewer voxels than bytes": ("NII_LENGTH", {"dim": (44, "h", 7)}),
    "too large": ("IMG_TOO_LARGE", {"dim": (42, "hhh", [30000, 30000, 30000])}),
    "five dimensions": ("NII_4D", {"dim": (40, "hhhhhh", [5, 10, 8, 3, 1, 2])}),
    "complex": ("NII_DTYPE", {"type": (70, "hh", [32, 64])}),
    "rgb": ("NII_DTYPE", {"type": (70, "hh", [128, 24])}),
    "unknown type": ("NII_DTYPE", {"type": (70, "h", 9999)}),
    "bits of another type": ("NII_DTYPE", {"bits": (72, "h", 8)}),
    "slope infinite": ("NII_SLOPE", {"slope": (112, "f", np.inf)}),
    "intercept infinite": ("NII_SLOPE", {"slope": (112, "ff", [2.0, np.inf])}),
    "offset negative": ("NII_OFFSET", {"offset": (108, "f", -352)}),
    "offset inside header": ("NII_OFFSET", {"offset": (108, "f", 0)}),
    "offset fractional": ("NII_OFFSET", {"offset": (108, "f", 352.5)}),
    "offset far away": ("NII_OFFSET", {"offset": (108, "f", 1e9)}),
    "offset nan": ("NII_OFFSET", {"offset": (108, "f", np.nan)}),
    "spacing 0": ("NII_PIXDIM", {"pixdim": (80, "f", 0)}),
    "spacing negative": ("NII_PIXDIM", {"pixdim": (80, "f", -1)}),
    "spacing nan": ("NII_PIXDIM", {"pixdim": (80, "f", np.nan)}),
    "sform nan": ("NII_AFFINE", {"sform": (292, "f", np.nan)}),
    "sform singular": ("NII_AFFINE", {"sform": (280, "ffff", [0, 0, 0, 0])}),
    "quaternion too long": ("NII_AFFINE", {"quatern": (256, "fff", [1.5, 1, 1])}),
    "shear": ("NII_SHEAR", {"code": (252, "h", 0), "sform": (284, "f", 0.2)}),
    "forms disagree": ("NII_QS_CONFLICT", {"sform": (280, "f", -1)}),
    "forms shifted": ("NII_QS_CONFLICT", {"sform": (292, "f", 5)}),
    "no orientation": ("NII_NO_ORIENTATION", {"codes": (252, "hh", [0, 0])}),
    "metres": ("IMG_SPACING", {"unit": (123, "b", 1)}),
    "two-file": ("NII_NOT_NIFTI", {"magic": (344, "4s", b"ni1\0")}),
    "no magic": ("NII_NOT_NIFTI", {"magic": (344, "4s", b"abcd")}),
    "no header size": ("NII_NOT_NIFTI", {"size": (0, "i", 1)}),
}


@pytest.mark.parametrize("name", HEADER_FAULTS)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_each_header_fault_is_refused_by_its_code(tmp_path, name, suffix):
    code, fields = HEADER_FAULTS[name]
    fields = {k: (p, f, v if isinstance(v, list) else [v]) for k, (p, f, v) in fields.items()}
    content = bytearray(nifti_bytes())
    for place, form, value in fields.values():
        struct.pack_into("<" + form, content, place, *value)
    start = time.perf_counter()
    assert code_of(write(tmp_path, bytes(content), "image" + suffix)) == code
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("spacing", [0.15, 12.0])
def test_spacing_that_can_only_be_a_unit_error_is_refused(tmp_path, spacing):
    affine = np.diag([spacing, 1.0, 1.0, 1.0])
    assert code_of(write(tmp_path, nifti_bytes(affine=affine))) == "IMG_SPACING"


def test_extreme_anisotropy_is_refused_and_the_limits_are_not(tmp_path):
    sheet = np.diag([0.3, 0.3, 6.5, 1.0])
    assert code_of(write(tmp_path, nifti_bytes(affine=sheet))) == "IMG_SPACING"
    for spacing in (0.2, 10.0):
        path = write(tmp_path, nifti_bytes(affine=np.diag([spacing] * 3 + [1.0])))
        assert read_nifti(path).grid.spacing_mm == pytest.approx((spacing,) * 3)


@pytest.mark.parametrize("content", [b"", b"junk", b"a,b,c\n" * 200, b"\0" * 1000])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_files_that_are_not_nifti(tmp_path, content, suffix):
    assert code_of(write(tmp_path, content, "image" + suffix)) == "NII_NOT_NIFTI"


@pytest.mark.parametrize("kept", [100, 347, 352, 500, 1311])
def test_cut_plain_file(tmp_path, kept):
    path = write(tmp_path, nifti_bytes()[:kept])
    assert code_of(path) == ("NII_NOT_NIFTI" if kept < 348 else "NII_TRUNCATED")


def test_truncation_names_both_lengths(tmp_path):
    with pytest.raises(InputError, match=r"1000 bytes; expected 1312 by its header"):
        load_images(write(tmp_path, nifti_bytes()[:1000]))


@pytest.mark.parametrize("cut", [1, 4, 8, 9, 60])
def test_cut_compressed_file(tmp_path, cut):
    content = gzip.compress(nifti_bytes())
    (tmp_path / "image.nii.gz").write_bytes(content[:-cut])
    assert code_of(tmp_path / "image.nii.gz") == "NII_TRUNCATED"


@pytest.mark.parametrize("place", [-1, -5, -8])
def test_damaged_checksum_or_length(tmp_path, place):
    content = bytearray(gzip.compress(nifti_bytes()))
    content[place] ^= 1
    (tmp_path / "image.nii.gz").write_bytes(content)
    assert code_of(tmp_path / "image.nii.gz") == "NII_GZIP_CRC"


def test_garbage_after_the_compressed_stream_is_refused_but_padding_is_not(tmp_path):
    path = tmp_path / "image.nii.gz"
    path.write_bytes(gzip.compress(nifti_bytes()) + b"garbage")
    assert code_of(path) == "NII_GZIP_CRC"
    path.write_bytes(gzip.compress(nifti_bytes()) + b"\0" * 512)
    assert read_nifti(path).arrays[0].max() == 479


def test_several_gzip_members_are_one_stream(tmp_path):
    content = nifti_bytes()
    parts = [content[:300], content[300:700], content[700:]]
    (tmp_path / "image.nii.gz").write_bytes(b"".join(map(gzip.compress, parts)))
    assert read_nifti(tmp_path / "image.nii.gz").arrays[0].max() == 479


def test_names_that_contradict_the_content_are_mended_and_said(tmp_path):
    plain = tmp_path / "plain.nii.gz"
    plain.write_bytes(nifti_bytes())
    packed = tmp_path / "packed.nii"
    packed.write_bytes(gzip.compress(nifti_bytes()))
    for path in (plain, packed):
        nifti = read_nifti(path)
        assert nifti.arrays[0].max() == 479
        assert "NII_NOT_GZIP" in found(nifti.notes, NoteKind.FIX)


def test_bombs_are_refused_at_once(tmp_path):
    header = bytearray(nifti_bytes())[:352]
    struct.pack_into("<hhh", header, 42, 1024, 1024, 1024)
    small = nifti_bytes()
    packer = zlib.compressobj(9, wbits=31)
    zeros = b"".join(packer.compress(b"\0" * 2**20) for _ in range(300)) + packer.flush()
    declared, hidden = tmp_path / "declared.nii.gz", tmp_path / "hidden.nii.gz"
    declared.write_bytes(gzip.compress(bytes(header)) + zeros)
    hidden.write_bytes(gzip.compress(small) + zeros)
    start = time.perf_counter()
    assert code_of(declared) == "IMG_TOO_LARGE"
    assert code_of(hidden) == "NII_LENGTH"
    assert time.perf_counter() - start < 1


def test_declared_size_a_small_file_cannot_hold_is_refused_before_decompression(tmp_path):
    header = bytearray(nifti_bytes())[:352]
    struct.pack_into("<hhh", header, 42, 400, 400, 400)
    assert code_of(write(tmp_path, bytes(header), "image.nii.gz")) == "NII_TRUNCATED"
    struct.pack_into("<hhhhh", header, 40, 4, 500, 500, 500, 4)
    struct.pack_into("<hh", header, 70, 64, 64)
    (tmp_path / "image.nii.gz").write_bytes(gzip.compress(bytes(header)) + b"\0" * 4_000_000)
    assert code_of(tmp_path / "image.nii.gz") == "IMG_TOO_LARGE"


def test_limit_of_voxels_is_the_callers(tmp_path):
    path = write(tmp_path, nifti_bytes())
    with pytest.raises(InputError) as caught:
        read_nifti(path, max_voxels=479)
    assert caught.value.code == "IMG_TOO_LARGE"
    assert read_nifti(path, max_voxels=480).grid.size == (10, 8, 6)


def test_last_dimension_of_one_is_squeezed_and_said(tmp_path):
    array = np.arange(480, dtype=np.int16).reshape(10, 8, 6, 1)
    nifti = read_nifti(write(tmp_path, nifti_bytes(dim=(40, "hhhhh", [4, 10, 8, 6, 1]))))
    assert found(nifti.notes, NoteKind.FIX) == ["NII_SQUEEZED"]
    assert np.array_equal(nifti.arrays[0], array[..., 0].transpose(2, 1, 0))


def test_slight_shear_is_straightened_and_said(tmp_path):
    content = bytearray(nifti_bytes())
    struct.pack_into("<h", content, 252, 0)
    struct.pack_into("<f", content, 284, 0.01)
    nifti = read_nifti(write(tmp_path, bytes(content)))
    assert "NII_SHEAR" in found(nifti.notes, NoteKind.FIX)
    assert np.allclose(nifti.grid.axes.T @ nifti.grid.axes, np.eye(3), atol=1e-12)


def test_denormal_direction_cosines_do_not_make_itk_complain(tmp_path, capfd):
    content = bytearray(nifti_bytes())
    struct.pack_into("<h", content, 252, 0)
    struct.pack_into("<f", content, 284, 1e-41)
    (raw,) = load_images(write(tmp_path, bytes(content)))
    assert raw.image.GetDirection() == (-1, 0, 0, 0, -1, 0, 0, 0, 1)
    assert capfd.readouterr().err == ""


def test_only_one_of_the_two_forms_is_enough(tmp_path):
    affine = TO_RAS @ make_grid(orientation="oblique", spacing_mm=(1.0, 1.5, 3.0)).affine
    grids = []
    for place in (252, 254):
        content = bytearray(nifti_bytes(affine=affine))
        struct.pack_into("<h", content, place, 0)
        grids.append(read_nifti(write(tmp_path, bytes(content))).grid)
    assert grids[0].same_as(grids[1], tol_mm=1e-4)


def test_spacing_field_beside_another_sform_is_warned_of(tmp_path):
    content = bytearray(nifti_bytes())
    struct.pack_into("<h", content, 252, 0)
    struct.pack_into("<f", content, 80, 2.0)
    nifti = read_nifti(write(tmp_path, bytes(content)))
    assert nifti.grid.spacing_mm[0] == 1.0
    assert "NII_PIXDIM" in found(nifti.notes, NoteKind.WARNING)


def test_field_of_view_is_warned_of(tmp_path):
    tiny = read_nifti(write(tmp_path, nifti_bytes()))
    assert "FOV_UNUSUAL" in found(tiny.notes, NoteKind.WARNING)
    usual = read_nifti(write(tmp_path, nifti_bytes(affine=np.diag([10.0, 10, 10, 1]))))
    assert "FOV_UNUSUAL" not in found(usual.notes)


def test_extensions_are_counted_and_dropped(tmp_path):
    image = nib.Nifti1Image(np.arange(24, dtype=np.int16).reshape(4, 3, 2), np.eye(4))
    image.set_sform(np.eye(4), 1)
    for text in (b"PATIENTX", b"PATIENTX again"):
        image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", text))
    image.header["descrip"] = b"PATIENTX"
    path = write(tmp_path, image.to_bytes(), "image.nii.gz")
    (raw,) = load_images(path)
    notes = [note for note in raw.notes if note.code == "NII_EXTENSION"]
    assert [note.found for note in notes] == ["2 header extensions were not read"]
    assert "PATIENTX" not in repr(raw)
    assert raw.image.GetMetaDataKeys() == ()


def test_rare_nan_becomes_zero_and_many_are_refused(tmp_path):
    array = np.random.default_rng(1).normal(50, 5, (20, 20, 20)).astype(np.float32)
    array[3, 4, 5] = np.nan
    (raw,) = load_images(write(tmp_path, nifti_bytes(array)))
    assert raw.image[3, 4, 5] == 0
    assert raw.background is not None
    assert raw.background[3, 4, 5] == 1
    (volume,), _ = load_volumes(tmp_path / "image.nii", Sequence.T2)
    assert volume.background is not None
    assert np.isnan(load_adc_image(tmp_path / "image.nii")[0][3, 4, 5])
    assert "NONFINITE" in found(raw.notes, NoteKind.FIX)
    array[0, :9, 0] = np.nan
    assert code_of(write(tmp_path, nifti_bytes(array))) == "NONFINITE"
    array[0, :9, 0], array[9, 9, 9] = 1, np.inf
    assert code_of(write(tmp_path, nifti_bytes(array))) == "NONFINITE"


def test_values_beyond_float32_are_refused(tmp_path):
    array = np.ones((5, 5, 5))
    array[0, 0, 0] = 1e300
    assert code_of(write(tmp_path, nifti_bytes(array))) == "NONFINITE"


def test_constant_image_is_refused(tmp_path):
    assert code_of(write(tmp_path, nifti_bytes(np.ones((5, 5, 5))))) == "IMG_CONSTANT"


def test_things_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.nii")
    assert code_of(tmp_path / "pipe.nii") == "NOT_A_FILE"
    (tmp_path / "loop.nii").symlink_to(tmp_path / "loop.nii")
    assert code_of(tmp_path / "loop.nii") == "NOT_A_FILE"
    (tmp_path / "dangling.nii").symlink_to(tmp_path / "nowhere")
    assert code_of(tmp_path / "dangling.nii") == "MISSING_FILE"
    assert code_of(tmp_path / "absent.nii") == "MISSING_FILE"
    assert code_of(tmp_path, read_nifti) == "NOT_A_FILE"
    assert code_of(Path("/dev/zero"), read_nifti) == "NOT_A_FILE"
    assert code_of(tmp_path / ("x" * 300)) == "PATH_TOO_LONG"
    with pytest.raises(InputError) as caught:
        load_images(tmp_path / "a\0b")
    assert caught.value.code == "MISSING_FILE"


def test_a_link_to_an_image_is_an_image(tmp_path):
    write(tmp_path, nifti_bytes())
    (tmp_path / "link.nii").symlink_to(tmp_path / "image.nii")
    assert read_nifti(tmp_path / "link.nii").arrays[0].max() == 479


def test_unreadable_file(tmp_path, monkeypatch):
    path = write(tmp_path, nifti_bytes())
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert code_of(path) == "FILE_UNREADABLE"


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path, nifti_bytes())
    from radresp.io import nifti

    def meddle(*arguments):
        os.utime(path, ns=(1, 1))
        return original(*arguments)

    original = nifti._header_and_data
    monkeypatch.setattr(nifti, "_header_and_data", meddle)
    assert code_of(path) == "INPUT_CHANGED"


def dwi_file(folder: Path, bvals: str | None, bvecs: str | None = None, volumes: int = 4) -> Path:
    rng = np.random.default_rng(2)
    array = rng.integers(1, 500, (6, 5, 4, volumes)).astype(np.int16)
    path = write(folder, nifti_bytes(array), "dwi.nii.gz")
    for name, text in (("dwi.bval", bvals), ("dwi.bvec", bvecs)):
        if text is not None:
            (folder / name).write_text(text)
    return path


def test_volumes_with_b_values_are_split_sorted_and_combined(tmp_path):
    path = dwi_file(tmp_path, "800 0 800 400\n", "1 0 0 1\n0 0 1 0\n0 0 0 0\n")
    stored = nib.load(path).get_fdata()
    volumes, step = load_volumes(path, Sequence.DWI)
    assert [volume.b_s_per_mm2 for volume in volumes] == [0, 400, 800]
    assert np.array_equal(volumes[0].array, stored[..., 1].transpose(2, 1, 0))
    geometric = np.sqrt(stored[..., 0] * stored[..., 2]).transpose(2, 1, 0)
    assert np.allclose(volumes[2].array, geometric, rtol=1e-5)
    assert step.settings["b_values"] == {"0": 4, "400": 4, "800": 8}
    assert "DWI_REPEATS" in found(step.notes)


def test_repeats_without_directions_are_averaged(tmp_path):
    path = dwi_file(tmp_path, "0 800 800 800")
    stored = nib.load(path).get_fdata()
    volumes, _ = load_volumes(path, Sequence.DWI)
    mean = stored[..., 1:].mean(axis=-1).transpose(2, 1, 0)
    assert np.allclose(volumes[1].array, mean, rtol=1e-6)


@pytest.mark.parametrize(
    ("bvals", "bvecs", "code"),
    [
        (None, None, "NII_4D"),
        ("0 800", None, "DWI_BVALUE_MISSING"),
        ("0 800 x 5", None, "DWI_BVALUE_MISSING"),
        ("", None, "DWI_BVALUE_MISSING"),
        ("0 800 nan 5", None, "DWI_BVALUE_MISSING"),
        ("0 800 -1 5", None, "DWI_BVALUE_MISSING"),
        ("0 800 1e9 5", None, "DWI_BVALUE_MISSING"),
        ("0 " * 200_000, None, "DWI_BVALUE_MISSING"),
        ("0 400 800 800", "1 0 0", "DWI_BVALUE_MISSING"),
    ],
)
def test_several_volumes_need_as_many_b_values(tmp_path, bvals, bvecs, code):
    with pytest.raises(InputError) as caught:
        load_images(dwi_file(tmp_path, bvals, bvecs))
    assert caught.value.code == code


def test_roles_of_nifti_files(tmp_path):
    path = write(tmp_path, nifti_bytes())
    (volume,), step = load_volumes(path, Sequence.T2)
    assert (volume.sequence, step.settings["file"]) == (Sequence.T2, "image.nii")
    assert step.settings["matrix"] == [10, 8, 6]
    assert code_of(path, lambda p: load_volumes(p, Sequence.DWI)) == "DWI_BVALUE_MISSING"
    image, _ = load_adc_image(path)
    assert image.GetSize() == (10, 8, 6)
    (tmp_path / "image.bval").write_text("800")
    assert load_volumes(path, Sequence.DWI)[0][0].b_s_per_mm2 == 800
    assert code_of(path, lambda p: load_volumes(p, Sequence.T2)) == "ROLE_MISMATCH"
    assert code_of(path, load_adc_image) == "ROLE_MISMATCH"


def test_random_damage_never_raises_anything_else(tmp_path):
    rng = np.random.default_rng(7)
    sound = {
        "image.nii": nifti_bytes(),
        "image.nii.gz": nifti_bytes(kind=nib.Nifti2Image),
    }
    outcomes: dict[str, int] = {}
    for number in range(1500):
        name = list(sound)[number % 2]
        content = bytearray(sound[name])
        for place in rng.integers(0, 540 if number % 2 else 352, rng.integers(1, 9)):
            content[place] = rng.integers(256)
        packed = bytearray(content)
        if name.endswith(".gz"):
            packed = bytearray(gzip.compress(bytes(content), 1))
            if number % 10 == 1:
                packed[rng.integers(len(packed))] ^= 1 << rng.integers(8)
        path = tmp_path / name
        path.write_bytes(packed)
        try:
            (raw,) = load_images(path)
        except RadrespError as error:
            outcomes[error.code] = outcomes.get(error.code, 0) + 1
            continue
        outcomes["read"] = outcomes.get("read", 0) + 1
        assert np.isfinite(sitk.GetArrayViewFromImage(raw.image)).all()
        assert int(np.prod(raw.image.GetSize())) == 480
    assert len(outcomes) > 8, outcomes


REAL = [
    ("openms_longitudinal", "patient01", "study1_FLAIR.nii.gz"),
    ("sts_025_mr_rtstruct", "MR_T1_image.nii.gz"),
    ("prostatex_0001", "masks", "gland_AI_Bosma22b.nii.gz"),
]


@pytest.mark.parametrize("place", REAL)
def test_real_files_equal_simpleitk(place):
    path = shared_data(*place)
    image = sitk.ReadImage(str(path))
    nifti = read_nifti(path)
    assert np.array_equal(sitk.GetArrayFromImage(image).astype(np.float32), nifti.arrays[0])
    assert Grid.of(image).same_as(nifti.grid)
