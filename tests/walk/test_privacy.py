"""Marked patient attributes never reach an output, a message or a log."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from builders_dicom import make_series, write_series
from commands import radresp

from radresp import io
from radresp.core import Sequence

CANARY = "CANARYXQ7"
MARKED = (
    "PatientName", "PatientID", "OtherPatientNames", "PatientComments", "PatientAddress",
    "InstitutionName", "InstitutionAddress", "ReferringPhysicianName", "OperatorsName",
    "PerformingPhysicianName", "StudyDescription", "SeriesDescription", "ProtocolName",
    "AccessionNumber", "StudyID", "StationName", "ImageComments", "RequestingPhysician",
    "AdmissionID", "PatientBirthName", "PatientTelephoneNumbers", "EthnicGroup", "Occupation",
    "CurrentPatientLocation", "DeviceSerialNumber",
)  # fmt: skip


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two visits of DICOM whose every free text holds the canary."""
    folder = tmp_path_factory.mktemp("privacy") / "case_1"
    for visit, day in (("pre", "20240102"), ("post", "20240402")):
        for kind in ("t2", "dwi"):
            series = make_series(kind)
            for dataset in series:
                for name in MARKED:
                    setattr(dataset, name, CANARY[:16])
                dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = day
                dataset.add_new((0x0019, 0x1099), "LO", CANARY)
            write_series(folder / visit / kind, series)
    image = io.load_volumes(folder / "pre/t2", Sequence.T2)[0][0]
    inside = np.zeros(image.array.shape, np.uint8)
    z, y, x = (n // 4 for n in inside.shape)
    inside[z : z + max(3, 2 * z), y : 3 * y, x : 3 * x] = 1
    affine = np.diag([-1, -1, 1, 1]) @ image.grid.affine
    nifti = nib.Nifti1Image(inside.T, affine)
    nifti.header["descrip"] = CANARY.encode()
    nib.save(nifti, folder / "pre/tumour.nii.gz")
    return folder


def assert_clean(*places: Path | str) -> None:
    for place in places:
        if isinstance(place, str):
            assert CANARY not in place
            continue
        for path in place.rglob("*"):
            assert CANARY not in path.name
            if path.is_file():
                data = path.read_bytes()
                data += gzip.decompress(data) if data[:2] == b"\x1f\x8b" else b""
                assert CANARY.encode() not in data, path
                assert b"20240102" not in data, path


def test_no_output_of_any_command_holds_a_patient_attribute(case: Path, tmp_path: Path) -> None:
    for words in (
        ("series", case),
        ("check", case),
        ("extract", case, "-o", tmp_path / "features"),
        ("prepare", case, "-o", tmp_path / "prepared"),
        ("register", case / "post/t2", case / "pre/t2", "-o", tmp_path / "registered"),
    ):
        for more in ((), ("--json",)):
            shown = radresp(*words, *more)
            assert_clean(shown.out, shown.err)
    assert_clean(tmp_path)
    assert (tmp_path / "features/status.jsonl").exists()


def test_no_refusal_quotes_a_header(case: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    slices = make_series("t2")
    for dataset in slices:
        dataset.PatientName = CANARY
        dataset.SeriesDescription = CANARY
    slices[1].PatientID = CANARY
    write_series(broken / "pre/t2", slices)
    write_series(broken / "post/t2", slices[:-2])
    for words in (("check", broken), ("extract", broken, "-o", tmp_path / "out")):
        shown = radresp(*words)
        assert shown.code != 0
        assert_clean(shown.out, shown.err)
