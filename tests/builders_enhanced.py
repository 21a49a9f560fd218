"""Multi-frame MR objects made in memory: enhanced (Philips, Siemens), legacy-converted, maps."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import builders_dicom as make
import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    LegacyConvertedEnhancedMRImageStorage,
    ParametricMapStorage,
    generate_uid,
)

PHILIPS_SCALE_SLOPE = 0.004


def item(**values: object) -> Sequence:
    """A sequence of one item."""
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return Sequence([dataset])


def frame(
    index: int,
    b: float | None = None,
    direction: Iterable[float] | None = None,
    types: tuple[str, ...] = ("ORIGINAL", "PRIMARY", "T2", "NONE"),
    slope: float = 1.0,
    stack: str = "1",
    number: int = 0,
) -> Dataset:
    """Functional groups of the frame at one slice position."""
    groups = Dataset()
    place = make.ORIGIN + index * make.SLICE_SPACING * make.NORMAL
    groups.PlanePositionSequence = item(ImagePositionPatient=[float(f"{v:.8g}") for v in place])
    groups.FrameContentSequence = item(
        StackID=stack,
        InStackPositionNumber=index + 1,
        DimensionIndexValues=[1, index + 1, *(() if b is None else (number + 1,))],
    )
    groups.MRImageFrameTypeSequence = item(FrameType=list(types))
    groups.PixelValueTransformationSequence = item(
        RescaleSlope=f"{slope:g}", RescaleIntercept="0", RescaleType="US"
    )
    if b is not None:
        groups.MRDiffusionSequence = item(
            DiffusionBValue=float(b), DiffusionDirectionality="DIRECTIONAL" if direction else "NONE"
        )
        if direction:
            groups.MRDiffusionSequence[0].DiffusionGradientDirectionSequence = item(
                DiffusionGradientOrientation=[float(v) for v in direction]
            )
    return groups


def shared(echo_time: float = 104.0, repetition_time: float = 5660.0) -> Dataset:
    """Functional groups common to all frames."""
    groups = Dataset()
    orientation = [float(f"{v:.10g}") for v in (*make.ROW, *make.COLUMN)]
    groups.PlaneOrientationSequence = item(ImageOrientationPatient=orientation)
    groups.PixelMeasuresSequence = item(PixelSpacing=list(make.SPACING), SliceThickness="2.5")
    groups.MREchoSequence = item(EffectiveEchoTime=echo_time)
    groups.MRTimingAndRelatedParametersSequence = item(RepetitionTime=repetition_time)
    return groups


def multi_frame(
    frames: list[Dataset],
    pictures: list[np.ndarray],
    maker: str = "SIEMENS",
    planar: str = "NO",
    **more: object,
) -> FileDataset:
    """One enhanced object of frames and their stored numbers."""
    dataset = make.make_series()[0]
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(dataset, keyword)
    for keyword in (
        "EchoTime",
        "RepetitionTime",
        "ScanningSequence",
        "ImageType",
        "SliceThickness",
    ):
        delattr(dataset, keyword)
    _class(dataset, EnhancedMRImageStorage)
    dataset.Manufacturer = maker
    dataset.ImageType = list(frames[0].MRImageFrameTypeSequence[0].FrameType)
    dataset.EchoPulseSequence, dataset.EchoPlanarPulseSequence = "SPIN", planar
    dataset.AcquisitionDateTime = "20210405103000.25"
    dataset.SharedFunctionalGroupsSequence = Sequence([shared()])
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    stored = np.stack(pictures)
    make.set_pixels(dataset, stored[0])
    dataset.NumberOfFrames, dataset.PixelData = len(frames), stored.tobytes()
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    return dataset


def t2(slices: int = make.SLICES) -> FileDataset:
    """An enhanced T2 whose frames are not in the order of the slices."""
    order = np.random.default_rng(5).permutation(slices).tolist()
    return multi_frame([frame(i) for i in order], [make.picture(i) for i in order])


def dwi(
    b_values: tuple[float, ...] = (0, 800), directions: int = 3, slices: int = make.SLICES
) -> FileDataset:
    """An enhanced DWI: slice by slice, all b-values and directions of each."""
    frames, pictures = [], []
    types = ("ORIGINAL", "PRIMARY", "DIFFUSION", "NONE")
    for index in range(slices):
        for b in b_values:
            for number, axis in enumerate(np.eye(3)[:directions] if b else [None]):
                place = b_values.index(b) * directions + number
                told = None if axis is None else list(axis)
                frames.append(frame(index, b, told, types, number=place))
                pictures.append((make.picture(index, b) * (number + 1)).astype(np.uint16))
    return multi_frame(frames, pictures, planar="YES")


def philips(dataset: FileDataset, slopes: Iterable[float]) -> FileDataset:
    """The same object with Philips' private frame items: classic attributes and scale slope."""
    dataset.Manufacturer = "Philips Medical Systems"
    for groups, slope in zip(dataset.PerFrameFunctionalGroupsSequence, slopes, strict=True):
        groups.PixelValueTransformationSequence[0].RescaleSlope = f"{slope:g}"
        classic = Dataset()
        classic.ImagePositionPatient = [1.0, 2.0, 3.0]  # of the classic image; never the frame's
        classic.ScanningSequence = "GR"
        block = classic.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
        block.add_new(0x0D, "FL", 0.0)
        block.add_new(0x0E, "FL", PHILIPS_SCALE_SLOPE)
        owner = groups.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
        owner.add_new(0x0F, "SQ", Sequence([classic]))
    return dataset


def legacy(kind: str = "t2", **options: object) -> FileDataset:
    """A legacy-converted enhanced object of a classic series."""
    series = make.make_series(kind, **options)
    frames = []
    for classic in series:
        groups = Dataset()
        groups.PlanePositionSequence = item(ImagePositionPatient=classic.ImagePositionPatient)
        groups.PlaneOrientationSequence = item(
            ImageOrientationPatient=classic.ImageOrientationPatient
        )
        groups.PixelMeasuresSequence = item(PixelSpacing=classic.PixelSpacing)
        groups.MRImageFrameTypeSequence = item(FrameType=classic.ImageType)
        rest = Dataset()
        for keyword in ("EchoTime", "RepetitionTime", "ScanningSequence"):
            setattr(rest, keyword, getattr(classic, keyword))
        for element in classic.group_dataset(0x0019):
            rest.add(element)
        groups.UnassignedPerFrameConvertedAttributesSequence = Sequence([rest])
        frames.append(groups)
    pictures = [np.frombuffer(d.PixelData, "<u2").reshape(make.ROWS, make.COLUMNS) for d in series]
    dataset = multi_frame(frames, pictures)
    _class(dataset, LegacyConvertedEnhancedMRImageStorage)
    for keyword in (
        "EchoPulseSequence",
        "EchoPlanarPulseSequence",
        "SharedFunctionalGroupsSequence",
    ):
        delattr(dataset, keyword)
    return dataset


def float_map(unit: str = "um2/s", dtype: str = "<f4") -> FileDataset:
    """A parametric map of floating-point ADC values."""
    frames = [frame(i, types=("DERIVED", "PRIMARY", "ADC", "NONE")) for i in range(make.SLICES)]
    values = [make.picture(i).astype(dtype) * 1.5 for i in range(make.SLICES)]
    dataset = multi_frame(frames, [make.picture(i) for i in range(make.SLICES)])
    _class(dataset, ParametricMapStorage)
    for keyword in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(dataset, keyword)
    mapping = item(RealWorldValueSlope=1.0, RealWorldValueIntercept=0.0)
    mapping[0].MeasurementUnitsCodeSequence = item(CodeValue=unit, CodingSchemeDesignator="UCUM")
    dataset.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence = mapping
    content = np.stack(values).astype(dtype).tobytes()
    dataset.BitsAllocated = 8 * np.dtype(dtype).itemsize
    if dtype == "<f4":
        dataset.FloatPixelData = content
    else:
        dataset.DoubleFloatPixelData = content
    return dataset


def write(folder: Path, *datasets: FileDataset) -> Path:
    return make.write_series(folder, list(datasets))


def _class(dataset: FileDataset, uid: str) -> None:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = uid
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.SOPClassUID, dataset.file_meta = uid, meta
