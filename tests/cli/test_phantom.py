"""The command that makes synthetic cohorts: what it writes, says and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import radresp

from radresp import io


def test_a_cohort_its_tables_and_the_record_of_the_run(tmp_path: Path) -> None:
    out = tmp_path / "out"
    shown = radresp(
        "phantom", "-o", out, "--cases", "1", "--seed", "4", "--first", "3", "--fast",
        "--preset", "torch", "--scanner", "ge_3t", "--json", "--progress", "none",
    )  # fmt: skip
    assert shown.code == 0, shown.err
    assert (shown.json["cases"], shown.json["seed"], shown.json["preset"]) == (1, 4, "torch")
    assert Path(shown.json["cohort"]) == out / "cohort.csv"
    (case,) = io.load_cohort(out / "cohort.csv").cases
    assert case.case_id == "phantom_0003"
    assert case.clinical["scanner"] == "SIGNA Architect"
    assert "immunotherapy" in case.clinical["regimen"]
    run = json.loads((out / "run.json").read_text())
    assert (run["exit_code"], run["seed"]) == (0, 4)
    named = {entry["path"] for entry in run["outputs"]}
    assert named == {"cohort.csv", "outcomes.csv", "truth/truth.csv"}


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (("--preset", "everyone"), "CONFIG_VALUE", "balanced, opra, torch"),
        (("--scanner", "nobody_7t"), "CONFIG_VALUE", "siemens_3t_xa"),
        (("--dicom", "--scanner", "reference_3t"), "USAGE", "siemens_3t_xa"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_made(
    tmp_path: Path, words: tuple[str, ...], code: str, expected: str
) -> None:
    shown = radresp("phantom", "-o", tmp_path / "out", "--cases", "1", "--json", *words)
    assert shown.code == 2
    assert shown.json["error"]["code"] == code
    assert expected in shown.json["error"]["expected"]
    assert not (tmp_path / "out/cohort.csv").exists()


@pytest.mark.parametrize("words", [("--cases", "0"), ("--seed", "-1"), ("--first", "-2")])
def test_numbers_out_of_range_are_a_matter_of_usage(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert radresp("phantom", "-o", tmp_path / "out", *words).code == 2


def test_a_folder_is_needed() -> None:
    shown = radresp("phantom", "--cases", "1", "--fast", "--json")
    assert (shown.code, shown.json["error"]["code"]) == (2, "USAGE")
