"""The room's own face: full names, dispatch, and refusals of the plan."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from builders import make_region

from radresp.core import FeatureRow, NoteKind, Settings
from radresp.errors import InputError, PlanError
from radresp.features import (
    CHANGES,
    FAMILIES,
    Delta,
    Filtered,
    Ibsi,
    Original,
    Pyradiomics,
    Volumetry,
    change_names,
    extract,
    names,
)

PLAN = {"original": Original(), "volumetry": Volumetry()}


def test_full_names_carry_region_and_family_in_the_order_of_the_plan() -> None:
    region = make_region()
    found = extract(region, PLAN)
    assert tuple(found.values) == names(region.key, PLAN)
    assert next(iter(found.values)) == "pre.t2.tumour.original.shape_Elongation"
    assert tuple(found.values)[-1] == "pre.t2.tumour.volumetry.craniocaudal_length_mm"
    assert found.step.method == "original+volumetry"
    assert found.step.settings["original"]["bin_count"] == 32
    assert found.step.settings["region"] == "pre.t2.tumour"
    FeatureRow("case", found.values, found.absent, (found.step,))


def test_the_registries_hold_settings_by_name() -> None:
    assert {name: family.settings for name, family in FAMILIES.items()} == {
        "filtered": Filtered,
        "ibsi": Ibsi,
        "original": Original,
        "pyradiomics": Pyradiomics,
        "volumetry": Volumetry,
    }
    assert CHANGES["delta"].settings is Delta


def test_an_unknown_family_is_refused_with_the_nearest_name() -> None:
    region = make_region()
    for refused in (
        lambda: names(region.key, {"orignal": Original()}),
        lambda: extract(region, {"orignal": Original()}),
    ):
        with pytest.raises(PlanError, match="did you mean 'original'") as caught:
            refused()
        assert caught.value.code == "CONFIG_KEY"


def test_settings_of_another_family_are_refused() -> None:
    with pytest.raises(PlanError, match="Volumetry settings; expected Original settings"):
        extract(make_region(), {"original": Volumetry()})
    with pytest.raises(PlanError, match="belong to no registered change"):
        change_names(make_region().key, make_region().key, PLAN, Settings())


def test_a_bed_too_small_for_texture_keeps_its_volume_where_the_plan_wants_that() -> None:
    region = make_region()
    few = np.zeros_like(region.mask.array)
    few[4:6, 8:10, 8:10] = True
    region = replace(region, mask=region.mask.with_array(few))
    with pytest.raises(InputError, match="has 8 voxels"):
        extract(region, PLAN)
    found = extract(region, PLAN, absent_on={"MASK_TOO_SMALL"})
    assert tuple(found.values) == names(region.key, PLAN)
    assert found.values["pre.t2.tumour.volumetry.volume_ml"] == pytest.approx(0.024)
    missing = {name for name, value in found.values.items() if math.isnan(value)}
    assert missing == set(found.absent) == set(names(region.key, {"original": Original()}))
    assert "has 8 voxels" in found.absent["pre.t2.tumour.original.glcm_Contrast"]
    assert [(n.code, n.kind) for n in found.step.notes] == [("MASK_TOO_SMALL", NoteKind.WARNING)]


def test_other_refusals_still_refuse() -> None:
    region = make_region()
    flat = replace(region, volume=region.volume.with_array(np.ones_like(region.volume.array)))
    with pytest.raises(InputError) as caught:
        extract(flat, PLAN, absent_on={"MASK_TOO_SMALL"})
    assert caught.value.code == "ROI_CONSTANT"
