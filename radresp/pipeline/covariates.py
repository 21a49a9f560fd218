"""Covariates: what is known of a patient beforehand, as columns of numbers beside the features.

What: turns clinical cells into float columns ``clinical.*``. Only columns of the covariate axis are
looked at, never the reader's call or the reference, and of those never hospital, scanner, dates,
b-values or the time to the reference, which tell where and how a patient was seen instead of what
was there. A regimen becomes its axes: radiotherapy, immunotherapy, sequence.
Source: ``docs/reference/clinical.md`` 3.3; trial arms of `radresp.regimen`.
When: training a clinical or a joined model, and scoring a case with it.

Gaps stay NaN, to be filled inside each fold; ``clinical.missing.*`` says where they were.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import numpy as np
import pandas as pd

from radresp import io, regimen
from radresp.errors import InputError, PlanError

PREFIX = "clinical."
MISSING_PREFIX = "clinical.missing."
# A stage without a letter lies in the middle of its letters, so that hospitals which do not write
# letters are not set apart.
_STAGES = {
    "cT": {"1": 1.0, "2": 2.0, "3a": 3.0, "3b": 3.25, "3": 3.375, "3c": 3.5, "3d": 3.75}
    | {"4a": 4.0, "4": 4.125, "4b": 4.25},
    "cN": {
        "0": 0.0,
        "1a": 1.0,
        "1b": 1.25,
        "1": 1.25,
        "1c": 1.5,
        "2a": 2.0,
        "2": 2.125,
        "2b": 2.25,
    },
}
_SEX = {"F": 1.0, "M": 0.0}
_CTDNA = ("ctdna_pre", "ctdna_c1", "ctdna_c2", "ctdna_c3", "ctdna_c4", "ctdna_post")
"""In the order of time."""
_NUMBERS = (
    "age_years",
    "distance_from_verge_mm",
    "mrf",
    "emvi",
    "dmmr",
    *_CTDNA,
    "pdl1_cps",
    "pdl1_tps_percent",
    "io_cycles",
    "weeks_rt_to_mri",
)
_CEA = ("cea_pre_ng_per_ml", "cea_post_ng_per_ml")
SOURCES = (*_NUMBERS, *_CEA, *_STAGES, "sex", "regimen")
"""The clinical columns that are looked at; each is known before the outcome."""

_SEQUENCE = ("induction", "concurrent", "consolidation")
_AXES = ("scrt", "immunotherapy", *_SEQUENCE)
_DERIVED = ("sex_female", *_STAGES, "log_cea_pre", "log_cea_post", "log_cea_ratio", "ctdna_cleared")
_SHORT_NAMES = [*_NUMBERS, *_DERIVED, *(f"regimen_{axis}" for axis in _AXES)]
NAMES = tuple(PREFIX + name for name in _SHORT_NAMES)
"""Every covariate, without the columns that say what is missing."""

_SPELLINGS = tuple(
    (re.compile(pattern), word)
    for pattern, word in (
        (r"\b(without|no)\s+(immunotherapy|io)\b", " "),
        (r"chemo-?\s?immunotherapy", " chemotherapy + immunotherapy "),
        (r"\b(anti-?\s?)?pd-?\s?l?1\b", " immunotherapy "),
        (r"\b5-?\s?fu\b", " capecitabine "),
        (r"\b5\s*x\s*5\b|\b25\s*gy\b|\bshort[-\s]course\b", " scrt "),
        (r"\b(45|50|50\.4)\s*gy\b|\blong[-\s]course\b|\bchemoradi\w+", " lcrt "),
        (r"\bradi(otherapy|ation)\b", " rt "),
        (r"\bconcomitant\b", " concurrent "),
        (r"→|-+>|=+>|[;,]|\bfollowed by\b|\b(and\s+)?then\b", "|"),
        (r"\b\d+\s*x(?!el)|\bx\s*\d+\b|\d+", " "),
    )
)
_SPREAD = re.compile(r"\(([^()|]*)\|([^()|]*)\)\s*\+([^|]*)")
_SHORT, _LONG = frozenset({"scrt"}), frozenset({"lcrt", "crt", "ncrt"})
_RADIOTHERAPY = _SHORT | _LONG | {"rt"}
_CHEMOTHERAPY = frozenset(
    {"chemotherapy", "chemo", "capox", "xelox", "capeox", "folfox", "mfolfox"}
)
_CHEMOTHERAPY |= {"folfoxiri", "folfirinox", "mfolfirinox", "capecitabine", "oxaliplatin"}
_FILL = frozenset({"and", "with", "plus", "alone", "only", "x", "gy", "once", "weekly", "cycle"})
_FILL |= {"cycles", "antibody", "inhibitor", "inhibitors", "tumor", "tumour", "nodes"}


def covariates(
    rows: Mapping[str, Mapping[str, str]], columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Covariates of some cases.

    Parameters
    ----------
    rows : mapping of str to (mapping of str to str)
        Case id to clinical column to cell, as `radresp.io.load_clinical` and the cohort table give
        them.
    columns : sequence of str, optional
        The columns a model expects. By default every covariate, and ``clinical.missing.NAME`` for
        each that is missing in at least one case.

    Returns
    -------
    DataFrame of shape (cases, columns)
        float64, NaN where not known; rows in the order given. Columns without any value stay, for
        the learner drops them inside each fold.

    Raises
    ------
    InputError
        ``CSV_FORMAT`` or ``CLINICAL_RANGE`` for a wrong cell.
    PlanError
        ``FEATURE_SCHEMA`` for an expected column that is no covariate.

    Examples
    --------
    >>> rows = {"a": {"cT": "3b", "regimen": "SCRT, then chemoimmunotherapy"}}
    >>> covariates(rows, ["clinical.cT", "clinical.regimen_scrt", "clinical.missing.sex_female"])
       clinical.cT  clinical.regimen_scrt  clinical.missing.sex_female
    a         3.25                    1.0                          1.0
    """
    values = [_values(case, cells) for case, cells in rows.items()]
    table = pd.DataFrame(values, index=list(rows), columns=_SHORT_NAMES, dtype=np.float64)
    gaps = table.isna().astype(np.float64).add_prefix(MISSING_PREFIX)
    both = pd.concat([table.add_prefix(PREFIX), gaps], axis=1)
    if columns is None:
        columns = [*NAMES, *gaps.columns[gaps.any(axis=0)]]
    unknown = [name for name in columns if name not in both.columns]
    if unknown:
        raise PlanError(
            "FEATURE_SCHEMA",
            f"{', '.join(unknown[:5])} is no covariate",
            expected=f"columns among {', '.join(NAMES)}, or {MISSING_PREFIX}NAME",
        )
    return both[list(columns)]


def _values(case: str, cells: Mapping[str, str]) -> dict[str, float]:
    """Every covariate of one case, by name without prefix."""
    known = {name: _cell(case, name, cells.get(name, "")) for name in SOURCES}
    numbers = {name: float(known[name] or "nan") for name in (*_NUMBERS, *_CEA)}
    before, after = (math.log1p(numbers[name]) for name in _CEA)
    resolved = _resolve(known["regimen"])
    return {
        **{name: numbers[name] for name in _NUMBERS},
        "sex_female": _SEX.get(known["sex"], math.nan),
        **{name: stages.get(known[name], math.nan) for name, stages in _STAGES.items()},
        "log_cea_pre": before,
        "log_cea_post": after,
        "log_cea_ratio": after - before,
        "ctdna_cleared": _cleared([numbers[name] for name in _CTDNA]),
        **{f"regimen_{axis}": resolved.get(axis, math.nan) for axis in _AXES},
    }


def _cell(case: str, name: str, text: str) -> str:
    fault = io.CLINICAL[name].fault(text)
    if fault is not None:
        code, expected = fault
        raise InputError(code, f"column {name!r}: {text[:40]!a}", expected=expected, case=case)
    return "" if text in io.MISSING else text


def _cleared(found: Iterable[float]) -> float:
    """1 where ctDNA was found and is gone at the last known time, 0 where it is still there."""
    known = [value for value in found if not math.isnan(value)]
    return 1.0 - known[-1] if any(known[:-1]) else math.nan


def _resolve(text: str) -> dict[str, float]:
    """The axes of a regimen, by the name of a trial arm or as written; absent where not known."""
    words = _words(text)
    arms = [_axes_of(arm) for name, arm in _named_arms() if words and name[: len(words)] == words]
    if not arms:
        return _read(text)
    first, *others = arms
    return {axis: v for axis, v in first.items() if all(o.get(axis) == v for o in others)}


@cache
def _named_arms() -> tuple[tuple[list[str], regimen.Arm], ...]:
    single = [arm for arm in regimen.arms() if not arm.aggregate]
    return tuple((_words(name), a) for a in single for name in (f"{a.study} {a.arm}", a.arm_id))


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"[a-z]+|\d+", text.casefold()) if word != "arm"]


def _axes_of(arm: regimen.Arm) -> dict[str, float]:
    """The axes of a trial arm. The table says nothing of the sequence of chemotherapy alone."""
    axes = {"immunotherapy": float(arm.immunotherapy != "none")}
    if arm.radiotherapy in ("SCRT", "LCRT"):
        axes["scrt"] = float(arm.radiotherapy == "SCRT")
    parts = set(arm.sequence.split("+"))
    if parts <= set(_SEQUENCE):
        axes |= {name: float(name in parts) for name in _SEQUENCE}
    return axes


def _read(text: str) -> dict[str, float]:
    """The axes of a regimen as written: steps apart by arrows, commas or "then"."""
    steps = _steps(text)
    words = frozenset[str]().union(*steps)
    treatment = _RADIOTHERAPY | _CHEMOTHERAPY | _drugs() | {"tnt"}
    if not words & treatment:
        return {}
    axes = {}
    if bool(words & _SHORT) != bool(words & _LONG):
        axes["scrt"] = float(bool(words & _SHORT))
    strange = words - treatment - _FILL - set(_SEQUENCE)
    if words & _drugs() or not strange:
        axes["immunotherapy"] = float(bool(words & _drugs()))
    if not strange and all(step & treatment for step in steps):
        axes |= _sequence(steps, words)
    return axes


def _steps(text: str) -> list[frozenset[str]]:
    text = text.casefold().replace("_", " ")
    for pattern, word in _SPELLINGS:
        text = pattern.sub(word, text)
    text = _SPREAD.sub(r"\1 + \3 | \2 + \3", text)
    steps = [frozenset(re.findall(r"[^\W\d_]+", step)) for step in text.split("|")]
    return [step for step in steps if step]


def _sequence(steps: Sequence[frozenset[str]], words: frozenset[str]) -> dict[str, float]:
    """Where immunotherapy, or else chemotherapy, stands relative to radiotherapy.

    Chemotherapy in the step of radiotherapy is part of chemoradiotherapy.
    """
    places = [place for place, step in enumerate(steps) if step & _RADIOTHERAPY]
    if len(places) != 1:
        return {}
    immune, found = words & _drugs(), set[str]()
    for place, step in enumerate(steps):
        if not step & (immune or _CHEMOTHERAPY):
            continue
        if said := step & set(_SEQUENCE):
            found |= said
        elif place != places[0]:
            found.add("induction" if place < places[0] else "consolidation")
        elif immune:
            found.add("concurrent")
    if "tnt" in words and not found:
        return {}
    return {name: float(name in found) for name in _SEQUENCE}


@cache
def _drugs() -> frozenset[str]:
    """Words for immunotherapy: the drugs of the trials, others of the class, and the class."""
    named = {arm.immunotherapy.casefold() for arm in regimen.arms()} - {"none", "any", "not stated"}
    return frozenset(
        {"immunotherapy", "io", "ici", "dostarlimab", "ipilimumab", "penpulimab"} | named
    )
