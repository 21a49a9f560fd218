"""Changes between visits: finite or explained, antisymmetric, free of units."""

from __future__ import annotations

import math

import pytest
from builders import make_region
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from radresp.core import RegionKey, Roi, Sequence, Timepoint
from radresp.errors import PlanError
from radresp.features import (
    Delta,
    Original,
    Volumetry,
    change_names,
    extract,
    extract_change,
    names,
)

PRE = RegionKey(Timepoint.PRE, Sequence.ADC, Roi.TUMOUR)
POST = RegionKey(Timepoint.POST, Sequence.ADC, Roi.BED)
FAMILIES = {"original": Original(), "volumetry": Volumetry()}
VOLUME = "volumetry.volume_ml"
PREFIX = "delta.adc.tumour_to_bed"


def volumes(before: float, after: float) -> dict[str, float]:
    return {f"{PRE}.{VOLUME}": before, f"{POST}.{VOLUME}": after}


def both(before: float, after: float) -> tuple[float, float, dict[str, str]]:
    """Log ratio, difference and reasons of one feature."""
    found = extract_change(PRE, POST, volumes(before, after), Delta())
    log_ratio, difference = found.values.values()
    return log_ratio, difference, dict(found.absent)


def test_names_are_those_of_the_values() -> None:
    values = dict.fromkeys((*names(PRE, FAMILIES), *names(POST, FAMILIES)), 1.0)
    found = extract_change(PRE, POST, values, Delta())
    assert tuple(found.values) == change_names(PRE, POST, FAMILIES, Delta())
    assert f"{PREFIX}.log_ratio.original.firstorder_Median" in found.values
    assert f"{PREFIX}.difference.original.firstorder_Skewness" in found.values
    assert f"{PREFIX}.log_ratio.original.firstorder_Skewness" not in found.values
    assert not any("glcm" in name for name in found.values)
    assert found.step.settings["pre"] == "pre.adc.tumour"


def test_texture_is_compared_where_the_plan_includes_it() -> None:
    plan = Delta(include=("original.glcm_*",), kinds=("difference",))
    assert change_names(PRE, POST, FAMILIES, plan)[0] == (
        f"{PREFIX}.difference.original.glcm_Autocorrelation"
    )


def test_a_quarter_of_the_volume() -> None:
    log_ratio, difference, absent = both(20.0, 5.0)
    assert log_ratio == pytest.approx(math.log(0.25))
    assert difference == -15.0
    assert absent == {}


numbers = st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=200)
@given(numbers, numbers)
def test_always_finite_or_explained_and_antisymmetric(before: float, after: float) -> None:
    forward = extract_change(PRE, POST, volumes(before, after), Delta())
    backward = extract_change(PRE, POST, volumes(after, before), Delta())
    for name, value in forward.values.items():
        assert math.isfinite(value) != (name in forward.absent)
        if math.isfinite(value):
            assert backward.values[name] == -value
        else:
            assert math.isnan(value)
            assert forward.absent[name]
            assert math.isnan(backward.values[name])
    bound = -math.log(Delta().epsilon) * (1 + 1e-12)
    log_ratio = forward.values[f"{PREFIX}.log_ratio.{VOLUME}"]
    assert math.isnan(log_ratio) or abs(log_ratio) <= bound


@settings(max_examples=50)
@given(st.floats(1e-2, 1e3), st.floats(1e-2, 1e3), st.floats(1e-6, 1e6))
def test_a_log_ratio_has_no_unit(before: float, after: float, unit: float) -> None:
    assert both(before * unit, after * unit)[0] == pytest.approx(both(before, after)[0], abs=1e-9)


@pytest.mark.parametrize(
    ("before", "after"), [(0.0, 5.0), (5.0, 0.0), (0.0, 0.0), (-1.0, 2.0), (1.0, 1e-7)]
)
def test_no_log_ratio_across_or_near_zero(before: float, after: float) -> None:
    log_ratio, difference, absent = both(before, after)
    assert math.isnan(log_ratio)
    assert difference == after - before
    (reason,) = absent.values()
    assert f"{before:.4g} before and {after:.4g} after" in reason


def test_two_negative_values_have_a_log_ratio() -> None:
    assert both(-2.0, -1.0)[0] == pytest.approx(math.log(0.5))


def test_a_difference_too_large_to_hold_is_explained() -> None:
    _, difference, absent = both(-1.7e308, 1.7e308)
    assert math.isnan(difference)
    assert "too large" in absent[f"{PREFIX}.difference.{VOLUME}"]


def test_what_is_missing_on_one_side_is_explained() -> None:
    values = volumes(20.0, math.nan) | {f"{POST}.original.firstorder_Mean": 1.0}
    absent = {f"{POST}.{VOLUME}": "no post-treatment mask was drawn"}
    found = extract_change(PRE, POST, values, Delta(), absent)
    assert all(math.isnan(value) for value in found.values.values())
    assert found.absent[f"{PREFIX}.log_ratio.{VOLUME}"] == (
        "no value after treatment: no post-treatment mask was drawn"
    )
    assert found.absent[f"{PREFIX}.difference.original.firstorder_Mean"] == (
        "no value before treatment: not extracted"
    )


def test_scaling_both_images_leaves_the_log_ratio_of_first_order_means() -> None:
    regions = [
        make_region(timepoint=Timepoint.PRE, roi=Roi.TUMOUR, seed=1),
        make_region(timepoint=Timepoint.POST, roi=Roi.BED, seed=2),
    ]
    plan = {"original": Original(shape=False, classes=("firstorder",))}
    found = []
    for factor in (1.0, 8.0):
        values: dict[str, float] = {}
        for region in regions:
            volume = region.volume.with_array(region.volume.array * factor)
            values |= extract(type(region)(region.key, volume, region.mask), plan).values
        found.append(extract_change(regions[0].key, regions[1].key, values, Delta()).values)
    for feature in ("Mean", "Median", "10Percentile", "90Percentile", "Variance"):
        name = f"delta.t2.tumour_to_bed.log_ratio.original.firstorder_{feature}"
        assert found[1][name] == pytest.approx(found[0][name], abs=1e-6)


@pytest.mark.parametrize(
    ("pre", "post"),
    [(POST, PRE), (PRE, PRE), (PRE, POST._replace(sequence=Sequence.T2))],
)
def test_regions_that_cannot_be_compared_are_refused(pre: RegionKey, post: RegionKey) -> None:
    for refused in (
        lambda: change_names(pre, post, FAMILIES, Delta()),
        lambda: extract_change(pre, post, volumes(1, 2), Delta()),
    ):
        with pytest.raises(PlanError, match="of the same sequence") as caught:
            refused()
        assert caught.value.code == "CONFIG_KEY"


def test_a_pattern_that_matches_nothing_is_refused() -> None:
    with pytest.raises(PlanError, match="no feature of") as caught:
        change_names(PRE, POST, FAMILIES, Delta(include=("orignal.*",)))
    assert caught.value.code == "CONFIG_KEY"


def test_settings_out_of_range_are_refused() -> None:
    for wrong in ({"kinds": ()}, {"kinds": ("ratio",)}, {"epsilon": 0}, {"include": ()}):
        with pytest.raises(ValidationError):
            Delta(**wrong)


def one(kind: str, before: float, after: float, days: float | None = None) -> tuple[float, str]:
    """A change of one kind, and the reason where there is none."""
    found = extract_change(PRE, POST, volumes(before, after), Delta(kinds=(kind,)), days=days)
    ((name, value),) = found.values.items()
    return value, found.absent.get(name, "")


@pytest.mark.parametrize(
    ("before", "after", "relative"), [(20.0, 5.0, -0.75), (20.0, 0.0, -1.0), (-4.0, 2.0, 1.5)]
)
def test_a_relative_change_is_a_share_of_the_earlier_value(
    before: float, after: float, relative: float
) -> None:
    assert one("relative", before, after) == (pytest.approx(relative), "")


@pytest.mark.parametrize(("before", "after"), [(0.0, 5.0), (0.0, 0.0), (1e-7, 1.0)])
def test_nothing_is_relative_to_nothing(before: float, after: float) -> None:
    value, reason = one("relative", before, after)
    assert math.isnan(value)
    assert "no relative change" in reason


def test_a_relative_change_has_no_sense_for_values_around_zero() -> None:
    plan = Delta(kinds=("relative",), difference_only=("original.firstorder_*",))
    assert not any("firstorder" in name for name in change_names(PRE, POST, FAMILIES, plan))


def test_a_change_per_week_needs_the_days() -> None:
    assert one("per_week", 20.0, 5.0, days=70) == (pytest.approx(-1.5), "")
    for days, said in ((None, "not known"), (0, "are 0")):
        value, reason = one("per_week", 20.0, 5.0, days=days)
        assert math.isnan(value)
        assert said in reason


@settings(max_examples=100)
@given(numbers, numbers, st.one_of(st.none(), st.floats(0, 1e4)))
def test_every_kind_is_finite_or_explained(before: float, after: float, days: float | None) -> None:
    for kind in ("relative", "per_week"):
        value, reason = one(kind, before, after, days)
        assert math.isfinite(value) != bool(reason)
