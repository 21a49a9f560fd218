"""Covariates: clinical cells as numbers, with gaps that stay gaps and nothing known only later."""

from __future__ import annotations

import csv
import math
from importlib import resources
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from builders_tables import QUICK
from hypothesis import given, settings
from hypothesis import strategies as st

from radresp.classify.table import check_table
from radresp.errors import InputError, PlanError
from radresp.io.clinical_columns import CLINICAL
from radresp.phantom.clinical import draw_covariates
from radresp.phantom.lesion import draw_tumour
from radresp.phantom.presets import draw_regimen, presets, regimens
from radresp.phantom.rectum import draw_rectum
from radresp.pipeline.covariates import NAMES, SOURCES, covariates

FULL = {
    "age_years": "61",
    "sex": "F",
    "cT": "3c",
    "cN": "1b",
    "distance_from_verge_mm": "55",
    "mrf": "1",
    "emvi": "0",
    "dmmr": "0",
    "cea_pre_ng_per_ml": "9",
    "cea_post_ng_per_ml": "3",
    "ctdna_pre": "1",
    "ctdna_c1": "1",
    "ctdna_c2": "1",
    "ctdna_c3": "0",
    "ctdna_c4": "0",
    "ctdna_post": "0",
    "pdl1_cps": "12.5",
    "pdl1_tps_percent": "2",
    "io_cycles": "6",
    "weeks_rt_to_mri": "18",
    "regimen": "chemoimmunotherapy, SCRT, chemoimmunotherapy",
}
AXES = ("scrt", "immunotherapy", "induction", "concurrent", "consolidation")


def values(cells: dict[str, str], case: str = "a") -> dict[str, float]:
    row = covariates({case: cells}, NAMES).loc[case]
    return {str(name).removeprefix("clinical."): float(v) for name, v in row.items()}


def axes(text: str) -> dict[str, float]:
    """The axes of a regimen that are known."""
    found = values({"regimen": text})
    known = {axis: found[f"regimen_{axis}"] for axis in AXES}
    return {axis: value for axis, value in known.items() if not math.isnan(value)}


def expected(scrt: int, immune: int, *sequence: str) -> dict[str, float]:
    return dict(zip(AXES, (scrt, immune, *(s in sequence for s in AXES[2:])), strict=True))


def test_every_covariate_of_a_full_row() -> None:
    found = covariates({"a": FULL})
    assert list(found.columns) == list(NAMES)
    assert (found.dtypes == np.float64).all()
    got = values(FULL)
    logs = {
        "log_cea_pre": math.log(10),
        "log_cea_post": math.log(4),
        "log_cea_ratio": math.log(0.4),
    }
    assert {name: got.pop(name) for name in logs} == pytest.approx(logs)
    plain = ("age_years", "distance_from_verge_mm", "mrf", "emvi", "dmmr", "pdl1_cps")
    plain += ("pdl1_tps_percent", "io_cycles", "weeks_rt_to_mri")
    assert got == {
        **{name: float(FULL[name]) for name in FULL if name in plain or "ctdna" in name},
        "sex_female": 1.0,
        "cT": 3.5,
        "cN": 1.25,
        "ctdna_cleared": 1.0,
        **{f"regimen_{a}": v for a, v in expected(1, 1, "induction", "consolidation").items()},
    }


def test_nothing_known_only_later_or_of_the_place_is_looked_at() -> None:
    assert {CLINICAL[name].axis for name in SOURCES} == {"covariate"}
    later = {"days_mri_to_reference", "site", "scanner", "field_strength_t", "b_values"}
    others = (set(CLINICAL) - set(SOURCES)) | {"outcome", "x_mine"}
    assert later | {"pre_date", "post_date", "reader_call", "reference"} <= others
    # Whatever stands there, even nonsense, changes nothing.
    pd.testing.assert_frame_equal(
        covariates({"a": FULL | dict.fromkeys(others, "17")}), covariates({"a": FULL})
    )


@pytest.mark.parametrize("cell", ["", "NA", None])
def test_gaps_stay_gaps_and_are_marked(cell: str | None) -> None:
    gap = {name: text for name, text in FULL.items() if name not in ("emvi", "cea_post_ng_per_ml")}
    if cell is not None:
        gap |= {"emvi": cell, "cea_post_ng_per_ml": cell}
    found = covariates({"full": FULL, "gap": gap})
    missing = ["emvi", "log_cea_post", "log_cea_ratio"]
    marks = [f"clinical.missing.{name}" for name in missing]
    assert list(found.columns) == [*NAMES, *marks]
    assert found.loc["gap", marks].tolist() == [1, 1, 1]
    assert found.loc["full", marks].tolist() == [0, 0, 0]
    assert set(found.columns[found.loc["gap"].isna()]) == {f"clinical.{name}" for name in missing}


def test_one_new_case_gets_exactly_the_columns_a_model_expects() -> None:
    trained = covariates({"full": FULL, "gap": FULL | {"mrf": ""}})
    new = covariates({"new": FULL | {"cT": ""}}, list(trained.columns)[::-1])
    assert list(new.columns) == list(trained.columns)[::-1]
    assert new.loc["new", "clinical.missing.mrf"] == 0
    assert math.isnan(new.loc["new", "clinical.cT"])
    assert covariates({}, list(trained.columns)).shape == (0, trained.shape[1])
    for wrong in ("clinical.shoe", "clinical.site", "clinical.missing.site", "age_years"):
        with pytest.raises(PlanError) as caught:
            covariates({"new": FULL}, [wrong])
        assert caught.value.code == "FEATURE_SCHEMA"
        assert wrong in caught.value.found


@pytest.mark.parametrize(
    ("name", "cell", "code"),
    [
        ("age_years", "300", "CLINICAL_RANGE"),
        ("mrf", "yes", "CLINICAL_RANGE"),
        ("io_cycles", "some", "CSV_FORMAT"),
    ],
)
def test_a_wrong_cell_names_its_case(name: str, cell: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        covariates({"a": FULL, "b": FULL | {name: cell}})
    assert (caught.value.code, caught.value.case) == (code, "b")
    assert f"'{name}'" in caught.value.found


@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("cT", ("1", "2", "3a", "3b", "3", "3c", "3d", "4a", "4", "4b")),
        ("cN", ("0", "1a", "1b", "1c", "2a", "2", "2b")),
    ],
)
def test_stages_are_in_order(name: str, order: tuple[str, ...]) -> None:
    found = [values({name: stage})[name] for stage in order]
    assert all(one < other for one, other in pairwise(found))
    words = CLINICAL[name].words
    assert set(order) | {"1"} == set(words)
    assert not any(math.isnan(values({name: word})[name]) for word in words)
    assert all(int(word[0]) <= values({name: word})[name] < int(word[0]) + 1 for word in words)


def test_sex_is_female_male_or_not_known() -> None:
    found = [values({"sex": word})["sex_female"] for word in ("F", "M", "O", "NA")]
    assert found[:2] == [1, 0]
    assert all(map(math.isnan, found[2:]))


def test_a_cea_of_zero_has_a_finite_ratio() -> None:
    found = values({"cea_pre_ng_per_ml": "4", "cea_post_ng_per_ml": "0"})
    assert found["log_cea_ratio"] == pytest.approx(-math.log(5))


CTDNA = ("ctdna_pre", "ctdna_c1", "ctdna_c2", "ctdna_c3", "ctdna_c4", "ctdna_post")


@pytest.mark.parametrize(
    ("found", "cleared"),
    [
        ("1    0", 1),
        ("1    1", 0),
        ("1 0   ", 1),
        ("1 0 1  ", 0),
        (" 1  0 ", 1),
        ("0  1 0", 1),
        ("0    0", None),
        ("0    1", None),
        ("1     ", None),
        ("     0", None),
        ("", None),
    ],
)
def test_ctdna_is_cleared_when_found_before_and_gone_at_last(
    found: str, cleared: int | None
) -> None:
    cells = dict(zip(CTDNA, found.ljust(6), strict=False))
    got = values({name: cell.strip() for name, cell in cells.items()})["ctdna_cleared"]
    assert math.isnan(got) if cleared is None else got == cleared


@pytest.mark.parametrize("name", sorted(regimens()))
def test_regimens_of_the_phantom_are_their_axes(name: str) -> None:
    of = regimens()[name]
    assert axes(name) == expected(
        of.radiotherapy == "SCRT", of.immunotherapy, *of.sequence.split("+")
    )


def trials() -> list[dict[str, str]]:
    path = resources.files("radresp.regimen") / "data" / "trials.csv"
    rows = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
    return [row for row in rows if row["row_type"] == "arm" and row["primary_row"] == "1"]


@pytest.mark.parametrize("row", trials(), ids=lambda row: row["arm_id"])
def test_arms_of_trials_are_their_axes(row: dict[str, str]) -> None:
    """By name as the table of trials says; as the review writes it, with no contradiction."""
    immune = row["immunotherapy"] != "none"
    named = axes(row["arm_id"])
    assert named == axes(f"{row['study']}, {row['arm']}".lower())
    assert named["scrt"] == (row["radiotherapy"] == "SCRT")
    assert named["immunotherapy"] == immune
    sequence = set(row["sequence"].split("+"))
    known = sequence <= set(AXES)
    assert {axis for axis in AXES[2:] if named.get(axis)} == (sequence if known else set())
    written = axes(row["regimen_verbatim"])
    assert (set(written) == set(AXES)) != row["regimen_verbatim"].startswith("TNT")
    if row["arm_id"] == "sysucc_arm1-sintilimab":
        # Its notation leaves out the cycles during and after radiotherapy that the text adds.
        assert (written.pop("concurrent"), written.pop("consolidation")) == (0, 0)
    assert all(written.get(axis, value) == value for axis, value in named.items())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("TORCH arm A", expected(1, 1, "consolidation")),
        ("TORCH B", expected(1, 1, "induction", "consolidation")),
        ("torch", {k: v for k, v in expected(1, 1, "consolidation").items() if k != "induction"}),
        ("UNION", {}),
        ("long-course chemoradiotherapy", expected(0, 0)),
        ("Short course radiotherapy then CAPOX", expected(1, 0, "consolidation")),
        ("5x5 Gy followed by 4xCAPOX + PD-1 antibody", expected(1, 1, "consolidation")),
        ("CAPOX + anti-PD-L1, then 5x5 Gy", expected(1, 1, "induction")),
        ("SCRT, then nivolumab and something", {"scrt": 1, "immunotherapy": 1}),
        ("50.4 Gy + concurrent immunotherapy", expected(0, 1, "concurrent")),
        ("SCRT_IO", expected(1, 1, "concurrent")),
        ("SCRT + consolidation XELOX x6", expected(1, 0, "consolidation")),
        ("LCRT + capecitabine", expected(0, 0)),
        ("induction FOLFOX -> CRT -> dostarlimab", expected(0, 1, "consolidation")),
        ("(SCRT -> FOLFOX) + durvalumab", expected(1, 1, "concurrent", "consolidation")),
        ("SCRT, IO, LCRT", {"immunotherapy": 1}),
        ("TNT without immunotherapy", {"immunotherapy": 0}),
        ("TNT + sintilimab", {"immunotherapy": 1}),
        ("LCRT + bevacizumab", {"scrt": 0}),
        ("nivolumab", {"immunotherapy": 1}),
        ("arm 2", {}),
        ("other", {}),
        ("+", {}),
        ("NA", {}),
    ],
)
def test_regimens_are_read_as_people_write_them(text: str, found: dict[str, float]) -> None:
    assert axes(text) == found


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=64))
def test_any_regimen_gives_yes_no_or_nothing(text: str) -> None:
    assert set(axes(text).values()) <= {0.0, 1.0}


@settings(deadline=None)
@given(st.permutations(["a", "b", "c", "d"]))
def test_a_row_does_not_depend_on_the_others(order: list[str]) -> None:
    rows = {"a": FULL, "b": {}, "c": FULL | {"sex": "M"}, "d": FULL | {"mrf": "", "cT": "2"}}
    whole = covariates(rows)
    again = covariates({case: rows[case] for case in order})
    assert list(again.index) == order
    pd.testing.assert_frame_equal(again.loc[list(rows)], whole)
    alone = covariates({order[0]: rows[order[0]]}, list(whole.columns))
    pd.testing.assert_frame_equal(alone, whole.loc[[order[0]]])


@pytest.fixture(params=sorted(presets()))
def cohort(request: pytest.FixtureRequest) -> dict[str, dict[str, str]]:
    """Clinical rows of 60 synthetic patients, without images."""
    of, rng = presets()[request.param], np.random.default_rng(3)
    tumour, rows = draw_tumour(rng, draw_rectum(rng), 20.0), {}
    for index in range(60):
        outcome = of.block[index % len(of.block)]
        rows[f"c{index:02d}"] = draw_covariates(
            rng,
            preset=of,
            regimen=draw_regimen(rng, outcome, of),
            outcome=outcome,
            tumour=tumour,
            sex="F" if index % 2 else "M",
            scanner="digital phantom",
            field_strength_t=3.0,
            b_values=(0.0, 800.0),
        )
    return rows


def test_synthetic_cohorts_have_covariates_a_learner_takes(
    cohort: dict[str, dict[str, str]],
) -> None:
    found = covariates(cohort)
    known = found.notna().all()
    for name in (*(f"regimen_{axis}" for axis in AXES), "age_years", "cT", "sex_female"):
        assert known[f"clinical.{name}"], name
    for case, cells in cohort.items():
        of = regimens()[cells["regimen"]]
        row = found.loc[case]
        assert (
            row["clinical.regimen_immunotherapy"] == of.immunotherapy == (cells["io_cycles"] > "0")
        )
        before, after = (cells[f"cea_{when}_ng_per_ml"] for when in ("pre", "post"))
        assert math.isnan(row["clinical.log_cea_ratio"]) == ("" in (before, after))
    assert found["clinical.pdl1_cps"].isna().all()
    assert (found["clinical.missing.pdl1_cps"] == 1).all()
    y = pd.Series(["residual", "complete"] * 30, index=found.index)
    table = check_table(found, y, pd.Series(found.index, index=found.index), QUICK)
    codes = {note.code for note in table.notes}
    assert {"FEATURE_ALL_MISSING", "FEATURE_CONSTANT"} <= codes
