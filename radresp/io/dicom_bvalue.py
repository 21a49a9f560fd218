"""The b-value and gradient direction of a classic MR slice, standard or vendor tag.

Standard: DiffusionBValue (0018,9087) and DiffusionGradientOrientation (0018,9089). Many classic
series have them only in private groups: Siemens (0019,xx0C) and (0019,xx0E), GE (0043,1039) whose
first number may carry 1e9 as a marker, Philips (2001,1003). A private value stored under an
implicit or unknown representation arrives as bytes and is decoded here. Tag meanings as in
dcm2niix (https://github.com/rordenlab/dcm2niix).
"""

from __future__ import annotations

import math
import struct
from typing import Any

from pydicom.dataset import Dataset

from radresp.io.dicom_values import UNREADABLE, number, numbers, raw, text

HIGHEST_B_S_PER_MM2 = 10_000.0
_GE_MARKER = 100_000
_SIEMENS_CREATOR = "SIEMENS MR HEADER"

TAGS = (
    *(0x00190000 + block for block in range(0x10, 0x20)),
    *(
        0x00190000 + block * 0x100 + element
        for block in range(0x10, 0x20)
        for element in (0xC, 0xE)
    ),
    0x00431039,
    0x20011003,
)
"""Private tags a header must be read with."""


def b_value(dataset: Dataset) -> float | None:
    """The b-value of a slice in s/mm2, or None when no tag tells it.

    Parameters
    ----------
    dataset : pydicom.Dataset
        Header read with `TAGS`.
    """
    maker = text(dataset, "Manufacturer").upper()
    found = number(dataset, "DiffusionBValue")
    if found is None and "SIEMENS" in maker:
        found = _first_number(raw(dataset, _siemens_tag(dataset, 0x0C)))
    elif found is None and maker.startswith("GE"):
        found = _first_number(raw(dataset, 0x00431039))
        found = None if found is None else found % _GE_MARKER
    elif found is None and "PHILIPS" in maker:
        found = _philips_number(raw(dataset, 0x20011003))
    if found is None or not 0 <= found <= HIGHEST_B_S_PER_MM2:
        return None
    return round(found, 1)


def direction(dataset: Dataset) -> tuple[float, float, float] | None:
    """The gradient direction as a unit vector, or None when unknown or none."""
    found = numbers(dataset, "DiffusionGradientOrientation", 3)
    if found is None and "SIEMENS" in text(dataset, "Manufacturer").upper():
        found = _three_numbers(raw(dataset, _siemens_tag(dataset, 0x0E)))
    if found is None or not any(found):
        return None
    length = math.sqrt(sum(v * v for v in found))
    return (found[0] / length, found[1] / length, found[2] / length)


def _siemens_tag(dataset: Dataset, element: int) -> int:
    """Private elements live in the block their creator reserved, 0x10 unless said otherwise."""
    for block in range(0x10, 0x20):
        if text(dataset, 0x00190000 + block) == _SIEMENS_CREATOR:
            return 0x00190000 + block * 0x100 + element
    return 0x00191000 + element


def _first_number(value: Any) -> float | None:
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if isinstance(value, str):
        value = value.strip(" \0").split("\\")
    if isinstance(value, list | tuple) or hasattr(value, "__iter__"):
        value = next(iter(value), None)
    try:
        found = float(value)
    except UNREADABLE:
        return None
    return found if math.isfinite(found) else None


def _philips_number(value: Any) -> float | None:
    if isinstance(value, bytes) and len(value) == 4:
        value = struct.unpack("<f", value)[0]
    return _first_number(value)


def _three_numbers(value: Any) -> tuple[float, ...] | None:
    try:
        found = (
            struct.unpack("<3d", value) if isinstance(value, bytes) else tuple(map(float, value))
        )
    except UNREADABLE:
        return None
    return found if len(found) == 3 and all(map(math.isfinite, found)) else None
