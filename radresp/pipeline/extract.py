"""From regions to one row of named features."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator

from radresp import features
from radresp.core import FeatureRow, Prepared, Region, RegionKey, Roi, Step, Timepoint
from radresp.errors import locating
from radresp.features.control import control
from radresp.pipeline.pair import days_between
from radresp.pipeline.plan import Plan

PAIRS = ((Roi.TUMOUR, Roi.BED), (Roi.RING, Roi.RING), (Roi.MUSCLE, Roi.MUSCLE))
"""Which outline before treatment is compared with which after it."""


TOO_SMALL = ("MASK_TOO_SMALL",)
"""A bed too small for texture keeps its volume; the rest is absent with the reason."""


NO_MEASURES = "not measured: the plan's control replaces the voxels of regions"


def extract_case(
    prepared: Prepared, plan: Plan, *, absent_on: Collection[str] = TOO_SMALL
) -> FeatureRow:
    """Compute every planned feature of a prepared case.

    Parameters
    ----------
    prepared : Prepared
        Regions in place.
    plan : Plan
        Families, changes and measures to compute.
    absent_on : collection of str, optional
        Error codes that leave out one family of one region instead of refusing the case.

    Returns
    -------
    FeatureRow
        In the order of :func:`feature_names`; NaN, with the reason, where a region is absent.
    """
    values: dict[str, float] = {}
    absent: dict[str, str] = {}
    steps: list[Step] = []

    def add(found: features.Extracted, invalid: str = "") -> None:
        values.update(dict.fromkeys(found.values, math.nan) if invalid else found.values)
        absent.update(dict.fromkeys(found.values, invalid) if invalid else found.absent)

    with locating(prepared.case_id):
        for found in _of_regions(prepared, plan, absent_on):
            add(found)
            steps.append(found.step)
        days = days_between(prepared.trail)
        for pre, post in change_pairs(plan):
            for settings in plan.features[pre.sequence].changes.values():
                change = features.extract_change(pre, post, values, settings, absent, days)
                add(change, prepared.unrelated)
        for found in _of_case(prepared, plan):
            add(found)
            steps.append(found.step)
    return FeatureRow(prepared.case_id, values, absent, prepared.trail + tuple(steps))


def _of_regions(
    prepared: Prepared, plan: Plan, absent_on: Collection[str]
) -> Iterator[features.Extracted]:
    for key in plan.regions:
        families = plan.features[key.sequence].families
        if key in prepared.absent:
            names = features.names(key, families)
            yield _missing(names, prepared.absent[key], Step("features", "absent"))
            continue
        region = controlled(prepared.regions[key], plan)
        yield features.extract(region, families, absent_on=absent_on)


def _of_case(prepared: Prepared, plan: Plan) -> Iterable[features.Extracted]:
    if plan.control is None:
        return features.extract_measures(prepared, plan.measures)
    step = Step("features", "control", plan.control.model_dump(mode="json"))
    return (_missing(features.measure_names(plan.measures), NO_MEASURES, step),)


def _missing(names: Iterable[str], reason: str, step: Step) -> features.Extracted:
    names = tuple(names)
    return features.Extracted(dict.fromkeys(names, math.nan), dict.fromkeys(names, reason), step)


def controlled(region: Region, plan: Plan) -> Region:
    """The region, or its negative control where the plan asks for one."""
    return region if plan.control is None else control(region, plan.control)


def feature_names(plan: Plan) -> tuple[str, ...]:
    """The names of all features a plan gives, in order, without looking at any case."""
    names = [
        name
        for key in plan.regions
        for name in features.names(key, plan.features[key.sequence].families)
    ]
    for pre, post in change_pairs(plan):
        wanted = plan.features[pre.sequence]
        for settings in wanted.changes.values():
            names += features.change_names(pre, post, wanted.families, settings)
    return (*names, *features.measure_names(plan.measures))


def change_pairs(plan: Plan) -> Iterator[tuple[RegionKey, RegionKey]]:
    """The planned regions before treatment that have a counterpart after it."""
    for pre in plan.regions:
        if pre.timepoint is Timepoint.PRE:
            for before, after in PAIRS:
                post = RegionKey(Timepoint.POST, pre.sequence, after)
                if pre.roi is before and post in plan.regions:
                    yield pre, post
