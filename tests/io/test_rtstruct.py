"""RTSTRUCT: contours in mm become voxels without bias; what lies elsewhere is refused."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from builders import ORIENTATIONS, make_grid, shared_data
from builders_masks import CANARY, make_rtstruct, on_slice, save_dicom
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from radresp.core import Grid, NoteKind, Roi
from radresp.errors import InputError, RadrespError
from radresp.io import rtstruct_contours, rtstruct_planes
from radresp.io.dicom_series import read_series
from radresp.io.masks_in import load_mask
from radresp.io.polygon import area, fill

GRID = make_grid(size=(40, 36, 10), spacing_mm=(0.8, 0.7, 3.0))
SQUARE = np.array([[8, 8], [24, 8], [24, 24], [8, 24]], float) + 0.25
HOLE = np.array([[12, 12], [12, 18], [18, 18], [18, 12]], float) + 0.25


def circle(radius: float, centre=(20.0, 18.0), points: int = 60) -> np.ndarray:
    angles = 2 * np.pi * np.arange(points) / points
    return np.asarray(centre) + radius * np.column_stack([np.cos(angles), np.sin(angles)])


def stack(*polygons: np.ndarray, slices=range(2, 8), grid: Grid = GRID) -> list[np.ndarray]:
    return [on_slice(polygon, z, grid) for z in slices for polygon in polygons]


def write(folder, rois, name: str = "rs.dcm"):
    dataset = make_rtstruct(rois) if isinstance(rois, dict) else rois
    return save_dicom(folder / name, dataset)


def load(path, grid: Grid = GRID, **options):
    return load_mask(path, Roi.TUMOUR, grid, **options)


def refusal(path, grid: Grid = GRID, **options) -> InputError:
    with pytest.raises(InputError) as caught:
        load(path, grid, **options)
    assert int(caught.value.exit_code) == 3
    assert CANARY.lower() not in caught.value.message.lower()
    assert str(path.parent) not in caught.value.message
    return caught.value


def codes_of(step, *kinds):
    return [note.code for note in step.notes if note.kind in (kinds or (NoteKind.FIX,))]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_contours_are_filled_on_their_slices_in_every_orientation(tmp_path, orientation):
    grid = make_grid(size=(40, 36, 10), spacing_mm=(0.8, 0.7, 3.0), orientation=orientation)
    path = write(tmp_path, {"tumour": stack(SQUARE, grid=grid)})
    mask, step = load(path, grid)
    expected = np.zeros(grid.size[::-1], bool)
    expected[2:8] = fill([SQUARE], 40, 36)
    assert np.array_equal(mask.array, expected)
    assert mask.grid == grid
    assert codes_of(step) == []
    assert (step.settings["format"], step.settings["contours"]) == ("rtstruct", 6)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(ORIENTATIONS)))
def test_volume_of_the_voxels_is_that_of_the_contours(tmp_path, seed, orientation):
    """Many small discs at random places: their voxels add up to their volume."""
    rng = np.random.default_rng(seed)
    grid = make_grid(size=(40, 36, 30), spacing_mm=(0.8, 0.7, 3.0), orientation=orientation)
    discs = [circle(rng.uniform(3, 9), rng.uniform(12, 24, 2)) for _ in range(30)]
    contours = [on_slice(disc, z, grid) for z, disc in enumerate(discs)]
    mask, _ = load(write(tmp_path, {"tumour": contours}), grid)
    drawn_ml = sum(map(area, discs)) * grid.voxel_volume_ml
    assert mask.volume_ml == pytest.approx(drawn_ml, rel=0.01)


def test_holes_islands_and_keyholes(tmp_path):
    island = circle(2.5, (32.0, 30.0))
    keyhole = np.vstack([SQUARE, SQUARE[:1], HOLE, HOLE[:1]])
    filled = fill([SQUARE, HOLE, island], 40, 36)
    assert filled.sum() == 256 - 36 + fill([island], 40, 36).sum()
    for polygons in ((SQUARE, HOLE, island), (island, keyhole)):
        mask, _ = load(write(tmp_path, {"tumour": stack(*polygons)}))
        assert np.array_equal(mask.array[4], filled)


def test_edges_through_voxel_centres_do_not_depend_on_rounding(tmp_path):
    """A square from centre to centre has its exact area, however its numbers were rounded."""
    rng = np.random.default_rng(0)
    square = np.array([[8, 8], [24, 8], [24, 24], [8, 24]], float)
    for _ in range(5):
        noisy = [points + rng.uniform(-2e-3, 2e-3, points.shape) for points in stack(square)]
        mask, _ = load(write(tmp_path, {"tumour": noisy}))
        assert mask.voxel_count == 6 * 16 * 16


@pytest.mark.parametrize("choice", ["2", "GTV node", "gtv NODE", "/node$/"])
def test_an_roi_is_chosen_by_number_name_or_pattern(tmp_path, choice):
    path = write(tmp_path, {"GTV": stack(SQUARE), "GTV node": stack(circle(4))})
    mask, step = load(path, choice=choice)
    assert np.array_equal(mask.array[4], fill([circle(4)], 40, 36))
    assert step.settings["number"] == "2"
    assert "MASK_LABEL" in codes_of(step, NoteKind.INFO)


@pytest.mark.parametrize("choice", [None, "CTV", "/^GTV/", "9"])
def test_rois_are_listed_when_the_choice_is_unclear(tmp_path, choice):
    path = write(tmp_path, {"GTV": stack(SQUARE), "GTV node": stack(circle(4))})
    error = refusal(path, choice=choice)
    assert error.code == "MASK_LABEL"
    assert "1 'GTV', 2 'GTV node'" in error.expected


def test_rois_are_united_when_asked_and_overlap_is_no_hole(tmp_path):
    path = write(tmp_path, {"a": stack(SQUARE), "b": stack(SQUARE + 4)})
    mask, _ = load(path, choice="a+b")
    assert np.array_equal(mask.array[4], fill([SQUARE], 40, 36) | fill([SQUARE + 4], 40, 36))


def test_names_of_people_are_not_repeated(tmp_path):
    path = write(tmp_path, {f"GTV {CANARY} olga": stack(SQUARE), "b": stack(SQUARE)})
    assert "1 'GTV *** ***'" in refusal(path).expected
    _, step = load(path, choice="1")
    text = str(step.record()).lower()
    assert CANARY.lower() not in text
    assert "olga" not in text


def test_a_threshold_makes_no_sense_for_contours(tmp_path):
    assert refusal(write(tmp_path, {"a": stack(SQUARE)}), choice=">=0.5").code == "MASK_CHOICE"


def test_contours_a_little_off_their_slices_are_snapped_and_that_is_said(tmp_path):
    shift = 0.1 * GRID.spacing_mm[2] * GRID.axes[:, 2]
    near = [points + shift for points in stack(SQUARE)]
    mask, step = load(write(tmp_path, {"a": near}))
    assert np.array_equal(mask.array[2], fill([SQUARE], 40, 36))
    assert codes_of(step) == ["MASK_SNAPPED"]
    assert any("0.3 mm off" in note.found for note in step.notes)


def test_contours_between_slices_are_refused_or_resampled(tmp_path):
    shift = 0.5 * GRID.spacing_mm[2] * GRID.axes[:, 2]
    path = write(tmp_path, {"a": [points + shift for points in stack(circle(8))]})
    error = refusal(path)
    assert error.code == "MASK_GEOMETRY"
    assert "1.5 mm off the nearest slice" in error.found
    mask, step = load(path, resample=True)
    drawn_ml = 6 * area(circle(8)) * GRID.voxel_volume_ml
    assert mask.volume_ml == pytest.approx(drawn_ml, rel=0.02)
    assert codes_of(step) == ["MASK_GEOMETRY"]


@pytest.mark.parametrize("orientation", ["ras", "coronal", "oblique"])
def test_contours_of_other_planes_are_refused_or_resampled(tmp_path, orientation):
    """Drawn on planes that cross those of the image: the same ball comes out."""
    other = make_grid((60, 60, 30), (0.8, 0.8, 1.2), (0, 0, 0), orientation)
    image = make_grid(size=(70, 70, 40), spacing_mm=(0.7, 0.7, 1.2))
    middle = np.subtract(image.centre_mm, other.to_mm((29.5, 29.5, 14.5)))
    other = Grid(other.size, other.spacing_mm, tuple(middle), other.direction)
    contours = []
    for z in range(30):
        height = (z - 14.5) * 1.2
        if abs(height) < 11:
            radius = np.sqrt(11**2 - height**2) / 0.8
            contours.append(on_slice(circle(radius, (29.5, 29.5)), z, other))
    path = write(tmp_path, {"a": contours})
    if orientation != "ras":
        assert refusal(path, image).code == "MASK_GEOMETRY"
    mask, _ = load(path, image, resample=True)
    assert mask.volume_ml == pytest.approx(4 / 3 * np.pi * 1.1**3, rel=0.03)
    index = np.argwhere(mask.array)[:, ::-1].mean(axis=0)
    assert np.allclose(image.to_mm(index), image.centre_mm, atol=0.3)


def test_contours_of_thinner_slices_are_refused(tmp_path):
    near = [on_slice(SQUARE, z, GRID) for z in (4.0, 4.15)]
    assert refusal(write(tmp_path, {"a": near})).code == "MASK_GEOMETRY"


@pytest.mark.parametrize(
    "contours",
    [
        stack(SQUARE, slices=range(7, 12)),
        stack(SQUARE - 10),
        stack(SQUARE + 1000),
        stack(SQUARE * 100 - 1500),
    ],
    ids=["above", "beside", "far", "around"],
)
def test_contours_outside_the_image_are_refused(tmp_path, contours):
    error = refusal(write(tmp_path, {"a": contours}))
    assert error.code == "MASK_OUTSIDE"
    assert "%" in error.found


def test_an_roi_without_contours_is_empty(tmp_path):
    mask, step = load(write(tmp_path, {"residual": [], "b": stack(SQUARE)}), choice="residual")
    assert mask.is_empty
    assert "MASK_EMPTY" in codes_of(step, NoteKind.INFO)


def test_points_and_open_lines_enclose_nothing(tmp_path):
    dataset = make_rtstruct({"a": [*stack(SQUARE), *stack(HOLE), *stack(HOLE[:2])]})
    for contour in dataset.ROIContourSequence[0].ContourSequence[6:9]:
        contour.ContourGeometricType = "OPEN_PLANAR"
    mask, step = load(write(tmp_path, dataset))
    assert mask.array[3].sum() == 256
    assert mask.array[6].sum() == 256 - 36
    (note,) = [note for note in step.notes if note.code == "RTSTRUCT_CONTOUR"]
    assert note.found.startswith("9 contours")


def test_a_contour_that_stands_twice_is_counted_once(tmp_path):
    """By the even-odd rule alone, a doubled contour would vanish without a trace."""
    turned = np.roll(SQUARE, 2, axis=0)[::-1]
    mask, step = load(write(tmp_path, {"a": [*stack(SQUARE), *stack(turned)]}))
    assert mask.voxel_count == 6 * 256
    assert codes_of(step) == ["RTSTRUCT_DOUBLED"]


def test_contours_that_cross_and_slices_left_out_are_warned_of(tmp_path):
    crossing = [*stack(SQUARE, SQUARE + 5, slices=[2]), *stack(SQUARE, slices=[3, 6])]
    _, step = load(write(tmp_path, {"a": crossing}))
    assert codes_of(step, NoteKind.WARNING) == ["RTSTRUCT_CROSSING", "RTSTRUCT_GAP"]
    _, step = load(write(tmp_path, {"a": stack(SQUARE, HOLE)}))
    assert codes_of(step, NoteKind.WARNING) == []


def _contour(dataset) -> Dataset:
    return dataset.ROIContourSequence[0].ContourSequence[1]


def _set(name, value):
    return lambda dataset: setattr(_contour(dataset), name, value)


FAULTS = {
    "one number short": ("RTSTRUCT_CONTOUR", _set("ContourData", [1.0] * 11)),
    "other count": ("RTSTRUCT_CONTOUR", _set("NumberOfContourPoints", 9)),
    "far away": ("RTSTRUCT_CONTOUR", _set("ContourData", [1e9] * 12)),
    "two ROIs of one number": (
        "RTSTRUCT_ROI",
        lambda dataset: setattr(dataset.StructureSetROISequence[1], "ROINumber", 1),
    ),
    "no number": (
        "RTSTRUCT_ROI",
        lambda dataset: delattr(dataset.StructureSetROISequence[1], "ROINumber"),
    ),
    "a plan": (
        "MASK_FORMAT",
        lambda dataset: setattr(dataset, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.481.5"),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_refused_by_its_code(tmp_path, name):
    code, edit = FAULTS[name]
    dataset = make_rtstruct({"a": stack(SQUARE), "b": stack(HOLE)})
    edit(dataset)
    assert refusal(write(tmp_path, dataset), choice="1").code == code


def test_more_than_can_be_held_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(rtstruct_contours, "MAX_POINTS", 23)
    monkeypatch.setattr(rtstruct_planes, "MAX_VOXELS", 99)
    contours = stack(SQUARE)
    for call in (
        lambda: rtstruct_contours.read_contours(make_rtstruct({"a": contours}), 1, tmp_path),
        lambda: rtstruct_planes.own_grid(contours, GRID),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.code == "IMG_TOO_LARGE"


def test_text_in_contour_data_is_refused(tmp_path):
    path = write(tmp_path, {"a": stack(SQUARE)})
    content = path.read_bytes()
    at = content.index(b"\\", content.index(b"CLOSED_PLANAR"))
    path.write_bytes(content[: at - 2] + b"xx" + content[at:])
    assert refusal(path).code == "RTSTRUCT_CONTOUR"


def test_every_cut_is_refused_or_loses_nothing(tmp_path):
    path = write(tmp_path, {"a": stack(SQUARE), "b": stack(HOLE)})
    content = path.read_bytes()
    whole = load(path, choice="b")[0].array
    cut, codes = tmp_path / "cut.dcm", set()
    for kept in range(140, len(content), 41):
        cut.write_bytes(content[:kept])
        try:
            found = load(cut, choice="b")[0]
        except RadrespError as error:
            codes.add(error.code)
        else:
            assert np.array_equal(found.array, whole)
    assert "DCM_TRUNCATED" in codes
    assert codes <= {"DCM_TRUNCATED", "DCM_CORRUPT", "MASK_FORMAT", "MASK_LABEL"}


def test_random_damage_never_raises_anything_else(tmp_path):
    rng = np.random.default_rng(2)
    content = write(tmp_path, {"a": stack(SQUARE), "b": stack(HOLE)}).read_bytes()
    path = tmp_path / "damaged.dcm"
    outcomes = set()
    for _ in range(300):
        damaged = bytearray(content)
        for place in rng.integers(132, len(content), rng.integers(1, 12)):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            load(path, choice="a")
            outcomes.add("read")
        except RadrespError as error:
            outcomes.add(error.code)
    assert len(outcomes) > 4, outcomes


@pytest.mark.parametrize("choice", [None, "1", "GTV_Mass_MR_T1", "/GTV/"])
def test_the_real_structure_equals_its_mask_oracle(choice):
    oracle = sitk.ReadImage(str(shared_data("sts_025_mr_rtstruct", "MR_T1_mask.nii.gz")))
    drawn = sitk.GetArrayFromImage(oracle) != 0
    path = shared_data("sts_025_mr_rtstruct", "dicom", "mask", "RS.dcm")
    mask, _ = load(path, Grid.of(oracle), choice=choice)
    dice = 2 * (mask.array & drawn).sum() / (mask.array.sum() + drawn.sum())
    assert dice > 0.98
    assert mask.voxel_count == pytest.approx(drawn.sum(), rel=0.01)
    assert np.array_equal(mask.array, drawn)


def test_the_real_structure_lies_on_its_dicom_series():
    grid = read_series(shared_data("sts_025_mr_rtstruct", "dicom", "image")).volumes[0].grid
    path = shared_data("sts_025_mr_rtstruct", "dicom", "mask", "RS.dcm")
    mask, step = load(path, grid)
    assert mask.voxel_count == 9655
    assert codes_of(step) == []
