"""The dictionary of columns: what every column of a feature table is, and how it was made."""

from __future__ import annotations

from collections.abc import Iterator

from radresp import features
from radresp.core import RegionKey, Settings
from radresp.features.units import ONE, unit_of, unit_of_measure
from radresp.pipeline.extract import change_pairs
from radresp.pipeline.plan import Plan

Row = dict[str, str]
UNIT_OF_CHANGE = {"difference": "{}", "per_week": "{} / week"}
"""Kinds of change with a unit; the others are ratios."""


def describe_columns(plan: Plan) -> list[Row]:
    """One row a column, in the order of ``feature_names``.

    Parameters
    ----------
    plan : Plan
        What is extracted.

    Returns
    -------
    list of dict
        ``column``; ``visit``, ``sequence`` and ``roi``; ``family``, ``feature`` and ``change``;
        ``unit`` (``1`` without dimension, ``image`` that of the image, empty where not known);
        ``grey_levels`` and ``voxels`` as the plan sets them.
    """
    rows = [row for key in plan.regions for row in _of_region(key, plan)]
    rows += [row for pre, post in change_pairs(plan) for row in _of_change(pre, post, plan)]
    for measure, settings in plan.measures.items():
        for feature in features.MEASURES[measure].names(settings):
            row = _row(f"{measure}.{feature}", family=measure, feature=feature)
            rows.append(row | {"unit": unit_of_measure(feature)})
    return rows


def _of_region(key: RegionKey, plan: Plan) -> Iterator[Row]:
    for family, settings in plan.features[key.sequence].families.items():
        made = _how(settings, key)
        for feature in features.FAMILIES[family].names(settings):
            row = _row(f"{key}.{family}.{feature}", family=family, feature=feature)
            row |= {"visit": str(key.timepoint), "sequence": str(key.sequence), "roi": str(key.roi)}
            yield row | {"unit": unit_of(family, feature, key.sequence)} | made


def _of_change(pre: RegionKey, post: RegionKey, plan: Plan) -> Iterator[Row]:
    wanted = plan.features[pre.sequence]
    for settings in wanted.changes.values():
        for column in features.change_names(pre, post, wanted.families, settings):
            _, _, rois, kind, family, feature = column.split(".", 5)
            row = _row(column, family=family, feature=feature)
            unit = unit_of(family, feature, pre.sequence)
            changed = UNIT_OF_CHANGE[kind].format(unit) if kind in UNIT_OF_CHANGE else ONE
            row |= {"visit": "both", "sequence": str(pre.sequence), "roi": rois}
            yield row | {"change": kind, "unit": changed} | _how(wanted.families[family], pre)


def _row(column: str, *, family: str, feature: str) -> Row:
    empty = dict.fromkeys(("visit", "sequence", "roi"), "")
    last = dict.fromkeys(("change", "unit", "grey_levels", "voxels"), "")
    return {"column": column, **empty, "family": family, "feature": feature, **last}


def _how(settings: Settings, key: RegionKey) -> Row:
    """Grey levels and voxels of a family that has a say in them."""
    said = settings.model_dump()
    if "bin_count" not in said:
        return {}
    width = said["bin_width"].get(key.sequence)
    levels = f"bin_width {width:g}" if width else f"bin_count {said['bin_count']}"
    spacing = said.get("resampled_spacing_mm")
    voxels = "x".join(f"{edge:g}" for edge in spacing) + " mm" if spacing else "as acquired"
    return {"grey_levels": levels, "voxels": voxels + (", 2-D" if said.get("force_2d") else "")}
