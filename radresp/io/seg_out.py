"""Write masks as a DICOM segmentation on the images they were drawn on.

BINARY, one segment a region, coded in SNOMED CT as the standard's context groups 7150 and 7151 have
it; built by highdicom, then made to depend on nothing but its input (highdicom stamps the clock and
random UIDs).
"""

from __future__ import annotations

from collections.abc import Sequence as Ordered
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from radresp import __version__
from radresp.core import Mask, Roi
from radresp.io import atomic
from radresp.io.dicom_out_header import date_text, file_bytes, time_text
from radresp.io.dicom_out_source import SourceSlice, check_masks, refer, source_slices
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
    kept = tuple(masks)
    slices = source_slices(images, check_masks(kept))
    role = ("segmentation", slices[0].image.SeriesInstanceUID, "+".join(m.roi for m in kept))
    tracked = [study.uid("region", mask.roi) for mask in kept]
    segmentation = make_segmentation(
        kept,
        slices,
        [
            describe_segment(number, mask, uid, "AUTOMATIC", "radresp phantom")
            for number, (mask, uid) in enumerate(zip(kept, tracked, strict=True), start=1)
        ],
        dimensions=study.uid("dimensions", *role),
        series_instance_uid=study.uid("series", *role),
        series_number=_SERIES_OFFSET + int(slices[0].image.SeriesNumber),
        sop_instance_uid=study.uid(*role),
        manufacturer_model_name="digital phantom",
        device_serial_number="SYNTHETIC",
        content_label="PHANTOM",
        content_description="truth of a digital phantom; no patient",
        content_date=study.when.date(),
        content_time=study.when.time(),
        series_description="phantom truth",
    )
    for kind in ("InstanceCreation", "Series"):
        setattr(segmentation, f"{kind}Date", date_text(study.when))
        setattr(segmentation, f"{kind}Time", time_text(study.when))
    segmentation.SyntheticData = "YES"
    segmentation.QualityControlSubject = "YES"
    atomic.write_bytes(path, file_bytes(segmentation))


def make_segmentation(
    masks: Ordered[Mask],
    slices: Ordered[SourceSlice],
    described: Ordered[SegmentDescription],
    *,
    dimensions: str,
    **said: Any,
) -> Any:
    """A binary segmentation that holds nothing but what it is given, save the time of its making.

    Parameters
    ----------
    masks : sequence of Mask
        On one grid, that of the slices.
    slices : sequence of SourceSlice
        One a slice of the grid, in the order of its z axis.
    described : sequence of highdicom.seg.SegmentDescription
        One a mask.
    dimensions : str
        UID of the way its frames are ordered.
    **said
        What else `highdicom.seg.Segmentation` is told.

    Returns
    -------
    highdicom.seg.Segmentation
        Its frames name their source frames.
    """
    # Not at the top: whoever reads a case would wait for highdicom without ever writing one.
    from highdicom.seg import Segmentation

    made = Segmentation(
        source_images=[place.image for place in slices],
        pixel_array=np.stack([mask.array for mask in masks], axis=-1).astype(np.uint8),
        segmentation_type="BINARY",
        segment_descriptions=described,
        instance_number=1,
        manufacturer="radresp",
        software_versions=__version__,
        **said,
    )
    for segment in made.SegmentSequence:
        # highdicom asks for an algorithm family; none of the standard's is a simulation, or an
        # outline that a reader drew and software tidied and carried.
        del segment.SegmentationAlgorithmIdentificationSequence
    refer(made, slices)
    settle(made, dimensions)
    return made


def settle(made: Any, dimensions: str) -> None:
    """Take out of an object what highdicom wrote of itself, and put a UID in the place of chance.

    Parameters
    ----------
    made : highdicom object
        A segmentation or a parametric map.
    dimensions : str
        UID of the way its frames are ordered.
    """
    del made.ContributingEquipmentSequence
    organisation = made.DimensionOrganizationSequence
    for part in (*organisation, *made.DimensionIndexSequence):
        part.DimensionOrganizationUID = dimensions


def describe_segment(
    number: int, mask: Mask, tracking_uid: str, how: str, algorithm: str
) -> SegmentDescription:
    """What a segment is.

    Parameters
    ----------
    number : int
        From 1.
    mask : Mask
        Its region.
    tracking_uid : str
        What it is known by elsewhere.
    how : str
        ``AUTOMATIC`` or ``SEMIAUTOMATIC``.
    algorithm : str
        What made it, at most 64 characters.
    """
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
        algorithm_type=how,
        algorithm_identification=AlgorithmIdentificationSequence(
            name=algorithm, family=codes.DCM.ManualProcessing, version=__version__
        ),
        tracking_uid=tracking_uid,
        tracking_id=str(mask.roi),
        anatomic_regions=[region],
    )
