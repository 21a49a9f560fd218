"""Structure sets written on every dialect's images, filled again by a rasteriser of the test's own.

The rasteriser knows the file alone: it goes from contour millimetres to pixels by the referenced
image's header, and counts crossings (even-odd) for every pixel centre.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from builders import make_mask
from builders_dicom_out import DIALECTS, make_grid_of, make_settings, make_study, make_volumes
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from readers_dicom_out import area, even_odd, rtstruct_arrays

from radresp.core import Grid, Mask, Roi
from radresp.errors import GeometryError, PlanError
from radresp.io import save_dicom_series, save_rtstruct
from radresp.io.dicom_out_outline import outlines


def ring_and_island(grid: Grid) -> Mask:
    """A ring with a hole, an island in the hole, a second part, pixels touching at a corner."""
    array = np.zeros(grid.size[::-1], bool)
    array[1:5, 2:12, 2:13] = True
    array[1:5, 4:10, 5:11] = False
    array[2, 6:8, 7:9] = True
    array[1:4, 13:15, 15:19] = True
    array[3, 12, 14] = True  # touches the second part at a corner only
    return Mask.from_array(array, grid, Roi.BED)


def write_images(folder: Path, dialect: str, kind: str) -> Path:
    volumes = make_volumes(dialect, kind)
    save_dicom_series(volumes, folder, make_study(dialect), make_settings(dialect, kind))
    return folder


def dice(one: np.ndarray, two: np.ndarray) -> float:
    return 2 * np.count_nonzero(one & two) / (np.count_nonzero(one) + np.count_nonzero(two))


@pytest.mark.parametrize("kind", ["t2", "dwi"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_filled_contours_are_the_masks(tmp_path, dialect, kind):
    grid = make_grid_of(kind)
    masks = [make_mask(grid, Roi.TUMOUR, radius=0.4), ring_and_island(grid)]
    images = write_images(tmp_path / "images", dialect, kind)
    save_rtstruct(masks, images, tmp_path / "rt.dcm", make_study(dialect))
    found, volumes = rtstruct_arrays(tmp_path / "rt.dcm", images, grid)
    assert list(found) == ["tumour", "bed"]
    for mask in masks:
        assert dice(found[mask.roi], mask.array) == 1.0
        assert abs(volumes[mask.roi]) == pytest.approx(mask.volume_ml, rel=1e-3)


@settings(max_examples=60, deadline=None)
@given(arrays(bool, (7, 8)))
def test_any_pixels_survive_the_outline_and_keep_their_area(pixels):
    polygons = outlines(pixels)
    np.testing.assert_array_equal(even_odd(polygons, pixels.shape), pixels)
    assert sum(map(area, polygons)) == np.count_nonzero(pixels)
    for polygon in polygons:  # no vertex on a straight line, none repeated at the end
        before, after = np.roll(polygon, 1, axis=0), np.roll(polygon, -1, axis=0)
        turn = np.cross(
            np.c_[polygon - before, np.zeros(len(polygon))],
            np.c_[after - polygon, np.zeros(len(polygon))],
        )
        assert np.all(turn[:, 2] != 0)


def test_pixels_touching_at_a_corner_are_two_outlines_and_a_hole_is_one_more():
    corner = np.array([[1, 0], [0, 1]], bool)
    assert len(outlines(corner)) == 2
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    areas = sorted(area(polygon) for polygon in outlines(ring))
    assert areas == [-1.0, 9.0]  # the hole runs the other way
    assert outlines(np.zeros((2, 2), bool)) == []


def test_the_object_names_its_images_and_nobody(tmp_path):
    grid = make_grid_of("t2")
    images = write_images(tmp_path / "images", "philips", "t2")
    save_rtstruct([ring_and_island(grid)], images, tmp_path / "rt.dcm", make_study("philips"))
    dataset = pydicom.dcmread(tmp_path / "rt.dcm")
    image = pydicom.dcmread(next(images.iterdir()))
    assert dataset.Modality == "RTSTRUCT"
    frame = dataset.ReferencedFrameOfReferenceSequence[0]
    assert frame.FrameOfReferenceUID == image.FrameOfReferenceUID
    series = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    assert series.SeriesInstanceUID == image.SeriesInstanceUID
    named = {item.ReferencedSOPInstanceUID for item in series.ContourImageSequence}
    assert named == {pydicom.dcmread(path).SOPInstanceUID for path in images.iterdir()}
    assert dataset.SyntheticData == "YES"
    people = [e for e in dataset.iterall() if e.VR == "PN" and e.value]
    assert [e.keyword for e in people] == ["PatientName"]
    assert not dataset.RTROIObservationsSequence[0].ROIInterpreter


def test_an_empty_mask_is_a_region_without_contours(tmp_path):
    grid = make_grid_of("t2")
    empty = Mask.from_array(np.zeros(grid.size[::-1], bool), grid, Roi.RESIDUAL)
    images = write_images(tmp_path / "images", "ge", "t2")
    save_rtstruct([make_mask(grid), empty], images, tmp_path / "rt.dcm", make_study("ge"))
    found, _ = rtstruct_arrays(tmp_path / "rt.dcm", images, grid)
    assert found["tumour"].any()
    assert not found["residual"].any()


def test_the_same_masks_are_the_same_bytes(tmp_path):
    grid = make_grid_of("dwi")
    images = write_images(tmp_path / "images", "siemens_xa", "dwi")
    for name in ("one.dcm", "two.dcm"):
        save_rtstruct([make_mask(grid)], images, tmp_path / name, make_study("siemens_xa"))
    assert (tmp_path / "one.dcm").read_bytes() == (tmp_path / "two.dcm").read_bytes()


def test_masks_that_do_not_fit_are_refused(tmp_path):
    grid = make_grid_of("t2")
    images = write_images(tmp_path / "images", "ge", "t2")
    turned = Grid(grid.size, grid.spacing_mm, grid.origin_mm)
    tumour = make_mask(grid)
    for masks, error, code in (
        ([make_mask(turned)], GeometryError, "MASK_GEOMETRY"),
        ([tumour, tumour], PlanError, "USAGE"),
    ):
        with pytest.raises(error) as caught:
            save_rtstruct(masks, images, tmp_path / "rt.dcm", make_study("ge"))
        assert caught.value.code == code
    assert not (tmp_path / "rt.dcm").exists()
