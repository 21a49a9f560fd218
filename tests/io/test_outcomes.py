"""Outcome tables: one vocabulary, one endpoint, one outcome per patient."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders import shared_data

from radresp.core import NoteKind
from radresp.errors import CohortError, PlanError
from radresp.io.outcomes import Outcomes, load_outcomes


def load(folder: Path, text: str, **options: object) -> Outcomes:
    path = folder / "outcomes.csv"
    path.write_text(text, encoding="utf-8")
    return load_outcomes(path, **options)  # type: ignore[arg-type]


def refusal(folder: Path, text: str, **options: object) -> PlanError:
    with pytest.raises(PlanError) as caught:
        load(folder, text, **options)
    assert int(caught.value.exit_code) == 2
    return caught.value


def test_labels_endpoint_and_patients_are_read(tmp_path: Path) -> None:
    text = "case_id,outcome,endpoint,patient_id\n001,residual,pCR,p\n1e5,,,\nNA,residual,pCR,p\n"
    outcomes = load(tmp_path, text)
    assert outcomes.labels == {"001": "residual", "1e5": None, "NA": "residual"}
    assert outcomes.endpoint == "pCR"
    assert outcomes.patients == {"001": "p", "1e5": "1e5", "NA": "p"}


def test_without_endpoint_it_is_unspecified_and_unlabelled_cases_are_counted(
    tmp_path: Path,
) -> None:
    outcomes = load(tmp_path, "case_id,outcome,age\na,complete,3\nb,,4\nc,residual,5\n")
    assert outcomes.endpoint == "unspecified"
    said = {note.code: note for note in outcomes.notes}
    assert "1 of 3 cases" in said["UNLABELLED"].found
    assert "'age'" in said["COLUMNS_IGNORED"].found
    assert {note.kind for note in outcomes.notes} == {NoteKind.INFO}


@pytest.mark.parametrize("cell", ["Residual", " residual", "RESIDUAL ", "\tresidual"])
def test_case_and_blanks_are_mended_and_recorded(tmp_path: Path, cell: str) -> None:
    outcomes = load(tmp_path, f'case_id,outcome\na,fibrosis\nb,"{cell}"\n')
    assert outcomes.labels["b"] == "residual"
    (fix,) = outcomes.notes
    assert (fix.kind, fix.code) == (NoteKind.FIX, "LABEL_SPELLING")
    assert "line 3" in fix.found


@pytest.mark.parametrize("cell", ["ccr", "CR", "2", "0", "1", "residuals", "fibrosis residual"])
def test_an_unknown_label_is_refused_with_row_value_and_allowed_words(
    tmp_path: Path, cell: str
) -> None:
    error = refusal(tmp_path, f"case_id,outcome\na,residual\nb,{cell}\n")
    assert error.code == "LABEL_UNKNOWN"
    assert f"line 3, column 'outcome': '{cell}'" in error.found
    assert "fibrosis" in error.expected
    assert ("outcome map" in error.action) == cell.isdigit()


def test_numbers_mean_what_the_caller_says(tmp_path: Path) -> None:
    text = "ID,Target\nx,1\ny,0\nz,\n"
    outcomes = load(
        tmp_path,
        text,
        id_column="ID",
        outcome_column="Target",
        outcome_map={"1": "residual", "0": "complete"},
    )
    assert outcomes.labels == {"x": "residual", "y": "complete", "z": None}
    options = {"id_column": "ID", "outcome_column": "Target"}
    mapped = refusal(tmp_path, text, **options, outcome_map={"1": "residual", "2": "complete"})
    assert (mapped.code, mapped.expected[:12]) == ("LABEL_UNKNOWN", "one of 1, 2,")
    wrong = refusal(tmp_path, text, **options, outcome_map={"1": "cancer", "0": "complete"})
    assert wrong.code == "LABEL_VOCABULARY"


def test_an_ambiguous_spelling_is_not_mended(tmp_path: Path) -> None:
    meaning = {"R": "residual", "r": "complete"}
    error = refusal(tmp_path, "case_id,outcome\na,R\nb,r\nc,r \n", outcome_map=meaning)
    assert error.code == "LABEL_UNKNOWN"
    assert "line 4" in error.found


def test_two_vocabularies_are_not_mixed(tmp_path: Path) -> None:
    error = refusal(tmp_path, "case_id,outcome\na,complete\nb,fibrosis\n")
    assert error.code == "LABEL_VOCABULARY"
    assert "complete, fibrosis" in error.found


def test_contradictory_labels_of_one_patient_are_refused_with_both_lines(tmp_path: Path) -> None:
    text = "case_id,patient_id,outcome\na,p,complete\nb,p,\nc,p,residual\n"
    error = refusal(tmp_path, text)
    assert error.code == "LABEL_CONFLICT"
    assert "lines 2 and 4" in error.found


@pytest.mark.parametrize("other", ["cCR-2y", ""])
def test_endpoints_are_not_mixed(tmp_path: Path, other: str) -> None:
    text = f"case_id,outcome,endpoint\na,complete,pCR\nb,residual,{other}\n"
    assert refusal(tmp_path, text).code == "ENDPOINT_MIXED"


def test_duplicate_ids_missing_columns_and_empty_tables_are_refused(tmp_path: Path) -> None:
    twice = refusal(tmp_path, "case_id,outcome\na,complete\nA,complete\n")
    assert (twice.code, "lines 2 and 3" in twice.found) == ("CASE_DUPLICATE", True)
    missing = refusal(tmp_path, "case_id,outcom\na,complete\n")
    assert "did you mean 'outcom'" in missing.found
    blank = refusal(tmp_path, "case_id,outcome\n,complete\n")
    assert (blank.code, "line 2" in blank.found) == ("CSV_FORMAT", True)
    with pytest.raises(CohortError):
        load(tmp_path, "case_id,outcome\n")


def test_a_published_table_serves_as_outcome_table() -> None:
    path = shared_data("radml_tables", "Ahn2021.csv.gz")
    meaning = {"1": "residual", "0": "complete"}
    outcomes = load_outcomes(path, id_column="ID", outcome_column="Target", outcome_map=meaning)
    labels = list(outcomes.labels.values())
    assert (len(labels), labels.count("residual")) == (114, 63)  # n and n_pos of its SOURCE.md
