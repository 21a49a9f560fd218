"""What each vendor writes into a classic MR image beyond the standard's attributes.

Private elements are those that readers look for (dcm2niix, https://github.com/rordenlab/dcm2niix,
and its vendors' pages): Siemens (0019,xx0C) to (0019,xx28) without the CSA header, whose text block
could only be invented; GE (0043,xx39) with the offset of multi-b series (its issue 602) and the
image kind (0043,xx30) (issue 690); Philips (2001,xx03) and (2005,xx0E); UIH (0065,xx09).
Diffusion images are averages over directions (trace-weighted), as in clinical pelvic protocols.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from pydicom.dataset import Dataset

from radresp.io.dicom_out_header import Scan
from radresp.io.dicom_out_pixels import ds

GE_OFFSET = 1_000_000_000
"""What GE adds to the b-value in (0043,xx39) of a series with several b-values."""

_PLANES = ("SAGITTAL", "CORONAL", "TRANSVERSAL")
_GE_ALL_AXES = 7
_GE_T2_IMAGE, _GE_COMBINED_IMAGE = 14, 15


@dataclass(frozen=True, slots=True)
class Picture:
    """One image of a classic series: its number from 1, its volume and its slice from 0."""

    number: int
    volume: int
    slice: int
    b_s_per_mm2: float | None
    stored: np.ndarray


@dataclass(frozen=True, slots=True)
class Vendor:
    """How one vendor fills a series and an image, and whether b-values vary fastest."""

    describe_series: Callable[[Dataset, Scan], None]
    describe_image: Callable[[Dataset, Scan, Picture], None]
    b_fastest: bool = False


def philips_scale(dataset: Dataset, scan: Scan) -> None:
    """Philips' private scale slope, when the series has one."""
    if scan.stored.scaling.scale_slope is None:
        return
    block = dataset.private_block(0x2005, "Philips MR Imaging DD 001", create=True)
    block.add_new(0x0D, "FL", 0.0)
    block.add_new(0x0E, "FL", scan.stored.scaling.scale_slope)


def philips_place(dataset: Dataset, scan: Scan, slice_number: int) -> None:
    """Philips' private slice number and plane."""
    block = dataset.private_block(0x2001, "Philips Imaging DD 001", create=True)
    block.add_new(0x0A, "IS", slice_number)
    block.add_new(0x0B, "CS", _PLANES[int(np.argmax(np.abs(scan.normal)))])


def philips_diffusion(dataset: Dataset, b: float, number: int) -> None:
    """Philips' private b-value, direction (I for isotropic) and counters."""
    block = dataset.private_block(0x2001, "Philips Imaging DD 001", create=True)
    block.add_new(0x03, "FL", b)
    block.add_new(0x04, "CS", "I")
    five = dataset.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
    five.add_new(0x12, "IS", number)
    five.add_new(0x13, "IS", 1)


def _siemens_series(dataset: Dataset, scan: Scan) -> None:
    echo_planar = scan.diffusion
    dataset.ScanningSequence = "EP" if echo_planar else "SE"
    dataset.SequenceVariant = ["SK", "SP", "OSP"]
    dataset.ScanOptions = ["PFP", "FS"] if echo_planar else ""
    dataset.AngioFlag = dataset.VariableFlipAngleFlag = "N"
    block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    spacing = scan.series.echo_spacing_ms
    if spacing is not None:
        block.add_new(0x28, "FD", 1000.0 / (spacing * scan.phase_steps))
    text = dataset.private_block(0x0051, "SIEMENS MR HEADER", create=True)
    columns, rows, _ = scan.grid.size
    matrix = f"{rows}p*{columns}s" if scan.series.phase_axis == "COL" else f"{columns}p*{rows}s"
    text.add_new(0x0B, "LO", matrix)
    text.add_new(0x13, "SH", "+LPH")


def _siemens_image(dataset: Dataset, scan: Scan, picture: Picture) -> None:
    name = scan.series.sequence_name
    if picture.b_s_per_mm2 is None:
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "NORM", "DIS2D"]
        dataset.SequenceName = f"*{name}"
    else:
        b = picture.b_s_per_mm2
        dataset.ImageType = ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW", "NORM", "DIS2D"]
        dataset.SequenceName = f"*{name[:8]}_b{b:.0f}{'t' if b else ''}"
        block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
        block.add_new(0x0C, "IS", round(b))
        block.add_new(0x0D, "CS", "ISOTROPIC" if b else "NONE")
    dataset.SmallestImagePixelValue = int(picture.stored.min())
    dataset.LargestImagePixelValue = int(picture.stored.max())


def _ge_series(dataset: Dataset, scan: Scan) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    dataset.ScanningSequence = ["EP", "SE"] if scan.diffusion else "SE"
    dataset.SequenceVariant = "NONE" if scan.diffusion else "SK"
    dataset.ScanOptions = ["EPI_GEMS", "PFF", "FS"] if scan.diffusion else ["FAST_GEMS", "FILTERED"]
    dataset.StackID = "1"
    columns, _, slices = scan.grid.size
    dataset.ImagesInAcquisition = slices * len(scan.b_values)
    dataset.ReconstructionDiameter = ds(columns * scan.grid.spacing_mm[0])
    acquisition = dataset.private_block(0x0019, "GEMS_ACQU_01", create=True)
    acquisition.add_new(0x9C, "LO", scan.series.sequence_name)
    relation = dataset.private_block(0x0021, "GEMS_RELA_01", create=True)
    relation.add_new(0x4F, "SS", slices)
    parameters = dataset.private_block(0x0043, "GEMS_PARM_01", create=True)
    if scan.series.echo_spacing_ms is not None:
        parameters.add_new(0x2C, "SS", round(1000 * scan.series.echo_spacing_ms))
    parameters.add_new(0x2F, "SS", 0)
    parameters.add_new(0x83, "DS", [ds(1 / scan.series.acceleration), "1"])
    if scan.diffusion:
        for element in (0xBB, 0xBC, 0xBD):
            acquisition.add_new(element, "DS", "0")
        relation.add_new(0x5A, "SL", _GE_ALL_AXES)


def _ge_image(dataset: Dataset, scan: Scan, picture: Picture) -> None:
    dataset.InStackPositionNumber = picture.slice + 1
    if picture.b_s_per_mm2 is None:
        return
    b = round(picture.b_s_per_mm2)
    offset = GE_OFFSET if len([value for value in scan.b_values if value]) > 1 else 0
    block = dataset.private_block(0x0043, "GEMS_PARM_01", create=True)
    block.add_new(0x30, "SS", _GE_COMBINED_IMAGE if b else _GE_T2_IMAGE)
    block.add_new(0x39, "IS", [offset + b, 8, 0, 0])
    if offset:
        block.add_new(0x7F, "DS", str(offset))


def _philips_series(dataset: Dataset, scan: Scan) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M_SE", "M", "SE"]
    dataset.ScanningSequence = "SE"
    dataset.SequenceVariant = "SK"
    dataset.ScanOptions = "FS" if scan.diffusion else "OTHER"
    block = dataset.private_block(0x2001, "Philips Imaging DD 001", create=True)
    block.add_new(0x13, "SL", scan.series.echo_train if scan.diffusion else 1)
    block.add_new(0x18, "SL", scan.slices)
    philips_scale(dataset, scan)
    scaling = scan.stored.scaling
    dataset.RescaleIntercept, dataset.RescaleSlope = ds(scaling.intercept), ds(scaling.slope)
    dataset.RescaleType = "normalized"
    if scan.diffusion:
        five = dataset.private_block(0x2005, "Philips MR Imaging DD 005", create=True)
        five.add_new(0x14, "SL", len(scan.b_values))
        five.add_new(0x15, "SL", 1)


def _philips_image(dataset: Dataset, scan: Scan, picture: Picture) -> None:
    philips_place(dataset, scan, picture.slice + 1)
    if picture.b_s_per_mm2 is None:
        return
    dataset.DiffusionBValue = float(picture.b_s_per_mm2)
    dataset.DiffusionGradientOrientation = [0.0, 0.0, 0.0]
    philips_diffusion(dataset, picture.b_s_per_mm2, picture.volume + 1)


def _uih_series(dataset: Dataset, scan: Scan) -> None:
    kind = ["DIFFUSION", "TRACEW"] if scan.diffusion else ["M", "NORM"]
    dataset.ImageType = ["ORIGINAL", "PRIMARY", *kind]
    dataset.ScanningSequence = "EP" if scan.diffusion else "SE"
    dataset.SequenceVariant = "SK"
    dataset.ScanOptions = "FS" if scan.diffusion else ""
    dataset.SequenceName = scan.series.sequence_name
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    block = dataset.private_block(0x0065, "Image Private Header", create=True)
    block.add_new(0x05, "SH", "A->P" if scan.series.phase_axis == "COL" else "R->L")
    block.add_new(0x2D, "ST", scan.series.sequence_name)


def _uih_image(dataset: Dataset, scan: Scan, picture: Picture) -> None:
    if picture.b_s_per_mm2 is None:
        return
    block = dataset.private_block(0x0065, "Image Private Header", create=True)
    block.add_new(0x09, "FD", float(picture.b_s_per_mm2))
    block.add_new(0x0A, "FD", float(picture.b_s_per_mm2))
    block.add_new(0x37, "FD", [0.0, 0.0, 0.0])


VENDORS: Mapping[str, Vendor] = MappingProxyType(
    {
        "siemens": Vendor(_siemens_series, _siemens_image),
        "ge": Vendor(_ge_series, _ge_image),
        "philips": Vendor(_philips_series, _philips_image, b_fastest=True),
        "uih": Vendor(_uih_series, _uih_image),
    }
)
"""The dialects of one file a slice."""
