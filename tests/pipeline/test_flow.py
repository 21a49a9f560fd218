from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from radresp.io import Outcomes
from radresp.pipeline.flow import NO_RECORD, NOT_LISTED, UNLABELLED, patient_flow, refusals_beside
from radresp.pipeline.readings import reader_table

OUTCOMES = Outcomes(
    {"a": "complete", "b": "residual", "c": None, "d": "residual", "e": "residual"},
    "pCR",
    {"a": "P1", "b": "P1"},
)
REFUSED = [{"case": "d", "code": "MASK_TOO_SMALL", "found": "", "expected": "", "action": ""}]


def flow(**more: Any) -> dict[str, Any]:
    given = {"features": pd.Index(["a", "b", "c", "x"]), "outcomes": OUTCOMES, "refused": REFUSED}
    return patient_flow(**given | more)


def test_every_case_is_counted_once_at_the_first_place_it_was_lost() -> None:
    named, read, kept = flow()["steps"]
    assert (named["n"], read["n"], kept["n"], kept["patients"]) == (6, 4, 2, 1)
    assert {(row["reason"], row["n"]) for row in named["left_out"]} == {
        ("refused: MASK_TOO_SMALL", 1),
        (NO_RECORD, 1),
    }
    assert {(row["reason"], row["n"]) for row in read["left_out"]} == {
        (NOT_LISTED, 1),
        (UNLABELLED, 1),
    }


def test_what_is_left_out_is_what_is_lacking_at_the_next_step() -> None:
    steps = flow()["steps"]
    for one, after in pairwise(steps):
        assert one["n"] - sum(row["n"] for row in one["left_out"]) == after["n"]


def test_a_case_that_was_refused_once_and_has_features_now_is_not_lost() -> None:
    found = flow(features=pd.Index(["a", "b", "d"]))
    assert found["refused"] == []
    assert found["steps"][-1]["n"] == 3


def test_the_last_word_on_a_case_counts(tmp_path: Path) -> None:
    lines = [
        {"case": "p1", "severity": "error", "code": "DCM_CORRUPT", "found": "no pixels"},
        {"case": "p2", "severity": "finished", "code": "OK"},
        {"case": "p1", "severity": "finished", "code": "OK"},
        {"case": "p2", "severity": "error", "code": "MASK_EMPTY"},
    ]
    log = tmp_path / "status.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (found,) = refusals_beside(tmp_path / "features.parquet")
    assert (found["case"], found["code"], found["found"]) == ("p2", "MASK_EMPTY", "")


@pytest.mark.parametrize("text", [None, "something else\n", '{"a": 1}\n'])
def test_a_table_of_another_program_has_no_refusals(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "status.jsonl").write_text(text)
    assert refusals_beside(tmp_path / "table.csv") == ()


def test_reader_truth_and_model_make_a_whole_table() -> None:
    y = np.array([True, True, False, False, True])
    calls = pd.Series(["nCR", "cCR", "cCR", "iCR", ""])
    said = [
        ["complete_response", "residual", "residual", "complete_response", "abstain"],
        ["residual", "residual", "residual", "residual", "abstain"],
    ]
    found = reader_table(y, calls, said)
    assert sum(row["n"] for row in found["rows"]) == 5
    assert all(sum(row["words"].values()) == row["n"] for row in found["rows"])
    assert found["pseudo_residual_released"]["part"] == 0.5
    assert found["missed_residual_caught"]["value"] == 1.0
    assert (found["residual_released"]["part"], found["residual_released"]["whole"]) == (0.5, 2)


def test_without_calls_there_is_a_reason() -> None:
    assert "reason" in reader_table(np.array([True]), None, [["residual"]])
