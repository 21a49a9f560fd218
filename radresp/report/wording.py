"""How figures are written for people: three decimals, intervals in brackets, reasons for gaps.

Every entry of an evaluation is a number, a mapping with ``value``, ``low``, ``high`` and
``reason``, or absent. All three are read here, so that a page never fails on what was not computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

ABSENT = "not computed in this run"


class Estimate(NamedTuple):
    """A figure with its interval; None, and the reason, where it does not exist."""

    value: float | None
    low: float | None
    high: float | None
    reason: str

    @property
    def has_interval(self) -> bool:
        """Whether value and both ends are known."""
        return None not in (self.value, self.low, self.high)


def dig(entry: Any, *keys: str) -> Any:
    """What lies under the keys; None where any of them is absent.

    Examples
    --------
    >>> dig({"a": {"b": 1}}, "a", "b"), dig({"a": None}, "a", "b")
    (1, None)
    """
    for key in keys:
        if not isinstance(entry, Mapping):
            return None
        entry = entry.get(key)
    return entry


def reason_of(entry: Any) -> str:
    """Why an entry is missing: its own reason, or that it was not computed."""
    return str(dig(entry, "reason") or ABSENT)


def parts(entry: Any) -> Mapping[str, Any]:
    """The named parts of an entry; none where it is absent or only says why.

    Examples
    --------
    >>> parts({"volume only": 0.6}), parts({"reason": "no volume"}), parts(None)
    ({'volume only': 0.6}, {}, {})
    """
    return entry if isinstance(entry, Mapping) and "reason" not in entry else {}


def rows_of(entry: Any) -> list[Mapping[str, Any]]:
    """The rows of an entry; none where it is absent or only says why.

    Examples
    --------
    >>> rows_of([{"n": 3}]), rows_of({"reason": "no scanner"})
    ([{'n': 3}], [])
    """
    return list(entry) if isinstance(entry, (list, tuple)) else []


def estimate(entry: Any) -> Estimate:
    """One form for a number, a mapping with an interval, and nothing.

    Examples
    --------
    >>> estimate(0.5)
    Estimate(value=0.5, low=None, high=None, reason='')
    >>> estimate({"value": None, "reason": "one class"}).reason
    'one class'
    """
    if isinstance(entry, Mapping):
        value = entry.get("value")
        reason = reason_of(entry) if value is None else str(entry.get("reason") or "")
        return Estimate(value, entry.get("low"), entry.get("high"), reason)
    return Estimate(entry, None, None, ABSENT if entry is None else "")


def number(value: Any, *, signed: bool = False) -> str:
    """Three decimals for a fraction, all digits for a count, a dash for nothing.

    Examples
    --------
    >>> number(0.12345), number(12), number(None), number(0.5, signed=True), number(-0.0001)
    ('0.123', '12', '-', '+0.500', '0.000')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    sign = "+" if signed else ""
    return f"{value:{sign}d}" if isinstance(value, int) else f"{value:{sign}z.3f}"


def interval(entry: Any, *, signed: bool = False) -> str:
    """The two ends of an entry, or a dash.

    Examples
    --------
    >>> interval({"value": 0.8, "low": 0.7, "high": 0.9})
    '0.700 to 0.900'
    """
    found = estimate(entry)
    if not found.has_interval:
        return number(None)
    return f"{number(found.low, signed=signed)} to {number(found.high, signed=signed)}"


def figure(entry: Any, *, signed: bool = False) -> str:
    """Value and interval in one text, or the reason why there is none.

    Examples
    --------
    >>> figure({"value": 0.8, "low": 0.7, "high": 0.9})
    '0.800 (0.700 to 0.900)'
    >>> figure({"value": None, "reason": "one class"})
    'none: one class'
    """
    found = estimate(entry)
    if found.value is None:
        return f"none: {found.reason}"
    value = number(found.value, signed=signed)
    if found.has_interval:
        return f"{value} ({interval(entry, signed=signed)})"
    return f"{value} (no interval: {found.reason})" if found.reason else value


def count(value: Any) -> str:
    """A number of cases, with one decimal where it is a mean over repeats.

    Examples
    --------
    >>> count(12), count(12.0), count(5.333), count(None)
    ('12', '12', '5.3', '-')
    """
    return number(None) if value is None else f"{round(value, 1):g}"


def share(entry: Any) -> str:
    """A proportion with its interval and its counts.

    Examples
    --------
    >>> share({"value": 0.5, "low": 0.2, "high": 0.8, "part": 3, "whole": 6})
    '0.500 (0.200 to 0.800), 3/6'
    """
    whole = dig(entry, "whole")
    return figure(entry) + (
        "" if whole is None else f", {count(dig(entry, 'part'))}/{count(whole)}"
    )


def words(name: str) -> str:
    """A key as words: underscores become spaces."""
    return name.replace("_", " ")
