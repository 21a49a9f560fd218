"""Single values out of a DICOM header, never an exception and never library text.

pydicom converts an element when it is looked at, and a malformed one raises one of many
exceptions. To this room a value that cannot be read is a value that is absent; whoever needs it
says so by its name.
"""

from __future__ import annotations

import logging
import math
import struct
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue

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


def raw(dataset: Dataset, key: str | int) -> Any:
    """The value of an element by keyword or tag number, or None.

    Parameters
    ----------
    dataset : pydicom.Dataset
        Header.
    key : str or int
        Keyword, or tag as a number such as ``0x0019100C``.
    """
    try:
        if isinstance(key, str):
            return dataset.get(key)
        return dataset[key].value if key in dataset else None
    except UNREADABLE:
        return None


def text(dataset: Dataset, key: str | int) -> str:
    """An element as stripped text; empty when absent."""
    value = raw(dataset, key)
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    try:
        return "" if value is None else str(value).strip(" \0")
    except UNREADABLE:
        return ""


def words(dataset: Dataset, key: str) -> tuple[str, ...]:
    """A multi-valued text element in capitals; empty when absent."""
    value = raw(dataset, key)
    values = value if isinstance(value, MultiValue | list) else [value]
    return tuple(str(item).strip().upper() for item in values if item not in (None, ""))


def numbers(dataset: Dataset, key: str | int, count: int) -> tuple[float, ...] | None:
    """Exactly ``count`` finite numbers, or None."""
    value = raw(dataset, key)
    items = value if isinstance(value, Iterable) and not isinstance(value, str | bytes) else [value]
    try:
        found = tuple(float(item) for item in items)
    except UNREADABLE:
        return None
    good = len(found) == count and all(math.isfinite(item) for item in found)
    return found if good else None


def number(dataset: Dataset, key: str | int) -> float | None:
    """One finite number, or None."""
    found = numbers(dataset, key, 1)
    return None if found is None else found[0]


def whole(dataset: Dataset, key: str | int) -> int | None:
    """One whole number, or None."""
    found = number(dataset, key)
    return int(found) if found is not None and found.is_integer() else None


def day(dataset: Dataset, key: str) -> date | None:
    """A DICOM date (``YYYYMMDD`` or the old ``YYYY.MM.DD``), or None."""
    digits = text(dataset, key).replace(".", "")
    try:
        found = datetime.strptime(digits, "%Y%m%d").date()
    except ValueError:
        return None
    return found if found >= _EARLIEST else None


def moment(dataset: Dataset, kind: str) -> datetime | None:
    """Date and time of ``kind`` (``"Acquisition"``, ``"Series"``, ``"Study"``), or None.

    A date without a readable time counts as midnight.
    """
    found = day(dataset, f"{kind}Date")
    if found is None:
        return None
    clock = text(dataset, f"{kind}Time").replace(":", "").split(".")[0]
    try:
        time = datetime.strptime(clock.ljust(6, "0"), "%H%M%S").time()
    except ValueError:
        return datetime.combine(found, datetime.min.time())
    return datetime.combine(found, time)
