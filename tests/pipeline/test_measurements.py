"""What a radiologist measures, as rows: the figures of the features, and what they come from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from builders_case import make_prepared, measure_row

from radresp.core import FeatureRow, Prepared, Verdict
from radresp.errors import InputError
from radresp.pipeline.case_view import view_case
from radresp.pipeline.measurements import TISSUES, every_measure, measure, tissues
from radresp.pipeline.plan import parse_plan
from radresp.pipeline.score_page import shift_score

PLAN = parse_plan({})


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return make_prepared()


@pytest.fixture(scope="module")
def row(prepared: Prepared) -> FeatureRow:
    return measure_row(prepared)


def named(rows: list[dict[str, Any]], start: str) -> dict[str, Any]:
    return next(row for row in rows if row["name"].startswith(start))


def test_rows_are_the_features_with_what_they_come_from(
    prepared: Prepared, row: FeatureRow
) -> None:
    rows = measure(
        every_measure(prepared, row, PLAN), PLAN, {"response.bed_ml": (1.0, 2.0, 3.0, 4.0, 5.0)}
    )
    volume, adc = named(rows, "Volume of tumour"), named(rows, "Median ADC")
    assert volume["after"] == row.values["response.bed_ml"]
    reduction = (volume["before"] - volume["after"]) / volume["before"]
    assert volume["change"] == pytest.approx(reduction, abs=1e-3)
    assert volume["training"] == [1.0, 3.0, 5.0]
    assert adc["training"] is None
    assert 100 * (adc["after"] / adc["before"] - 1) == pytest.approx(adc["change"])


def test_what_is_not_there_says_why(prepared: Prepared, row: FeatureRow) -> None:
    residual = named(
        measure(every_measure(prepared, row, PLAN), PLAN, {}), "Volume of visible residual"
    )
    assert residual["after"] is None
    assert residual["absent"]


def test_kinds_of_tissue_make_up_the_outline(prepared: Prepared, row: FeatureRow) -> None:
    found = tissues(every_measure(prepared, row, PLAN))
    for visit, roi in (("pre", "tumour"), ("post", "bed")):
        adc = next(
            region.mask.volume_ml
            for key, region in prepared.scene.regions.items()
            if str(key) == f"{visit}.adc.{roi}"
        )
        assert set(found[visit]) == set(TISSUES)
        assert sum(found[visit].values()) == pytest.approx(adc, rel=1e-6)


def test_measures_the_plan_does_not_ask_for_are_the_same(
    prepared: Prepared, row: FeatureRow
) -> None:
    without = parse_plan({"features": {"measures": {}}})
    alone = measure(
        every_measure(prepared, FeatureRow(prepared.case_id, {}, {}), without), without, {}
    )
    assert alone == measure(every_measure(prepared, row, PLAN), PLAN, {})


def test_a_case_without_images_has_rows_and_reasons() -> None:
    nothing = Prepared("c1", {}, {}, {})
    rows = measure(every_measure(nothing, measure_row(nothing), PLAN), PLAN, {})
    assert all(row["after"] is None for row in rows)
    assert all(row["absent"] for row in rows)
    assert set(tissues(every_measure(nothing, measure_row(nothing), PLAN))["post"]) == {"absent"}
    view = view_case(nothing)
    assert view.pictures == ()
    assert len(view.absent) == 6


def test_visits_that_could_not_be_aligned_have_no_change() -> None:
    apart = make_prepared(verdict=Verdict.FAILED)
    volume = named(
        measure(every_measure(apart, measure_row(apart), PLAN), PLAN, {}), "Volume of tumour"
    )
    assert volume["change"] is None
    assert volume["after"] is not None


def scored(p: float | None) -> tuple[Any, Any]:
    interval = None if p is None else (0.2, 0.8)
    score = SimpleNamespace(p_ccr=p, interval=interval, endpoint="pCR")
    return SimpleNamespace(score=score), SimpleNamespace(imaging=SimpleNamespace(prevalence=0.4))


def test_a_probability_is_shifted_with_its_interval() -> None:
    same, rarer = shift_score(*scored(0.5), 0.4), shift_score(*scored(0.5), 0.1)
    assert same
    assert rarer
    assert (same.after, same.low, same.high) == pytest.approx((0.5, 0.2, 0.8))
    assert rarer.low < rarer.after < rarer.high < 0.8
    assert rarer.after == pytest.approx(1 / 7)
    assert (rarer.prevalence_before, rarer.prevalence_after) == (0.4, 0.1)
    assert shift_score(*scored(None), 0.1) is None
    with pytest.raises(InputError):
        shift_score(*scored(0.5), 1.0)
