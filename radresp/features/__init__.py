"""Features: regions in, named numbers out; nothing here reads files.

A family turns a region into numbers (``FAMILIES``), a change compares the numbers of a region
before and after treatment (``CHANGES``), a measure looks at the whole case (``MEASURES``). Full
names are ``post.t2.bed.original.glcm_Contrast``, ``response.restricted_ml`` and
``delta.adc.tumour_to_bed.log_ratio.original.firstorder_Median``. They depend on the settings alone,
so every case of a cohort has the same columns; what a case cannot give is NaN
with the reason in words. Importing this room does not import pyradiomics. The module is long
because it is the whole front door: the registries, and the verbs of all three kinds.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from time import perf_counter
from types import MappingProxyType

from radresp.core import Note, NoteKind, Prepared, Region, RegionKey, Settings, Step
from radresp.errors import InputError, PlanError
from radresp.features import (
    delta,
    filtered,
    habitat,
    ibsi,
    original,
    pyradiomics,
    response,
    volumetry,
)
from radresp.features.delta import Delta
from radresp.features.family import Change, Extracted, Family, Measure
from radresp.features.filtered import Filtered
from radresp.features.habitat import Habitat
from radresp.features.ibsi import Ibsi
from radresp.features.original import Original
from radresp.features.pyradiomics import Pyradiomics
from radresp.features.response import Response
from radresp.features.volumetry import Volumetry

__all__ = [
    "CHANGES",
    "FAMILIES",
    "MEASURES",
    "Change",
    "Delta",
    "Extracted",
    "Family",
    "Filtered",
    "Habitat",
    "Ibsi",
    "Measure",
    "Original",
    "Pyradiomics",
    "Response",
    "Volumetry",
    "change_names",
    "extract",
    "extract_change",
    "extract_measures",
    "measure_names",
    "names",
]

FAMILIES: dict[str, Family] = {
    "filtered": Family(Filtered, filtered.names, filtered.extract),
    "ibsi": Family(Ibsi, ibsi.names, ibsi.extract),
    "original": Family(Original, original.names, original.extract),
    "pyradiomics": Family(Pyradiomics, pyradiomics.names, pyradiomics.extract),
    "volumetry": Family(Volumetry, volumetry.names, volumetry.extract),
}

CHANGES: dict[str, Change] = {
    "delta": Change(Delta, delta.names, delta.extract),
}

MEASURES: dict[str, Measure] = {
    "habitat": Measure(Habitat, habitat.names, habitat.extract),
    "response": Measure(Response, response.names, response.extract),
}


def names(key: RegionKey, families: Mapping[str, Settings]) -> tuple[str, ...]:
    """Full feature names of a region, without needing the region.

    Parameters
    ----------
    key : RegionKey
        Which region.
    families : mapping of str to Settings
        Family name to its settings.

    Returns
    -------
    tuple of str
        In the order of ``families``, then of each family.

    Raises
    ------
    PlanError
        ``CONFIG_KEY`` for an unknown family or settings of another family.

    Examples
    --------
    >>> from radresp.core import Roi, Sequence, Timepoint
    >>> key = RegionKey(Timepoint.POST, Sequence.T2, Roi.BED)
    >>> names(key, {"volumetry": Volumetry()})[0]
    'post.t2.bed.volumetry.volume_ml'
    """
    return tuple(f"{key}.{name}" for name in _short_names(families))


def extract(
    region: Region, families: Mapping[str, Settings], *, absent_on: Collection[str] = ()
) -> Extracted:
    """Extract all families of one region.

    Parameters
    ----------
    region : Region
        Image and non-empty outline on one grid.
    families : mapping of str to Settings
        Family name to its settings.
    absent_on : collection of str, optional
        Error codes that make one family absent, with the message as reason, instead of refusing
        the region. ``{"MASK_TOO_SMALL"}`` keeps the volume of a bed too small for texture.

    Returns
    -------
    Extracted
        ``values`` has exactly ``names(region.key, families)``; ``absent`` one reason for each
        NaN; ``step`` holds the settings by family, the region's name, and all notes.

    Raises
    ------
    PlanError
        ``CONFIG_KEY`` for an unknown family or settings of another family.
    InputError
        What a family refuses, for example ``MASK_TOO_SMALL``.
    """
    started = perf_counter()
    values: dict[str, float] = {}
    absent: dict[str, str] = {}
    steps: dict[str, Step] = {}
    for family, settings in families.items():
        found = _extract_family(region, family, settings, absent_on)
        prefix = f"{region.key}.{family}."
        values.update({prefix + name: value for name, value in found.values.items()})
        absent.update({prefix + name: reason for name, reason in found.absent.items()})
        steps[family] = found.step
    step = Step(
        "features",
        "+".join(families),
        {"region": str(region.key)} | {name: dict(s.settings) for name, s in steps.items()},
        perf_counter() - started,
        tuple(note for s in steps.values() for note in s.notes),
    )
    return Extracted(values, absent, step)


def change_names(
    pre: RegionKey, post: RegionKey, families: Mapping[str, Settings], settings: Settings
) -> tuple[str, ...]:
    """Full names of the changes between two regions, without needing any values.

    Parameters
    ----------
    pre, post : RegionKey
        Regions of one sequence before and after treatment.
    families : mapping of str to Settings
        What is extracted from both.
    settings : Settings
        Settings of a registered change, for example ``Delta()``.

    Raises
    ------
    PlanError
        ``CONFIG_KEY`` when the two regions cannot be compared, no feature is included, or the
        settings belong to no change.
    """
    return _change(settings).names(pre, post, _short_names(families), settings)


def extract_change(
    pre: RegionKey,
    post: RegionKey,
    values: Mapping[str, float],
    settings: Settings,
    absent: Mapping[str, str] = MappingProxyType({}),
    days: float | None = None,
) -> Extracted:
    """Compare the extracted features of two regions.

    Parameters
    ----------
    pre, post : RegionKey
        Regions of one sequence before and after treatment.
    values : mapping of str to float
        Full feature names to values, of both regions; others are ignored.
    settings : Settings
        Settings of a registered change, for example ``Delta()``.
    absent : mapping of str to str, optional
        Full feature names to the reasons of their NaN, to be quoted.
    days : float, optional
        Between the visits.

    Returns
    -------
    Extracted
        ``values`` has exactly ``change_names`` where ``values`` held all names of both regions.

    Raises
    ------
    PlanError
        As ``change_names``.

    Examples
    --------
    >>> from radresp.core import Roi, Sequence, Timepoint
    >>> before = RegionKey(Timepoint.PRE, Sequence.T2, Roi.TUMOUR)
    >>> after = RegionKey(Timepoint.POST, Sequence.T2, Roi.BED)
    >>> values = {f"{before}.volumetry.volume_ml": 20.0, f"{after}.volumetry.volume_ml": 5.0}
    >>> change = extract_change(before, after, values, Delta(kinds=("difference",)))
    >>> dict(change.values)
    {'delta.t2.tumour_to_bed.difference.volumetry.volume_ml': -15.0}
    """
    return _change(settings).extract(pre, post, values, settings, absent, days)


def measure_names(measures: Mapping[str, Settings]) -> tuple[str, ...]:
    """Full names of what is measured of a whole case, without needing any case.

    Parameters
    ----------
    measures : mapping of str to Settings
        Measure name to its settings.

    Examples
    --------
    >>> measure_names({"response": Response()})[0]
    'response.bed_ml'
    """
    return tuple(
        f"{measure}.{name}"
        for measure, settings in measures.items()
        for name in MEASURES[measure].names(settings)
    )


def extract_measures(prepared: Prepared, measures: Mapping[str, Settings]) -> tuple[Extracted, ...]:
    """Measure a whole case, both visits at once.

    Parameters
    ----------
    prepared : Prepared
        With the scene, if the plan it was prepared by holds measures.
    measures : mapping of str to Settings
        Measure name to its settings.

    Returns
    -------
    tuple of Extracted
        One a measure, under full names; all together exactly ``measure_names(measures)``.
    """
    every = []
    for measure, settings in measures.items():
        found = MEASURES[measure].extract(prepared, settings)
        values = {f"{measure}.{name}": value for name, value in found.values.items()}
        absent = {f"{measure}.{name}": reason for name, reason in found.absent.items()}
        every.append(Extracted(values, absent, found.step))
    return tuple(every)


def _family(name: str, settings: Settings) -> Family:
    if name not in FAMILIES:
        nearest = get_close_matches(name, FAMILIES, n=1, cutoff=0.0)
        raise PlanError(
            "CONFIG_KEY",
            f"there is no feature family {name!r}",
            expected=f"one of {', '.join(FAMILIES)}",
            action=f"did you mean {nearest[0]!r}?",
        )
    family = FAMILIES[name]
    if not isinstance(settings, family.settings):
        raise PlanError(
            "CONFIG_KEY",
            f"family {name!r} was given {type(settings).__name__} settings",
            expected=f"{family.settings.__name__} settings",
        )
    return family


def _short_names(families: Mapping[str, Settings]) -> tuple[str, ...]:
    """Feature names with their family, without the region."""
    return tuple(
        f"{family}.{name}"
        for family, settings in families.items()
        for name in _family(family, settings).names(settings)
    )


def _extract_family(
    region: Region, name: str, settings: Settings, absent_on: Collection[str]
) -> Extracted:
    family = _family(name, settings)
    try:
        return family.extract(region, settings)
    except InputError as refusal:
        if refusal.code not in absent_on:
            raise
        missing = family.names(settings)
        note = Note(NoteKind.WARNING, refusal.code, refusal.found, refusal.expected, refusal.action)
        step = Step("features", name, settings.model_dump(mode="json"), notes=(note,))
        return Extracted(
            dict.fromkeys(missing, math.nan), dict.fromkeys(missing, refusal.message), step
        )


def _change(settings: Settings) -> Change:
    for change in CHANGES.values():
        if isinstance(settings, change.settings):
            return change
    raise PlanError(
        "CONFIG_KEY",
        f"{type(settings).__name__} settings belong to no registered change",
        expected=f"settings of one of {', '.join(CHANGES)}",
    )
