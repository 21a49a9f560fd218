"""One whole DICOM object that holds outlines, read with its end checked; single values out of it.

pydicom returns what it has of a file that breaks off. Here each element of the top level must have
the length it declares, and a sequence must end before the file does. pydicom decodes text by the
file's own character set, which names of outlines need.
"""

from __future__ import annotations

import math
import re
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import DeflatedExplicitVRLittleEndian

from radresp.errors import InputError
from radresp.io.dicom_values import quiet
from radresp.io.input_file import check_file, check_unchanged

MAX_BYTES = 2**30
"""Largest file; the biggest real segmentations are a tenth of it."""

_DEFLATED = DeflatedExplicitVRLittleEndian.encode("ascii")
TROUBLES = (
    OSError,
    EOFError,
    MemoryError,
    RuntimeError,
    BytesLengthException,
    InvalidDicomError,
    ValueError,
    TypeError,
    ArithmeticError,
    AttributeError,
    LookupError,
    struct.error,
)
"""What pydicom raises on damaged files, at any access: values are decoded when looked at."""

_PRIVATE = (
    "PatientName",
    "PatientID",
    "OtherPatientIDs",
    "PatientBirthDate",
    "AccessionNumber",
    "StudyID",
    "InstitutionName",
    "OperatorsName",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
    "ContentCreatorName",
)
_SHORTEST_WORD = 3


def read_dataset(path: Path) -> FileDataset:
    """Read a DICOM file whole, or refuse it.

    Parameters
    ----------
    path : Path
        The file; at most 1 GiB.

    Raises
    ------
    InputError
        ``DCM_TRUNCATED``, ``DCM_CORRUPT``, ``DCM_NESTING``, ``DCM_CODEC`` for a deflated file,
        ``DCM_NOT_DICOM``, ``IMG_TOO_LARGE``, ``INPUT_CHANGED``, ``FILE_UNREADABLE`` and the codes
        of `radresp.io.input_file.check_file`.
    """
    before = check_file(path)
    if before.st_size > MAX_BYTES:
        raise InputError(
            "IMG_TOO_LARGE", f"{before.st_size} bytes", expected=f"at most {MAX_BYTES}", file=path
        )
    try:
        content = path.read_bytes()
    except (OSError, MemoryError):
        raise InputError("FILE_UNREADABLE", "reading failed", file=path) from None
    check_unchanged(path, before)
    if _DEFLATED in content[:1024]:
        raise InputError(
            "DCM_CODEC",
            "a deflated data set",
            expected="an uncompressed header",
            action="convert it (dcmconv +te)",
            file=path,
        )
    with quiet():
        return _parsed(content, path)


def text_of(dataset: Dataset, keyword: str) -> str:
    """An element as stripped text; empty when it is absent or unreadable."""
    value = _value(dataset, keyword)
    try:
        return "" if value is None else str(value).strip(" \0")
    except TROUBLES:
        return ""


def numbers_of(dataset: Dataset, keyword: str) -> tuple[float, ...]:
    """All numbers of an element; empty when one is unreadable or not finite."""
    value = _value(dataset, keyword)
    if value is None or isinstance(value, str | bytes):
        return ()
    try:
        found = tuple(float(item) for item in (value if hasattr(value, "__iter__") else [value]))
    except TROUBLES:
        return ()
    return found if all(map(math.isfinite, found)) else ()


def whole_of(dataset: Dataset, keyword: str) -> int | None:
    """One whole number, or None."""
    found = numbers_of(dataset, keyword)
    return int(found[0]) if len(found) == 1 and found[0].is_integer() else None


def items_of(dataset: Dataset | None, *keywords: str) -> list[Dataset]:
    """The items of a sequence; of several keywords, of each first item the next sequence."""
    items: list[Dataset] = [] if dataset is None else [dataset]
    for keyword in keywords:
        value = _value(items[0], keyword) if items else None
        items = list(value) if isinstance(value, pydicom.Sequence) else []
    return items


def _value(dataset: Dataset, keyword: str) -> Any:
    try:
        with quiet():
            return dataset.get(keyword)
    except (*TROUBLES, RecursionError):
        return None


def private_words(dataset: FileDataset) -> frozenset[str]:
    """Words of the object that name people or places, casefolded: no message may repeat them."""
    values = [text_of(dataset, key) for key in _PRIVATE]
    words = (word for value in values for word in re.split(r"[\s^=\\,]+", value))
    return frozenset(word.casefold() for word in words if len(word) >= _SHORTEST_WORD)


def _parsed(content: bytes, path: Path) -> FileDataset:
    try:
        dataset = pydicom.dcmread(BytesIO(content))
        elements = [*dataset.values(), *dataset.file_meta.values()]
        missing = max(map(_missing_bytes, elements), default=0)
    except InvalidDicomError:
        raise InputError(
            "DCM_NOT_DICOM", "no DICOM file", expected="a DICOM SEG or RTSTRUCT", file=path
        ) from None
    except RecursionError:
        raise InputError(
            "DCM_NESTING", "sequences nested beyond reading", expected="a few levels", file=path
        ) from None
    except (OSError, EOFError):  # the bytes are in memory: only their end can be the trouble
        raise _truncated("a sequence without its end", path) from None
    except TROUBLES as error:
        raise InputError(
            "DCM_CORRUPT",
            f"a DICOM file that cannot be parsed ({type(error).__name__})",
            action="copy or export it again",
            file=path,
        ) from None
    if missing:
        raise _truncated(f"an element {missing} bytes short", path)
    return dataset


def _missing_bytes(element: object) -> int:
    if not isinstance(element, RawDataElement) or element.value is None:
        return 0
    short = element.length - len(element.value)
    return short if element.length != 0xFFFFFFFF and short > 0 else 0


def _truncated(found: str, path: Path) -> InputError:
    return InputError(
        "DCM_TRUNCATED",
        found,
        expected="a whole file",
        action="copy or export the file again",
        file=path,
    )
