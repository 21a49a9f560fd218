"""Segmentations written on every dialect's images, read back by position and by highdicom."""

from __future__ import annotations

from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from builders import make_grid, make_mask
from builders_dicom_out import (
    CLASSIC,
    DIALECTS,
    make_grid_of,
    make_settings,
    make_study,
    make_volumes,
)
from pydicom.sr._concepts_dict import concepts
from readers_dicom_out import seg_arrays

from radresp.core import Grid, Mask, Roi
from radresp.errors import GeometryError, InputError, PlanError
from radresp.io import save_dicom_seg, save_dicom_series


def make_masks(grid: Grid) -> list[Mask]:
    """A tumour, the lumen inside it (they overlap), and muscle that reaches the last slice."""
    muscle = np.zeros(grid.size[::-1], bool)
    muscle[3:, 2:5, 1:9] = True
    return [
        make_mask(grid, Roi.TUMOUR, radius=0.35),
        make_mask(grid, Roi.LUMEN, radius=0.2),
        Mask.from_array(muscle, grid, Roi.MUSCLE),
    ]


def write_images(folder: Path, dialect: str, kind: str) -> Path:
    volumes = make_volumes(dialect, kind)
    save_dicom_series(volumes, folder, make_study(dialect), make_settings(dialect, kind))
    return folder


@pytest.mark.parametrize("kind", ["t2", "dwi"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_segment_comes_back_voxel_by_voxel(tmp_path, dialect, kind):
    grid = make_grid_of(kind)
    masks = make_masks(grid)
    images = write_images(tmp_path / "images", dialect, kind)
    save_dicom_seg(masks, images, tmp_path / "truth.dcm", make_study(dialect))
    dataset = pydicom.dcmread(tmp_path / "truth.dcm")
    assert dataset.SegmentationType == "BINARY"
    found = seg_arrays(dataset, grid)
    assert list(found) == ["tumour", "lumen", "muscle"]
    for mask in masks:
        np.testing.assert_array_equal(found[mask.roi], mask.array)


@pytest.mark.parametrize("kind", ["t2", "dwi"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_frames_name_the_image_they_were_drawn_on(tmp_path, dialect, kind):
    images = write_images(tmp_path / "images", dialect, kind)
    grid = make_grid_of(kind)
    save_dicom_seg(make_masks(grid), images, tmp_path / "truth.dcm", make_study(dialect))
    dataset = pydicom.dcmread(tmp_path / "truth.dcm")
    files = {d.SOPInstanceUID: d for d in map(pydicom.dcmread, images.iterdir())}
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        reference = groups.DerivationImageSequence[0].SourceImageSequence[0]
        source = files[reference.ReferencedSOPInstanceUID]
        assert reference.ReferencedSOPClassUID == source.SOPClassUID
        if dialect in CLASSIC:
            place = source.ImagePositionPatient
            assert "ReferencedFrameNumber" not in reference
        else:
            number = reference.ReferencedFrameNumber
            frame = source.PerFrameFunctionalGroupsSequence[number - 1]
            place = frame.PlanePositionSequence[0].ImagePositionPatient
            if kind == "dwi":  # drawn on the highest b-value
                assert frame.MRDiffusionSequence[0].DiffusionBValue == 800.0
        assert list(groups.PlanePositionSequence[0].ImagePositionPatient) == list(place)
    listed = dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    named = [item.ReferencedSOPInstanceUID for item in listed]
    assert len(set(named)) == len(named)
    assert set(named) <= set(files)


def test_highdicom_reads_it_as_a_volume(tmp_path):
    grid = make_grid_of("t2")
    masks = make_masks(grid)
    images = write_images(tmp_path / "images", "siemens", "t2")
    save_dicom_seg(masks, images, tmp_path / "truth.dcm", make_study("siemens"))
    segmentation = highdicom.seg.segread(tmp_path / "truth.dcm")
    sources = sorted(
        (pydicom.dcmread(path) for path in images.iterdir()), key=lambda d: d.InstanceNumber
    )
    pixels = segmentation.get_pixels_by_source_instance(
        [d.SOPInstanceUID for d in sources], assert_missing_frames_are_empty=True
    )
    for number, mask in enumerate(masks):
        np.testing.assert_array_equal(pixels[..., number].astype(bool), mask.array)


def test_codes_are_the_dictionarys_and_say_nothing_after_treatment(tmp_path):
    grid = make_grid_of("t2")
    images = write_images(tmp_path / "images", "ge", "t2")
    masks = [make_mask(grid, roi) for roi in Roi]
    save_dicom_seg(masks, images, tmp_path / "truth.dcm", make_study("ge"))
    known = {
        (code, meaning)
        for entries in concepts["SCT"].values()
        for code, (meaning, _) in entries.items()
    }
    codes = {}
    for segment in pydicom.dcmread(tmp_path / "truth.dcm").SegmentSequence:
        category = segment.SegmentedPropertyCategoryCodeSequence[0]
        kind = segment.SegmentedPropertyTypeCodeSequence[0]
        for item in (category, kind, segment.AnatomicRegionSequence[0]):
            assert item.CodingSchemeDesignator == "SCT"
            assert (item.CodeValue, item.CodeMeaning) in known
        codes[segment.SegmentLabel] = (category.CodeValue, kind.CodeValue)
    assert codes["tumour"] == ("49755003", "372087000")
    assert codes["bed"] == codes["residual"] == ("49755003", "52988006")
    assert codes["muscle"] == ("85756007", "127954009")
    assert set(codes) == {str(roi) for roi in Roi}


def test_the_same_masks_are_the_same_bytes(tmp_path):
    images = write_images(tmp_path / "images", "philips_enhanced", "dwi")
    masks = make_masks(make_grid_of("dwi"))
    for name in ("one.dcm", "two.dcm"):
        save_dicom_seg(masks, images, tmp_path / name, make_study("philips_enhanced"))
    assert (tmp_path / "one.dcm").read_bytes() == (tmp_path / "two.dcm").read_bytes()


@pytest.mark.parametrize("alone", [True, False])
def test_an_empty_mask_stays_a_segment(tmp_path, alone):
    grid = make_grid_of("t2")
    empty = Mask.from_array(np.zeros(grid.size[::-1], bool), grid, Roi.RESIDUAL)
    masks = [empty] if alone else [make_mask(grid, Roi.BED), empty]
    images = write_images(tmp_path / "images", "uih", "t2")
    save_dicom_seg(masks, images, tmp_path / "truth.dcm", make_study("uih"))
    found = seg_arrays(pydicom.dcmread(tmp_path / "truth.dcm"), grid)
    assert not found["residual"].any()
    assert len(found) == len(masks)


def test_one_visit_and_nobody_is_named(tmp_path):
    images = write_images(tmp_path / "images", "siemens", "t2")
    save_dicom_seg(
        make_masks(make_grid_of("t2")), images, tmp_path / "truth.dcm", make_study("siemens")
    )
    dataset = pydicom.dcmread(tmp_path / "truth.dcm")
    image = pydicom.dcmread(next(images.iterdir()))
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "PatientSex"):
        assert dataset[keyword].value == image[keyword].value
    assert dataset.SyntheticData == "YES"
    people = [e for e in dataset.iterall() if e.VR == "PN" and e.value]
    assert [e.keyword for e in people] == ["PatientName"]
    assert "ContributingEquipmentSequence" not in dataset


def test_masks_that_do_not_fit_are_refused(tmp_path):
    grid = make_grid_of("t2")
    images = write_images(tmp_path / "images", "ge", "t2")
    study, target = make_study("ge"), tmp_path / "truth.dcm"
    tumour = make_mask(grid, Roi.TUMOUR)
    shifted = Grid(grid.size, grid.spacing_mm, (0.0, 0.0, 0.0), grid.direction)
    short = Grid((*grid.size[:2], 4), grid.spacing_mm, grid.origin_mm, grid.direction)
    beside = Grid(grid.size, grid.spacing_mm, grid.to_mm((0.5, 0.0, 0.0)), grid.direction)
    (tmp_path / "nothing").mkdir()
    for masks, folder, error, code in (
        ([make_mask(shifted)], images, GeometryError, "MASK_GEOMETRY"),
        ([make_mask(beside)], images, GeometryError, "MASK_GEOMETRY"),
        ([make_mask(short)], images, GeometryError, "MASK_GEOMETRY"),
        ([make_mask(make_grid())], images, GeometryError, "MASK_GEOMETRY"),
        ([tumour, make_mask(shifted, Roi.BED)], images, GeometryError, "MASK_GEOMETRY"),
        ([tumour, tumour], images, PlanError, "USAGE"),
        ([], images, PlanError, "USAGE"),
        ([tumour], tmp_path / "nothing", InputError, "MISSING_FILE"),
    ):
        with pytest.raises(error) as caught:
            save_dicom_seg(masks, folder, target, study)
        assert caught.value.code == code
    assert not target.exists()


def test_a_descending_stack_keeps_its_slices(tmp_path):
    axial = make_grid_of("dwi")
    grid = Grid(axial.size, axial.spacing_mm, axial.origin_mm, (1, 0, 0, 0, 1, 0, 0, 0, -1))
    volumes = make_volumes("siemens", "dwi", grid)
    study = make_study("siemens")
    save_dicom_series(volumes, tmp_path / "images", study, make_settings("siemens", "dwi"))
    masks = make_masks(grid)
    save_dicom_seg(masks, tmp_path / "images", tmp_path / "truth.dcm", study)
    found = seg_arrays(pydicom.dcmread(tmp_path / "truth.dcm"), grid)
    for mask in masks:
        np.testing.assert_array_equal(found[mask.roi], mask.array)
