"""The DICOM series reader: sound series are read exactly, each fault is refused by its code."""

from __future__ import annotations

import os
import shutil
import struct
import time

import builders_dicom as make
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from builders import shared_data
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    generate_uid,
)

from radresp.core import Grid, NoteKind, Sequence
from radresp.errors import InputError, RadrespError
from radresp.io.dicom_series import read_series
from radresp.io.images import load_adc_image, load_images, load_volumes


def codes(notes, kind=None):
    return [note.code for note in notes if kind in (None, note.kind)]


def all_notes(series):
    return [note for volume in series.volumes for note in volume.notes] + list(series.notes)


def test_a_series_is_read_voxel_by_voxel_with_its_geometry(tmp_path):
    series = read_series(make.write_series(tmp_path / "t2", make.make_series()))
    (volume,) = series.volumes
    expected = np.stack([make.picture(index) for index in range(make.SLICES)])
    assert np.array_equal(volume.array, expected.astype(np.float32))
    assert volume.grid.spacing_mm == pytest.approx((1.25, 1.5, 3.0), abs=1e-6)
    assert volume.grid.origin_mm == pytest.approx(tuple(make.ORIGIN))
    axes = np.column_stack([make.ROW, make.COLUMN, make.NORMAL])
    assert np.allclose(volume.grid.axes, axes, atol=1e-9)
    assert series.kind == "t2"
    assert codes(all_notes(series), NoteKind.FIX) == []


def test_equal_to_simpleitk_on_a_sound_series(tmp_path):
    folder = make.write_series(tmp_path / "t2", make.make_series())
    image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    (volume,) = read_series(folder).volumes
    assert np.array_equal(sitk.GetArrayFromImage(image), volume.array)
    assert Grid.of(image).same_as(volume.grid, tol_mm=1e-5)


def test_b_values_split_and_sorted_from_the_private_tag(tmp_path):
    folder = make.write_series(tmp_path / "dwi", make.make_series("dwi", b_values=(800, 50, 400)))
    volumes, step = load_volumes(folder, Sequence.DWI)
    assert [volume.b_s_per_mm2 for volume in volumes] == [50, 400, 800]
    for volume in volumes:
        expected = make.picture(3, volume.b_s_per_mm2)
        assert np.array_equal(volume.array[3], expected.astype(np.float32))
    assert step.settings["b_values"] == {"50": 6, "400": 6, "800": 6}
    assert step.settings["field_strength_t"] == 3.0
    assert step.settings["echo_time_ms"] == 63.0
    assert step.settings["spacing_mm"] == [1.25, 1.5, 3.0]


def _siemens_bytes(dataset, b):
    dataset[0x0019100C].VR = "UN"
    dataset[0x0019100C].value = f"{b:g} ".encode()


def _siemens_other_block(dataset, b):
    dataset.remove_private_tags()
    dataset.private_block(0x0019, "SOMEONE ELSE", create=True).add_new(0x0C, "LO", "7")
    dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", int(b))


def _siemens_without_creator(dataset, b):
    _siemens_bytes(dataset, b)
    del dataset[0x00190010]


def _standard(dataset, b):
    dataset.remove_private_tags()
    dataset.DiffusionBValue = b


def _ge(dataset, b):
    dataset.remove_private_tags()
    dataset.Manufacturer = "GE MEDICAL SYSTEMS"
    dataset.add_new(0x00430010, "LO", "GEMS_PARM_01")
    dataset.add_new(0x00431039, "UN", f"{1_000_000_000 + b}\\8\\0\\0 ".encode())


def _philips(dataset, b):
    dataset.remove_private_tags()
    dataset.Manufacturer = "Philips Healthcare"
    dataset.add_new(0x20011003, "UN", struct.pack("<f", b))


@pytest.mark.parametrize(
    "tag",
    [
        _siemens_bytes,
        _siemens_other_block,
        _siemens_without_creator,
        _standard,
        _ge,
        _philips,
    ],
)
@pytest.mark.parametrize("implicit", [False, True])
def test_b_value_of_every_vendor_and_encoding(tmp_path, tag, implicit):
    datasets = make.make_series("dwi", b_values=(0, 1000))
    for index, dataset in enumerate(datasets):
        tag(dataset, 0 if index < make.SLICES else 1000)
        if implicit:
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    images = load_images(make.write_series(tmp_path / "dwi", datasets))
    assert [image.b_s_per_mm2 for image in images] == [0, 1000]


@pytest.mark.parametrize("name", make.FAULTS)
def test_each_fault_is_refused_by_its_code(tmp_path, name):
    fault = make.FAULTS[name]
    folder = fault.write(tmp_path / "series")
    start = time.perf_counter()
    with pytest.raises(InputError) as caught:
        load_images(folder)
    assert caught.value.code == fault.code
    assert caught.value.file is not None
    assert make.CANARY not in str(caught.value.record())
    assert str(tmp_path) not in caught.value.message
    assert time.perf_counter() - start < 2


def test_messages_carry_the_facts(tmp_path):
    def message(name):
        with pytest.raises(InputError) as caught:
            read_series(make.FAULTS[name].write(tmp_path / name.replace(" ", "_")))
        return str(caught.value)

    assert f"{make.SHEAR_DEGREES:.2f} degrees" in message("shear")
    assert "a gap of 6 mm" in message("gap")
    assert "#1 t2, 6 slices, 6 images; #2 dwi, 6 slices, 18 images" in message("two series")
    assert "MPEG2" in message("film")
    assert "without a usable Rows" in message("no rows")
    assert f"expected {make.ROWS * make.COLUMNS * 2}" in message("truncated pixels")
    assert "2.8 to 3.2 mm, median 3 mm" in message("uneven spacing")


def test_other_files_are_skipped_with_a_warning_and_dicomdir_and_hidden_ones_ignored(tmp_path):
    folder = make.write_series(tmp_path / "t2", make.make_series())
    (folder / "report.pdf").write_bytes(b"%PDF-1.4")
    (folder / "empty.dcm").write_bytes(b"")
    (folder / ".DS_Store").write_bytes(b"junk")
    shutil.copy(folder / "im000.dcm", folder / "DICOMDIR")
    series = read_series(folder)
    skipped = [note for note in series.notes if note.code == "DCM_NOT_DICOM"]
    assert [note.file for note in skipped] == ["empty.dcm", "report.pdf"]
    assert {note.kind for note in skipped} == {NoteKind.WARNING}
    assert series.volumes[0].grid.size[2] == make.SLICES


def test_pipe_in_a_folder_does_not_hang(tmp_path):
    folder = make.write_series(tmp_path / "t2", make.make_series())
    os.mkfifo(folder / "pipe")
    with pytest.raises(InputError) as caught:
        read_series(folder)
    assert caught.value.code == "NOT_A_FILE"


@pytest.mark.parametrize(("name", "code"), [("nothing", "MISSING_FILE"), (".", "DCM_NOT_DICOM")])
def test_folder_without_dicom(tmp_path, name, code):
    with pytest.raises(InputError) as caught:
        read_series(tmp_path / name)
    assert caught.value.code == code


def test_identical_copies_are_dropped_and_said(tmp_path):
    folder = make.write_series(tmp_path / "t2", make.make_series())
    shutil.copy(folder / "im001.dcm", folder / "copy.dcm")
    again = pydicom.dcmread(folder / "im002.dcm")
    again.SOPInstanceUID = again.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    again.save_as(folder / "resent.dcm")
    series = read_series(folder)
    assert series.volumes[0].grid.size[2] == make.SLICES
    assert codes(all_notes(series), NoteKind.FIX) == ["DCM_DUPLICATE", "DCM_DUPLICATE"]


def test_same_instance_with_other_pixels_is_refused(tmp_path):
    datasets = make.make_series()
    extra = make.make_series()[2]
    extra.SeriesInstanceUID = datasets[2].SeriesInstanceUID
    extra.SOPInstanceUID = datasets[2].SOPInstanceUID
    make.set_pixels(extra, make.picture(9))
    with pytest.raises(InputError) as caught:
        read_series(make.write_series(tmp_path / "t2", [*datasets, extra]))
    assert caught.value.code == "DCM_DUP_POSITION"


def test_positions_win_over_instance_numbers(tmp_path):
    datasets = make.make_series()
    for dataset, number in zip(datasets, (3, 1, 2, 6, 5, 4), strict=True):
        dataset.InstanceNumber = number
    series = read_series(make.write_series(tmp_path / "t2", datasets))
    assert np.array_equal(series.volumes[0].array[2], make.picture(2).astype(np.float32))
    assert codes(all_notes(series), NoteKind.FIX) == ["DCM_ORDER"]


def test_descending_numbers_are_no_contradiction(tmp_path):
    datasets = make.make_series()
    for number, dataset in enumerate(reversed(datasets)):
        dataset.InstanceNumber = number
    series = read_series(make.write_series(tmp_path / "t2", datasets))
    assert "DCM_ORDER" not in codes(all_notes(series))


def test_each_slice_keeps_its_own_rescaling_with_fractions(tmp_path):
    datasets = make.make_series()
    for index, dataset in enumerate(datasets):
        dataset.RescaleSlope, dataset.RescaleIntercept = f"{1 + index / 10:.1f}", "-3.5"
    series = read_series(make.write_series(tmp_path / "t2", datasets))
    expected = make.picture(4) * 1.4 - 3.5
    assert np.allclose(series.volumes[0].array[4], expected, rtol=1e-6)
    assert "DCM_RESCALE" in codes(series.notes)


@pytest.mark.parametrize(("offset", "noted"), [(0.003, True), (0.0001, False)])
def test_spacing_within_one_percent_is_accepted_and_noted(tmp_path, offset, noted):
    datasets = make.moving(3, offset * make.NORMAL)(make.make_series())
    series = read_series(make.write_series(tmp_path / "t2", datasets))
    assert ("DCM_SPACING" in codes(all_notes(series), NoteKind.WARNING)) is noted


def test_signed_pixels_with_and_without_sign_extension(tmp_path):
    stored = np.array([-5, -2048, 2047, 100], np.int16).repeat(42).reshape(14, 12)
    for name, bits in (("extended", stored), ("bare", stored & 0x0FFF)):
        datasets = make.make_series("adc")
        for dataset in datasets:
            make.set_pixels(dataset, bits)
        (volume,) = read_series(make.write_series(tmp_path / name, datasets)).volumes
        assert np.array_equal(volume.array[0], stored.astype(np.float32))


def test_run_length_encoded_pixels_are_decoded(tmp_path):
    datasets = make.make_series()
    for dataset in datasets:
        dataset.compress(RLELossless, generate_instance_uid=False)
    (volume,) = read_series(make.write_series(tmp_path / "t2", datasets)).volumes
    assert np.array_equal(volume.array[2], make.picture(2).astype(np.float32))


def test_damaged_compressed_pixels_are_refused(tmp_path):
    datasets = make.make_series()
    for dataset in datasets:
        dataset.compress(RLELossless, generate_instance_uid=False)
    content = bytearray(datasets[3].PixelData)
    content[20:60] = b"\x81" * 40
    datasets[3].PixelData = bytes(content)
    with pytest.raises(InputError) as caught:
        read_series(make.write_series(tmp_path / "t2", datasets))
    assert caught.value.code in ("DCM_CORRUPT", "DCM_TRUNCATED")


def test_deflated_data_set_is_refused_before_inflating(tmp_path):
    datasets = make.make_series()
    datasets[2].file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    with pytest.raises(InputError) as caught:
        read_series(make.write_series(tmp_path / "t2", datasets))
    assert caught.value.code == "DCM_CODEC"


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    folder = make.write_series(tmp_path / "t2", make.make_series())
    path = make.file_of(folder, 1)
    original = os.pread

    def slow_read(descriptor, *arguments):
        if os.path.sameopenfile(descriptor, (handle := path.open()).fileno()):
            os.utime(path, ns=(1, 1))
        handle.close()
        return original(descriptor, *arguments)

    monkeypatch.setattr("os.pread", slow_read)
    with pytest.raises(InputError) as caught:
        read_series(folder)
    assert caught.value.code == "INPUT_CHANGED"


def _with_directions(count, b=800):
    datasets = make.make_series("dwi", b_values=(0,))
    directions = np.eye(3)[:count]
    for number, direction in enumerate(directions):
        more = make.make_series("dwi", b_values=(b,))
        for index, dataset in enumerate(more):
            dataset.SeriesInstanceUID = datasets[0].SeriesInstanceUID
            dataset.InstanceNumber = 100 + 10 * number + index
            dataset.ImageType = ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]
            dataset.DiffusionGradientOrientation = list(direction)
            make.set_pixels(dataset, make.picture(index, b) * (number + 1))
        datasets += more
    return datasets


def test_directions_of_one_b_value_become_their_geometric_mean(tmp_path):
    folder = make.write_series(tmp_path / "dwi", _with_directions(3))
    images = load_images(folder)
    assert [image.b_s_per_mm2 for image in images] == [0, 800]
    expected = make.picture(2, 800) * 6 ** (1 / 3)
    got = sitk.GetArrayFromImage(images[1].image)[2]
    assert np.allclose(got, expected, rtol=1e-5)
    assert "b 800 is the geometric mean of 3 images" in [note.found for note in images[1].notes]


def test_a_missing_direction_is_refused(tmp_path):
    with pytest.raises(InputError) as caught:
        load_images(make.write_series(tmp_path / "dwi", _with_directions(3)[:-1]))
    assert caught.value.code == "DCM_COUNT"


def test_slices_that_lie_elsewhere_at_another_b_value_are_refused(tmp_path):
    datasets = make.make_series("dwi", b_values=(0, 800))
    for dataset in datasets[make.SLICES :]:
        make.moving(0, make.SLICE_SPACING * make.NORMAL)([dataset])
    with pytest.raises(InputError) as caught:
        load_images(make.write_series(tmp_path / "dwi", datasets))
    assert caught.value.code == "DCM_COUNT"


@pytest.mark.parametrize(
    ("kind", "sequence"),
    [("dwi", Sequence.T2), ("adc", Sequence.T2), ("t2", Sequence.DWI), ("adc", Sequence.DWI)],
)
def test_a_series_of_another_kind_is_refused_for_a_role(tmp_path, kind, sequence):
    folder = make.write_series(tmp_path / kind, make.make_series(kind))
    with pytest.raises(InputError) as caught:
        load_volumes(folder, sequence)
    assert caught.value.code == "ROLE_MISMATCH"
    assert "echo time" in str(caught.value)


@pytest.mark.parametrize("kind", ["t2", "dwi"])
def test_adc_role_refuses_other_kinds(tmp_path, kind):
    with pytest.raises(InputError) as caught:
        load_adc_image(make.write_series(tmp_path / kind, make.make_series(kind)))
    assert caught.value.code == "ROLE_MISMATCH"


def test_adc_map_is_read_as_stored(tmp_path):
    image, step = load_adc_image(make.write_series(tmp_path / "adc", make.make_series("adc")))
    assert sitk.GetArrayFromImage(image)[1, 2, 3] == make.picture(1)[2, 3]
    assert (step.room, step.method, step.settings["kind"]) == ("io", "load_adc_image", "adc")


def test_volumes_of_the_adc_role_point_to_the_right_door(tmp_path):
    with pytest.raises(InputError, match="ADC map"):
        load_volumes(tmp_path, Sequence.ADC)


def _calculated(dataset):
    dataset.SequenceName = "*ep_b50_800"


def test_calculated_b_value_is_one_image_but_never_a_dwi_to_fit(tmp_path):
    datasets = make.make_series("dwi", b_values=(1400,))
    for dataset in datasets:
        _calculated(dataset)
    folder = make.write_series(tmp_path / "calc", datasets)
    assert [image.b_s_per_mm2 for image in load_images(folder)] == [1400]
    with pytest.raises(InputError) as caught:
        load_volumes(folder, Sequence.DWI)
    assert caught.value.code == "ROLE_MISMATCH"


def test_echo_planar_series_without_b_values_is_no_dwi(tmp_path):
    datasets = make.make_series("dwi", b_values=(800,))
    for dataset in datasets:
        dataset.remove_private_tags()
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    folder = make.write_series(tmp_path / "dwi", datasets)
    with pytest.raises(InputError) as caught:
        load_volumes(folder, Sequence.DWI)
    assert caught.value.code == "DWI_BVALUE_MISSING"


def test_a_t2_the_headers_do_not_prove_is_accepted_with_a_warning(tmp_path):
    datasets = make.setting(EchoTime=12)(make.make_series())
    _, step = load_volumes(make.write_series(tmp_path / "t1", datasets), Sequence.T2)
    assert "ROLE_UNPROVEN" in codes(step.notes, NoteKind.WARNING)


def test_no_patient_attribute_in_what_leaves(tmp_path):
    for kind, sequence in (("t2", Sequence.T2), ("dwi", Sequence.DWI)):
        datasets = make.make_series(kind)
        for dataset in datasets:
            dataset.ImageType = [*dataset.ImageType, make.CANARY]
            dataset.PatientPosition = make.CANARY
        volumes, step = load_volumes(make.write_series(tmp_path / kind, datasets), sequence)
        assert make.CANARY not in str(step.record())
        keys = {key for volume in volumes for key in volume.image.GetMetaDataKeys()}
        assert keys == set()


def test_library_warnings_do_not_tell_values(tmp_path, caplog, recwarn):
    folder = make.write_series(tmp_path / "t2", make.make_series())
    for path in folder.iterdir():
        series = pydicom.dcmread(path).SeriesInstanceUID.encode()
        wrong = make.CANARY.encode().ljust(len(series), b"x")
        path.write_bytes(path.read_bytes().replace(series, wrong))
    recwarn.clear()
    with caplog.at_level("DEBUG"):
        load_volumes(folder, Sequence.T2)
    assert caplog.records == []
    assert [str(warning.message) for warning in recwarn] == []


def test_random_damage_never_raises_anything_else(tmp_path):
    folder = make.write_series(tmp_path / "t2", make.make_series(slices=4))
    path = make.file_of(folder, 1)
    original = path.read_bytes()
    rng = np.random.default_rng(11)
    outcomes = set()
    for _ in range(150):
        content = bytearray(original)
        for place in rng.integers(132, len(content), rng.integers(1, 12)):
            content[place] = rng.integers(256)
        path.write_bytes(content[: rng.integers(140, len(content) + 1)])
        try:
            read_series(folder)
            outcomes.add("read")
        except RadrespError as error:
            outcomes.add(error.code)
    assert len(outcomes) > 3


REAL = [
    "prostatex_0001/dicom/t2_tra",
    "prostatex_0001/dicom/t2_tra_repeat",
    "prostatex_0001/dicom/adc",
    "prostatex_0001/dicom/dwi_calc_b",
    "qin_prostate_ge_adc/dicom_adc",
]


@pytest.mark.parametrize("place", REAL)
def test_real_series_equal_simpleitk(place):
    folder = shared_data(*place.split("/"))
    image = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    (volume,) = read_series(folder).volumes
    assert np.array_equal(sitk.GetArrayFromImage(image).astype(np.float32), volume.array)
    # GE writes direction cosines rounded to six digits, which are made right-angled here.
    assert Grid.of(image).same_as(volume.grid, tol_mm=0.005)


def test_real_siemens_dwi_has_three_b_values_of_19_slices():
    folder = shared_data("prostatex_0001", "dicom", "dwi_b50_400_800")
    volumes, step = load_volumes(folder, Sequence.DWI)
    assert step.settings["b_values"] == {"50": 19, "400": 19, "800": 19}
    assert [volume.grid.size for volume in volumes] == [(84, 128, 19)] * 3
    means = [float(volume.array.mean()) for volume in volumes]
    assert means == sorted(means, reverse=True)


@pytest.mark.parametrize("vendor", ["siemens_classic", "ge"])
def test_real_multivendor_dwi_equals_an_independent_conversion(vendor):
    folder = shared_data("multivendor_dwi_small", vendor)
    expected = load_images(folder / "expected.nii.gz")
    images = load_images(folder / "dicom")
    assert [image.b_s_per_mm2 for image in images] == [0, 1000]
    for mine, theirs in zip(images, expected, strict=True):
        still = sitk.Transform(3, sitk.sitkIdentity)
        same_place = sitk.Resample(theirs.image, mine.image, still, sitk.sitkNearestNeighbor)
        assert np.array_equal(
            sitk.GetArrayFromImage(same_place), sitk.GetArrayFromImage(mine.image)
        )


def test_real_fragment_of_two_slices_is_refused():
    with pytest.raises(InputError) as caught:
        load_images(shared_data("multivendor_dwi_small", "philips", "dicom"))
    assert caught.value.code == "DCM_MODALITY"


def test_real_folder_of_five_series_is_refused_with_a_table():
    with pytest.raises(InputError) as caught:
        load_images(shared_data("prostatex_0001", "dicom"))
    assert caught.value.code == "DCM_MULTI_SERIES"
    for kind in ("t2, 19 slices", "dwi, 19 slices, 57 images", "adc", "calculated_b"):
        assert kind in str(caught.value)
