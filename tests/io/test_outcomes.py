"""Outcome tables: one vocabulary, one endpoint, one outcome per patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from builders import shared_data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radresp.core import NoteKind
from radresp.errors import CohortError, PlanError
from radresp.io.outcomes import Outcomes, load_outcomes
from radresp.io.text_table import table_text
from radresp.phantom.presets import draw_regimen, presets
from radresp.phantom.reference import draw_reference
from radresp.phantom.response import draw_response


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


REFERENCES = """case_id,reference,ypT,ypN,months_followup,months_to_regrowth,reader_call
tme,pCR_TME,0,0,12,,nCR
local,pCR_LE,0,x,NA,,cCR
path,residual_path,2,1a,,,iCR
nodes,ypT0N+,0,1,,,cCR
held,sustained_cCR_24m,,,31,,cCR
early,cCR_lt12m,,,7,,cCR
later,cCR_12_24m,,,13,,nCR
regrown,regrowth,,,30,9,cCR
late,regrowth,,,40,29,nCR
lost,died_or_lost,,,3,,not_assessed
open,,,,,,
"""
LABELS = {
    "pCR": {"tme": "complete", "local": "complete", "path": "residual", "nodes": "residual"},
    "sustained_cCR_24m": {"held": "complete", "regrown": "residual"},
}
LABELS["complete_response"] = LABELS["pCR"] | LABELS["sustained_cCR_24m"]


def labelled(outcomes: Outcomes) -> dict[str, str]:
    return {case: label for case, label in outcomes.labels.items() if label is not None}


def codes(outcomes: Outcomes) -> dict[str, str]:
    return {note.code: note.found for note in outcomes.notes}


@pytest.mark.parametrize("endpoint", LABELS)
def test_labels_are_derived_from_the_references_for_an_endpoint(
    tmp_path: Path, endpoint: str
) -> None:
    outcomes = load(tmp_path, REFERENCES, endpoint=endpoint)
    assert labelled(outcomes) == LABELS[endpoint]
    assert outcomes.endpoint == endpoint
    assert len(outcomes.labels) == 11
    residual = list(LABELS[endpoint].values()).count("residual")
    assert f"{endpoint}: {residual} residual" in codes(outcomes)["LABEL_DERIVED"]
    assert {note.kind for note in outcomes.notes} == {NoteKind.INFO}


def test_what_leaves_a_case_unlabelled_is_counted_by_reason(tmp_path: Path) -> None:
    found = codes(load(tmp_path, REFERENCES, endpoint="complete_response"))["UNLABELLED"]
    reasons = ("immature_12_24m", "immature_lt12m", "late_regrowth", "lost", "no_reference")
    assert found.endswith(": " + ", ".join(f"1 {reason}" for reason in reasons))
    found = codes(load(tmp_path, REFERENCES, endpoint="sustained_cCR_24m"))["UNLABELLED"]
    assert "4 other_kind_of_reference" in found
    assert found.startswith("9 of 11 cases")


def test_references_of_both_kinds_need_a_choice(tmp_path: Path) -> None:
    error = refusal(tmp_path, REFERENCES)
    assert error.code == "ENDPOINT_MIXED"
    assert error.found == "4 references by pathology and 5 by follow-up"
    assert all(endpoint in error.action for endpoint in LABELS)


@pytest.mark.parametrize(
    ("rows", "endpoint"),
    [
        ("a,pCR_TME\nb,residual_path\nc,died_or_lost\n", "pCR"),
        ("a,sustained_cCR_24m\nb,cCR_lt12m\nc,\n", "sustained_cCR_24m"),
    ],
)
def test_references_of_one_kind_choose_themselves(tmp_path: Path, rows: str, endpoint: str) -> None:
    assert load(tmp_path, f"case_id,reference\n{rows}").endpoint == endpoint


def test_the_endpoint_the_table_states_is_a_choice(tmp_path: Path) -> None:
    head, rows = REFERENCES.split("\n", 1)
    stated = f"{head},endpoint\n" + rows.replace("\n", ",complete_response\n")
    assert labelled(load(tmp_path, stated)) == LABELS["complete_response"]
    chosen = load(tmp_path, stated, endpoint="pCR")
    assert (chosen.endpoint, chosen.stated_endpoint) == ("pCR", "complete_response")
    assert labelled(chosen) == LABELS["pCR"]
    mixed = stated.replace("cCR,complete_response", "cCR,pCR")
    assert refusal(tmp_path, mixed).code == "ENDPOINT_MIXED"


def test_an_unknown_endpoint_and_a_table_without_references_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, REFERENCES, endpoint="pcr").code == "ENDPOINT_UNKNOWN"
    error = refusal(tmp_path, "case_id,age\na,3\n", endpoint="pCR")
    assert "no column 'reference'" in error.found
    # Whoever names an outcome column wants that column.
    error = refusal(tmp_path, REFERENCES, outcome_column="Target", endpoint="pCR")
    assert "no column 'Target'" in error.found


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("pCR_TME,0,0,12", "pCR_TME,3,0,12", "line 2: the reference pCR_TME with ypT 3"),
        ("24m,,,31", "24m,,,23", "line 6: the reference sustained_cCR_24m with months_followup 23"),
        ("7,,cCR", "7,5,cCR", "line 7: the reference cCR_lt12m with months_to_regrowth 5"),
    ],
)
def test_contradictions_in_a_row_are_refused_with_line_and_case(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    assert REFERENCES.count(old) == 1
    error = refusal(tmp_path, REFERENCES.replace(old, new), endpoint="pCR")
    assert (error.code, error.found) == ("LABEL_CONFLICT", words)
    assert error.case in {"tme", "held", "early"}
    assert error.file == str(tmp_path / "outcomes.csv")


def test_a_wrong_cell_of_the_axes_is_refused_as_in_a_cohort_table(tmp_path: Path) -> None:
    error = refusal(tmp_path, REFERENCES.replace("pCR_TME", "pCR"), endpoint="pCR")
    assert (error.code, error.found) == ("CLINICAL_RANGE", "line 2, column 'reference': 'pCR'")
    error = refusal(tmp_path, REFERENCES.replace(",13,", ",unknown,"), endpoint="pCR")
    assert (error.code, "line 8" in error.found) == ("CSV_FORMAT", True)


def test_two_references_of_one_patient_that_disagree_are_refused(tmp_path: Path) -> None:
    text = "case_id,patient_id,reference\na,p,pCR_TME\nb,p,residual_path\n"
    error = refusal(tmp_path, text)
    assert (error.code, "lines 2 and 3" in error.found) == ("LABEL_CONFLICT", True)


TYPED = """case_id,reference,pseudo_residual_type
a,pCR_TME,fibrosis
b,pCR_TME,inflammation
c,residual_path,
d,residual_path,unknown
"""


def test_the_fine_vocabulary_needs_a_type_for_every_complete_case(tmp_path: Path) -> None:
    fine = load(tmp_path, TYPED)
    labels = {"a": "fibrosis", "b": "inflammation", "c": "residual", "d": "residual"}
    assert fine.labels == labels
    assert "LABEL_COARSE" not in codes(fine)
    for word in ("mucin", "mixed", "unknown", "", "NA"):
        coarse = load(tmp_path, TYPED.replace("inflammation", word))
        assert set(coarse.labels.values()) == {"complete", "residual"}
        assert "1 of 2 complete cases" in codes(coarse)["LABEL_COARSE"]


def test_a_type_of_pseudo_residual_beside_tumour_is_a_contradiction(tmp_path: Path) -> None:
    text = "case_id,reference,ypT,pseudo_residual_type\na,residual_path,2,fibrosis\n"
    assert refusal(tmp_path, text).code == "LABEL_CONFLICT"


def test_both_axes_are_kept_beside_the_labels(tmp_path: Path) -> None:
    outcomes = load(tmp_path, REFERENCES, endpoint="complete_response")
    assert outcomes.reader_calls["lost"] == "not_assessed"
    assert "open" not in outcomes.reader_calls
    assert outcomes.composites == {
        "tme": "pseudo_residual",
        "local": "true_cCR",
        "path": "true_residual",
        "nodes": "missed_residual",
        "held": "true_cCR",
        "regrown": "missed_residual",
    }
    followed = {"held", "early", "later", "regrown", "late", "lost"}
    assert {case: str(kind) for case, kind in outcomes.reference_kinds.items()} == {
        "tme": "surgery",
        "local": "local_excision",
        "path": "surgery",
        "nodes": "surgery",
        **dict.fromkeys(followed, "follow_up"),
    }
    with pytest.raises(TypeError):
        outcomes.composites["tme"] = "true_cCR"  # type: ignore[index]


GIVEN = """case_id,outcome,reference,reference_kind,months_to_regrowth,reader_call
a,fibrosis,pCR_TME,surgery,,nCR
b,residual,regrowth,follow_up,4,cCR
c,inflammation,,,,iCR
d,,sustained_cCR_24m,,,cCR
e,,cCR_lt12m,,,
f,fibrosis,cCR_lt12m,follow_up,,nCR
"""
STATED = GIVEN.replace("reader_call", "reader_call,endpoint").replace("CR\n", "CR,truth\n")
STATED = STATED.replace("m,,,\n", "m,,,,truth\n")


def test_without_an_endpoint_given_outcomes_stand_as_before(tmp_path: Path) -> None:
    outcomes = load(tmp_path, STATED)
    labels = ["fibrosis", "residual", "inflammation", None, None, "fibrosis"]
    assert list(outcomes.labels.values()) == labels
    assert (outcomes.endpoint, outcomes.stated_endpoint) == ("truth", "truth")
    found = codes(outcomes)
    assert found["UNLABELLED"] == "2 of 6 cases have no outcome and are left out of training"
    assert list(outcomes.composites.values()) == [
        "pseudo_residual",
        "missed_residual",
        "pseudo_residual",
        "pseudo_residual",
    ]
    assert outcomes.reference_kinds["d"] == "follow_up"


def test_without_an_endpoint_columns_of_the_same_name_may_be_anything(tmp_path: Path) -> None:
    text = "case_id,outcome,reference,reader_call\na,residual,Ref. 12,cCR\nb,complete,,nCR\n"
    outcomes = load(tmp_path, text)
    assert outcomes.reference_kinds == {}
    assert outcomes.composites == {"a": "missed_residual", "b": "pseudo_residual"}
    assert codes(outcomes) == {"COLUMNS_IGNORED": "columns not used: 'reference'"}


def test_given_outcomes_are_held_against_the_references(tmp_path: Path) -> None:
    """Words of the outcome column stay; what its reference unsettles does not."""
    outcomes = load(tmp_path, GIVEN, endpoint="complete_response")
    assert labelled(outcomes) == {"a": "fibrosis", "b": "residual", "c": "inflammation"}
    assert codes(outcomes)["UNLABELLED"].endswith(": 2 immature_lt12m, 1 no_outcome")
    operated = load(tmp_path, GIVEN, endpoint="pCR")
    assert labelled(operated) == {"a": "fibrosis", "c": "inflammation"}
    assert "f" not in operated.composites


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "a,fibrosis",
            "a,residual",
            "line 2: the outcome is residual, the reference says complete",
        ),
        (
            "b,residual",
            "b,fibrosis",
            "line 3: the outcome is fibrosis, the reference says residual",
        ),
    ],
)
def test_an_outcome_its_reference_contradicts_is_refused(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    error = refusal(tmp_path, GIVEN.replace(old, new), endpoint="complete_response")
    assert (error.code, error.case) == ("LABEL_CONFLICT", old[0])
    assert error.found == f"{words} for the endpoint complete_response"
    assert load(tmp_path, GIVEN.replace(old, new)).labels[old[0]] == new[2:]


def test_outcomes_of_another_endpoint_need_references(tmp_path: Path) -> None:
    error = refusal(tmp_path, STATED, endpoint="pCR")
    assert (error.code, "'truth'" in error.found) == ("ENDPOINT_MIXED", True)
    referred = STATED.replace("c,inflammation,,", "c,inflammation,pCR_LE,")
    outcomes = load(tmp_path, referred, endpoint="pCR")
    assert (outcomes.endpoint, outcomes.stated_endpoint) == ("pCR", "truth")
    bare = "case_id,outcome,endpoint\na,complete,pCR\nb,residual,pCR\n"
    assert load(tmp_path, bare, endpoint="pCR").endpoint == "pCR"
    assert refusal(tmp_path, bare, endpoint="complete_response").code == "ENDPOINT_MIXED"


@given(order=st.permutations(REFERENCES.splitlines()[1:]), endpoint=st.sampled_from(list(LABELS)))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_of_rows_changes_nothing(tmp_path: Path, order: list[str], endpoint: str) -> None:
    whole = load(tmp_path, REFERENCES, endpoint=endpoint)
    head = REFERENCES.splitlines()[0]
    again = load(tmp_path, "\n".join([head, *order]) + "\n", endpoint=endpoint)
    assert again == whole


@pytest.mark.parametrize("preset", sorted(presets()))
def test_phantom_cohorts_give_back_their_truth(tmp_path: Path, preset: str) -> None:
    of, rng, rows = presets()[preset], np.random.default_rng(7), []
    for index in range(200):
        outcome = of.block[index % len(of.block)]
        response = draw_response(rng, outcome, draw_regimen(rng, outcome, of), mucinous=False)
        call = str(rng.choice(["cCR", "nCR", "iCR", "not_assessed"]))
        found = draw_reference(
            rng, preset=of, outcome=outcome, response=response, clinical_t="3b", reader_call=call
        )
        rows.append({"case_id": f"c{index}", "endpoint": "synthetic_truth", **found})
    given_outcomes = load(tmp_path, table_text(rows))
    bare = [{name: cell for name, cell in row.items() if name != "outcome"} for row in rows]
    assert refusal(tmp_path, table_text(bare)).code == "ENDPOINT_MIXED"
    derived = load(tmp_path, table_text(bare), endpoint="complete_response")
    coarse = {"fibrosis": "complete", "inflammation": "complete", "residual": "residual"}
    assert derived.labels == {
        case: None if label is None else coarse[label]
        for case, label in given_outcomes.labels.items()
    }
    held = load(tmp_path, table_text(rows), endpoint="complete_response")
    assert held.labels == given_outcomes.labels
    kinds = {row["case_id"]: row["reference_kind"] for row in rows}
    assert derived.reference_kinds == kinds
    for endpoint, by in (
        ("pCR", {"surgery", "local_excision"}),
        ("sustained_cCR_24m", {"follow_up"}),
    ):
        alone = labelled(load(tmp_path, table_text(rows), endpoint=endpoint))
        assert alone == {c: n for c, n in labelled(given_outcomes).items() if kinds[c] in by}


FRACTIONS = (
    "case_id,outcome,residual_fraction\na,residual,0.25\nb,complete,0\nc,,0.1\nd,residual,\n"
)


def test_residual_fractions_are_read_where_they_are_known(tmp_path: Path) -> None:
    outcomes = load(tmp_path, FRACTIONS)
    assert outcomes.residual_fractions == {"a": 0.25, "b": 0.0, "c": 0.1}
    assert not outcomes.notes[1:]


def test_tumour_left_in_a_complete_response_is_a_contradiction(tmp_path: Path) -> None:
    error = refusal(tmp_path, FRACTIONS.replace("b,complete,0", "b,complete,0.02"))
    assert error.code == "LABEL_CONFLICT"
    assert error.case == "b"
    assert "line 3" in error.found


@pytest.mark.parametrize("cell", ["25", "-0.1", "a fifth"])
def test_a_fraction_out_of_range_is_never_taken_for_one(tmp_path: Path, cell: str) -> None:
    assert load(tmp_path, FRACTIONS.replace("0.25", cell)).residual_fractions == {}
    derived = f"case_id,reference,residual_fraction\na,regrowth,{cell}\n"
    error = refusal(tmp_path, derived, endpoint="complete_response")
    assert error.code in {"CLINICAL_RANGE", "CSV_FORMAT"}
    assert "residual_fraction" in error.found
