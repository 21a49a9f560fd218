"""One figure as a reader of JSON meets it: value, interval, counts, and why it is missing.

Source: TRIPOD+AI (BMJ 2024;385:e078378) asks for the uncertainty and the number of cases of every
figure. A figure that does not exist is None with a reason, never a number made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from radresp.evaluate.utility import Proportion

NO_INTERVAL = (np.nan, np.nan)


def entry(
    value: float, ends: tuple[float, float], counts: Mapping[str, int], method: str, name: str
) -> dict[str, Any]:
    """One figure with its interval and counts; None and a reason where it does not exist.

    Parameters
    ----------
    value : float
        NaN where the figure does not exist.
    ends : tuple of float
        Of its interval; NaN where there is none.
    counts : mapping
        At least ``n`` and ``events``; copied into the figure.
    method : str
        How the interval was made.
    name : str
        Of the figure; decides how its absence is explained.
    """
    reason = ""
    if not np.isfinite(value):
        reason = _why_missing(name, counts)
    elif not np.isfinite(ends[0]):
        reason = "too many bootstrap draws without the figure, or too few cases or patients"
    return {
        "value": number(value),
        "low": number(ends[0]),
        "high": number(ends[1]),
        **counts,
        "method": method,
        "reason": reason,
    }


def proportion(share: Proportion) -> dict[str, Any]:
    """A proportion with its Wilson interval, its part and its whole."""
    reason = "" if share.whole else "no such cases"
    if share.whole and not np.isfinite(share.value):
        reason = "only one class"
    return {
        "value": number(share.value),
        "low": number(share.low),
        "high": number(share.high),
        "part": share.part,
        "whole": share.whole,
        "method": "Wilson",
        "reason": reason,
    }


def withheld(figure: dict[str, Any], counts: Mapping[str, int], minimum: int, what: str) -> Any:
    """The figure, or without its numbers where a class has fewer cases than ``minimum``.

    Parameters
    ----------
    figure : dict
        From :func:`entry` or :func:`proportion`.
    counts : mapping
        ``n`` and ``events``.
    minimum : int
        Events and non-events the figure asks for; 0 withholds nothing.
    what : str
        The figure in a sentence: "an AUC".
    """
    reason = too_few(counts, minimum, what)
    if not reason:
        return figure
    return figure | {"value": None, "low": None, "high": None, "reason": reason}


def too_few(counts: Mapping[str, int], minimum: int, what: str) -> str:
    """Which class has too few cases for a figure; empty when both have enough.

    Examples
    --------
    >>> too_few({"n": 40, "events": 3}, 10, "an AUC")
    '3 events; an AUC asks for 10 of each'
    """
    events, others = counts["events"], counts["n"] - counts["events"]
    fewer, word = min((events, "event"), (others, "non-event"))
    if fewer >= minimum:
        return ""
    return f"{fewer} {word}{'' if fewer == 1 else 's'}; {what} asks for {minimum} of each"


def number(value: Any) -> float | int | None:
    """A JSON-ready number; None for NaN and infinity."""
    if isinstance(value, int):
        return value
    return float(value) if np.isfinite(value) else None


def _why_missing(name: str, counts: Mapping[str, int]) -> str:
    if counts["n"] == 0:
        return "no cases"
    if counts["events"] in (0, counts["n"]):
        return f"only one class: {counts['events']} events among {counts['n']} cases"
    if name.startswith("calibration"):
        return "all probabilities are equal, or they separate the classes perfectly"
    return "the predictions do not define it"
