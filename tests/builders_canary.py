"""Marked patient data in every place a hospital puts it, and a search through every output byte."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence

CANARY = "CANARYXQ7"
"""Stands in attributes, private elements and exceptions."""
PLACE = "Canaryplace"
"""Stands in names of files and folders."""
DAYS = ("20240102", "20240402")
TEXTS = (
    "PatientName", "PatientID", "OtherPatientNames", "PatientComments", "PatientAddress",
    "InstitutionName", "InstitutionAddress", "ReferringPhysicianName", "OperatorsName",
    "PerformingPhysicianName", "StudyDescription", "SeriesDescription", "ProtocolName",
    "AccessionNumber", "StudyID", "StationName", "ImageComments", "RequestingPhysician",
    "AdmissionID", "PatientBirthName", "PatientTelephoneNumbers", "EthnicGroup", "Occupation",
    "CurrentPatientLocation", "DeviceSerialNumber", "PatientMotherBirthName",
    "MilitaryRank", "BranchOfService", "RegionOfResidence", "CountryOfResidence",
    "PatientReligiousPreference", "AdditionalPatientHistory", "PatientInsurancePlanCodeSequence",
    "PhysiciansOfRecord", "NameOfPhysiciansReadingStudy", "AdmittingDiagnosesDescription",
    "InstitutionalDepartmentName", "ReferringPhysicianAddress", "MedicalRecordLocator",
    "ReferringPhysicianTelephoneNumbers",
    "RequestedProcedureDescription", "RequestedProcedureComments", "RequestingService",
    "PerformedProcedureStepDescription", "PerformedProcedureStepID", "PerformedStationName",
    "PerformedLocation", "ScheduledProcedureStepDescription", "RequestedProcedureID",
    "PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest",
    "AcquisitionComments", "DerivationDescription", "ContrastBolusAgent", "SequenceName",
    "DetectorID", "GantryID", "DeviceDescription", "PlateID", "CassetteID", "SpecialNeeds",
    "PatientState", "Allergies", "MedicalAlerts", "VisitComments", "ReasonForStudy",
    "StudyComments", "IssuerOfPatientID", "CommentsOnThePerformedProcedureStep",
)  # fmt: skip
SEQUENCES = ("RequestAttributesSequence", "ReferencedPatientSequence", "OtherPatientIDsSequence")
ALLOWED_FILES = ("cohort.csv", "index_log.csv", "status.jsonl", "run.json")
"""Working papers that hold addresses (faults.md H02); reports and tables of features do not."""


def mark(datasets: list[FileDataset], day: str, *, patient: str = CANARY) -> list[FileDataset]:
    """Put the canary into every free text, three sequences and private elements of a series."""
    for dataset in datasets:
        for keyword in TEXTS:
            if not keyword.endswith("Sequence"):
                setattr(dataset, keyword, CANARY)
        dataset.PatientID = patient
        for keyword in SEQUENCES:
            item = Dataset()
            item.PatientID, item.PatientComments = CANARY, CANARY
            setattr(dataset, keyword, Sequence([item]))
        dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = day
        dataset.PatientBirthDate, dataset.PatientAge = "19510203", "073Y"
        for group in (0x0009, 0x0011, 0x0019, 0x0029, 0x0051):
            block = dataset.private_block(group, f"{CANARY} PRIVATE", create=True)
            block.add_new(0x01, "LO", CANARY)
            block.add_new(0x02, "UN", CANARY.encode())
    return datasets


def contents(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and those inside when it is a gzip or zip."""
    data = path.read_bytes()
    yield data
    if data[:2] == b"\x1f\x8b":
        yield gzip.decompress(data)
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as bundle:
            for name in bundle.namelist():
                yield name.encode()
                yield bundle.read(name)


def marks(*more: str) -> list[bytes]:
    """What may occur nowhere, as each text encoding would write it."""
    words = [CANARY, *DAYS, "19510203", *(f"{d[:4]}-{d[4:6]}-{d[6:]}" for d in DAYS), *more]
    return [
        form
        for word in words
        for form in (word.encode(), word.encode("utf-16-le"), word.encode("utf-16-be"))
    ]


def find_marks(*outputs: Path | str) -> list[str]:
    """Where a mark occurs in texts or in files below folders; empty when nowhere."""
    found = []
    for place in outputs:
        if isinstance(place, str):
            found += [f"text: {m!r}" for m in marks() if m in place.encode()]
            continue
        for path in [place, *place.rglob("*")]:
            if CANARY in path.name or (PLACE in path.name and path != place):
                found.append(f"name: {path.name}")
            if not path.is_file():
                continue
            wanted = marks(*(() if path.name in ALLOWED_FILES else (PLACE,)))
            for data in contents(path):
                found += [f"{path.name}: {m!r}" for m in wanted if m in data]
    return found
