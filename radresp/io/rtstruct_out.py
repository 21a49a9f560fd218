"""Write masks as a DICOM RT structure set on the images they were drawn on.

Every slice of a region is one or more CLOSED_PLANAR contours along pixel borders; a hole is a
contour of its own, to be read even-odd, as planning systems that do not draw keyholes write it.
"""

from __future__ import annotations

from collections.abc import Sequence as Ordered
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import RTStructureSetStorage

from radresp import __version__
from radresp.core import Grid, Mask, Roi
from radresp.io import atomic
from radresp.io.dicom_out_header import COMMENT, base_header, date_text, file_bytes, item, time_text
from radresp.io.dicom_out_outline import outlines
from radresp.io.dicom_out_source import SourceSlice, check_masks, source_slices
from radresp.io.dicom_out_study import DicomStudy

_COLOURS = {
    Roi.TUMOUR: (220, 40, 40),
    Roi.BED: (240, 160, 30),
    Roi.RESIDUAL: (200, 0, 120),
    Roi.RING: (40, 140, 220),
    Roi.MUSCLE: (120, 80, 40),
    Roi.NORMAL_WALL: (60, 180, 75),
    Roi.LUMEN: (90, 90, 90),
}
_STUDY_REFERENCE = "1.2.840.10008.3.1.2.3.1"  # detached study management, as the standard demands
_SERIES_OFFSET = 20_000


def save_rtstruct(masks: Ordered[Mask], images: Path, path: Path, study: DicomStudy) -> None:
    """Write masks as one structure set, one ROI a mask, named after it.

    Parameters
    ----------
    masks : sequence of Mask
        Different regions on the grid of the images. An empty one becomes an ROI without contours.
    images : Path
        Folder of the series they were drawn on, as `radresp.io.save_dicom_series` wrote it.
    path : Path
        File to write.
    study : DicomStudy
        The visit of the images.

    Raises
    ------
    PlanError
        ``USAGE`` for no mask, or two of one name.
    GeometryError
        ``MASK_GEOMETRY`` when masks and images lie on different grids.
    InputError
        ``MISSING_FILE`` when there is no image.
    OutputError
        When it cannot be written.
    """
    kept = tuple(masks)
    grid = check_masks(kept)
    slices = source_slices(images, grid)
    dataset = _header(slices, study, "+".join(mask.roi for mask in kept))
    numbered = list(enumerate(kept, start=1))
    frame = dataset.FrameOfReferenceUID
    dataset.StructureSetROISequence = [
        item(
            ROINumber=number,
            ReferencedFrameOfReferenceUID=frame,
            ROIName=str(mask.roi),
            ROIGenerationAlgorithm="AUTOMATIC",
        )
        for number, mask in numbered
    ]
    dataset.ROIContourSequence = [
        item(
            ROIDisplayColor=list(_COLOURS[mask.roi]),
            ReferencedROINumber=number,
            ContourSequence=_contours(mask, grid, slices),
        )
        for number, mask in numbered
    ]
    dataset.RTROIObservationsSequence = [
        item(
            ObservationNumber=number,
            ReferencedROINumber=number,
            RTROIInterpretedType="",
            ROIInterpreter="",
        )
        for number, _ in numbered
    ]
    atomic.write_bytes(path, file_bytes(dataset))


def _header(slices: tuple[SourceSlice, ...], study: DicomStudy, names: str) -> Dataset:
    source = slices[0].image
    role = ("structure set", source.SeriesInstanceUID, names)
    dataset = base_header(study, "RTSTRUCT", study.uid("series", *role))
    dataset.SOPClassUID = RTStructureSetStorage
    dataset.SOPInstanceUID = study.uid(*role)
    dataset.SeriesNumber = _SERIES_OFFSET + int(source.SeriesNumber)
    dataset.InstanceNumber = 1
    dataset.SeriesDescription = "phantom truth"
    dataset.Manufacturer, dataset.ManufacturerModelName = "radresp", "digital phantom"
    dataset.SoftwareVersions = __version__
    for kind in ("InstanceCreation", "StructureSet", "Series"):
        setattr(dataset, f"{kind}Date", date_text(study.when))
        setattr(dataset, f"{kind}Time", time_text(study.when))
    dataset.OperatorsName = ""
    dataset.StructureSetLabel = "PHANTOM"
    dataset.StructureSetDescription = COMMENT
    dataset.ApprovalStatus = "UNAPPROVED"
    dataset.ReferencedFrameOfReferenceSequence = [
        item(
            FrameOfReferenceUID=source.FrameOfReferenceUID,
            RTReferencedStudySequence=[_study_reference(source, slices)],
        )
    ]
    return dataset


def _study_reference(source: Dataset, slices: tuple[SourceSlice, ...]) -> Dataset:
    series = item(
        SeriesInstanceUID=source.SeriesInstanceUID,
        ContourImageSequence=[place.reference for place in slices],
    )
    return item(
        ReferencedSOPClassUID=_STUDY_REFERENCE,
        ReferencedSOPInstanceUID=source.StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )


def _contours(mask: Mask, grid: Grid, slices: tuple[SourceSlice, ...]) -> list[Dataset]:
    array = mask.array
    contours: list[Dataset] = []
    for index in np.flatnonzero(array.any(axis=(1, 2))).tolist():
        for polygon in outlines(array[index]):
            contours.append(
                item(
                    ContourImageSequence=[slices[index].reference],
                    ContourGeometricType="CLOSED_PLANAR",
                    NumberOfContourPoints=len(polygon),
                    ContourNumber=len(contours) + 1,
                    ContourData=[f"{value:.5f}" for value in _in_mm(polygon, index, grid).ravel()],
                )
            )
    return contours


def _in_mm(polygon: NDArray[np.float64], index: int, grid: Grid) -> NDArray[np.float64]:
    """LPS positions of (x, y) indices of one slice, mm; without negative zeros."""
    points = np.column_stack([polygon, np.full(len(polygon), float(index))])
    return np.round(points @ grid.affine[:3, :3].T + grid.affine[:3, 3], 5) + 0.0
