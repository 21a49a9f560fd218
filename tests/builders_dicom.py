"""Classic MR DICOM series made in memory: sound ones, and one way to spoil them for each fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

CANARY = "CANARYXQ"
"""Stands in every attribute that could name a person or a place; may occur in no output."""

ROWS, COLUMNS, SLICES = 14, 12, 6
SPACING = (1.5, 1.25)  # DICOM order: between rows, between columns
SLICE_SPACING = 3.0
ROW = np.array([1.0, 0.0, 0.0])
COLUMN = np.array([0.0, np.cos(0.15), -np.sin(0.15)])
NORMAL = np.cross(ROW, COLUMN)
ORIGIN = np.array([-60.0, -40.0, 12.0])

_PRIVATE = ("PatientName", "PatientID", "SeriesDescription", "StudyDescription", "ProtocolName")
_PRIVATE += ("InstitutionName", "OperatorsName", "PatientComments", "ReferringPhysicianName")
_PRIVATE += ("AccessionNumber", "StudyID", "StationName", "ImageComments", "SequenceName")

_KINDS: dict[str, dict[str, object]] = {
    "t2": {
        "ImageType": ["ORIGINAL", "PRIMARY", "M", "NORM", "DIS2D"],
        "ScanningSequence": "SE",
        "EchoTime": 104,
        "RepetitionTime": 5660,
    },
    "dwi": {
        "ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW", "DIS2D"],
        "ScanningSequence": "EP",
        "EchoTime": 63,
        "RepetitionTime": 2700,
    },
    "adc": {
        "ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC", "DIS2D"],
        "ScanningSequence": "EP",
        "EchoTime": 63,
        "RepetitionTime": 2700,
    },
}


def picture(number: int, b: float = 0.0) -> np.ndarray:
    """Stored numbers of one slice, ordered (y, x); each slice and b-value looks different."""
    y, x = np.indices((ROWS, COLUMNS))
    return (200 + 20 * number + 7 * x + 3 * y * (number + 1) - 0.1 * b).astype(np.uint16)


def make_series(
    kind: str = "t2", slices: int = SLICES, b_values: tuple[float, ...] = (50, 400, 800)
) -> list[FileDataset]:
    """Data sets of one Siemens-like series; diffusion has its b-value in the private tag only."""
    series, study = generate_uid(), generate_uid()
    made = []
    for b in b_values if kind == "dwi" else (None,):
        for index in range(slices):
            dataset = _slice(kind, index, len(made) + 1, b)
            dataset.SeriesInstanceUID, dataset.StudyInstanceUID = series, study
            made.append(dataset)
    return made


def _slice(kind: str, index: int, number: int, b: float | None) -> FileDataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    for keyword in _PRIVATE:
        setattr(dataset, keyword, CANARY)
    dataset.PatientBirthDate, dataset.PatientSex = "19510203", "F"
    dataset.SOPClassUID, dataset.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.Modality, dataset.Manufacturer = "MR", "SIEMENS"
    dataset.ManufacturerModelName, dataset.MagneticFieldStrength = "Skyra", 3
    dataset.StudyDate = dataset.AcquisitionDate = "20210405"
    minute = 30 + list(_KINDS).index(kind)
    dataset.StudyTime, dataset.AcquisitionTime = "101500", f"10{minute}{index:02d}.25"
    dataset.PatientPosition, dataset.BodyPartExamined = "HFS", "RECTUM"
    dataset.SeriesNumber, dataset.InstanceNumber = 4, number
    for keyword, value in _KINDS[kind].items():
        setattr(dataset, keyword, value)
    place = ORIGIN + index * SLICE_SPACING * NORMAL
    dataset.ImagePositionPatient = [float(f"{v:.8g}") for v in place]
    dataset.ImageOrientationPatient = [float(f"{v:.10g}") for v in (*ROW, *COLUMN)]
    dataset.PixelSpacing, dataset.SliceThickness = list(SPACING), 2.5
    if b is not None:
        block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
        block.add_new(0x0C, "IS", int(b))
    set_pixels(dataset, picture(index, b or 0.0))
    return dataset


def set_pixels(dataset: FileDataset, stored: np.ndarray, bits: int = 12) -> None:
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = 8 * stored.dtype.itemsize
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.PixelData = stored.tobytes()


def write_series(folder: Path, datasets: list[FileDataset]) -> Path:
    """Write one file a data set, in an order that says nothing about the slices."""
    folder.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(3).permutation(len(datasets))
    for name, index in enumerate(order):
        datasets[index].save_as(folder / f"im{name:03d}.dcm", enforce_file_format=True)
    return folder


def file_of(folder: Path, index: int) -> Path:
    """The file of the slice at an index along the normal (of the first b-value)."""
    found = []
    for path in sorted(folder.iterdir()):
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        found.append((int(dataset.InstanceNumber), path))
    return sorted(found)[index][1]


class Fault(NamedTuple):
    """A way to spoil a series: the data sets before writing, or the files afterwards."""

    code: str
    kind: str = "t2"
    edit: Callable[[list[FileDataset]], list[FileDataset]] = lambda datasets: datasets
    damage: Callable[[Path], None] = lambda folder: None

    def write(self, folder: Path) -> Path:
        write_series(folder, self.edit(make_series(self.kind)))
        self.damage(folder)
        return folder


def setting(index: int | None = None, **values: object) -> Callable:
    """An edit that sets attributes of one slice, or of all; None deletes."""

    def edit(datasets: list[FileDataset]) -> list[FileDataset]:
        for dataset in datasets if index is None else [datasets[index]]:
            for keyword, value in values.items():
                if value is None:
                    delattr(dataset, keyword)
                else:
                    setattr(dataset, keyword, value)
        return datasets

    return edit


def moving(index: int, offset: np.ndarray) -> Callable:
    """An edit that moves one slice by an offset in LPS mm."""

    def edit(datasets: list[FileDataset]) -> list[FileDataset]:
        place = np.array(datasets[index].ImagePositionPatient, dtype=float) + offset
        datasets[index].ImagePositionPatient = [float(f"{v:.8g}") for v in place]
        return datasets

    return edit


def _without(index: int) -> Callable:
    return lambda datasets: datasets[:index] + datasets[index + 1 :]


def _sheared(datasets: list[FileDataset]) -> list[FileDataset]:
    for index, dataset in enumerate(datasets):
        moving(0, index * 0.2 * SLICE_SPACING * ROW)([dataset])
    return datasets


def _another(datasets: list[FileDataset]) -> list[FileDataset]:
    """The third slice acquired once more, with other pixels."""
    extra = make_series()[2]
    extra.SeriesInstanceUID = datasets[0].SeriesInstanceUID
    set_pixels(extra, picture(9))
    return [*datasets, extra]


def _two_series(datasets: list[FileDataset]) -> list[FileDataset]:
    return datasets + make_series("dwi")


def _without_b(datasets: list[FileDataset]) -> list[FileDataset]:
    for dataset in datasets:
        dataset.remove_private_tags()
    return datasets


def _tail(bytes_kept: int | None = None, bytes_cut: int = 0) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = file_of(folder, 2)
        content = path.read_bytes()
        path.write_bytes(content[: bytes_kept or len(content) - bytes_cut])

    return damage


def _long_element(folder: Path) -> None:
    """An element that declares 3.7 GB."""
    path = file_of(folder, 2)
    content = path.read_bytes()
    # Where an element begins: elsewhere it would be part of a value, of a length drawn by chance.
    place = content.index(b"\x08\x00\x16\x00UI")
    path.write_bytes(content[:place] + b"\x08\x00\x70\x00UN\0\0\0\0\0\xdd" + content[place:])


def _nested(folder: Path) -> None:
    """20,000 sequences inside each other."""
    opening = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    path = file_of(folder, 2)
    content = path.read_bytes()
    place = content.index(b"\x08\x00\x16\x00UI")
    path.write_bytes(content[:place] + opening * 20_000 + content[place:])


def _garbage(datasets: list[FileDataset]) -> list[FileDataset]:
    for index, dataset in enumerate(datasets):
        dataset.PixelData = (picture(index) | 0x5000).astype("<u2").tobytes()
    return datasets


def _wrapped(datasets: list[FileDataset]) -> list[FileDataset]:
    for index, dataset in enumerate(datasets):
        set_pixels(dataset, (picture(index).astype(np.int32) * 90).astype(np.int16), bits=16)
    return datasets


def _overlay(datasets: list[FileDataset]) -> list[FileDataset]:
    datasets[0].add_new(0x60003000, "OW", b"\0\0")
    return datasets


def _constant(datasets: list[FileDataset]) -> list[FileDataset]:
    for dataset in datasets:
        set_pixels(dataset, np.full((ROWS, COLUMNS), 7, np.uint16))
    return datasets


def compressed_as(uid: str) -> Callable[[list[FileDataset]], list[FileDataset]]:
    def edit(datasets: list[FileDataset]) -> list[FileDataset]:
        for dataset in datasets:
            dataset.file_meta.TransferSyntaxUID = uid
            dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff\xd9" * 4])
            dataset["PixelData"].VR = "OB"
            dataset["PixelData"].is_undefined_length = True
        return datasets

    return edit


SHEAR_DEGREES = float(np.degrees(np.arctan(0.2)))

FAULTS: dict[str, Fault] = {
    "truncated pixels": Fault("DCM_TRUNCATED", damage=_tail(bytes_cut=100)),
    "header only": Fault("DCM_INCOMPLETE", damage=_tail(bytes_kept=360)),
    "no pixels": Fault("DCM_INCOMPLETE", edit=setting(2, PixelData=None)),
    "no rows": Fault("DCM_INCOMPLETE", edit=setting(2, Rows=None)),
    "gap": Fault("DCM_GAP", edit=_without(2)),
    "duplicate position": Fault("DCM_DUP_POSITION", edit=_another),
    "two series": Fault("DCM_MULTI_SERIES", edit=_two_series),
    "no b-value": Fault("DWI_BVALUE_MISSING", "dwi", _without_b),
    "adc among trace": Fault(
        "DCM_MIXED_TYPES", "dwi", setting(3, ImageType=["DERIVED", "PRIMARY", "DIFFUSION", "ADC"])
    ),
    "direction among trace": Fault(
        "DCM_MIXED_TYPES",
        "dwi",
        setting(3, ImageType=["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]),
    ),
    "shear": Fault("DCM_SHEAR", edit=_sheared),
    "uneven spacing": Fault("DCM_SPACING", edit=moving(3, 0.2 * NORMAL)),
    "tilted slice": Fault(
        "DCM_ORIENTATION", edit=setting(3, ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    ),
    "axes not at right angles": Fault(
        "DCM_ORIENTATION", edit=setting(ImageOrientationPatient=[1, 0, 0, 0.3, 0.954, 0])
    ),
    "other pixel spacing": Fault("DCM_MATRIX", edit=setting(3, PixelSpacing=[2.0, 2.0])),
    "no position": Fault("DCM_NO_GEOMETRY", edit=setting(3, ImagePositionPatient=None)),
    "no pixel spacing": Fault("DCM_NO_GEOMETRY", edit=setting(PixelSpacing=None)),
    "bits outside": Fault("DCM_SIGN", edit=_garbage),
    "wrapped numbers": Fault("DCM_SIGN", edit=_wrapped),
    "huge matrix": Fault("IMG_TOO_LARGE", edit=setting(2, Rows=65535, Columns=65535)),
    "matrix beyond file": Fault("DCM_TRUNCATED", edit=setting(2, Rows=5000, Columns=5000)),
    "long element": Fault("DCM_CORRUPT", damage=_long_element),
    "nested sequences": Fault("DCM_NESTING", damage=_nested),
    "film": Fault("DCM_CODEC", edit=compressed_as("1.2.840.10008.1.2.4.100")),
    "enhanced without groups": Fault(
        "DCM_INCOMPLETE", edit=setting(SOPClassUID="1.2.840.10008.5.1.4.1.1.4.1", NumberOfFrames=6)
    ),
    "ct": Fault(
        "DCM_MODALITY", edit=setting(SOPClassUID="1.2.840.10008.5.1.4.1.1.2", Modality="CT")
    ),
    "localizer": Fault(
        "DCM_MODALITY", edit=setting(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER", "M"])
    ),
    "three slices": Fault("DCM_MODALITY", edit=lambda datasets: datasets[:3]),
    "mosaic": Fault(
        "DCM_MOSAIC", edit=setting(ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"])
    ),
    "burned in": Fault("DCM_BURNED_IN", edit=setting(BurnedInAnnotation="YES")),
    "overlay": Fault("DCM_BURNED_IN", edit=_overlay),
    "secondary capture": Fault(
        "DCM_BURNED_IN", edit=setting(SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    ),
    "two patients": Fault("DCM_MIXED_PATIENT", edit=setting(4, PatientID=CANARY + "2")),
    "declared count": Fault("DCM_COUNT", edit=setting(ImagesInAcquisition=SLICES + 1)),
    "slice missing at one b": Fault("DCM_COUNT", "dwi", _without(0)),
    "colour": Fault("DCM_PIXELS", edit=setting(SamplesPerPixel=3)),
    "high bit": Fault("DCM_INCOMPLETE", edit=setting(HighBit=15)),
    "constant": Fault("IMG_CONSTANT", edit=_constant),
    "metres": Fault("IMG_SPACING", edit=setting(PixelSpacing=[0.001, 0.001])),
}
