"""Synthetic patients as each vendor's DICOM: what was drawn is what four readers find."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from commands import tree
from readers_dicom_out import (
    assert_same_place,
    by_place,
    convert,
    on_our_grid,
    rtstruct_arrays,
    seg_arrays,
)

from radresp import io, phantom, pipeline
from radresp.core import Mask, Sequence, Timepoint, Volume
from radresp.errors import PlanError

QUICK = {
    "coarseness": 3.0,
    "field_of_view": 0.6,
    "dwi_samples_in_plane": 2,
    "samples_through_plane": 1,
    "other_scanner": 0.0,
}
FLOAT32 = 3e-7  # two units in the last place
KINDS = ("t2", "dwi")


@dataclass(frozen=True)
class Exported:
    """A cohort of one patient as DICOM, and the patient that was written."""

    patient: phantom.PhantomPatient
    folder: Path

    @property
    def dialect(self) -> str:
        return self.patient.protocols[Timepoint.PRE].dialect

    def series(self, visit: Timepoint, kind: str) -> Path:
        return self.folder / self.patient.case.case_id / visit / kind

    def volumes(self, visit: Timepoint, kind: str) -> tuple[Volume, ...]:
        case = self.patient.case
        return case.dwi(visit) if kind == "dwi" else (case.image(visit, Sequence.T2),)

    def masks(self, visit: Timepoint) -> dict[str, Mask]:
        case = self.patient.case
        return {key.roi: mask for key, mask in case.masks.items() if key.timepoint is visit}

    def export(self, folder: Path) -> Exported:
        """The same patient written once more, without imaging them again."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(phantom, "make_patient", lambda *_: self.patient)
            pipeline.make_phantom_cohort(folder, 1, 3, settings=settings(), dicom=True)
        return replace(self, folder=folder)


def settings(*scanners: str) -> phantom.PhantomSettings:
    return phantom.PhantomSettings(scanners=scanners or phantom.VENDOR_SCANNERS, **QUICK)


@pytest.fixture(scope="module", params=phantom.VENDOR_SCANNERS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    patient = phantom.make_patient(0, 3, settings(request.param))
    folder = tmp_path_factory.mktemp(request.param)
    return Exported(patient, folder).export(folder)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("visit", Timepoint)
def test_pydicom_finds_every_voxel_where_it_was_drawn(
    exported: Exported, visit: Timepoint, kind: str
) -> None:
    volumes = exported.volumes(visit, kind)
    found = by_place(tuple(exported.series(visit, kind).iterdir()), volumes[0].grid)
    assert len(found) == len(volumes) * volumes[0].grid.size[2]
    for volume in volumes:
        read = np.stack([found[volume.b_s_per_mm2, z] for z in range(volume.grid.size[2])])
        np.testing.assert_allclose(read, volume.array, rtol=FLOAT32)


@pytest.mark.parametrize("kind", KINDS)
def test_dcm2niix_agrees_on_b_values_geometry_and_voxels(
    exported: Exported, tmp_path: Path, kind: str
) -> None:
    for visit in Timepoint:
        volumes = exported.volumes(visit, kind)
        image, b_values = convert(exported.series(visit, kind), tmp_path / visit)
        expected = [v.b_s_per_mm2 for v in volumes] if kind == "dwi" else []
        if exported.dialect == "philips_enhanced":
            # Knowingly: dcm2niix says b 2000 for ISOTROPIC frames of Philips enhanced files.
            expected = [b if b == 0 else 2000.0 for b in expected]
        assert b_values == expected
        values = on_our_grid(image, volumes[0].grid)
        for read, volume in zip(values, volumes, strict=True):
            # Philips: the scanner's own float, dcm2niix's default as it is ours.
            np.testing.assert_allclose(read, volume.array, rtol=1e-6)


def test_highdicom_puts_the_t2_where_the_volume_is(exported: Exported) -> None:
    for visit in Timepoint:
        (volume,) = exported.volumes(visit, "t2")
        paths = sorted(exported.series(visit, "t2").iterdir())
        if len(paths) > 1:
            read = highdicom.get_volume_from_series([pydicom.dcmread(path) for path in paths])
            assert_same_place(read, volume.grid)
            continue
        mapped = exported.dialect == "philips_enhanced"
        read = highdicom.imread(paths[0]).get_volume(
            dtype=np.float64, apply_real_world_transform=mapped, apply_modality_transform=not mapped
        )
        values = assert_same_place(read, volume.grid)
        np.testing.assert_allclose(values, volume.array, rtol=FLOAT32)


def test_segments_and_contours_are_the_masks(exported: Exported) -> None:
    for visit in Timepoint:
        masks, images = exported.masks(visit), exported.series(visit, "t2")
        grid = next(iter(masks.values())).grid
        segments = seg_arrays(pydicom.dcmread(images.with_name("masks_seg.dcm")), grid)
        contours, _ = rtstruct_arrays(images.with_name("masks_rtstruct.dcm"), images, grid)
        assert set(segments) == set(contours) == set(masks)
        for roi, mask in masks.items():
            assert not mask.is_empty
            np.testing.assert_array_equal(segments[roi], mask.array)
            np.testing.assert_array_equal(contours[roi], mask.array)


def test_the_same_patient_is_the_same_bytes(exported: Exported, tmp_path: Path) -> None:
    again = exported.export(tmp_path / "again")
    first, second = tree(exported.folder), tree(again.folder)
    assert first == second
    assert sum(name.endswith(".dcm") for name in first) >= 8


def test_headers_are_of_one_synthetic_patient_at_two_visits(exported: Exported) -> None:
    heads = [
        pydicom.dcmread(path, stop_before_pixels=True)
        for path in sorted(exported.folder.rglob("*.dcm"))
    ]
    assert {head.PatientID for head in heads} == {exported.patient.case.case_id}
    assert len({head.StudyInstanceUID for head in heads}) == 2
    assert len({head.SOPInstanceUID for head in heads}) == len(heads)
    clinical = exported.patient.clinical
    dates = {clinical[f"{visit}_date"].replace("-", "") for visit in Timepoint}
    assert {head.StudyDate for head in heads} == dates
    images = [head for head in heads if head.Modality == "MR"]
    assert {head.ManufacturerModelName for head in images} == {clinical["scanner"]}
    assert {float(head.MagneticFieldStrength) for head in images} == {
        float(clinical["field_strength_t"])
    }
    protocol = exported.patient.protocols[Timepoint.PRE]
    assert {head.Manufacturer for head in images} == {protocol.vendor}


def test_the_cohort_table_loads_and_its_series_read_back(exported: Exported) -> None:
    cohort = io.load_cohort(exported.folder / "cohort.csv")
    (files,) = cohort.cases
    outcomes = io.load_outcomes(exported.folder / "outcomes.csv")
    assert set(outcomes.labels) == {files.case_id}
    for visit, kind in itertools.product(Timepoint, KINDS):
        volumes, _ = io.load_volumes(files.images[visit, Sequence(kind)], Sequence(kind))
        drawn = exported.volumes(visit, kind)
        assert [v.b_s_per_mm2 for v in volumes] == [v.b_s_per_mm2 for v in drawn]
        for read, volume in zip(volumes, drawn, strict=True):
            assert read.grid.same_as(volume.grid, tol_mm=1e-3)
            np.testing.assert_allclose(read.array, volume.array, rtol=FLOAT32)


@pytest.mark.parametrize("name", ["masks_seg.dcm", "masks_rtstruct.dcm"])
def test_our_reader_finds_every_mask_in_seg_and_rtstruct(exported: Exported, name: str) -> None:
    for visit in Timepoint:
        path = exported.series(visit, "t2").with_name(name)
        for roi, mask in exported.masks(visit).items():
            image = exported.series(visit, "t2")
            read, _ = io.load_mask(path, mask.roi, mask.grid, choice=str(roi), image=image)
            np.testing.assert_array_equal(read.array, mask.array)


@pytest.mark.parametrize("scanners", [("reference_1p5t",), ("ge_3t", "reference_3t")])
def test_a_scanner_without_a_dialect_is_refused_before_anything_is_written(
    tmp_path: Path, scanners: tuple[str, ...]
) -> None:
    with pytest.raises(PlanError) as caught:
        pipeline.make_phantom_cohort(tmp_path, 1, 3, settings=settings(*scanners), dicom=True)
    assert caught.value.code == "USAGE"
    assert caught.value.expected == f"one of {', '.join(phantom.VENDOR_SCANNERS)}"
    assert not list(tmp_path.iterdir())
