"""What radresp knows of one DICOM slice before its pixels are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """How the pixels of one slice are stored."""

    syntax: str
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    slope: float
    intercept: float

    @property
    def bytes(self) -> int:
        """Size of the uncompressed pixels."""
        return self.rows * self.columns * self.samples * self.bits_allocated // 8


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a slice lies: LPS mm, from ImagePositionPatient and ImageOrientationPatient."""

    position: tuple[float, float, float]
    row: tuple[float, float, float]
    column: tuple[float, float, float]
    spacing_mm: tuple[float, float]
    """Along a row (x) and along a column (y)."""


@dataclass(frozen=True, slots=True)
class Header:
    """What radresp knows of one DICOM file before its pixels are read.

    ``patient`` and ``person`` are keyed hashes, valid within this process only. ``attributes``
    holds the acquisition attributes that may leave the pipeline. ``computed`` and ``named_adc``
    are hints from text that itself stays inside. ``missing`` names absent required attributes.
    """

    path: Path
    stamp: tuple[int, int]
    sop_class: str
    sop_uid: str
    series_uid: str
    series_number: int | None
    instance_number: int | None
    images_in_acquisition: int | None
    modality: str
    frames: int
    image_type: tuple[str, ...]
    attributes: Mapping[str, str | float]
    b_s_per_mm2: float | None
    direction: tuple[float, float, float] | None
    computed: bool
    named_adc: bool
    burned_in: bool
    layout: PixelLayout | None
    placement: Placement | None
    missing: tuple[str, ...]
    patient: str | None
    person: str
    acquired: datetime | None
    study_date: date | None
    body_part: str | None
