"""DICOM SEG: frames are placed by position, segments chosen, fractions cut only when told."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from builders import ORIENTATIONS, make_grid, make_mask, shared_data
from builders_dicom import make_series, write_series
from builders_masks import CANARY, make_seg, save_dicom
from pydicom.sr.codedict import codes

from radresp.core import Grid, NoteKind, Roi
from radresp.errors import InputError, RadrespError
from radresp.io.masks_in import load_mask

GRID = make_grid(size=(21, 19, 12))  # 399 pixels: frames of one bit a pixel start inside bytes
BALL = make_mask(GRID).array
OTHER = np.roll(BALL, 4, axis=2) & np.roll(BALL, 1, axis=0)  # overlaps BALL, on fewer slices
BOTH = {"tumour": BALL, "lymph node": OTHER}


def load(path, grid: Grid = GRID, **options):
    return load_mask(path, Roi.TUMOUR, grid, **options)


def write(folder, dataset, name: str = "seg.dcm"):
    return save_dicom(folder / name, dataset)


def refusal(path, grid: Grid = GRID, **options) -> InputError:
    with pytest.raises(InputError) as caught:
        load(path, grid, **options)
    assert int(caught.value.exit_code) == 3
    assert CANARY.lower() not in caught.value.message.lower()
    assert str(path.parent) not in caught.value.message
    return caught.value


def codes_of(step, kind=NoteKind.FIX):
    return [note.code for note in step.notes if note.kind is kind]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("order", [1, -1])
def test_sparse_frames_are_restored_by_position(tmp_path, orientation, shared, order):
    grid = make_grid(size=(21, 19, 12), orientation=orientation)
    dataset = make_seg({"tumour": BALL}, grid, shared_orientation=shared, order=order)
    assert int(dataset.NumberOfFrames) < 12
    mask, step = load(write(tmp_path, dataset), grid)
    assert np.array_equal(mask.array, BALL)
    assert mask.grid == grid
    assert step.settings["format"] == "seg binary"


def test_frames_with_gaps_between_them_keep_their_places(tmp_path):
    """Neither count nor order of frames tells the slice; without a declared distance too."""
    sparse = BALL.copy()
    sparse[[3, 4, 6, 7]] = False
    for declared in (True, False):
        dataset = make_seg({"tumour": sparse}, GRID, slice_spacing=declared)
        assert np.array_equal(load(write(tmp_path, dataset))[0].array, sparse)


def test_one_frame_lies_on_its_slice(tmp_path):
    """SliceThickness is 1 mm here while slices are 3 mm apart: it is not the slice distance."""
    one = np.zeros_like(BALL)
    one[7] = BALL[6]
    dataset = make_seg({"tumour": one}, GRID, slice_spacing=False)
    assert np.array_equal(load(write(tmp_path, dataset))[0].array, one)


@pytest.mark.parametrize(
    "choice", ["2", "lymph node", "Lymph Node", "/node/", "Lymphatic", "SCT:1"]
)
def test_overlapping_segments_are_chosen_by_number_label_and_code(tmp_path, choice):
    meaning = {"lymph node": ("SCT", "1", "Lymphatic")}
    path = write(tmp_path, make_seg(BOTH, GRID, codes=meaning))
    mask, step = load(path, choice=choice)
    assert np.array_equal(mask.array, OTHER)
    assert step.settings["number"] == "2"
    assert "MASK_LABEL" in {note.code for note in step.notes}


def test_several_segments_are_united_when_asked(tmp_path):
    path = write(tmp_path, make_seg(BOTH, GRID))
    assert np.array_equal(load(path, choice="1+2")[0].array, BALL | OTHER)
    assert np.array_equal(load(path, choice="tumour + lymph node")[0].array, BALL | OTHER)


def test_several_segments_are_listed_when_none_is_named(tmp_path):
    path = write(tmp_path, make_seg(BOTH, GRID))
    for options in ({}, {"choice": "rectum"}, {"choice": "Tissue"}, {"choice": "3"}):
        error = refusal(path, **options)
        assert error.code == "MASK_LABEL"
        assert "1 'tumour', 2 'lymph node'" in error.expected


def test_labels_that_name_the_patient_are_not_repeated(tmp_path):
    segments = {f"GTV {CANARY} anna": BALL, "node 0012345678 \x07" + "x" * 90: OTHER}
    path = write(tmp_path, make_seg(segments, GRID))
    error = refusal(path)
    assert "1 'GTV *** ***'" in error.expected
    assert len(error.expected) < 200
    assert "0012345678" not in error.expected
    _, step = load(path, choice="1")
    assert CANARY.lower() not in str(step.record()).lower()
    assert CANARY.lower() not in refusal(path, choice=f"/{CANARY}x/").message.lower()


def test_a_label_map_segmentation(tmp_path):
    separate = {"tumour": BALL & ~OTHER, "lymph node": OTHER}
    path = write(tmp_path, make_seg(separate, GRID, kind="LABELMAP"))
    assert np.array_equal(load(path, choice="tumour")[0].array, BALL & ~OTHER)
    assert np.array_equal(load(path, choice="1+2")[0].array, BALL | OTHER)
    assert refusal(path).code == "MASK_LABEL"
    assert refusal(path, choice="1>=0.5").code == "MASK_CHOICE"


@pytest.mark.parametrize("top", [255, 100])
def test_fractions_need_a_threshold(tmp_path, top):
    fractions = np.where(BALL, 0.8, 0.0) + np.where(OTHER & ~BALL, 0.4, 0.0)
    path = write(tmp_path, make_seg({"tumour": fractions}, GRID, kind="FRACTIONAL", top=top))
    error = refusal(path)
    assert (error.code, "probability" in error.found) == ("MASK_NOT_INTEGER", True)
    mask, step = load(path, choice=">=0.5")
    assert np.array_equal(mask.array, BALL)
    assert "MASK_THRESHOLD" in codes_of(step, NoteKind.INFO)
    assert np.array_equal(load(path, choice="tumour>=0.3")[0].array, BALL | OTHER)


def test_fractions_that_are_all_or_nothing_are_binary_and_that_is_said(tmp_path):
    dataset = make_seg({"tumour": BALL}, GRID, kind="FRACTIONAL")
    mask, step = load(write(tmp_path, dataset))
    assert np.array_equal(mask.array, BALL)
    assert codes_of(step)[0] == "MASK_NOT_INTEGER"
    dataset.MaximumFractionalValue = 100
    assert refusal(write(tmp_path, dataset)).code == "DCM_PIXELS"


def test_a_threshold_for_a_binary_segmentation_is_refused(tmp_path):
    assert refusal(write(tmp_path, make_seg(BOTH, GRID)), choice="1>=0.5").code == "MASK_CHOICE"


def test_a_segment_without_frames_is_empty(tmp_path):
    dataset = make_seg({"tumour": BALL, "residual": np.zeros_like(BALL)}, GRID)
    mask, step = load(write(tmp_path, dataset), choice="residual")
    assert mask.is_empty
    assert "MASK_EMPTY" in codes_of(step, NoteKind.INFO)


def test_frames_of_another_geometry_are_refused_or_resampled(tmp_path):
    fine = make_grid(size=(42, 38, 12), spacing_mm=(0.5, 0.5, 3.0), origin_mm=(-10.25, 4.75, 20.0))
    path = write(tmp_path, make_seg({"tumour": make_mask(fine).array}, fine))
    assert refusal(path).code == "MASK_GEOMETRY"
    mask, step = load(path, resample=True)
    assert mask.volume_ml == pytest.approx(make_mask(fine).volume_ml, rel=0.06)
    assert "MASK_GEOMETRY" in codes_of(step)


def test_frames_beyond_the_image_are_refused(tmp_path):
    path = write(tmp_path, make_seg({"tumour": BALL}, GRID))
    half = Grid((21, 19, 5), GRID.spacing_mm, GRID.origin_mm, GRID.direction)
    assert refusal(path, half).code == "MASK_GEOMETRY"
    assert refusal(path, half, resample=True).code == "MASK_OUTSIDE"


def _groups(dataset, frame: int):
    return dataset.PerFrameFunctionalGroupsSequence[frame]


def _move(frame: int, **step_mm):
    def edit(dataset):
        place = _groups(dataset, frame).PlanePositionSequence[0]
        x, y, z = map(float, place.ImagePositionPatient)
        place.ImagePositionPatient = [x + step_mm.get("x", 0), y, z + step_mm.get("z", 0)]

    return edit


def _set(**values):
    def edit(dataset):
        for name, value in values.items():
            if value is None:
                delattr(dataset, name)
            else:
                setattr(dataset, name, value)

    return edit


def _tilt(dataset):
    turn = pydicom.Dataset()
    turn.ImageOrientationPatient = [1, 0, 0, 0, 0.6, 0.8]
    _groups(dataset, 2).PlaneOrientationSequence = [turn]


def _no_place(dataset):
    del _groups(dataset, 1).PlanePositionSequence


def _twice(dataset):
    _groups(dataset, 1).PlanePositionSequence = _groups(dataset, 0).PlanePositionSequence


def _one_number(dataset):
    dataset.SegmentSequence[1].SegmentNumber = 1


def _no_number(dataset):
    del dataset.SegmentSequence[1].SegmentNumber


def _less_groups(dataset):
    del dataset.PerFrameFunctionalGroupsSequence[-1]


def _short_pixels(dataset):
    dataset.PixelData = dataset.PixelData[:-20]


FAULTS = {
    "type unknown": ("DCM_PIXELS", _set(SegmentationType="SURFACE")),
    "no rows": ("DCM_INCOMPLETE", _set(Rows=None)),
    "no pixels": ("DCM_INCOMPLETE", _set(PixelData=None)),
    "no frames": ("DCM_INCOMPLETE", _set(NumberOfFrames=0)),
    "colour": ("DCM_PIXELS", _set(SamplesPerPixel=3)),
    "32 bits": ("DCM_PIXELS", _set(BitsAllocated=32)),
    "huge": ("IMG_TOO_LARGE", _set(Rows=65535, Columns=65535)),
    "more rows": ("DCM_TRUNCATED", _set(Rows=500)),
    "short pixels": ("DCM_TRUNCATED", _short_pixels),
    "groups missing": ("DCM_INCOMPLETE", _less_groups),
    "no position": ("DCM_NO_GEOMETRY", _no_place),
    "tilted frame": ("DCM_ORIENTATION", _tilt),
    "sideways": ("DCM_SHEAR", _move(2, x=0.5)),
    "between slices": ("DCM_SPACING", _move(2, z=1.1)),
    "far away": ("IMG_TOO_LARGE", _move(-1, z=3e6)),
    "same place": ("DCM_DUP_POSITION", _twice),
    "one number for two": ("DCM_INCOMPLETE", _one_number),
    "no number": ("DCM_INCOMPLETE", _no_number),
    "another object": ("MASK_FORMAT", _set(SOPClassUID="1.2.840.10008.5.1.4.1.1.4")),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_refused_by_its_code(tmp_path, name):
    code, edit = FAULTS[name]
    dataset = make_seg(BOTH, GRID)
    edit(dataset)
    assert refusal(write(tmp_path, dataset), choice="1").code == code


def test_every_cut_is_refused(tmp_path):
    content = write(tmp_path, make_seg(BOTH, GRID)).read_bytes()
    path = tmp_path / "cut.dcm"
    for kept in range(140, len(content), 61):
        path.write_bytes(content[:kept])
        assert refusal(path, choice="1").code in (
            "DCM_TRUNCATED",
            "DCM_INCOMPLETE",
            "DCM_CORRUPT",
            "DCM_PIXELS",
            "MASK_LABEL",
            "MASK_FORMAT",
        )


def test_random_damage_never_raises_anything_else(tmp_path):
    rng = np.random.default_rng(11)
    content = write(tmp_path, make_seg(BOTH, GRID)).read_bytes()
    path = tmp_path / "damaged.dcm"
    outcomes = set()
    for _ in range(300):
        damaged = bytearray(content)
        for place in rng.integers(132, len(content), rng.integers(1, 12)):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            load(path, choice="1")
            outcomes.add("read")
        except RadrespError as error:
            outcomes.add(error.code)
    assert len(outcomes) > 5, outcomes


def test_nesting_and_deflation_are_refused(tmp_path):
    path = write(tmp_path, make_seg(BOTH, GRID))
    content = path.read_bytes()
    opening = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    at = content.index(b"\x08\x00\x16\x00UI")
    path.write_bytes(content[:at] + opening * 20_000 + content[at:])
    assert refusal(path).code in ("DCM_NESTING", "DCM_TRUNCATED")
    path.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99"))
    assert refusal(path).code == "DCM_CODEC"
    path.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"))
    assert refusal(path, choice="1").code == "DCM_CODEC"


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_what_highdicom_writes_is_read(tmp_path, kind):
    """An independent writer: it drops empty frames and orders them its own way."""
    sources = make_series("t2", slices=8)
    for source in sources:
        source.PatientName, source.PatientID, source.StudyID = "A^B", "1", "1"
        source.AccessionNumber, source.ReferringPhysicianName = "", ""
        source.FrameOfReferenceUID = "1.2.3"
    first, second = np.zeros((2, 8, *sources[0].pixel_array.shape), bool)
    first[2:6, 3:9, 2:8] = True
    second[[1, 5], 9:12, 8:11] = True
    code = codes.SCT.Neoplasm
    described = [
        hd.seg.SegmentDescription(n, label, codes.SCT.Tissue, code, "MANUAL")
        for n, label in enumerate(("tumour", "lymph node"), start=1)
    ]
    seg = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=np.stack([first, second], axis=-1).astype(
            np.float32 if kind == "FRACTIONAL" else np.uint8
        ),
        segmentation_type=kind,
        segment_descriptions=described,
        series_instance_uid="1.2.4",
        series_number=9,
        sop_instance_uid="1.2.5",
        instance_number=1,
        manufacturer="x",
        manufacturer_model_name="x",
        software_versions="1",
        device_serial_number="1",
    )
    seg.save_as(tmp_path / "seg.dcm")
    grid = _grid_of(sources)
    for number, drawn in ((1, first), (2, second)):
        mask, _ = load(tmp_path / "seg.dcm", grid, choice=str(number))
        assert np.array_equal(mask.array, drawn), number


@pytest.mark.parametrize("referred", ["same", "other", None])
def test_an_outline_of_another_series_is_warned_of(tmp_path, referred):
    sources = make_series("t2", slices=8)
    folder = write_series(tmp_path / "t2", sources)
    grid = _grid_of(sources)
    drawn = np.zeros(grid.size[::-1], bool)
    drawn[2:5, 3:9, 3:9] = True
    dataset = make_seg({"tumour": drawn}, grid)
    if referred:
        item = pydicom.Dataset()
        item.SeriesInstanceUID = sources[0].SeriesInstanceUID if referred == "same" else "1.2.9"
        dataset.ReferencedSeriesSequence = [item]
    mask, step = load(write(tmp_path, dataset), grid, image=folder)
    assert np.array_equal(mask.array, drawn)
    warned = ["MASK_SERIES"] if referred == "other" else []
    assert codes_of(step, NoteKind.WARNING) == warned
    assert "1.2.9" not in str(step.record())


def test_the_real_segmentation_equals_its_nrrd_oracle():
    oracle = sitk.ReadImage(str(shared_data("dicom_seg_ct3slice", "liver_seg.nrrd")))
    drawn = sitk.GetArrayFromImage(oracle) != 0
    path = shared_data("dicom_seg_ct3slice", "liver.dcm")
    for choice in (None, "1", "Liver", "SRT:T-62000", "/^L/"):
        mask, _ = load(path, Grid.of(oracle), choice=choice)
        dice = 2 * (mask.array & drawn).sum() / (mask.array.sum() + drawn.sum())
        assert dice > 0.98
        assert mask.voxel_count == pytest.approx(drawn.sum(), rel=0.01)
        assert np.array_equal(mask.array, drawn)


def test_the_real_segmentation_lies_on_its_ct():
    folder = shared_data("dicom_seg_ct3slice", "ct")
    slices = sorted(
        (pydicom.dcmread(path, stop_before_pixels=True) for path in folder.iterdir()),
        key=lambda dataset: float(dataset.ImagePositionPatient[2]),
    )
    mask, step = load(shared_data("dicom_seg_ct3slice", "liver.dcm"), _grid_of(slices))
    assert mask.voxel_count == 107098
    assert codes_of(step) == []


def _grid_of(slices) -> Grid:
    """The grid of classic slices, by pydicom's attributes alone."""
    first, second = (np.array(s.ImagePositionPatient, float) for s in slices[:2])
    row, column = np.array(slices[0].ImageOrientationPatient, float).reshape(2, 3)
    down, across = map(float, slices[0].PixelSpacing)
    size = (int(slices[0].Columns), int(slices[0].Rows), len(slices))
    axes = np.column_stack([row, column, np.cross(row, column)])
    spacing = (across, down, float(np.linalg.norm(second - first)))
    return Grid(size, spacing, tuple(first), tuple(axes.ravel()))
