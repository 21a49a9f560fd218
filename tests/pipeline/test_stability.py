"""Stability of features: perturbed cohorts, tables of readers, and what both leave on disk."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import Shown, radresp

from radresp import io, pipeline
from radresp.core import Case, FeatureRow, Roi, Sequence, Timepoint
from radresp.features.control import Control
from radresp.features.perturb import Draw
from radresp.pipeline.perturbed import NO_MAPS, perturb_prepared
from radresp.pipeline.plan import Plan
from radresp.pipeline.prepare import prepare_case
from radresp.pipeline.synthetic import make_phantom_cohort, phantom_settings

CASES = 3
PLAN = """\
registration: {method: rigid_mi, settings: {mirror: false, levels: 2}}
rigid: {mirror: false, levels: 2}
registration_dwi: {method: header}
stability: {count: 2}
features:
  t2: {families: {volumetry: {}, original: {classes: [firstorder, glcm]}}}
"""
STILL = Draw(0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.0, 7)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort and its table of stability, made by the commands themselves."""
    folder = tmp_path_factory.mktemp("stability")
    (folder / "plan.yaml").write_text(PLAN)
    make_phantom_cohort(folder / "cohort", CASES, 3, settings=phantom_settings(fast=True))
    shown = run(folder, "out")
    assert shown.code == 0, shown.err
    return folder


def run(home: Path, out: str, *more: str) -> Shown:
    return radresp(
        "stability", home / "cohort/cohort.csv", "-o", home / out,
        "--plan", home / "plan.yaml", "--progress", "none", *more,
    )  # fmt: skip


def table(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "stability.csv").open(newline="") as file:
        return {row["feature"]: row for row in csv.DictReader(file)}


def first_case(home: Path) -> tuple[Case, Plan]:
    plan = pipeline.load_plan(home / "plan.yaml")
    files = pipeline.open_cases(home / "cohort/cohort.csv").cases[0]
    return pipeline.load_case(files, plan), plan


def test_every_planned_feature_has_a_row(home: Path) -> None:
    rows = table(home / "out")
    assert tuple(rows) == pipeline.feature_names(pipeline.load_plan(home / "plan.yaml"))
    volume = rows["pre.t2.tumour.volumetry.volume_ml"]
    assert (volume["cases"], volume["repeats"], volume["source"]) == ("3", "2", "perturbation")
    low, icc, high = (float(volume[f"icc_1_1{end}"]) for end in ("_low", "", "_high"))
    assert low < icc < high <= 1
    # The outline grows by up to 15 % and is redrawn, so its volume varies by about that.
    assert 0.03 < float(volume["within_sd"]) / 20 < 0.5


def test_the_change_between_visits_and_the_readers_measures_are_in_it(home: Path) -> None:
    rows = table(home / "out")
    for name in (
        "delta.adc.tumour_to_bed.log_ratio.original.firstorder_Median",
        "response.adc_p50",
    ):
        assert rows[name]["icc_1_1"], name
    # What rests on change maps, which are not perturbed, claims no stability.
    assert not rows["response.adc_rose_300"]["icc_1_1"]


def test_running_again_keeps_every_case_and_gives_the_same_table(home: Path) -> None:
    before = (home / "out/stability.csv").read_bytes()
    (home / "out/cases/stability/phantom_0001.json").unlink()
    shown = run(home, "out", "--json")
    assert shown.code == 0, shown.err
    assert json.loads(shown.out)["kept"] == CASES - 1
    assert (home / "out/stability.csv").read_bytes() == before


def test_another_way_to_perturb_is_another_table(home: Path) -> None:
    (home / "other.yaml").write_text(PLAN.replace("count: 2", "count: 4"))
    shown = radresp(
        "stability", home / "cohort/cohort.csv", "-o", home / "out",
        "--plan", home / "other.yaml", "--progress", "none",
    )  # fmt: skip
    assert shown.code == 6
    assert "stability" in shown.err


def test_two_readers_tables_are_compared(home: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(10, 3, 20)
    for reader, bias in (("a", 0.0), ("b", 4.0)):
        rows = [
            FeatureRow(
                f"case_{i:02d}", {"steady": x + bias + rng.normal(0, 0.1), "noise": rng.normal()}
            )
            for i, x in enumerate(truth)
        ]
        (tmp_path / reader).mkdir()
        io.save_features(rows, tmp_path / reader)
    shown = radresp(
        "stability", "--table", tmp_path / "a/features.csv",
        "--table", tmp_path / "b/features.parquet", "-o", tmp_path / "out", "--json",
    )  # fmt: skip
    assert shown.code == 0, shown.err
    assert json.loads(shown.out)["cases"] == 20
    rows_found = table(tmp_path / "out")
    assert float(rows_found["steady"]["icc_3_1"]) > 0.99
    assert float(rows_found["steady"]["icc_2_1"]) < 0.7
    assert float(rows_found["noise"]["icc_3_1_low"]) < 0.2


def test_one_table_alone_is_refused(tmp_path: Path) -> None:
    io.save_features([FeatureRow("a", {"x": 1.5}), FeatureRow("b", {"x": 2.5})], tmp_path)
    shown = radresp("stability", "--table", tmp_path / "features.csv", "-o", tmp_path / "out")
    assert shown.code == 2
    assert "two or more" in shown.err


def test_an_unperturbed_case_is_the_case(home: Path) -> None:
    case, plan = first_case(home)
    prepared = prepare_case(case, plan)
    still = replace(
        plan, stability=plan.stability.model_copy(update={"noise": False, "contour": False})
    )
    found = perturb_prepared(
        prepared, still, dict.fromkeys(Timepoint, STILL), frozenset(case.masks)
    )
    before = pipeline.extract_case(prepared, plan).values
    after = pipeline.extract_case(found, plan)
    for name, value in after.values.items():
        if name in after.absent:
            assert name not in before or np.isnan(before[name]) or NO_MAPS in after.absent[name], (
                name
            )
        else:
            assert value == pytest.approx(before[name], rel=2e-3, abs=2e-3), name


def test_outlines_that_were_drawn_stay_and_carried_ones_are_misplaced(home: Path) -> None:
    case, plan = first_case(home)
    prepared = prepare_case(case, plan)
    still = replace(
        plan, stability=plan.stability.model_copy(update={"noise": False, "contour": False})
    )
    wrong = replace(STILL, error_mm=(4.0, 0.0, 0.0))
    found = perturb_prepared(
        prepared, still, dict.fromkeys(Timepoint, wrong), frozenset(case.masks)
    )
    for key, region in found.regions.items():
        before = prepared.regions[key].mask
        same = region.mask.volume_ml == before.volume_ml and bool(
            (
                region.volume.values_in(region.mask)
                == prepared.regions[key].volume.values_in(before)
            ).all()
        )
        assert same == (key.sequence is Sequence.T2 and key.roi in (Roi.TUMOUR, Roi.BED)), key


def test_a_negative_control_takes_no_measure_of_the_whole_case(home: Path) -> None:
    case, plan = first_case(home)
    prepared = prepare_case(case, plan)
    destroyed = replace(plan, control=Control(kind="shuffled"))
    before, after = (pipeline.extract_case(prepared, p) for p in (plan, destroyed))
    assert tuple(after.values) == tuple(before.values)
    assert all(np.isnan(v) == name.startswith("response.") or name in before.absent
               for name, v in after.values.items())  # fmt: skip
    name = "post.t2.bed.original.glcm_Correlation"
    assert after.values[name] < before.values[name]
    assert plan.extraction_sha256 != destroyed.extraction_sha256
