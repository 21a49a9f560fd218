"""Multi-frame MR: frames are slices like any other, with the same values, geometry and faults."""

from __future__ import annotations

import builders_dicom as make
import builders_enhanced as enhanced
import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from radresp.core import NoteKind, Sequence
from radresp.errors import InputError
from radresp.io.dicom_series import read_series
from radresp.io.images import load_adc_image, load_images, load_volumes


def read(tmp_path, *datasets):
    return read_series(enhanced.write(tmp_path / "series", *datasets))


def notes_of(series):
    return [*series.notes, *(note for volume in series.volumes for note in volume.notes)]


def refusal(tmp_path, *datasets):
    with pytest.raises(InputError) as caught:
        read(tmp_path, *datasets)
    return caught.value


def same_series(one, two):
    assert one.kind == two.kind
    assert len(one.volumes) == len(two.volumes)
    for mine, theirs in zip(one.volumes, two.volumes, strict=True):
        assert np.array_equal(mine.array, theirs.array)
        assert mine.grid.same_as(theirs.grid, tol_mm=1e-6)
        assert mine.b_s_per_mm2 == theirs.b_s_per_mm2


@pytest.mark.parametrize("dataset", [enhanced.t2, enhanced.legacy])
def test_a_multi_frame_t2_is_the_same_as_its_classic_series(tmp_path, dataset):
    classic = read_series(make.write_series(tmp_path / "classic", make.make_series()))
    series = read(tmp_path, dataset())
    same_series(series, classic)
    names = ("echo_time_ms", "repetition_time_ms", "scanning_sequence", "field_strength_t")
    for name in names:
        assert series.attributes[name] == classic.attributes[name]


def test_a_legacy_converted_dwi_tells_its_private_b_values(tmp_path):
    classic = read_series(make.write_series(tmp_path / "classic", make.make_series("dwi")))
    same_series(read(tmp_path, enhanced.legacy("dwi")), classic)


def test_b_values_and_directions_of_every_frame(tmp_path):
    folder = enhanced.write(tmp_path / "dwi", enhanced.dwi((0, 50, 800)))
    volumes, step = load_volumes(folder, Sequence.DWI)
    assert [volume.b_s_per_mm2 for volume in volumes] == [0, 50, 800]
    assert step.settings["b_values"] == {"0": 6, "50": 18, "800": 18}
    trace = make.picture(2, 800) * 6 ** (1 / 3)  # frames hold 1, 2 and 3 times the picture
    assert np.allclose(volumes[2].array[2], trace, rtol=1e-3)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
def test_every_encoding_of_one_object_is_the_same(tmp_path, syntax):
    plain = read(tmp_path, enhanced.dwi())
    dataset = enhanced.dwi()
    if syntax is RLELossless:
        dataset.compress(RLELossless, generate_instance_uid=False)
    elif syntax is ExplicitVRBigEndian:
        stored = np.frombuffer(dataset.PixelData, "<u2")
        dataset.PixelData = stored.astype(">u2").tobytes()
        dataset.file_meta.TransferSyntaxUID = syntax
    else:
        dataset.file_meta.TransferSyntaxUID = syntax
    path = tmp_path / "other" / "im.dcm"
    path.parent.mkdir()
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    same_series(read_series(path.parent), plain)


def test_undefined_and_defined_lengths_of_sequences_are_the_same(tmp_path):
    plain, dataset = enhanced.t2(), enhanced.t2()
    dataset["PerFrameFunctionalGroupsSequence"].is_undefined_length = True
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        groups.is_undefined_length_sequence_item = True
        groups["PlanePositionSequence"].is_undefined_length = True
    same_series(read(tmp_path / "a", dataset), read(tmp_path / "b", plain))


def test_each_frame_keeps_its_own_rescaling(tmp_path):
    frames = [enhanced.frame(i, slope=1 + i / 10) for i in range(make.SLICES)]
    pictures = [make.picture(i) for i in range(make.SLICES)]
    series = read(tmp_path, enhanced.multi_frame(frames, pictures))
    assert np.allclose(series.volumes[0].array[4], make.picture(4) * 1.4, rtol=1e-6)
    assert "DCM_RESCALE" in [note.code for note in series.notes]


def test_philips_frames_are_placed_by_the_standard_groups_not_the_private_copy(tmp_path):
    dataset = enhanced.philips(enhanced.t2(), [2.0] * make.SLICES)
    series = read(tmp_path, dataset)
    assert series.volumes[0].grid.origin_mm == pytest.approx(tuple(make.ORIGIN))
    assert series.attributes["scanning_sequence"] == "SE"


def _moved(index, offset):
    def edit(dataset):
        groups = dataset.PerFrameFunctionalGroupsSequence[index]
        place = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float) + offset
        groups.PlanePositionSequence[0].ImagePositionPatient = [float(f"{v:.8g}") for v in place]

    return edit


def _without_frame(dataset):
    del dataset.PerFrameFunctionalGroupsSequence[2]
    dataset.NumberOfFrames = make.SLICES - 1
    dataset.PixelData = dataset.PixelData[: (make.SLICES - 1) * make.ROWS * make.COLUMNS * 2]


def _shear(dataset):
    for index in range(make.SLICES):
        _moved(index, index * 0.6 * make.ROW)(dataset)


def _tilted(dataset):
    groups = dataset.PerFrameFunctionalGroupsSequence[3]
    groups.PlaneOrientationSequence = enhanced.item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])


def _other_spacing(dataset):
    groups = dataset.PerFrameFunctionalGroupsSequence[3]
    groups.PixelMeasuresSequence = enhanced.item(PixelSpacing=[2.0, 2.0])


def _no_position(dataset):
    del dataset.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence


def _too_few_groups(dataset):
    del dataset.PerFrameFunctionalGroupsSequence[3]


def _cut(dataset):
    dataset.PixelData = dataset.PixelData[:-100]


def _mixed(dataset):
    frame = dataset.PerFrameFunctionalGroupsSequence[3]
    frame.MRImageFrameTypeSequence[0].FrameType = ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]


def _colour(dataset):
    dataset.SamplesPerPixel = 3
    dataset.PixelData = dataset.PixelData * 3


def ordered_t2():
    frames = [enhanced.frame(i) for i in range(make.SLICES)]
    return enhanced.multi_frame(frames, [make.picture(i) for i in range(make.SLICES)])


@pytest.mark.parametrize(
    ("edit", "code", "words"),
    [
        (_without_frame, "DCM_GAP", "a gap of 6 mm"),
        (_moved(3, 0.2 * make.NORMAL), "DCM_SPACING", "2.8 to 3.2 mm"),
        (_moved(3, -3 * make.NORMAL), "DCM_DUP_POSITION", "frame 3 and im000.dcm frame 4"),
        (_shear, "DCM_SHEAR", "degrees"),
        (_tilted, "DCM_ORIENTATION", "differ by"),
        (_other_spacing, "DCM_MATRIX", "2 x 2 mm"),
        (_no_position, "DCM_NO_GEOMETRY", "ImagePositionPatient"),
        (_too_few_groups, "DCM_INCOMPLETE", "groups of 5 frames where 6 are declared"),
        (_cut, "DCM_TRUNCATED", "236 bytes of pixels for frame 6; expected 336"),
        (_mixed, "DCM_MIXED_TYPES", "1 ADC"),
        (_colour, "DCM_PIXELS", "3 samples"),
    ],
)
def test_geometry_and_content_are_checked_as_in_classic_series(tmp_path, edit, code, words):
    dataset = ordered_t2()
    edit(dataset)
    error = refusal(tmp_path, dataset)
    assert error.code == code
    assert words in str(error)
    assert make.CANARY not in str(error.record())


def test_an_enhanced_series_in_several_files_is_one_series(tmp_path):
    one, two = ordered_t2(), ordered_t2()
    for dataset, kept in ((one, slice(0, 3)), (two, slice(3, 6))):
        dataset.PerFrameFunctionalGroupsSequence = dataset.PerFrameFunctionalGroupsSequence[kept]
        size = 2 * make.ROWS * make.COLUMNS
        dataset.PixelData = dataset.PixelData[kept.start * size : kept.stop * size]
        dataset.NumberOfFrames = 3
    two.SeriesInstanceUID = one.SeriesInstanceUID
    same_series(read(tmp_path / "two", one, two), read(tmp_path / "one", ordered_t2()))


def _stacks(offset, count=4):
    """Two stacks of parallel slices, the second shifted sideways by an offset."""
    frames = [enhanced.frame(i, stack="1") for i in range(count)]
    second = [enhanced.frame(i + count, stack="2") for i in range(count)]
    dataset = enhanced.multi_frame(frames + second, [make.picture(i) for i in range(2 * count)])
    for index in range(count, 2 * count):
        _moved(index, offset)(dataset)
    return dataset


def test_stacks_that_continue_each_other_are_one_volume(tmp_path):
    (volume,) = read(tmp_path, _stacks(0 * make.ROW)).volumes
    assert volume.grid.size[2] == 8


def test_stacks_that_do_not_form_one_grid_are_refused(tmp_path):
    error = refusal(tmp_path, _stacks(20 * make.ROW))
    assert error.code == "DCM_STACKS"
    assert "2 stacks of 4, 4 images" in str(error)


def test_three_stacks_at_right_angles_are_a_localizer_and_never_a_t2(tmp_path):
    axes = ([1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 0, -1])
    frames = []
    for number, orientation in enumerate(axes):
        for index in range(4):
            groups = enhanced.frame(index, stack=str(number))
            groups.PlaneOrientationSequence = enhanced.item(ImageOrientationPatient=orientation)
            frames.append(groups)
    dataset = enhanced.multi_frame(frames, [make.picture(i) for i in range(12)])
    error = refusal(tmp_path, dataset)
    assert (error.code, "localizer" in str(error)) == ("DCM_MODALITY", True)


def test_the_scanners_trace_is_used_and_its_directions_are_left_out(tmp_path):
    frames, pictures = [], []
    types = ("ORIGINAL", "PRIMARY", "DIFFUSION", "NONE")
    for index in range(make.SLICES):
        frames.append(enhanced.frame(index, 0, None, types))
        pictures.append(make.picture(index))
        for number, axis in enumerate([*np.eye(3), None]):
            groups = enhanced.frame(index, 800, None if axis is None else list(axis), types)
            if axis is None:
                groups.MRDiffusionSequence[0].DiffusionDirectionality = "ISOTROPIC"
            frames.append(groups)
            pictures.append((make.picture(index, 800) * (number + 1)).astype(np.uint16))
    series = read(tmp_path, enhanced.multi_frame(frames, pictures, planar="YES"))
    assert np.array_equal(series.volumes[1].array[2], make.picture(2, 800) * np.float32(4))
    (note,) = [note for note in notes_of(series) if note.code == "DWI_TRACE"]
    assert "trace of 6 images; 18 images of single directions" in note.found


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_floating_point_maps_are_read_with_their_unit(tmp_path, dtype):
    folder = enhanced.write(tmp_path / "map", enhanced.float_map(dtype=dtype))
    image, step = load_adc_image(folder)
    assert image.GetPixel(3, 2, 1) == make.picture(1)[2, 3] * 1.5
    assert step.settings["rescale_source"] == "real_world"


def test_a_compressed_object_that_declares_more_frames_is_refused(tmp_path):
    dataset = ordered_t2()
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.NumberOfFrames = make.SLICES + 1
    groups = dataset.PerFrameFunctionalGroupsSequence
    groups.append(enhanced.frame(make.SLICES))
    error = refusal(tmp_path, dataset)
    assert error.code == "DCM_CORRUPT"


def test_enhanced_series_go_through_the_public_door(tmp_path):
    images = load_images(enhanced.write(tmp_path / "dwi", enhanced.dwi()))
    assert [image.b_s_per_mm2 for image in images] == [0, 800]
    assert images[0].attributes["rescale_source"] == "displayed"
    assert not [note for image in images for note in image.notes if note.kind is NoteKind.FIX]


def test_large_files_are_mapped_and_read_the_same(tmp_path, monkeypatch):
    plain = read(tmp_path / "a", enhanced.dwi())
    monkeypatch.setattr("radresp.io.dicom_header._MAPPED_BYTES", 0)
    same_series(read(tmp_path / "a", enhanced.dwi()), plain)
