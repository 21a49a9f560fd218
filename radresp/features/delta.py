"""Delta: how each feature of a region changed from before to after treatment.

What: for every feature both regions have, ``log_ratio`` = ln(after / before), ``difference`` =
after - before, ``relative`` = difference / |before| and ``per_week`` = difference / weeks between
the visits. Log ratio and difference change sign when the visits are swapped; the log ratio does not
depend on the unit and is what volume reduction (1 - exp) and the ADC ratio (exp) are read from.

A log ratio exists only where both values have one sign and the smaller is not negligible beside
the larger, a relative change only where the earlier value is not negligible beside the later, a
change per week only where the days are known; everywhere else it is NaN with the reason in words,
so a vanished tumour never becomes an infinite or a wild number. A vanished tumour has a relative
change of -1. Features whose sign carries meaning get no ratio. All compare whole regions and need
visits of one patient (the fit has not failed); what compares voxel with voxel is a change map.

Source: delta radiomics of restaging rectal MRI; ADC and volume reduction as in the response
literature. When to use: pre- and post-treatment regions of one sequence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from time import perf_counter
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from radresp.core import RegionKey, Settings, Step, Timepoint
from radresp.errors import PlanError
from radresp.features.family import Extracted

Kind = Literal["log_ratio", "difference", "relative", "per_week"]

_RATIOS = ("log_ratio", "relative")


class Delta(Settings):
    """Which features are compared, and how."""

    kinds: tuple[Kind, ...] = Field(
        ("log_ratio", "difference"),
        min_length=1,
        description="log_ratio = ln(after / before), no unit; difference = after - before, in "
        "the feature's unit; relative = difference / |before|, no unit; per_week = difference / "
        "weeks between the visits.",
    )
    include: tuple[str, ...] = Field(
        ("volumetry.*", "original.firstorder_*", "original.shape_*"),
        min_length=1,
        description="Name patterns (* and ?) of the features compared. Texture is left out by "
        "default: its differences repeat poorly between visits.",
    )
    difference_only: tuple[str, ...] = Field(
        ("original.firstorder_Skewness",),
        description="Name patterns of features whose sign carries meaning; they get no ratio "
        "and no relative change. Add original.firstorder_* for images normalised around zero.",
    )
    epsilon: float = Field(
        1e-6,
        gt=0,
        lt=1,
        description="Smallest |value| a ratio is formed of, as a fraction of the larger "
        "|value| of the two; no unit. Bounds |log_ratio| by -ln(epsilon) and relative by about "
        "1 / epsilon.",
    )


def names(
    pre: RegionKey, post: RegionKey, features: Iterable[str], settings: Delta
) -> tuple[str, ...]:
    """Full names of the changes between two regions, in order.

    Parameters
    ----------
    pre, post : RegionKey
        Regions of one sequence before and after treatment.
    features : iterable of str
        Feature names with their family, for example ``original.firstorder_Mean``.
    settings : Delta
        Which of them, and which kinds.

    Raises
    ------
    PlanError
        ``CONFIG_KEY`` when the regions cannot be compared or no feature is included.

    Examples
    --------
    >>> from radresp.core import Roi, Sequence
    >>> before = RegionKey(Timepoint.PRE, Sequence.T2, Roi.TUMOUR)
    >>> after = RegionKey(Timepoint.POST, Sequence.T2, Roi.BED)
    >>> names(before, after, ["volumetry.volume_ml"], Delta(kinds=("log_ratio",)))
    ('delta.t2.tumour_to_bed.log_ratio.volumetry.volume_ml',)
    """
    prefix = _prefix(pre, post)
    return tuple(f"{prefix}.{kind}.{name}" for kind, name in _pairs(pre, post, features, settings))


def extract(
    pre: RegionKey,
    post: RegionKey,
    values: Mapping[str, float],
    settings: Delta,
    absent: Mapping[str, str] = MappingProxyType({}),
    days: float | None = None,
) -> Extracted:
    """Compare the features of a region before treatment with those after it.

    Parameters
    ----------
    pre, post : RegionKey
        Regions of one sequence before and after treatment.
    values : mapping of str to float
        Full feature names to values, of both regions; others are ignored.
    settings : Delta
        Which features and kinds.
    absent : mapping of str to str, optional
        Full feature names to the reasons of their NaN, to be quoted.
    days : float, optional
        From the visit before treatment to the one after it.

    Returns
    -------
    Extracted
        Every name of ``names`` for the features found on either side; finite, or NaN with the
        reason in words.

    Raises
    ------
    PlanError
        ``CONFIG_KEY`` when the regions cannot be compared or no feature is included.
    """
    started = perf_counter()
    prefix = _prefix(pre, post)
    features = dict.fromkeys(
        name.removeprefix(f"{key}.")
        for key in (pre, post)
        for name in values
        if name.startswith(f"{key}.")
    )
    changes: dict[str, float] = {}
    reasons: dict[str, str] = {}
    for kind, feature in _pairs(pre, post, features, settings):
        change, reason = math.nan, _missing(f"{pre}.{feature}", f"{post}.{feature}", values, absent)
        if not reason:
            before, after = values[f"{pre}.{feature}"], values[f"{post}.{feature}"]
            change, reason = _KINDS[kind](before, after, settings.epsilon, days)
        name = f"{prefix}.{kind}.{feature}"
        changes[name] = change
        if reason:
            reasons[name] = reason
    step = Step(
        "features",
        "delta",
        {"pre": str(pre), "post": str(post), **settings.model_dump(mode="json")},
        perf_counter() - started,
    )
    return Extracted(changes, reasons, step)


def _prefix(pre: RegionKey, post: RegionKey) -> str:
    if (pre.timepoint, post.timepoint) != (Timepoint.PRE, Timepoint.POST) or (
        pre.sequence is not post.sequence
    ):
        raise PlanError(
            "CONFIG_KEY",
            f"a change from {pre} to {post}",
            expected="a region before and one after treatment, of the same sequence",
        )
    return f"delta.{pre.sequence}.{pre.roi}_to_{post.roi}"


def _pairs(
    pre: RegionKey, post: RegionKey, features: Iterable[str], settings: Delta
) -> list[tuple[str, str]]:
    """Which kind of change is taken of which feature, in order."""
    included = [name for name in features if _matches(name, settings.include)]
    if not included:
        raise PlanError(
            "CONFIG_KEY",
            f"no feature of {pre} and {post} is included in their change",
            expected="an include pattern that matches extracted features",
            action="compare include with the feature names; * stands for any text",
        )
    return [
        (kind, name)
        for kind in settings.kinds
        for name in included
        if kind not in _RATIOS or not _matches(name, settings.difference_only)
    ]


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _missing(
    before: str, after: str, values: Mapping[str, float], absent: Mapping[str, str]
) -> str:
    """Why a feature has no value at one of the visits; empty when it has both."""
    for name, when in ((before, "before"), (after, "after")):
        if not math.isfinite(values.get(name, math.nan)):
            return f"no value {when} treatment: {absent.get(name, 'not extracted')}"
    return ""


def _log_ratio(
    before: float, after: float, epsilon: float, days: float | None
) -> tuple[float, str]:
    smaller, larger = sorted((abs(before), abs(after)))
    if (before < 0) != (after < 0) or smaller <= epsilon * larger:
        return math.nan, (
            f"no log ratio of {before:.4g} before and {after:.4g} after treatment: it needs one "
            f"sign and neither value below {epsilon:g} of the other"
        )
    return math.log(abs(after)) - math.log(abs(before)), ""


def _difference(
    before: float, after: float, epsilon: float, days: float | None
) -> tuple[float, str]:
    return _finite(after - before)


def _relative(before: float, after: float, epsilon: float, days: float | None) -> tuple[float, str]:
    if abs(before) <= epsilon * max(abs(before), abs(after)):
        return math.nan, (
            f"no relative change of {before:.4g} before and {after:.4g} after treatment: it needs "
            f"an earlier value above {epsilon:g} of the later one"
        )
    return _finite((after - before) / abs(before))


def _per_week(before: float, after: float, epsilon: float, days: float | None) -> tuple[float, str]:
    if days is None or days < 1:
        known = "not known" if days is None else f"{days:g}"
        return math.nan, f"no change per week: the days between the visits are {known}"
    return _finite((after - before) / (days / 7))


def _finite(change: float) -> tuple[float, str]:
    return (
        (change, "") if math.isfinite(change) else (math.nan, "the difference is too large to hold")
    )


_KINDS: dict[str, Callable[[float, float, float, float | None], tuple[float, str]]] = {
    "log_ratio": _log_ratio,
    "difference": _difference,
    "relative": _relative,
    "per_week": _per_week,
}
