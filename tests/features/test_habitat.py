"""Habitats of a case whose tissue is known voxel by voxel."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from features.test_response import (
    ADC,
    BED,
    DWI,
    FOCUS,
    POST,
    T2,
    aligned,
    pictures,
    prepared,
    scene,
    without,
)

from radresp.core import Prepared, RegionKey, Roi, Scene, Verdict
from radresp.features import MEASURES, Habitat, extract_measures, measure_names
from radresp.features.habitat import HABITATS

RULES = Habitat()


def measured(case: Prepared) -> dict[str, float]:
    return dict(MEASURES["habitat"].extract(case, RULES).values)


def test_a_scar_with_a_focus_where_all_was_cellular() -> None:
    found = measured(prepared())
    assert found["pre_cellular_fraction"] == 1.0
    assert found["pre_cellular_ml"] == pytest.approx(3.6)
    assert found["post_cellular_fraction"] == pytest.approx(0.2)
    assert found["post_scar_fraction"] == pytest.approx(0.8)
    assert found["change_cellular_fraction"] == pytest.approx(-0.8)
    assert found["change_scar_fraction"] == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("t2", "high_b", "adc", "habitat"),
    [
        (600.0, 50.0, 2100.0, "mucin"),
        (600.0, 50.0, 1700.0, "oedema"),
        (460.0, 50.0, 2100.0, "oedema"),
        (250.0, 20.0, 1300.0, "between"),
        (110.0, 20.0, 900.0, "scar"),
        (110.0, 50.0, 900.0, "cellular"),
    ],
)
def test_each_tissue_is_its_own_habitat(t2: float, high_b: float, adc: float, habitat: str) -> None:
    images = pictures()
    images[POST, T2][FOCUS], images[POST, DWI][FOCUS] = t2, high_b
    images[POST, ADC][FOCUS] = adc
    images[POST, T2][BED & ~FOCUS], images[POST, DWI][BED & ~FOCUS] = 250.0, 20.0
    images[POST, ADC][BED & ~FOCUS] = 1300.0  # all else lies between
    share = measured(prepared(scene(images)))[f"post_{habitat}_fraction"]
    assert share == pytest.approx(1.0 if habitat == "between" else 0.2)


def test_habitats_fill_the_bed_whatever_the_images_hold() -> None:
    rng = np.random.default_rng(5)
    images = {key: np.abs(rng.normal(array, 0.5 * array)) for key, array in pictures().items()}
    found = measured(prepared(scene(images)))
    for visit, ml in (("pre", 3.6), ("post", 1.8)):
        assert sum(found[f"{visit}_{h}_fraction"] for h in HABITATS) == pytest.approx(1)
        assert sum(found[f"{visit}_{h}_ml"] for h in HABITATS) == pytest.approx(ml)
    assert sum(found[f"change_{h}_fraction"] for h in HABITATS) == pytest.approx(0, abs=1e-12)


def test_every_nan_has_a_reason() -> None:
    muscle = [RegionKey(POST, sequence, Roi.MUSCLE) for sequence in (T2, DWI, ADC)]
    no_muscle = without(scene(), muscle, "nobody outlined muscle")
    for case in (prepared(), prepared(Scene()), prepared(no_muscle)):
        (found,) = extract_measures(case, {"habitat": RULES})
        assert tuple(found.values) == measure_names({"habitat": RULES})
        assert {n for n, v in found.values.items() if math.isnan(v)} == set(found.absent)
    assert found.absent["habitat.post_scar_ml"] == "nobody outlined muscle"
    assert found.absent["habitat.change_scar_fraction"] == "nobody outlined muscle"
    assert found.values["habitat.pre_scar_ml"] == 0.0


def test_visits_that_cannot_be_aligned_have_sizes_but_no_change() -> None:
    case = replace(prepared(), alignments=aligned(Verdict.FAILED, bent=True))
    found = MEASURES["habitat"].extract(case, RULES)
    assert "delta not valid" in found.absent["change_scar_fraction"]
    assert found.values["post_scar_fraction"] == pytest.approx(0.8)
