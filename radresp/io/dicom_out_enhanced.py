"""Enhanced multi-frame MR images: Siemens XA (one file a volume) and Philips (one file a series).

Both index their frames by stack, place in the stack and, in diffusion, b-value, and both repeat the
orientation in every frame, as their scanners do (dcm2niix misreads a Siemens series that shares
it). Siemens XA keeps the b-value in MRDiffusionSequence alone; Philips repeats it, with the scale
slope, in the private per-frame sequence (2005,xx0F). RescaleSlope and RescaleIntercept give
Philips' displayed value; the real-world value of a stored number is the volume's value, where real
exports often map to the displayed one again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import EnhancedMRImageStorage, MRImageStorage

from radresp.io.dicom_out_groups import enhanced_header, frame_kind, shared_groups
from radresp.io.dicom_out_header import (
    Scan,
    code_item,
    date_text,
    file_bytes,
    item,
    orientation,
    pixel_spacing,
    point_text,
    time_text,
)
from radresp.io.dicom_out_pixels import ds
from radresp.io.dicom_out_vendors import philips_diffusion, philips_place, philips_scale

_STACK, _PLACE, _B_VALUE = 0x00209056, 0x00209057, 0x00189087
_FRAME_CONTENT, _DIFFUSION = 0x00209111, 0x00189117
_NO_UNITS = ("1", "UCUM", "no units")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its volume and slice, from 0."""

    volume: int
    slice: int


def enhanced_files(scan: Scan) -> Iterator[tuple[str, bytes]]:
    """The files of a series, as name and content, in order of InstanceNumber."""
    volumes = range(len(scan.b_values))
    if scan.study.dialect == "philips_enhanced":
        parts = [[Frame(volume, place) for place in range(scan.slices) for volume in volumes]]
    else:
        parts = [[Frame(volume, place) for place in range(scan.slices)] for volume in volumes]
    for number, frames in enumerate(parts, start=1):
        yield f"IM{number:04d}.dcm", file_bytes(_object(scan, number, frames))


def _object(scan: Scan, number: int, frames: list[Frame]) -> Dataset:
    dataset = enhanced_header(scan, scan.acquired(frames[0].volume))
    dataset.SOPClassUID = EnhancedMRImageStorage
    dataset.SOPInstanceUID = scan.study.uid("image", scan.series.number, number)
    dataset.InstanceNumber = number
    dataset.NumberOfFrames = len(frames)
    _add_dimensions(dataset, scan)
    shared = shared_groups(scan)
    if scan.study.dialect == "siemens_xa":
        shared.PixelMeasuresSequence = [_measures(scan)]
    dataset.SharedFunctionalGroupsSequence = [shared]
    first = frames[0].volume
    dataset.PerFrameFunctionalGroupsSequence = [
        _groups(scan, frame, 1 + frame.volume - first) for frame in frames
    ]
    pixels: list[NDArray[np.integer]] = [scan.stored.arrays[f.volume][f.slice] for f in frames]
    dataset.PixelData = np.stack(pixels).tobytes()
    return dataset


def _add_dimensions(dataset: Dataset, scan: Scan) -> None:
    uid = scan.study.uid("dimensions", scan.series.number)
    dataset.DimensionOrganizationSequence = [item(DimensionOrganizationUID=uid)]
    pointers = [
        (_STACK, _FRAME_CONTENT, "Stack ID"),
        (_PLACE, _FRAME_CONTENT, "In-Stack Position Number"),
    ]
    if scan.diffusion:
        pointers.append((_B_VALUE, _DIFFUSION, "Diffusion b-value"))
    dataset.DimensionIndexSequence = [
        item(
            DimensionOrganizationUID=uid,
            DimensionIndexPointer=pointer,
            FunctionalGroupPointer=group,
            DimensionDescriptionLabel=label,
        )
        for pointer, group, label in pointers
    ]


def _measures(scan: Scan) -> Dataset:
    return item(
        PixelSpacing=pixel_spacing(scan.grid),
        SliceThickness=ds(scan.series.thickness_mm),
        SpacingBetweenSlices=ds(scan.grid.spacing_mm[2]),
    )


def _groups(scan: Scan, frame: Frame, b_index: int) -> Dataset:
    groups = Dataset()
    groups.FrameContentSequence = [_content(scan, frame, b_index)]
    position = point_text(scan.position(frame.slice))
    groups.PlanePositionSequence = [item(ImagePositionPatient=position)]
    groups.PlaneOrientationSequence = [item(ImageOrientationPatient=orientation(scan.grid))]
    kind = frame_kind(scan)
    kind.FrameType = kind.pop("ImageType").value
    groups.MRImageFrameTypeSequence = [kind]
    _add_values(groups, scan)
    b = scan.b_values[frame.volume]
    if b is not None:
        groups.MRDiffusionSequence = [
            item(DiffusionBValue=float(b), DiffusionDirectionality="ISOTROPIC" if b else "NONE")
        ]
    if scan.study.dialect == "philips_enhanced":
        groups.PixelMeasuresSequence = [_measures(scan)]
        _add_philips(groups, scan, frame)
    return groups


def _content(scan: Scan, frame: Frame, b_index: int) -> Dataset:
    acquired = scan.acquired(frame.volume)
    moment = date_text(acquired) + time_text(acquired)
    place = frame.slice + 1
    return item(
        FrameAcquisitionDateTime=moment,
        FrameReferenceDateTime=moment,
        FrameAcquisitionDuration=scan.series.tr_ms * scan.series.averages,
        StackID="1",
        InStackPositionNumber=place,
        TemporalPositionIndex=1,
        DimensionIndexValues=[1, place, b_index] if scan.diffusion else [1, place],
    )


def _add_values(groups: Dataset, scan: Scan) -> None:
    scaling = scan.stored.scaling
    groups.PixelValueTransformationSequence = [
        item(
            RescaleIntercept=ds(scaling.intercept), RescaleSlope=ds(scaling.slope), RescaleType="US"
        )
    ]
    centre, width = scan.window
    groups.FrameVOILUTSequence = [item(WindowCenter=centre, WindowWidth=width)]
    if scan.study.dialect != "philips_enhanced":
        return
    slope, intercept = scaling.real_world
    mapping = item(
        LUTExplanation="value as measured",
        LUTLabel="value",
        RealWorldValueIntercept=intercept,
        RealWorldValueSlope=slope,
        MeasurementUnitsCodeSequence=[code_item(_NO_UNITS)],
    )
    top = 2**scan.stored.bits - 1
    mapping.RealWorldValueFirstValueMapped, mapping.RealWorldValueLastValueMapped = 0, top
    for keyword in ("RealWorldValueFirstValueMapped", "RealWorldValueLastValueMapped"):
        mapping[keyword].VR = "US"
    groups.RealWorldValueMappingSequence = [mapping]


def _add_philips(groups: Dataset, scan: Scan, frame: Frame) -> None:
    private = item(
        ImageType=["ORIGINAL", "PRIMARY", "M_SE", "M", "SE"],
        SOPClassUID=MRImageStorage,
        ScanningSequence="SE",
        SequenceVariant="SK",
        EchoTime=ds(scan.series.te_ms),
        RescaleIntercept=ds(scan.stored.scaling.intercept),
        RescaleSlope=ds(scan.stored.scaling.slope),
        RescaleType="normalized",
    )
    philips_place(private, scan, frame.slice + 1)
    b = scan.b_values[frame.volume]
    if b is not None:
        philips_diffusion(private, b, frame.volume + 1)
    philips_scale(private, scan)
    block = groups.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
    block.add_new(0x0F, "SQ", [private])
