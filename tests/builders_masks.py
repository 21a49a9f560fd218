"""Mask files made in memory: NIfTI, NRRD, DICOM SEG and RTSTRUCT, sound ones to be spoilt."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from radresp.core import Grid

CANARY = "Canaryxq"
"""The patient's family name in every object here; may occur in no message and no record."""

TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
SEG_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"
LABELMAP_CLASS = "1.2.840.10008.5.1.4.1.1.66.7"
RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"


def save_nifti(path: Path, array: np.ndarray, grid: Grid) -> Path:
    """Write an array ordered (z, y, x)."""
    affine = TO_RAS @ grid.affine
    image = nib.Nifti1Image(np.ascontiguousarray(np.asarray(array).transpose(2, 1, 0)), affine)
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    nib.save(image, path)
    return path


def nrrd_bytes(
    array: np.ndarray,
    grid: Grid,
    *,
    encoding: str = "gzip",
    space: str = "left-posterior-superior",
    segments: Sequence[Mapping[str, object]] = (),
    **fields: str | None,
) -> bytes:
    """An NRRD file. The array is (z, y, x), or (layer, z, y, x) for a list of layers.

    ``fields`` replace header fields by name (``_`` for a blank); None leaves the field out.
    """
    layered = array.ndim == 4
    flip = np.array([-1.0, -1.0, 1.0]) if space.startswith("right") else np.ones(3)
    columns = (grid.axes * np.asarray(grid.spacing_mm)).T * flip
    vectors = ["none"] * layered + [_vector(column) for column in columns]
    stored = np.moveaxis(array, 0, -1) if layered else array
    header = {
        "type": {"u1": "unsigned char", "i2": "short", "f4": "float"}[array.dtype.str[1:]],
        "dimension": str(array.ndim),
        "space": space,
        "sizes": " ".join(map(str, stored.shape[::-1])),
        "space directions": " ".join(vectors),
        "kinds": " ".join(["list"] * layered + ["domain"] * 3),
        "endian": "little",
        "encoding": encoding,
        "space origin": _vector(np.asarray(grid.origin_mm) * flip),
    }
    header |= {name.replace("_", " "): text for name, text in fields.items()}
    lines = ["NRRD0005", "# a comment"]
    lines += [f"{name}: {text}" for name, text in header.items() if text is not None]
    for number, segment in enumerate(segments):
        lines += [f"Segment{number}_{key}:={value}" for key, value in segment.items()]
    data = np.ascontiguousarray(stored).tobytes()
    packed = gzip.compress(data, mtime=0) if encoding in ("gzip", "gz") else data
    return "\n".join([*lines, "", ""]).encode() + packed


def _vector(values: Iterable[float]) -> str:
    return "(" + ",".join(repr(float(v)) for v in values) + ")"


def dicom_file(sop_class: str, modality: str) -> FileDataset:
    """An object with a patient in it and nothing else."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID = f"{CANARY}^Anna", "HOSP-4711X"
    dataset.OperatorsName, dataset.ContentCreatorName = "Opersson^Olga", "Opersson^Olga"
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.Modality = modality
    return dataset


def save_dicom(path: Path, dataset: FileDataset) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def make_seg(
    segments: Mapping[str, np.ndarray],
    grid: Grid,
    *,
    kind: str = "BINARY",
    top: int = 255,
    shared_orientation: bool = True,
    slice_spacing: bool = True,
    order: int = 1,
    codes: Mapping[str, tuple[str, str, str]] | None = None,
) -> FileDataset:
    """A SEG of arrays (z, y, x) by label; only frames with something in them are stored.

    For fractions the arrays hold values from 0 to 1. ``order`` of -1 stores the frames backwards.
    """
    dataset = dicom_file(LABELMAP_CLASS if kind == "LABELMAP" else SEG_CLASS, "SEG")
    dataset.SegmentationType = kind
    dataset.SegmentSequence = [
        _segment(number, label, (codes or {}).get(label))
        for number, label in enumerate(segments, start=1)
    ]
    frames = list(_seg_frames(list(segments.values()), kind))[::order]
    shared = Dataset()
    measures, turn = Dataset(), Dataset()
    measures.PixelSpacing = [grid.spacing_mm[1], grid.spacing_mm[0]]
    measures.SliceThickness = 1.0
    if slice_spacing:
        measures.SpacingBetweenSlices = grid.spacing_mm[2]
    turn.ImageOrientationPatient = [f"{v:.10g}" for v in grid.axes[:, :2].T.ravel()]
    shared.PixelMeasuresSequence = [measures]
    if shared_orientation:
        shared.PlaneOrientationSequence = [turn]
    dataset.SharedFunctionalGroupsSequence = [shared]
    dataset.PerFrameFunctionalGroupsSequence = [
        _frame_groups(number, z, grid, None if shared_orientation else turn)
        for number, z, _ in frames
    ]
    if kind == "FRACTIONAL":
        dataset.SegmentationFractionalType, dataset.MaximumFractionalValue = "PROBABILITY", top
    dataset.Rows, dataset.Columns = grid.size[1], grid.size[0]
    dataset.NumberOfFrames, dataset.SamplesPerPixel = len(frames), 1
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
    bits = 1 if kind == "BINARY" else 8
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    pixels = np.concatenate([frame.ravel() for *_, frame in frames])
    if kind == "BINARY":
        content = np.packbits(pixels != 0, bitorder="little").tobytes()
    else:
        content = (pixels * (top if kind == "FRACTIONAL" else 1)).round().astype(np.uint8).tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OB"
    return dataset


def _segment(number: int, label: str, code: tuple[str, str, str] | None) -> Dataset:
    item, kind = Dataset(), Dataset()
    item.SegmentNumber, item.SegmentLabel, item.SegmentAlgorithmType = number, label, "MANUAL"
    scheme, value, meaning = code or ("SCT", "85756007", "Tissue")
    kind.CodeValue, kind.CodingSchemeDesignator, kind.CodeMeaning = value, scheme, meaning
    item.SegmentedPropertyTypeCodeSequence = [kind]
    return item


def _seg_frames(arrays: list[np.ndarray], kind: str) -> Iterable[tuple[int, int, np.ndarray]]:
    if kind == "LABELMAP":
        labels = sum(n * array.astype(np.uint8) for n, array in enumerate(arrays, start=1))
        arrays = [labels]
    for number, array in enumerate(arrays, start=1):
        for z, plane in enumerate(array):
            if plane.any():
                yield (0 if kind == "LABELMAP" else number), z, plane


def _frame_groups(number: int, z: int, grid: Grid, turn: Dataset | None) -> Dataset:
    groups, place, content = Dataset(), Dataset(), Dataset()
    place.ImagePositionPatient = [f"{v:.8g}" for v in grid.to_mm((0.0, 0.0, float(z)))]
    groups.PlanePositionSequence, groups.FrameContentSequence = [place], [content]
    if number:
        identification = Dataset()
        identification.ReferencedSegmentNumber = number
        groups.SegmentIdentificationSequence = [identification]
    if turn is not None:
        groups.PlaneOrientationSequence = [turn]
    return groups


def make_rtstruct(rois: Mapping[str, Sequence[np.ndarray]]) -> FileDataset:
    """An RTSTRUCT of contours by ROI name, vertices in LPS mm, shape (n, 3) each."""
    dataset = dicom_file(RTSTRUCT_CLASS, "RTSTRUCT")
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    for number, (name, contours) in enumerate(rois.items(), start=1):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ROIDescription = number, name, f"for {CANARY}"
        drawn.ReferencedROINumber, drawn.ContourSequence = number, []
        for points in contours:
            contour = Dataset()
            contour.ContourGeometricType = "CLOSED_PLANAR"
            contour.NumberOfContourPoints = len(points)
            contour.ContourData = [f"{v:.8g}" for v in np.ravel(points)]
            drawn.ContourSequence.append(contour)
        dataset.StructureSetROISequence.append(roi)
        dataset.ROIContourSequence.append(drawn)
    return dataset


def on_slice(polygon: np.ndarray, z: float, grid: Grid) -> np.ndarray:
    """A polygon in index coordinates (x, y) on a slice, as LPS mm."""
    index = np.column_stack([polygon, np.full(len(polygon), z)])
    return index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
