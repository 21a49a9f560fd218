"""The headers of a DICOM file's slices: what radresp needs of them, and nothing that names anyone.

Reading is tolerant (a missing attribute is recorded, not raised) so that `radresp series` can
describe a faulty folder; the readers refuse what is missing. Patient attributes leave this file
only as keyed hashes.
"""

from __future__ import annotations

import mmap
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from pydicom.uid import JPEG2000, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless

from radresp.errors import InputError
from radresp.io.dicom_bvalue import diffusion_of
from radresp.io.dicom_elements import PIXEL_TAGS, UNDEFINED, Buffer, Elements, parse
from radresp.io.dicom_frames import MULTI_FRAME_MR, frame_type, frames_of, pulse_words, stack_of
from radresp.io.dicom_key import hashed
from radresp.io.dicom_scaling import DIFFUSION_UNITS, scaling_of
from radresp.io.dicom_slice import Header, PixelLayout, Placement
from radresp.io.dicom_values import (
    UNREADABLE,
    day,
    instant,
    moment,
    number,
    numbers,
    text,
    whole,
)
from radresp.io.dicom_words import (
    BODY_PARTS,
    IMAGE_TYPES,
    PATIENT_POSITIONS,
    SCANNING_SEQUENCES,
    vendor_of,
)
from radresp.io.input_file import check_file

_OVERLAY_TAGS = tuple(0x60003000 + group * 0x20000 for group in range(16))
_MOMENTS = ("Acquisition", "Series", "Study")
_REQUIRED_TEXT = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Modality")
_DESCRIPTIONS = ("SeriesDescription", "ProtocolName")
_SIZES = ("Rows", "Columns", "BitsAllocated")
_BITS = ("BitsStored", "PixelRepresentation")
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_LOSSY = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000)
_CORRUPT_BYTES = 2**28
"""An element reaching this far beyond the end of its file is damage, not a broken copy."""

_MAPPED_BYTES = 2**22
"""Larger files are mapped, not read: their pixels are not needed yet."""


def read_headers(path: Path) -> tuple[Header, ...]:
    """Read the headers of one file's slices.

    Parameters
    ----------
    path : Path
        Any file.

    Returns
    -------
    tuple of Header
        One for a classic file, one a frame for a multi-frame file; none when the file is not
        DICOM.

    Raises
    ------
    InputError
        ``DCM_CORRUPT`` or ``DCM_NESTING`` for a DICOM file that cannot be parsed; ``DCM_CODEC``
        for a deflated one; ``DCM_INCOMPLETE`` for a multi-frame file without its functional
        groups; the codes of `radresp.io.input_file.check_file`.
    """
    state = check_file(path)
    stamp = (state.st_size, state.st_mtime_ns)
    try:
        with path.open("rb") as handle:
            if state.st_size < _MAPPED_BYTES:
                headers = _headers(handle.read(), path, stamp)
            else:
                with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                    headers = _headers(mapped, path, stamp)
    except InputError as error:
        error.file = str(path)
        raise
    except (OSError, EOFError, MemoryError, *UNREADABLE) as error:
        raise InputError(
            "DCM_CORRUPT",
            f"a DICOM file that cannot be parsed ({type(error).__name__})",
            action="copy or export it again",
            file=path,
        ) from None
    return headers


def _headers(buffer: Buffer, path: Path, stamp: tuple[int, int]) -> tuple[Header, ...]:
    elements = parse(buffer)
    if elements is None:
        return ()
    views = frames_of(elements)
    numbered = [None] if len(views) == 1 and _is_single(elements) else range(len(views))
    headers = tuple(
        _header(view, path, stamp, frame) for view, frame in zip(views, numbered, strict=True)
    )
    if headers[0].missing and elements.overshoot > _CORRUPT_BYTES:
        raise InputError(
            "DCM_CORRUPT",
            f"an element declares {elements.overshoot} bytes beyond the end of the file",
            expected="elements that lie inside the file",
        )
    return headers


def _is_single(elements: Elements) -> bool:
    return text(elements, "SOPClassUID") not in MULTI_FRAME_MR


def _header(elements: Elements, path: Path, stamp: tuple[int, int], frame: int | None) -> Header:
    layout, missing = _layout(elements, frame or 0, stamp[0])
    scaling, unreadable = scaling_of(elements)
    image_type = frame_type(elements)
    return Header(
        path=path,
        stamp=stamp,
        sop_class=text(elements, "SOPClassUID"),
        sop_uid=text(elements, "SOPInstanceUID"),
        series_uid=text(elements, "SeriesInstanceUID"),
        series_number=whole(elements, "SeriesNumber"),
        instance_number=whole(elements, "InstanceNumber") if frame is None else frame + 1,
        images_in_acquisition=whole(elements, "ImagesInAcquisition"),
        modality=text(elements, "Modality").upper(),
        image_type=image_type,
        attributes=MappingProxyType(_attributes(elements)),
        diffusion=diffusion_of(elements),
        scaling=scaling,
        computed=_is_computed(elements, image_type),
        named_adc=_is_named_adc(elements, image_type) or scaling.unit in DIFFUSION_UNITS,
        burned_in=_is_burned_in(elements),
        lossy=_is_lossy(elements),
        layout=layout,
        placement=_placement(elements),
        missing=missing + unreadable,
        patient=_patient(elements),
        patient_id=_patient_id(elements),
        person=hashed(_raw_text(elements, 0x00100020), _raw_text(elements, 0x00100010)),
        acquired=_acquired(elements),
        study_date=day(elements, "StudyDate"),
        body_part=_one_of(elements, "BodyPartExamined", BODY_PARTS) or None,
        frame=frame,
        stack=stack_of(elements),
        described=_described(elements),
    )


def _layout(
    elements: Elements, frame: int, size: int
) -> tuple[PixelLayout | None, tuple[str, ...]]:
    """The pixel layout, and the names of required attributes that are absent or unreadable."""
    tag = next((tag for tag in PIXEL_TAGS if elements.place(tag) is not None), None)
    kind = "" if tag is None else PIXEL_TAGS[tag]
    required = _SIZES if kind in ("float", "double") else _SIZES + _BITS
    found = {name: whole(elements, name) for name in required}
    missing = [name for name in _REQUIRED_TEXT if not text(elements, name)]
    missing += [name for name, value in found.items() if value is None or value < 0]
    high_bit = whole(elements, "HighBit")
    if high_bit is not None and "BitsStored" in found and high_bit + 1 != found["BitsStored"]:
        missing.append("HighBit")
    if _is_single(elements) and (whole(elements, "NumberOfFrames") or 1) > 1:
        missing.append("NumberOfFrames")  # frames nobody says the places of; the first is not all
    if any(value is None for value in found.values()):
        return None, tuple(missing)
    place = None if tag is None else elements.place(tag)
    _, start, length = place or (b"", 0, 0)
    end = size if length == UNDEFINED else min(start + length, size)
    layout = PixelLayout(
        syntax=elements.syntax,
        rows=found["Rows"] or 0,
        columns=found["Columns"] or 0,
        samples=whole(elements, "SamplesPerPixel") or 1,
        bits_allocated=found["BitsAllocated"] or 0,
        bits_stored=found.get("BitsStored") or found["BitsAllocated"] or 0,
        signed=found.get("PixelRepresentation") == 1,
        number=kind,
    )
    begin = start + frame * layout.bytes
    return replace(layout, start=begin, available=max(0, end - begin)), tuple(missing)


def _placement(elements: Elements) -> Placement | None:
    position = numbers(elements, "ImagePositionPatient", 3)
    axes = numbers(elements, "ImageOrientationPatient", 6)
    spacing = numbers(elements, "PixelSpacing", 2)
    if position is None or axes is None or spacing is None or min(spacing) <= 0:
        return None
    return Placement(
        position=(position[0], position[1], position[2]),
        row=(axes[0], axes[1], axes[2]),
        column=(axes[3], axes[4], axes[5]),
        spacing_mm=(spacing[1], spacing[0]),  # DICOM names the distance between rows first
    )


def _attributes(elements: Elements) -> dict[str, str | float]:
    """The allow-list: what may leave the pipeline, in standard values and numbers."""
    maker = text(elements, "Manufacturer")
    echo_time = number(elements, "EffectiveEchoTime")
    found: dict[str, str | float | None] = {
        "vendor": vendor_of(maker),
        "manufacturer": maker,
        "model": text(elements, "ManufacturerModelName"),
        "field_strength_t": number(elements, "MagneticFieldStrength"),
        "echo_time_ms": number(elements, "EchoTime") if echo_time is None else echo_time,
        "repetition_time_ms": number(elements, "RepetitionTime"),
        "slice_thickness_mm": number(elements, "SliceThickness"),
        "scanning_sequence": _standard(pulse_words(elements), SCANNING_SEQUENCES),
        "image_type": _standard(frame_type(elements), IMAGE_TYPES),
        "patient_position": _one_of(elements, "PatientPosition", PATIENT_POSITIONS),
    }
    return {name: value for name, value in found.items() if value not in (None, "")}


def _standard(found: tuple[str, ...], allowed: frozenset[str]) -> str:
    return "\\".join(word for word in found if word in allowed)


def _one_of(elements: Elements, keyword: str, allowed: frozenset[str]) -> str:
    value = text(elements, keyword).upper()
    return value if value in allowed else ""


def _is_computed(elements: Elements, types: tuple[str, ...]) -> bool:
    """Whether the picture was calculated from images of several b-values.

    Siemens names the b-values it started from in SequenceName (``*ep_b50_800``), or says
    ``CALC_BVALUE``; others only in words ("computed DWI", "synthetic b1500", "cDWI").
    """
    several = re.search(r"b\d+_\d+", text(elements, "SequenceName").lower()) is not None
    described = re.search(_COMPUTED, text(elements, "SeriesDescription").lower()) is not None
    typed = any("CALC" in word for word in types)
    return "DERIVED" in types and (several or typed or described)


_COMPUTED = r"comput|synth|calc|(?<![a-z])[cs]dwi(?![a-z])|(?<![a-z])edwi(?![a-z])"


def _is_named_adc(elements: Elements, types: tuple[str, ...]) -> bool:
    """Whether a derived picture of a maker without an ADC image type (GE) is described as ADC."""
    described = text(elements, "SeriesDescription").lower()
    named = re.search(r"(?<![a-z])adc(?![a-z])|apparent diffusion", described) is not None
    return named and "DERIVED" in types and not {"TRACEW", "TRACE"} & set(types)


def _is_burned_in(elements: Elements) -> bool:
    return (
        text(elements, "BurnedInAnnotation").upper() == "YES"
        or text(elements, "SOPClassUID").startswith(_SECONDARY_CAPTURE)
        or any(elements.place(tag) is not None for tag in _OVERLAY_TAGS)
    )


def _is_lossy(elements: Elements) -> bool:
    return text(elements, "LossyImageCompression") == "01" or elements.syntax in _LOSSY


def _acquired(elements: Elements) -> datetime | None:
    told = (instant(elements, f"{kind}DateTime") for kind in ("FrameAcquisition", "Acquisition"))
    days = (moment(elements, kind) for kind in _MOMENTS)
    return next(filter(None, (*told, *days)), None)


def _patient(elements: Elements) -> str | None:
    parts = [_raw_text(elements, 0x00100020)]
    parts += [text(elements, key) for key in ("PatientBirthDate", "PatientSex")]
    return hashed(*parts) if parts[0] or parts[1] else None


def _patient_id(elements: Elements) -> str:
    told = _raw_text(elements, 0x00100020)
    return hashed(told) if told else ""


def _described(elements: Elements) -> str:
    return " ".join(text(elements, name) for name in _DESCRIPTIONS).strip().lower()


def _raw_text(elements: Elements, tag: int) -> str:
    """Bytes as they are: names in another character set must not look the same."""
    place = elements.place(tag)
    return "" if place is None else elements.content(place).strip(b" \0").decode("latin-1")
