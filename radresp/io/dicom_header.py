"""The header of one classic MR slice: what radresp needs of it, and nothing that names a person.

Reading is tolerant (a missing attribute is recorded, not raised) so that `radresp series` can
describe a faulty folder; the readers refuse what is missing. Patient attributes leave this file
only as a keyed hash whose key lives as long as the process.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from pathlib import Path
from types import MappingProxyType

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import DeflatedExplicitVRLittleEndian

from radresp.errors import InputError
from radresp.io import dicom_bvalue
from radresp.io.dicom_slice import Header, PixelLayout, Placement
from radresp.io.dicom_values import (
    UNREADABLE,
    day,
    moment,
    number,
    numbers,
    quiet,
    text,
    whole,
    words,
)
from radresp.io.dicom_words import (
    BODY_PARTS,
    IMAGE_TYPES,
    KEYWORDS,
    PATIENT_POSITIONS,
    SCANNING_SEQUENCES,
)
from radresp.io.input_file import check_file

_KEY = secrets.token_bytes(32)

_OVERLAY_TAGS = tuple(0x60003000 + group * 0x20000 for group in range(16))
_TAGS = [
    *(tag for tag in map(tag_for_keyword, KEYWORDS.split()) if tag is not None),
    *_OVERLAY_TAGS,
    *dicom_bvalue.TAGS,
]
_MOMENTS = ("Acquisition", "Series", "Study")
_REQUIRED_TEXT = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Modality")
_REQUIRED_NUMBERS = ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation")
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_DEFLATED = DeflatedExplicitVRLittleEndian.encode("ascii")
_CORRUPT_BYTES = 2**28
"""An element reaching this far beyond the end of its file is damage, not a broken copy."""


def read_header(path: Path) -> Header | None:
    """Read one file's header.

    Parameters
    ----------
    path : Path
        Any file.

    Returns
    -------
    Header or None
        None when the file is not DICOM.

    Raises
    ------
    InputError
        ``DCM_CORRUPT`` or ``DCM_NESTING`` for a DICOM file that cannot be parsed; ``DCM_CODEC``
        for a deflated one; the codes of `radresp.io.input_file.check_file`.
    """
    state = check_file(path)
    with quiet():
        dataset, overshoot = _parse(path, state.st_size)
        if dataset is None:
            return None
        header = _header(dataset, path, (state.st_size, state.st_mtime_ns))
    if header.missing and overshoot > _CORRUPT_BYTES:
        raise InputError(
            "DCM_CORRUPT",
            f"an element declares {overshoot} bytes beyond the end of the file",
            expected="elements that lie inside the file",
            file=path,
        )
    return header


def _parse(path: Path, size: int) -> tuple[Dataset | None, int]:
    """The header, and how many bytes its last element reaches beyond the end of the file."""
    try:
        with path.open("rb") as handle:
            # A deflated data set is inflated as a whole before anything can be checked.
            if _DEFLATED in handle.read(1024):
                raise InputError(
                    "DCM_CODEC",
                    "a deflated data set",
                    expected="an uncompressed header",
                    action="convert it (dcmconv +te)",
                    file=path,
                )
            handle.seek(0)
            dataset = pydicom.dcmread(handle, stop_before_pixels=True, specific_tags=_TAGS)
            overshoot = handle.tell() - size
        for element in (*dataset.values(), *dataset.file_meta.values()):
            if isinstance(element, RawDataElement) and element.value is not None:
                overshoot = max(overshoot, element.length - len(element.value))
    except InvalidDicomError:
        return None, 0
    except RecursionError:
        raise InputError(
            "DCM_NESTING", "sequences nested beyond reading", expected="a few levels", file=path
        ) from None
    except InputError:
        raise
    except (OSError, EOFError, MemoryError, *UNREADABLE) as error:
        raise InputError(
            "DCM_CORRUPT",
            f"a DICOM file that cannot be parsed ({type(error).__name__})",
            action="copy or export it again",
            file=path,
        ) from None
    return dataset, overshoot


def _header(dataset: Dataset, path: Path, stamp: tuple[int, int]) -> Header:
    layout, missing = _layout(dataset)
    return Header(
        path=path,
        stamp=stamp,
        sop_class=text(dataset, "SOPClassUID"),
        sop_uid=text(dataset, "SOPInstanceUID"),
        series_uid=text(dataset, "SeriesInstanceUID"),
        series_number=whole(dataset, "SeriesNumber"),
        instance_number=whole(dataset, "InstanceNumber"),
        images_in_acquisition=whole(dataset, "ImagesInAcquisition"),
        modality=text(dataset, "Modality").upper(),
        frames=whole(dataset, "NumberOfFrames") or 1,
        image_type=words(dataset, "ImageType"),
        attributes=MappingProxyType(_attributes(dataset)),
        b_s_per_mm2=dicom_bvalue.b_value(dataset),
        direction=dicom_bvalue.direction(dataset),
        computed=_is_computed(dataset),
        named_adc=_is_named_adc(dataset),
        burned_in=_is_burned_in(dataset),
        layout=layout,
        placement=_placement(dataset),
        missing=missing,
        patient=_patient(dataset),
        person=_hash(text(dataset, "PatientID"), text(dataset, "PatientName")),
        acquired=next(filter(None, (moment(dataset, k) for k in _MOMENTS)), None),
        study_date=day(dataset, "StudyDate"),
        body_part=_one_of(dataset, "BodyPartExamined", BODY_PARTS) or None,
    )


def _layout(dataset: Dataset) -> tuple[PixelLayout | None, tuple[str, ...]]:
    """The pixel layout, and the names of required attributes that are absent or unreadable."""
    found = {name: whole(dataset, name) for name in _REQUIRED_NUMBERS}
    missing = [name for name in _REQUIRED_TEXT if not text(dataset, name)]
    missing += [name for name, value in found.items() if value is None or value < 0]
    high_bit = whole(dataset, "HighBit")
    if high_bit is not None and high_bit + 1 != found["BitsStored"]:
        missing.append("HighBit")
    rescale = {"RescaleSlope": 1.0, "RescaleIntercept": 0.0}
    for name in rescale:
        value = number(dataset, name)
        if value is not None:
            rescale[name] = value
        elif text(dataset, name):
            missing.append(name)
    if any(value is None for value in found.values()):
        return None, tuple(missing)
    meta = getattr(dataset, "file_meta", None)
    layout = PixelLayout(
        syntax="" if meta is None else text(meta, "TransferSyntaxUID"),
        rows=found["Rows"] or 0,
        columns=found["Columns"] or 0,
        samples=whole(dataset, "SamplesPerPixel") or 1,
        bits_allocated=found["BitsAllocated"] or 0,
        bits_stored=found["BitsStored"] or 0,
        signed=found["PixelRepresentation"] == 1,
        slope=rescale["RescaleSlope"],
        intercept=rescale["RescaleIntercept"],
    )
    return layout, tuple(missing)


def _placement(dataset: Dataset) -> Placement | None:
    position = numbers(dataset, "ImagePositionPatient", 3)
    axes = numbers(dataset, "ImageOrientationPatient", 6)
    spacing = numbers(dataset, "PixelSpacing", 2)
    if position is None or axes is None or spacing is None or min(spacing) <= 0:
        return None
    return Placement(
        position=(position[0], position[1], position[2]),
        row=(axes[0], axes[1], axes[2]),
        column=(axes[3], axes[4], axes[5]),
        spacing_mm=(spacing[1], spacing[0]),  # DICOM names the distance between rows first
    )


def _attributes(dataset: Dataset) -> dict[str, str | float]:
    """The allow-list: what may leave the pipeline, in standard values and numbers."""
    found: dict[str, str | float | None] = {
        "manufacturer": text(dataset, "Manufacturer"),
        "model": text(dataset, "ManufacturerModelName"),
        "field_strength_t": number(dataset, "MagneticFieldStrength"),
        "echo_time_ms": number(dataset, "EchoTime"),
        "repetition_time_ms": number(dataset, "RepetitionTime"),
        "slice_thickness_mm": number(dataset, "SliceThickness"),
        "scanning_sequence": _standard(dataset, "ScanningSequence", SCANNING_SEQUENCES),
        "image_type": _standard(dataset, "ImageType", IMAGE_TYPES),
        "patient_position": _one_of(dataset, "PatientPosition", PATIENT_POSITIONS),
    }
    return {name: value for name, value in found.items() if value not in (None, "")}


def _standard(dataset: Dataset, key: str, allowed: frozenset[str]) -> str:
    return "\\".join(word for word in words(dataset, key) if word in allowed)


def _one_of(dataset: Dataset, key: str, allowed: frozenset[str]) -> str:
    value = text(dataset, key).upper()
    return value if value in allowed else ""


def _is_computed(dataset: Dataset) -> bool:
    """Whether the picture was calculated from images of several b-values.

    Siemens names the b-values it started from in SequenceName (``*ep_b50_800``).
    """
    several = re.search(r"b\d+_\d+", text(dataset, "SequenceName").lower()) is not None
    types = words(dataset, "ImageType")
    return "DERIVED" in types and (several or any("CALC" in word for word in types))


def _is_named_adc(dataset: Dataset) -> bool:
    """Whether a derived picture of a maker without an ADC image type (GE) is described as ADC."""
    types = words(dataset, "ImageType")
    described = text(dataset, "SeriesDescription").lower()
    named = re.search(r"(?<![a-z])adc(?![a-z])|apparent diffusion", described) is not None
    return named and "DERIVED" in types and not {"TRACEW", "TRACE"} & set(types)


def _is_burned_in(dataset: Dataset) -> bool:
    return (
        text(dataset, "BurnedInAnnotation").upper() == "YES"
        or text(dataset, "SOPClassUID").startswith(_SECONDARY_CAPTURE)
        or any(tag in dataset for tag in _OVERLAY_TAGS)
    )


def _patient(dataset: Dataset) -> str | None:
    parts = [text(dataset, key) for key in ("PatientID", "PatientBirthDate", "PatientSex")]
    return _hash(*parts) if parts[0] or parts[1] else None


def _hash(*parts: str) -> str:
    return hmac.new(_KEY, "\0".join(parts).encode(), hashlib.sha256).hexdigest()
