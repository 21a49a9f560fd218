"""From regions to one row of named features."""

from __future__ import annotations

from collections.abc import Iterator

from radresp import features
from radresp.core import FeatureRow, Prepared, RegionKey, Roi, Step, Timepoint
from radresp.errors import locating
from radresp.pipeline.pair import days_between
from radresp.pipeline.plan import Plan

PAIRS = ((Roi.TUMOUR, Roi.BED), (Roi.RING, Roi.RING), (Roi.MUSCLE, Roi.MUSCLE))
"""Which outline before treatment is compared with which after it."""


TOO_SMALL = ("MASK_TOO_SMALL",)
"""A bed too small for texture keeps its volume; the rest is absent with the reason."""


def extract_case(prepared: Prepared, plan: Plan) -> FeatureRow:
    """Compute every planned feature of a prepared case.

    Parameters
    ----------
    prepared : Prepared
        Regions in place.
    plan : Plan
        Families, changes and measures to compute.

    Returns
    -------
    FeatureRow
        In the order of :func:`feature_names`; NaN, with the reason, where a region is absent.
    """
    values: dict[str, float] = {}
    absent: dict[str, str] = {}
    steps: list[Step] = []
    with locating(prepared.case_id):
        for key in plan.regions:
            if key in prepared.absent:
                names = features.names(key, plan.features[key.sequence].families)
                values |= dict.fromkeys(names, float("nan"))
                absent |= dict.fromkeys(names, prepared.absent[key])
                continue
            region = prepared.regions[key]
            families = plan.features[key.sequence].families
            found = features.extract(region, families, absent_on=TOO_SMALL)
            values |= found.values
            absent |= found.absent
            steps.append(found.step)
        invalid, days = prepared.unrelated, days_between(prepared.trail)
        for pre, post in change_pairs(plan):
            for settings in plan.features[pre.sequence].changes.values():
                change = features.extract_change(pre, post, values, settings, absent, days)
                if invalid:
                    values |= dict.fromkeys(change.values, float("nan"))
                    absent |= dict.fromkeys(change.values, invalid)
                    continue
                values |= change.values
                absent |= change.absent
        for measured in features.extract_measures(prepared, plan.measures):
            values |= measured.values
            absent |= measured.absent
            steps.append(measured.step)
    return FeatureRow(prepared.case_id, values, absent, prepared.trail + tuple(steps))


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
