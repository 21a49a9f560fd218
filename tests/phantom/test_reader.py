"""The reader errs as often as the preset says, and only through what the bed shows."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest

from radresp.io.clinical_columns import CLINICAL
from radresp.phantom.oracle import simulate
from radresp.phantom.presets import OUTCOMES, draw_regimen, preset, presets
from radresp.phantom.reader import CALLS, read_bed, reading, visible_score
from radresp.phantom.response import Latents, draw_response

NAMES = sorted(presets())
WORDS = ("reader_call", "mrTRG", "split_scar", "endoscopy", "dre", "gas_score", "mucinous")


@pytest.fixture(scope="module")
def read():
    """Truth and reader columns of 3000 patients of the balanced preset, bed by bed."""
    of, rng = preset("balanced"), np.random.default_rng(8)
    rows = []
    for index in range(3000):
        outcome = of.block[index % len(of.block)]
        response = draw_response(rng, outcome, draw_regimen(rng, outcome, of), index % 10 == 0)
        bed_ml = response.shrinkage * 20 * np.exp(0.5 * rng.standard_normal())
        cells = read_bed(
            rng, of, response, bed_ml, distance_from_verge_mm=40 + index % 80, gas_score=index % 6
        )
        rows.append((response, outcome == "residual", cells))
    return rows


@pytest.mark.parametrize("name", NAMES)
def test_error_rates_are_those_of_the_preset(name):
    of = preset(name)
    found = simulate(of, 20_000, 5)
    non, residual = found.non_ccr, found.residual
    assert non[~residual].mean() == pytest.approx(of.non_ccr_if_complete, abs=0.02)
    assert non[residual].mean() == pytest.approx(of.non_ccr_if_residual, abs=0.015)
    assert (found.reader_call[non] == 1).mean() == pytest.approx(of.ncr_share, abs=0.02)
    assert (~residual)[non].mean() == pytest.approx(of.pseudo_residual_share, abs=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_solving_is_quick_and_repeats(name):
    solved = reading(preset(name))
    reading.cache_clear()
    started = perf_counter()
    assert reading(preset(name)) == solved
    assert perf_counter() - started < 2
    assert solved.noise > 0.1
    assert solved.near < solved.incomplete


def test_a_reader_better_than_the_images_is_refused():
    perfect = replace(preset("torch"), non_ccr_if_complete=0.01, non_ccr_if_residual=0.999)
    with pytest.raises(ValueError, match="torch"):
        reading(perfect)


def test_single_patients_are_read_like_the_cohort(read):
    of = preset("balanced")
    for residual, target in ((False, of.non_ccr_if_complete), (True, of.non_ccr_if_residual)):
        calls = [cells["reader_call"] for _, truth, cells in read if truth == residual]
        assert np.mean([call != "cCR" for call in calls]) == pytest.approx(target, abs=0.05)
    assert {cells["reader_call"] for _, _, cells in read} == set(CALLS)


def test_split_scar_has_the_published_sensitivity_and_specificity(read):
    """Santiago 2019: 0.52 and 0.97 for sustained complete response."""
    seen = [(truth, c["split_scar"] == "1") for _, truth, c in read if c["split_scar"]]
    sensitivity = np.mean([sign for truth, sign in seen if not truth])
    specificity = np.mean([not sign for truth, sign in seen if truth])
    assert sensitivity == pytest.approx(0.52, abs=0.04)
    assert specificity == pytest.approx(0.97, abs=0.015)


def test_words_are_those_of_the_cohort_table(read):
    for _, _, cells in read[:500]:
        assert tuple(cells) == WORDS
        for name, text in cells.items():
            assert CLINICAL[name].fault(text) is None
            assert CLINICAL[name].axis == "reader"


def test_grades_agree_with_the_call_but_not_always(read):
    order = dict(zip(CALLS, range(3), strict=True))
    for name in ("endoscopy", "dre"):
        pairs = [
            (order[cells["reader_call"]], order[cells[name]])
            for _, _, cells in read
            if cells[name] in order
        ]
        same = np.mean([a == b for a, b in pairs])
        assert 0.5 < same < 0.95, name
    graded = [c for _, _, c in read if c["mrTRG"]]
    means = [np.mean([int(c["mrTRG"]) for c in graded if c["reader_call"] == w]) for w in CALLS]
    assert means[0] < 2.2 < means[1] < means[2]
    assert {c["mrTRG"] for c in graded} == set("12345")


def test_a_finger_does_not_reach_a_high_tumour(read):
    for index, (_, _, cells) in enumerate(read):
        if cells["dre"]:
            assert (cells["dre"] == "not_assessed") == (40 + index % 80 > 80)


def test_missing_cells_come_as_often_as_the_preset_says(read):
    for name in ("mrTRG", "split_scar", "endoscopy", "dre"):
        missing = np.mean([cells[name] == "" for _, _, cells in read])
        assert missing == pytest.approx(preset("balanced").missing_reading, abs=0.015)
    assert all(cells["reader_call"] in CALLS for _, _, cells in read)


def test_mucinous_is_mostly_recognised(read):
    right = np.mean([(c["mucinous"] == "1") == response.mucinous for response, _, c in read])
    assert 0.93 < right < 0.99


def test_what_no_image_shows_does_not_change_the_reading():
    rng = np.random.default_rng(3)
    for outcome in OUTCOMES:
        regimen = draw_regimen(rng, outcome, preset("balanced"))
        response = draw_response(rng, outcome, regimen, False)
        look_alike = replace(
            response,
            fibrosis=0.0,
            microscopic=response.scar,
            viable=response.granulation,
            granulation=response.viable,
        )
        one, other = (
            read_bed(
                np.random.default_rng(4),
                preset("opra"),
                r,
                6.0,
                distance_from_verge_mm=50,
                gas_score=2,
            )
            for r in (response, look_alike)
        )
        assert one == other


def test_more_focus_looks_worse_and_a_split_scar_better():
    rng = np.random.default_rng(6)
    response = draw_response(
        rng, "residual", draw_regimen(rng, "residual", preset("opra")), mucinous=False
    )
    assert response.viable > 0.02
    bigger = replace(response, viable=response.viable + 0.2, fibrosis=response.fibrosis - 0.2)

    def score(of, ml=6.0):
        return float(visible_score(Latents.of(of, immune=False), np.array([ml]))[0])

    assert score(bigger) > score(response)
    assert score(response, 12.0) > score(response)
    assert score(replace(response, split=True)) < score(replace(response, split=False))
    assert score(replace(response, focus_adc_um2_per_s=900.0)) > score(
        replace(response, focus_adc_um2_per_s=1800.0)
    )


def test_not_assessed_comes_as_often_as_the_preset_says():
    of, rng = preset("opra"), np.random.default_rng(0)
    response = draw_response(rng, "fibrosis", draw_regimen(rng, "fibrosis", of), False)
    calls = [
        read_bed(rng, of, response, 5.0, distance_from_verge_mm=50, gas_score=0)["reader_call"]
        for _ in range(3000)
    ]
    assert calls.count("not_assessed") / 3000 == pytest.approx(of.not_assessed_share, abs=0.01)
