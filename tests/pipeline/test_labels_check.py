"""Outcomes held against a cohort: checking and training read every reference alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radresp import io
from radresp.core import CaseFiles, Endpoint
from radresp.errors import PlanError
from radresp.io.clinical_columns import CLINICAL
from radresp.pipeline.labels_check import check_labels


def trained(folder: Path, label: str, cells: dict[str, str], endpoint: str) -> str:
    """What training makes of a label and a reference: kept, left out, or the code of a refusal."""
    row = {"case_id": "a", "outcome": label, **cells}
    io.write_table(folder / "trained.csv", [row])
    try:
        said = io.load_outcomes(folder / "trained.csv", endpoint=endpoint)
    except PlanError as error:
        return error.code
    return "kept" if said.labels["a"] else "left out"


def checked(folder: Path, label: str, cells: dict[str, str], endpoint: str) -> str:
    """What checking makes of the same label beside the same reference in a cohort table."""
    io.write_table(
        folder / "checked.csv", [{"case_id": "a", "outcome": label, "endpoint": endpoint}]
    )
    cohort = io.Cohort((CaseFiles("a", "a", folder, {}, clinical=cells),), (), folder)
    told = check_labels(cohort, folder / "checked.csv")
    found = [f for f in told if f.severity in ("refused", "warning")]
    if not found:
        return "kept"
    assert [(f.case_id, f.code) for f in found] == [("a", "LABEL_CONFLICT")]
    return found[0].code if found[0].severity == "refused" else "left out"


CONFLICT = "LABEL_CONFLICT"
AGREED = [
    # Reference of the cohort table; a complete outcome, a residual one; endpoint.
    ({"reference": "pCR_TME"}, "kept", CONFLICT, "pCR"),
    ({"reference": "pCR_LE", "ypT": "0", "ypN": "x"}, "kept", CONFLICT, "complete_response"),
    ({"reference": "residual_path"}, CONFLICT, "kept", "pCR"),
    ({"reference": "ypT0N+"}, CONFLICT, "kept", "pCR"),
    ({"reference": "ypT0N+", "ypT": "0", "ypN": "1a"}, CONFLICT, "kept", "complete_response"),
    ({"reference": "ypT0N+"}, "left out", "left out", "sustained_cCR_24m"),
    ({"reference": "sustained_cCR_24m"}, "kept", CONFLICT, "sustained_cCR_24m"),
    ({"reference": "sustained_cCR_24m"}, "left out", "left out", "pCR"),
    ({"reference": "cCR_12_24m"}, "left out", "left out", "sustained_cCR_24m"),
    ({"reference": "cCR_lt12m"}, "left out", "left out", "complete_response"),
    ({"reference": "regrowth", "months_to_regrowth": "24"}, CONFLICT, "kept", "complete_response"),
    ({"reference": "regrowth", "months_to_regrowth": "25"}, *["left out"] * 2, "complete_response"),
    ({"reference": "regrowth"}, "left out", "left out", "complete_response"),
    ({"reference": "died_or_lost"}, "left out", "left out", "complete_response"),
    ({"reference": "NA", "ypT": "NA"}, "kept", "kept", "pCR"),
    ({"reference": "pCR_TME", "ypT": "3"}, CONFLICT, CONFLICT, "pCR"),
]


@pytest.mark.parametrize(("cells", "complete", "residual", "endpoint"), AGREED)
def test_check_and_train_agree_on_every_reference(
    tmp_path: Path, cells: dict[str, str], complete: str, residual: str, endpoint: str
) -> None:
    for label, expected in (("complete", complete), ("fibrosis", complete), ("residual", residual)):
        assert trained(tmp_path, label, cells, endpoint) == expected
        assert checked(tmp_path, label, cells, endpoint) == expected


MONTHS = ("0", "11.9", "12", "23.9", "24", "24.1", "60")
SHARES = ("0", "0.2")
REFERENCE_CELLS = st.fixed_dictionaries(
    {"reference": st.sampled_from(CLINICAL["reference"].words)},
    optional={
        name: st.sampled_from(
            ("", "NA", *(column.words or (SHARES if column.high == 1 else MONTHS)))
        )
        for name, column in CLINICAL.items()
        if column.axis == "reference" and name != "reference" and not name.startswith("trg_")
    },
)


@given(
    label=st.sampled_from(["complete", "residual", "inflammation"]),
    cells=REFERENCE_CELLS,
    endpoint=st.sampled_from(list(Endpoint)),
)
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_check_and_train_agree_whatever_else_the_cells_say(
    tmp_path: Path, label: str, cells: dict[str, str], endpoint: Endpoint
) -> None:
    expected = trained(tmp_path, label, cells, str(endpoint))
    assert checked(tmp_path, label, cells, str(endpoint)) == expected


def test_without_an_endpoint_both_kinds_of_reference_count(tmp_path: Path) -> None:
    for stated in ("", "synthetic_truth"):
        for word in ("ypT0N+", "residual_path"):
            assert checked(tmp_path, "complete", {"reference": word}, stated) == CONFLICT
        assert checked(tmp_path, "residual", {"reference": "sustained_cCR_24m"}, stated) == CONFLICT
        assert checked(tmp_path, "residual", {"reference": "cCR_lt12m"}, stated) == "left out"


def test_a_reference_that_contradicts_itself_is_told_without_an_outcome_too(tmp_path: Path) -> None:
    cells = {"reference": "pCR_TME", "ypN": "1a"}
    assert trained(tmp_path, "", cells, "pCR") == CONFLICT
    assert checked(tmp_path, "", cells, "pCR") == CONFLICT


def test_references_of_both_kinds_need_a_choice_here_as_in_training(tmp_path: Path) -> None:
    rows = [
        {"case_id": "a", "reference": "pCR_TME"},
        {"case_id": "b", "reference": "regrowth", "months_to_regrowth": "9"},
    ]
    io.write_table(tmp_path / "outcomes.csv", rows)
    cases = tuple(CaseFiles(row["case_id"], row["case_id"], tmp_path, {}) for row in rows)
    cohort = io.Cohort(cases, (), tmp_path)
    (mixed,) = check_labels(cohort, tmp_path / "outcomes.csv")
    assert (mixed.code, mixed.severity) == ("ENDPOINT_MIXED", "refused")
    chosen = check_labels(cohort, tmp_path / "outcomes.csv", "complete_response")
    assert not [found for found in chosen if found.severity == "refused"]
