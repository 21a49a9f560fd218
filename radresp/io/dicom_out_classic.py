"""Classic MR images: one file a slice, numbered in the order the vendor numbers them.

Siemens, GE and UIH finish a volume (all slices of one b-value) before the next; Philips finishes a
slice (all its b-values) before the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from radresp.io.dicom_out_header import (
    HZ_PER_TESLA,
    Scan,
    date_text,
    file_bytes,
    image_header,
    orientation,
    pixel_spacing,
    point_text,
    time_text,
)
from radresp.io.dicom_out_pixels import ds
from radresp.io.dicom_out_vendors import VENDORS, Picture


def classic_files(scan: Scan) -> Iterator[tuple[str, bytes]]:
    """The files of a series, as name and content, in order of InstanceNumber."""
    vendor = VENDORS[scan.study.dialect]
    dataset = _series_header(scan)
    vendor.describe_series(dataset, scan)
    for picture in _pictures(scan, b_fastest=vendor.b_fastest):
        # One data set is refilled: every attribute of an image is set anew for the next.
        _fill(dataset, scan, picture)
        vendor.describe_image(dataset, scan, picture)
        yield f"IM{picture.number:04d}.dcm", file_bytes(dataset)


def _pictures(scan: Scan, *, b_fastest: bool) -> Iterator[Picture]:
    volumes, slices = range(len(scan.b_values)), range(scan.slices)
    order = (
        [(volume, place) for place in slices for volume in volumes]
        if b_fastest
        else [(volume, place) for volume in volumes for place in slices]
    )
    for number, (volume, place) in enumerate(order, start=1):
        stored = scan.stored.arrays[volume][place]
        yield Picture(number, volume, place, scan.b_values[volume], stored)


def _series_header(scan: Scan) -> Dataset:
    series = scan.series
    dataset = image_header(scan)
    dataset.SOPClassUID = MRImageStorage
    dataset.MRAcquisitionType = "2D"
    dataset.SliceThickness = ds(series.thickness_mm)
    dataset.SpacingBetweenSlices = ds(scan.grid.spacing_mm[2])
    dataset.RepetitionTime, dataset.EchoTime = ds(series.tr_ms), ds(series.te_ms)
    dataset.NumberOfAverages = ds(series.averages)
    dataset.ImagingFrequency = ds(round(HZ_PER_TESLA * scan.study.field_strength_t, 6))
    dataset.ImagedNucleus = "1H"
    dataset.EchoNumbers = 1
    dataset.EchoTrainLength = series.echo_train
    dataset.NumberOfPhaseEncodingSteps = scan.phase_steps
    dataset.PercentSampling = dataset.PercentPhaseFieldOfView = "100"
    dataset.PixelBandwidth = ds(series.bandwidth_hz)
    dataset.TransmitCoilName = "Body"
    columns, rows, _ = scan.grid.size
    along_columns = series.phase_axis == "COL"
    dataset.AcquisitionMatrix = [columns, 0, 0, rows] if along_columns else [0, rows, columns, 0]
    dataset.InPlanePhaseEncodingDirection = series.phase_axis
    dataset.FlipAngle = ds(series.flip_deg)
    dataset.ImageOrientationPatient = orientation(scan.grid)
    dataset.PixelSpacing = pixel_spacing(scan.grid)
    dataset.WindowCenter, dataset.WindowWidth = scan.window
    return dataset


def _fill(dataset: Dataset, scan: Scan, picture: Picture) -> None:
    uid = scan.study.uid("image", scan.series.number, picture.number)
    position = scan.position(picture.slice)
    acquired = scan.acquired(picture.volume)
    made = acquired + timedelta(seconds=scan.series.tr_ms / 1000)
    dataset.SOPInstanceUID = uid
    dataset.AcquisitionDate, dataset.AcquisitionTime = date_text(acquired), time_text(acquired)
    for kind in ("Content", "InstanceCreation"):
        setattr(dataset, f"{kind}Date", date_text(made))
        setattr(dataset, f"{kind}Time", time_text(made))
    dataset.InstanceNumber = picture.number
    dataset.ImagePositionPatient = point_text(position)
    dataset.SliceLocation = ds(round(float(position @ scan.normal), 9))
    dataset.PixelData = picture.stored.tobytes()
