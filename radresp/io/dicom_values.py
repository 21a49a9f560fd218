"""Single values out of DICOM elements, never an exception and never library text.

To this room a value that cannot be read is a value that is absent; whoever needs it says so by its
name. Text is read as ASCII: what radresp compares is ASCII, and free text stays inside.
"""

from __future__ import annotations

import logging
import math
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from functools import cache

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.errors import BytesLengthException, InvalidDicomError

from radresp.io.dicom_elements import Elements, Place

UNREADABLE = (
    BytesLengthException,
    InvalidDicomError,
    ValueError,
    TypeError,
    ArithmeticError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RecursionError,
    struct.error,
)

NUMBER_FORMS = {
    b"US": "H",
    b"SS": "h",
    b"UL": "I",
    b"SL": "i",
    b"UV": "Q",
    b"SV": "q",
    b"FL": "f",
    b"FD": "d",
}
_UNTOLD = (b"", b"UN")
_EARLIEST = date(1900, 1, 1)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence pydicom's warnings and log lines: they quote values, which may name the patient."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


@cache
def tag_of(keyword: str) -> tuple[int, bytes]:
    """Tag and value representation of a standard attribute."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(keyword)
    return int(tag), dictionary_VR(tag).encode("ascii")


def text(elements: Elements, keyword: str) -> str:
    """An element as stripped text; empty when absent."""
    place = elements.place(tag_of(keyword)[0])
    return "" if place is None else text_at(elements, place)


def text_at(elements: Elements, place: Place) -> str:
    """The value at a place as stripped text."""
    return elements.content(place).decode("ascii", "replace").strip(" \0")


def words(elements: Elements, keyword: str) -> tuple[str, ...]:
    """A multi-valued text element in capitals; empty when absent."""
    value = text(elements, keyword)
    return tuple(word.strip().upper() for word in value.split("\\")) if value else ()


def numbers(elements: Elements, keyword: str, count: int) -> tuple[float, ...] | None:
    """Exactly ``count`` finite numbers, or None."""
    tag, kind = tag_of(keyword)
    place = elements.place(tag)
    found = None if place is None else numbers_at(elements, place, kind)
    return found if found is not None and len(found) == count else None


def numbers_at(elements: Elements, place: Place, kind: bytes) -> tuple[float, ...] | None:
    """The finite numbers at a place, or None.

    Parameters
    ----------
    elements : Elements
        Where the place was found.
    place : Place
        The value.
    kind : bytes
        Value representation to assume when the file tells none.
    """
    content = elements.content(place)
    form = NUMBER_FORMS.get(kind if place[0] in _UNTOLD else place[0])
    try:
        if form is None:
            found = tuple(map(float, content.strip(b" \0").split(b"\\")))
        else:
            count = len(content) // struct.calcsize(form)
            found = struct.unpack(f"{elements.encoding.order}{count}{form}", content)
    except UNREADABLE:
        return None
    return found if found and all(map(math.isfinite, found)) else None


def number(elements: Elements, keyword: str) -> float | None:
    """One finite number, or None."""
    found = numbers(elements, keyword, 1)
    return None if found is None else found[0]


def whole(elements: Elements, keyword: str) -> int | None:
    """One whole number, or None."""
    found = number(elements, keyword)
    return int(found) if found is not None and float(found).is_integer() else None


def items(elements: Elements, keyword: str) -> tuple[Elements, ...]:
    """The items of a standard sequence."""
    return elements.items(tag_of(keyword)[0])


def day(elements: Elements, keyword: str) -> date | None:
    """A DICOM date (``YYYYMMDD`` or the old ``YYYY.MM.DD``), or None."""
    return _day(text(elements, keyword))


def moment(elements: Elements, kind: str) -> datetime | None:
    """Date and time of ``kind`` (``"Acquisition"``, ``"Series"``, ``"Study"``), or None.

    A date without a readable time counts as midnight.
    """
    return _moment(text(elements, f"{kind}Date"), text(elements, f"{kind}Time"))


def instant(elements: Elements, keyword: str) -> datetime | None:
    """A DICOM date-time, its fraction and zone left out, or None."""
    value = text(elements, keyword)
    return _moment(value[:8], value[8:14].split("+")[0].split("-")[0])


def _moment(date_text: str, time_text: str) -> datetime | None:
    found = _day(date_text)
    if found is None:
        return None
    clock = time_text.replace(":", "").split(".")[0].ljust(6, "0")
    digits = clock if len(clock) == 6 and clock.isdecimal() else "000000"
    try:
        at = time(int(digits[:2]), int(digits[2:4]), int(digits[4:]))
    except ValueError:
        at = time.min
    return datetime.combine(found, at)


def _day(value: str) -> date | None:
    digits = value.replace(".", "")
    if len(digits) != 8 or not digits.isdigit():
        return None
    try:
        found = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None
    return found if found >= _EARLIEST else None
