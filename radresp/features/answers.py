"""Answers of a measure: a number, or the reason in words why there is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from radresp.core import Note, Settings, Step
from radresp.errors import InputError
from radresp.features.family import Extracted

Answer = float | str


def answer_group(
    names: Iterable[str], ask: Callable[[], Mapping[str, Answer]]
) -> dict[str, Answer]:
    """The answers of one group of names; all carry the reason where the case lacks what it needs.

    Parameters
    ----------
    names : iterable of str
        What the group promises, in order.
    ask : callable
        Gives the answers, or raises ``InputError`` with what is missing.

    Examples
    --------
    >>> def nothing():
    ...     raise InputError("MISSING_INPUT", "nobody outlined muscle")
    >>> answer_group(["a", "b"], nothing)
    {'a': 'nobody outlined muscle', 'b': 'nobody outlined muscle'}
    """
    try:
        found = ask()
    except InputError as missing:
        return dict.fromkeys(names, missing.found)
    return {name: found[name] for name in names}


def extracted(
    method: str,
    answers: Mapping[str, Answer],
    settings: Settings,
    seconds: float,
    notes: tuple[Note, ...] = (),
) -> Extracted:
    """Numbers and reasons, apart, with the step that made them."""
    reasons = {name: found for name, found in answers.items() if isinstance(found, str)}
    values = {
        name: math.nan if isinstance(found, str) else float(found)
        for name, found in answers.items()
    }
    step = Step("features", method, settings.model_dump(mode="json"), seconds, notes)
    return Extracted(values, reasons, step)


def ratio(part: float, whole: float, without: str) -> Answer:
    """``part / whole``, or the reason where the whole is nothing."""
    return part / whole if whole > 0 else without


def percentiles(values: Any, *levels: float) -> list[float]:
    """Percentiles of values, as floats."""
    return [float(found) for found in np.percentile(values, levels)]
