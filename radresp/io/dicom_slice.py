"""What radresp knows of one DICOM slice before its pixels are read.

A slice is a classic file or one frame of a multi-frame file: whoever checks geometry, b-values or
scaling need not know which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from radresp.io.dicom_bvalue import Diffusion
from radresp.io.dicom_scaling import Scaling


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """How the pixels of one slice are stored.

    ``number`` is ``"integer"``, ``"float"`` or ``"double"``; empty when there are no pixels.
    ``start`` is the first byte of the slice in the file and ``available`` the bytes from there to
    the end of the pixels; both mean nothing for compressed pixels.
    """

    syntax: str
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    number: str = "integer"
    start: int = 0
    available: int = 0

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
    """What radresp knows of one slice before its pixels are read.

    ``frame`` counts from 0 and is None in a file of one slice. ``patient`` (id, birth date, sex),
    ``patient_id`` and ``person`` (id, name) are keyed hashes. ``attributes`` holds the acquisition
    attributes that may leave the pipeline. ``described`` is free text for rules that run in the
    reader process; it stays there. ``computed`` and ``named_adc`` are hints from such text.
    ``missing`` names absent required attributes.
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
    image_type: tuple[str, ...]
    attributes: Mapping[str, str | float]
    diffusion: Diffusion
    scaling: Scaling
    computed: bool
    named_adc: bool
    burned_in: bool
    lossy: bool
    layout: PixelLayout | None
    placement: Placement | None
    missing: tuple[str, ...]
    patient: str | None
    person: str
    acquired: datetime | None
    study_date: date | None
    body_part: str | None
    frame: int | None = None
    stack: str = ""
    patient_id: str = ""
    described: str = ""

    @property
    def b_s_per_mm2(self) -> float | None:
        """The b-value, s/mm2."""
        return self.diffusion.b_s_per_mm2

    @property
    def direction(self) -> tuple[float, float, float] | None:
        """The gradient direction as a unit vector."""
        return self.diffusion.direction

    @property
    def name(self) -> str:
        """File name, with the frame counted from 1 where there are several."""
        return self.path.name if self.frame is None else f"{self.path.name} frame {self.frame + 1}"
