"""The NRRD reader: sound files are read exactly, a cut or contradictory one is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from builders import ORIENTATIONS, make_grid, make_mask, shared_data
from builders_masks import nrrd_bytes

from radresp.core import Grid, NoteKind, Roi
from radresp.errors import InputError, RadrespError
from radresp.io.masks_in import load_mask
from radresp.io.nrrd import read_nrrd

GRID = make_grid(size=(24, 20, 12))
BALL = make_mask(GRID).array.astype(np.uint8)
SLICER = (
    {"ID": "Segment_1", "Name": "tumour", "LabelValue": 1, "Layer": 0},
    {"ID": "Segment_2", "Name": "Lymph node", "LabelValue": 2, "Layer": 0},
    {"ID": "Segment_3", "Name": "mesorectum", "LabelValue": 1, "Layer": 1},
)


def write(folder: Path, content: bytes, name: str = "mask.nrrd") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def refusal(path: Path, **options) -> InputError:
    with pytest.raises(InputError) as caught:
        load_mask(path, Roi.TUMOUR, GRID, **options)
    assert int(caught.value.exit_code) == 3
    assert str(path.parent) not in caught.value.message
    return caught.value


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize("space", ["left-posterior-superior", "right-anterior-superior"])
def test_voxels_and_geometry_in_every_orientation(tmp_path, orientation, encoding, space):
    grid = make_grid(size=(24, 20, 12), orientation=orientation)
    ball = make_mask(grid).array.astype(np.int16)
    path = write(tmp_path, nrrd_bytes(ball, grid, encoding=encoding, space=space))
    mask, step = load_mask(path, Roi.TUMOUR, grid)
    assert np.array_equal(mask.array, ball == 1)
    assert [note for note in step.notes if note.kind is NoteKind.FIX] == []
    assert step.settings["format"] == "nrrd"


def test_simpleitk_reads_the_same(tmp_path):
    path = write(tmp_path, nrrd_bytes(BALL, GRID))
    image = sitk.ReadImage(str(path))
    nrrd = read_nrrd(path)
    assert np.array_equal(sitk.GetArrayFromImage(image), nrrd.arrays[0])
    assert Grid.of(image).same_as(nrrd.grid, tol_mm=1e-9)


@pytest.mark.parametrize("compressed", [True, False])
def test_what_simpleitk_writes_is_read(tmp_path, compressed):
    sitk.WriteImage(make_mask(GRID).image, str(tmp_path / "mask.nrrd"), compressed)
    assert np.array_equal(read_nrrd(tmp_path / "mask.nrrd").arrays[0], BALL)


FAULTS = {
    "no type": ("NRRD_TYPE", {"type": "block"}),
    "no byte order": ("NRRD_TYPE", {"endian": "middle"}),
    "text": ("NRRD_ENCODING", {"encoding": "ascii"}),
    "skipped bytes": ("NRRD_ENCODING", {"byte_skip": "-1"}),
    "detached": ("NRRD_DETACHED", {"data_file": "/etc/passwd"}),
    "two dimensions": ("NRRD_DIM", {"dimension": "2"}),
    "size 0": ("NRRD_DIM", {"sizes": "24 20 0"}),
    "size negative": ("NRRD_DIM", {"sizes": "24 20 -12"}),
    "too large": ("IMG_TOO_LARGE", {"sizes": "30000 30000 30000"}),
    "no space": ("NRRD_NO_ORIENTATION", {"space": "scanner-xyz"}),
    "no directions": ("NRRD_NO_ORIENTATION", {"space_directions": None}),
    "no origin": ("NRRD_NO_ORIENTATION", {"space_origin": None}),
    "two directions": ("NRRD_DIM", {"space_directions": "(1,0,0) (0,1,0)"}),
    "nan origin": ("NRRD_AFFINE", {"space_origin": "(nan,0,0)"}),
    "words": ("NRRD_AFFINE", {"space_origin": "(a,0,0)"}),
    "flat": ("NRRD_AFFINE", {"space_directions": "(1,0,0) (1,0,0) (0,0,3)"}),
    "shear": ("NRRD_SHEAR", {"space_directions": "(1,0,0) (0.2,1,0) (0,0,3)"}),
    "metres": ("IMG_SPACING", {"space_directions": "(0.001,0,0) (0,0.001,0) (0,0,0.003)"}),
    "many layers": (
        "NRRD_DIM",
        {
            "sizes": "999 24 20 12",
            "dimension": "4",
            "kinds": None,
            "space_directions": "none (1,0,0) (0,1,0) (0,0,3)",
        },
    ),
    "two layers": (
        "NRRD_DIM",
        {
            "sizes": "2 24 20 6",
            "dimension": "4",
            "kinds": None,
            "space_directions": "none (1,0,0) (0,1,0) (0,0,6)",
        },
    ),
    "fewer voxels": ("NRRD_LENGTH", {"sizes": "24 20 11"}),
    "more voxels": ("NRRD_TRUNCATED", {"sizes": "24 20 13"}),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_each_fault_is_refused_by_its_code(tmp_path, name, encoding):
    code, fields = FAULTS[name]
    content = nrrd_bytes(BALL.astype(np.int16), GRID, **({"encoding": encoding} | fields))
    assert refusal(write(tmp_path, content)).code == code


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_every_cut_is_refused(tmp_path, encoding):
    """Measured trap: SimpleITK returns a full-size image for many of these."""
    content = nrrd_bytes(BALL, GRID, encoding=encoding)
    for kept in range(0, len(content), 37):
        code = refusal(write(tmp_path, content[:kept])).code
        assert code in ("NRRD_TRUNCATED", "NRRD_HEADER", "NII_NOT_NIFTI")
        assert kept < 7 or code != "NII_NOT_NIFTI"


def test_axes_a_little_off_right_angles_are_mended_and_that_is_said(tmp_path):
    content = nrrd_bytes(BALL, GRID, space_directions="(1,0,0) (0.001,1,0) (0,0,3)")
    nrrd = read_nrrd(write(tmp_path, content))
    assert [(note.kind, note.code) for note in nrrd.notes] == [(NoteKind.FIX, "NRRD_SHEAR")]


def test_a_raw_file_that_is_too_short_is_refused_before_its_voxels_are_read(tmp_path, monkeypatch):
    content = nrrd_bytes(BALL, GRID, encoding="raw")
    monkeypatch.setattr("radresp.io.nrrd._data", lambda *_: pytest.fail("it was read"))
    assert refusal(write(tmp_path, content[:-2000])).code == "NRRD_TRUNCATED"


def test_a_file_that_cannot_be_read_is_not_said_to_be_damaged(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(5, "Input/output error")

    path = write(tmp_path, nrrd_bytes(BALL, GRID))
    monkeypatch.setattr("radresp.io.nrrd._data", fail)
    assert refusal(path).code == "FILE_UNREADABLE"


def test_damaged_checksum_and_trailing_bytes_are_refused(tmp_path):
    content = bytearray(nrrd_bytes(BALL, GRID))
    content[-5] ^= 1
    assert refusal(write(tmp_path, bytes(content))).code == "NRRD_GZIP_CRC"
    assert refusal(write(tmp_path, nrrd_bytes(BALL, GRID, encoding="raw") + b"x")).code == (
        "NRRD_LENGTH"
    )


def test_a_header_line_twice_or_without_end_is_refused(tmp_path):
    content = nrrd_bytes(BALL, GRID)
    twice = content.replace(b"endian: little", b"endian: little\nendian: big", 1)
    assert refusal(write(tmp_path, twice)).code == "NRRD_HEADER"
    assert refusal(write(tmp_path, b"NRRD0005\ntype: short\n" * 9)).code == "NRRD_HEADER"


@pytest.mark.parametrize(
    ("choice", "layer", "label"),
    [("1", 0, 1), ("tumour", 0, 1), ("lymph node", 0, 2), ("/meso/", 1, 1), ("3", 1, 1)],
)
def test_slicers_segments_are_chosen_by_number_and_name(tmp_path, choice, layer, label):
    layers = _layers()
    path = write(tmp_path, nrrd_bytes(layers, GRID, segments=SLICER), "m.seg.nrrd")
    mask, step = load_mask(path, Roi.TUMOUR, GRID, choice=choice)
    assert np.array_equal(mask.array, layers[layer] == label)
    assert step.settings["format"] == "seg.nrrd"


def test_overlapping_segments_are_united_when_asked(tmp_path):
    layers = _layers()
    path = write(tmp_path, nrrd_bytes(layers, GRID, segments=SLICER), "m.seg.nrrd")
    mask, _ = load_mask(path, Roi.TUMOUR, GRID, choice="tumour+mesorectum")
    assert np.array_equal(mask.array, (layers[0] == 1) | (layers[1] == 1))


def test_segments_are_listed_by_name_when_none_is_named(tmp_path):
    path = write(tmp_path, nrrd_bytes(_layers(), GRID, segments=SLICER), "m.seg.nrrd")
    assert "1 'tumour', 2 'Lymph node', 3 'mesorectum'" in refusal(path).expected
    assert refusal(path, choice="tumour>=0.5").code == "MASK_CHOICE"


def test_segments_of_old_slicer_have_a_layer_each(tmp_path):
    layers = _layers()
    layers[0] = layers[0] == 1
    old = ({"ID": "a", "Name": "tumour"}, {"ID": "b", "Name": "mesorectum"})
    path = write(tmp_path, nrrd_bytes(layers, GRID, segments=old), "m.seg.nrrd")
    mask, _ = load_mask(path, Roi.TUMOUR, GRID, choice="mesorectum")
    assert np.array_equal(mask.array, layers[1] == 1)


def test_the_coded_meaning_of_a_segment_is_a_name_too(tmp_path):
    tags = (
        "Segmentation.Status:completed|TerminologyEntry:Segmentation category and type~"
        "SCT^49755003^Morphologically Altered Structure~SCT^108369006^Neoplasm~^^~x~^^~^^|"
    )
    segments = ({**SLICER[0], "Name": "Segment_1", "Tags": tags}, *SLICER[1:])
    path = write(tmp_path, nrrd_bytes(_layers(), GRID, segments=segments), "m.seg.nrrd")
    for choice in ("neoplasm", "SCT:108369006"):
        mask, _ = load_mask(path, Roi.TUMOUR, GRID, choice=choice)
        assert np.array_equal(mask.array, _layers()[0] == 1)


def test_a_segment_stored_on_its_own_box_is_placed_in_the_image(tmp_path):
    """Slicer may save only the part of the image around the segments."""
    z, y, x = (slice(index.min(), index.max() + 1) for index in np.nonzero(BALL))
    corner = GRID.to_mm((float(x.start), float(y.start), float(z.start)))
    part = BALL[z, y, x]
    box = Grid(part.shape[::-1], GRID.spacing_mm, corner, GRID.direction)
    mask, step = load_mask(write(tmp_path, nrrd_bytes(part, box)), Roi.TUMOUR, GRID)
    assert np.array_equal(mask.array, BALL == 1)
    assert [note.code for note in step.notes if note.kind is NoteKind.FIX] == ["MASK_REORDERED"]


def test_a_segment_without_voxels_is_empty(tmp_path):
    segments = (SLICER[0], {**SLICER[1], "LabelValue": 9})
    path = write(tmp_path, nrrd_bytes(_layers(), GRID, segments=segments), "m.seg.nrrd")
    mask, step = load_mask(path, Roi.TUMOUR, GRID, choice="lymph node")
    assert mask.is_empty
    assert "MASK_EMPTY" in [note.code for note in step.notes]


def test_random_damage_never_raises_anything_else(tmp_path):
    rng = np.random.default_rng(3)
    content = nrrd_bytes(_layers(), GRID, segments=SLICER)
    codes = set()
    for _ in range(400):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 9)):
            damaged[place] = rng.integers(256)
        for place in rng.integers(0, 500, rng.integers(0, 4)):
            damaged[place] = rng.choice(list(b"0123456789-().,: \n"))
        try:
            load_mask(write(tmp_path, bytes(damaged)), Roi.TUMOUR, GRID, choice="1")
            codes.add("read")
        except RadrespError as error:
            codes.add(error.code)
    assert len(codes) > 5, codes


def test_a_bomb_is_refused_before_it_is_opened(tmp_path):
    content = nrrd_bytes(np.zeros((1, 4, 4, 4), np.uint8), GRID, sizes="200 512 512 100")
    assert refusal(write(tmp_path, content)).code == "IMG_TOO_LARGE"
    head = content[: content.index(b"\n\n") + 2].replace(b"200 512 512 100", b"1 4 4 4")
    zeros = gzip.compress(b"\0" * 50_000_000)
    assert refusal(write(tmp_path, head + zeros)).code == "NRRD_LENGTH"


def test_the_real_oracle_mask_equals_simpleitk():
    path = shared_data("dicom_seg_ct3slice", "liver_seg.nrrd")
    image = sitk.ReadImage(str(path))
    nrrd = read_nrrd(path)
    assert np.array_equal(sitk.GetArrayFromImage(image), nrrd.arrays[0])
    assert Grid.of(image).same_as(nrrd.grid, tol_mm=1e-9)


def _layers() -> np.ndarray:
    first = BALL.copy()
    first[:3, :3, :3] = 2
    second = np.roll(BALL, 3, axis=2)
    return np.stack([first, second])
