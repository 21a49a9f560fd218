"""The part of a header that every dialect shares, and turning a data set into bytes.

A header says in machine-readable places that nothing in it was measured: SyntheticData and
QualityControlSubject are YES. There is no name, no birth date, no institution and no serial number.
"""

from __future__ import annotations

import io
from collections.abc import Sequence as Ordered
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from radresp.core import Grid, Sequence
from radresp.io.dicom_out_pixels import Stored, ds
from radresp.io.dicom_out_study import DicomSeries, DicomStudy, stable_uid

COMMENT = "Synthetic digital phantom; no patient was imaged. Research use only."
HZ_PER_TESLA = 42.577478

_IMPLEMENTATION = stable_uid("radresp", "implementation")


@dataclass(frozen=True, slots=True)
class Scan:
    """Everything a header is made from."""

    study: DicomStudy
    series: DicomSeries
    grid: Grid
    sequence: Sequence
    b_values: tuple[float | None, ...]
    stored: Stored
    window: tuple[int, int]
    """Centre and width of a display window."""

    @property
    def diffusion(self) -> bool:
        """Whether it is a diffusion series."""
        return self.sequence is Sequence.DWI

    @property
    def slices(self) -> int:
        """Number of slice positions."""
        return self.grid.size[2]

    @property
    def normal(self) -> NDArray[np.float64]:
        """Row times column: the normal DICOM means, whichever way the slices are counted."""
        axes = self.grid.axes
        return np.cross(axes[:, 0], axes[:, 1])

    def position(self, index: int) -> NDArray[np.float64]:
        """LPS mm of the centre of the first pixel of a slice."""
        return np.asarray(self.grid.to_mm((0.0, 0.0, float(index))))

    def acquired(self, volume: int) -> datetime:
        """When a volume was acquired: volumes follow each other, averages within each."""
        seconds = volume * self.series.tr_ms * self.series.averages / 1000
        return self.study.when + timedelta(seconds=self.series.start_s + seconds)

    @property
    def phase_steps(self) -> int:
        """Acquired phase encoding steps."""
        columns, rows, _ = self.grid.size
        return self.series.phase_steps or (rows if self.series.phase_axis == "COL" else columns)


def base_header(study: DicomStudy, modality: str, series_uid: str) -> Dataset:
    """Patient, study, equipment and frame of reference: what all objects of a visit share."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SyntheticData = "YES"
    dataset.StudyDate, dataset.StudyTime = date_text(study.when), time_text(study.when)
    dataset.AccessionNumber = ""
    dataset.Modality = modality
    dataset.Manufacturer = study.manufacturer
    dataset.ReferringPhysicianName = ""
    dataset.ManufacturerModelName = study.model
    dataset.PatientName = f"{study.patient_id}^"  # one component and meant so
    dataset.PatientID = study.patient_id
    dataset.PatientBirthDate = ""
    dataset.PatientSex = study.sex
    dataset.QualityControlSubject = "YES"
    if study.age_years is not None:
        dataset.PatientAge = f"{study.age_years:03d}Y"
    dataset.SoftwareVersions = study.software
    dataset.StudyInstanceUID = study.uid("study")
    dataset.SeriesInstanceUID = series_uid
    dataset.StudyID = "1"
    dataset.FrameOfReferenceUID = study.uid("frame of reference")
    dataset.PositionReferenceIndicator = ""
    return dataset


def image_header(scan: Scan) -> Dataset:
    """What all images of one series share, classic or enhanced."""
    study, series = scan.study, scan.series
    dataset = base_header(study, "MR", study.uid("series", series.number))
    start = scan.acquired(0)
    for kind in ("Series", "Acquisition", "Content", "InstanceCreation"):
        setattr(dataset, f"{kind}Date", date_text(start))
        setattr(dataset, f"{kind}Time", time_text(start))
    dataset.SeriesDescription = dataset.ProtocolName = series.description
    dataset.BodyPartExamined = "PELVIS"
    dataset.PatientPosition = "HFS"
    dataset.MagneticFieldStrength = ds(study.field_strength_t)
    dataset.SeriesNumber, dataset.AcquisitionNumber = series.number, 1
    dataset.ImageComments = COMMENT
    dataset.BurnedInAnnotation = "NO"
    dataset.LossyImageCompression = "00"
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Columns, dataset.Rows = scan.grid.size[:2]
    dataset.BitsAllocated = 16
    dataset.BitsStored, dataset.HighBit = scan.stored.bits, scan.stored.bits - 1
    dataset.PixelRepresentation = int(scan.stored.signed)
    return dataset


def orientation(grid: Grid) -> list[str]:
    """ImageOrientationPatient: direction cosines of a row, then of a column."""
    return [ds(value) for value in grid.axes[:, :2].T.ravel()]


def pixel_spacing(grid: Grid) -> list[str]:
    """PixelSpacing: between rows first, then between columns."""
    return [ds(grid.spacing_mm[1]), ds(grid.spacing_mm[0])]


def point_text(point: NDArray[np.float64]) -> list[str]:
    """A point in mm as decimal strings; dust below a nanometre is dropped."""
    return [ds(value) for value in np.round(point, 9) + 0.0]


def date_text(moment: datetime) -> str:
    """A DICOM date."""
    return f"{moment:%Y%m%d}"


def time_text(moment: datetime) -> str:
    """A DICOM time to the microsecond."""
    return f"{moment:%H%M%S.%f}"


def item(**values: object) -> Dataset:
    """A sequence item from keywords and values."""
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def code_item(code: Ordered[str]) -> Dataset:
    """A code sequence item from value, scheme and meaning."""
    value, scheme, meaning = code
    return item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def file_bytes(dataset: Dataset) -> bytes:
    """A data set as a DICOM file: explicit little endian, nothing in it but what was put in."""
    meta: Any = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = _IMPLEMENTATION
    meta.ImplementationVersionName = "RADRESP"
    dataset.file_meta = meta
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()
