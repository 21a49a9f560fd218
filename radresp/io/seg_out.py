"""Write masks as a DICOM segmentation on the images they were drawn on.

BINARY, one segment a region, coded in SNOMED CT as the standard's context groups 7150 and 7151 have
it; built by highdicom, then made to depend on nothing but its input (highdicom stamps the clock and
random UIDs).
"""

from __future__ import annotations

from collections.abc import Sequence as Ordered
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from radresp import __version__
from radresp.core import Mask, Roi
from radresp.io import atomic
from radresp.io.dicom_out_header import date_text, file_bytes, time_text
from radresp.io.dicom_out_source import SourceSlice, check_masks, source_slices
from radresp.io.dicom_out_study import DicomStudy

if TYPE_CHECKING:
    from highdicom.seg import SegmentDescription

ABNORMAL, ANATOMICAL, TISSUE = (
    "MorphologicallyAbnormalStructure",
    "AnatomicalStructure",
    "Tissue",
)
CODES: dict[Roi, tuple[str, str]] = {
    Roi.TUMOUR: (ABNORMAL, "NeoplasmPrimary"),
    Roi.BED: (ABNORMAL, "Lesion"),
    Roi.RESIDUAL: (ABNORMAL, "Lesion"),
    Roi.RING: (TISSUE, "Tissue"),
    Roi.MUSCLE: (TISSUE, "SkeletalMuscle"),
    Roi.NORMAL_WALL: (ANATOMICAL, "Rectum"),
    Roi.LUMEN: (ANATOMICAL, "Rectum"),
}
"""Category and type of every region: keywords of pydicom's SNOMED CT dictionary.

After treatment a region is a lesion, not a neoplasm: what it is is the question.
"""

_SERIES_OFFSET = 10_000


def save_dicom_seg(masks: Ordered[Mask], images: Path, path: Path, study: DicomStudy) -> None:
    """Write masks as one binary segmentation, one segment a mask, labelled after it.

    Parameters
    ----------
    masks : sequence of Mask
        Different regions on the grid of the images. Slices without any region are left out;
        an empty mask is a segment without frames, unless all are empty.
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
    # Not at the top: whoever reads a case would wait for highdicom without ever writing one.
    from highdicom.seg import Segmentation

    kept = tuple(masks)
    slices = source_slices(images, check_masks(kept))
    role = ("segmentation", slices[0].header.SeriesInstanceUID, "+".join(m.roi for m in kept))
    segmentation = Segmentation(
        source_images=[_single(place) for place in slices],
        pixel_array=np.stack([mask.array for mask in kept], axis=-1).astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=[_describe(n, mask, study) for n, mask in enumerate(kept, start=1)],
        series_instance_uid=study.uid("series", *role),
        series_number=_SERIES_OFFSET + int(slices[0].header.SeriesNumber),
        sop_instance_uid=study.uid(*role),
        instance_number=1,
        manufacturer="radresp",
        manufacturer_model_name="digital phantom",
        software_versions=__version__,
        device_serial_number="SYNTHETIC",
        content_label="PHANTOM",
        content_description="truth of a digital phantom; no patient",
        content_date=study.when.date(),
        content_time=study.when.time(),
        series_description="phantom truth",
    )
    _settle(segmentation, study, study.uid("dimensions", *role))
    _refer(segmentation, slices)
    atomic.write_bytes(path, file_bytes(segmentation))


def _single(place: SourceSlice) -> Dataset:
    """A slice as the header of a classic image, which is what highdicom can place one by one."""
    single = Dataset()
    single.update(place.header)
    if place.frame is None:
        return single
    groups = place.header.PerFrameFunctionalGroupsSequence[place.frame - 1]
    shared = place.header.SharedFunctionalGroupsSequence[0]
    measures = groups if "PixelMeasuresSequence" in groups else shared
    for group in (
        groups.PlanePositionSequence[0],
        groups.PlaneOrientationSequence[0],
        measures.PixelMeasuresSequence[0],
    ):
        single.update(group)
    # Deleted first: an element set anew in place would change the file's own header too.
    del single.NumberOfFrames, single.SOPClassUID, single.SOPInstanceUID
    single.SOPClassUID = MRImageStorage
    single.SOPInstanceUID = f"{place.header.SOPInstanceUID}.{place.frame}"
    return single


def _describe(number: int, mask: Mask, study: DicomStudy) -> SegmentDescription:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes

    category, kind = (getattr(codes.SCT, keyword) for keyword in CODES[mask.roi])
    region = codes.SCT.Pelvis if mask.roi is Roi.MUSCLE else codes.SCT.Rectum
    return SegmentDescription(
        segment_number=number,
        segment_label=str(mask.roi),
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type="AUTOMATIC",
        algorithm_identification=AlgorithmIdentificationSequence(
            name="radresp phantom", family=codes.DCM.ManualProcessing, version=__version__
        ),
        tracking_uid=study.uid("region", mask.roi),
        tracking_id=str(mask.roi),
        anatomic_regions=[region],
    )


def _settle(segmentation: Any, study: DicomStudy, dimensions: str) -> None:
    """Put the visit's time and UIDs where highdicom put its own."""
    _stamp(segmentation, study.when)
    segmentation.SyntheticData = "YES"
    segmentation.QualityControlSubject = "YES"
    del segmentation.ContributingEquipmentSequence
    for segment in segmentation.SegmentSequence:
        # highdicom asks for an algorithm family; none of the standard's is a simulation.
        del segment.SegmentationAlgorithmIdentificationSequence
    organisation = segmentation.DimensionOrganizationSequence
    for part in (*organisation, *segmentation.DimensionIndexSequence):
        part.DimensionOrganizationUID = dimensions


def _stamp(segmentation: Any, when: datetime) -> None:
    for kind in ("InstanceCreation", "Series"):
        setattr(segmentation, f"{kind}Date", date_text(when))
        setattr(segmentation, f"{kind}Time", time_text(when))


def _refer(segmentation: Any, slices: tuple[SourceSlice, ...]) -> None:
    """Name each frame's source frame, and each source file once."""
    places = {place.position: place for place in slices}
    for groups in segmentation.PerFrameFunctionalGroupsSequence:
        position = groups.PlanePositionSequence[0].ImagePositionPatient
        x, y, z = map(float, position)
        reference = places[x, y, z].reference
        groups.DerivationImageSequence[0].SourceImageSequence[0].update(reference)
    files = {place.header.SOPInstanceUID: place for place in slices}
    references = []
    for place in files.values():
        reference = place.reference
        reference.pop("ReferencedFrameNumber", None)
        references.append(reference)
    segmentation.ReferencedSeriesSequence[0].ReferencedInstanceSequence = references
    segmentation.SourceImageSequence = references
