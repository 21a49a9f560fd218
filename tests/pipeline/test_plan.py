from __future__ import annotations

from typing import Any

import pytest

from radresp.core import RegionKey, Roi, Sequence, Timepoint
from radresp.errors import PlanError
from radresp.pipeline.extract import change_pairs, feature_names
from radresp.pipeline.plan import parse_plan


def test_the_record_of_a_plan_reads_back_as_the_same_plan() -> None:
    plan = parse_plan({"seed": 5, "ring_mm": 3, "regions": ["post.t2.bed", "post.t2.ring"]})
    again = parse_plan(plan.record())
    assert again == plan
    assert again.sha256() == plan.sha256()


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ({"sead": 1}, "CONFIG_KEY", "did you mean seed"),
        ({"clean": {"pinhole": 1}}, "CONFIG_KEY", "clean.pinhole"),
        ({"features": {"t3": {}}}, "CONFIG_KEY", "one of t2, dwi, adc"),
        ({"features": {"t2": {"families": {"originl": {}}}}}, "CONFIG_KEY", "original"),
        ({"classifier": {"settings": {"outer_fold": 3}}}, "CONFIG_KEY", "outer_folds"),
        ({"seed": -1}, "CONFIG_VALUE", "seed"),
        ({"seed": True}, "CONFIG_VALUE", "seed"),
        ({"ring_mm": 0}, "CONFIG_VALUE", "ring_mm"),
        ({"ring_mm": float("nan")}, "CONFIG_VALUE", "ring_mm"),
        ({"regions": []}, "CONFIG_VALUE", "regions"),
        ({"regions": ["post.t2.bed", "post.t2.bed"]}, "CONFIG_VALUE", "twice"),
        ({"regions": ["after.t2.bed"]}, "CONFIG_VALUE", "post.t2.bed"),
        ({"t2": {"method": "median"}}, "CONFIG_VALUE", "zscore"),
        ({"decision": {"missed_residual": "high"}}, "CONFIG_VALUE", "decision.missed_residual"),
        ({"registration": {"settings": {"bins": 1}}}, "CONFIG_VALUE", "registration"),
        ({"adc": [1]}, "CONFIG_VALUE", "adc"),
    ],
)
def test_what_a_plan_cannot_mean_is_refused_by_name(
    given: dict[str, Any], code: str, words: str
) -> None:
    with pytest.raises(PlanError) as caught:
        parse_plan(given)
    assert caught.value.code == code
    assert words in caught.value.message


def test_what_a_plan_does_not_say_keeps_its_default() -> None:
    plan = parse_plan({"features": {"adc": {"families": {"original": {"classes": ["glcm"]}}}}})
    assert plan.features[Sequence.T2] == parse_plan().features[Sequence.T2]
    assert set(plan.features[Sequence.ADC].changes) == {"delta"}


def test_only_what_changes_a_feature_changes_the_extraction_hash() -> None:
    plan = parse_plan()
    assert parse_plan({"seed": 99}).extraction_sha256 == plan.extraction_sha256
    decided = parse_plan({"decision": {"missed_residual": 0.1}})
    assert decided.extraction_sha256 == plan.extraction_sha256
    for given in ({"ring_mm": 4}, {"t2": {"method": "reference"}}, {"regions": ["post.t2.bed"]}):
        assert parse_plan(given).extraction_sha256 != plan.extraction_sha256


def test_tumour_is_compared_with_bed_within_each_sequence() -> None:
    pairs = list(change_pairs(parse_plan()))
    assert pairs == [
        (
            RegionKey(Timepoint.PRE, sequence, Roi.TUMOUR),
            RegionKey(Timepoint.POST, sequence, Roi.BED),
        )
        for sequence in (Sequence.T2, Sequence.ADC)
    ]


def test_names_are_distinct_and_shape_is_counted_once() -> None:
    names = feature_names(parse_plan())
    assert len(set(names)) == len(names)
    assert any(".t2.bed.original.shape_" in name for name in names)
    assert not any(".adc.bed.original.shape_" in name for name in names)
    assert not any("log_ratio.original.firstorder" in n for n in names if n.startswith("delta.t2"))
