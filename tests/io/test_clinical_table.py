"""Clinical tables: what of a table is clinical, and the faults of a cohort table."""

from __future__ import annotations

from pathlib import Path

import pytest

from radresp import io
from radresp.core import NoteKind
from radresp.errors import CohortError, PlanError


def write(folder: Path, text: str) -> Path:
    path = folder / "clinical.csv"
    path.write_text(text, encoding="utf-8")
    return path


def load(folder: Path, text: str, **options: str) -> io.ClinicalTable:
    return io.load_clinical(write(folder, text), **options)


def refusal(folder: Path, text: str) -> PlanError:
    with pytest.raises(PlanError) as caught:
        load(folder, text)
    return caught.value


def test_cells_stay_text_and_missing_codes_stay_declared(tmp_path: Path) -> None:
    table = load(tmp_path, "case_id,age_years,cT,ctdna_c2\n001,63,3b,1\n1e5,,NA,0\n")
    assert table.cells == {
        "001": {"age_years": "63", "cT": "3b", "ctdna_c2": "1"},
        "1e5": {"age_years": "", "cT": "NA", "ctdna_c2": "0"},
    }
    assert table.notes == ()
    with pytest.raises(TypeError):
        table.cells["001"]["cT"] = "4"  # type: ignore[index]


def test_a_cohort_table_is_a_clinical_table(tmp_path: Path) -> None:
    text = (
        "case_id,patient_id,pre_t2,pre_t2_series,post_dwi,pre_tumour,post_adc_bed,x_mine,"
        "pre_date,sex,regimen,reader_call,reference\n"
        'a,p,a/t2,1/2,a/dwi,a/m.nii#1,empty,1,2020-01-31,F,"SCRT, then chemotherapy",nCR,pCR_TME\n'
    )
    path = write(tmp_path, text)
    table = io.load_clinical(path)
    kept = dict(io.load_cohort(path).cases[0].clinical)
    del kept["x_mine"]
    assert table.cells == {"a": kept}
    assert table.notes == ()


def test_unknown_columns_are_left_out_with_a_note_and_a_hint(tmp_path: Path) -> None:
    table = load(tmp_path, "case_id,sex,age_yers,shoe\na,M,60,44\n")
    assert table.cells == {"a": {"sex": "M"}}
    (note,) = table.notes
    assert (note.kind, note.code) == (NoteKind.INFO, "COLUMNS_IGNORED")
    assert note.found == "columns not used: 'age_yers' (did you mean 'age_years'?), 'shoe'"


def test_any_column_may_hold_the_ids(tmp_path: Path) -> None:
    assert set(load(tmp_path, "ID,sex\nZ 1,F\nZ 2,M\n", id_column="ID").cells) == {"Z 1", "Z 2"}


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("age_years", "300"),
        ("age_years", "unknown"),
        ("age_years", '"63,5"'),
        ("cea_pre_ng_per_ml", "-1"),
        ("pre_date", "2999-01-01"),
        ("cT", "T3"),
        ("ctdna_c1", "2"),
        ("ctdna_c4", "yes"),
        ("pdl1_cps", "101"),
        ("pdl1_tps_percent", "-1"),
        ("pdl1_tps_percent", "50%"),
        ("pseudo_residual_type", "scar"),
        ("reference", "pCR"),
    ],
)
def test_faults_are_those_of_a_cohort_table(tmp_path: Path, column: str, cell: str) -> None:
    ours = refusal(tmp_path, f"case_id,{column}\na,\nb,{cell}\n")
    assert f"line 3, column '{column}'" in ours.found
    path = write(tmp_path, f"case_id,pre_t2,{column}\na,x,\nb,x,{cell}\n")
    with pytest.raises(PlanError) as theirs:
        io.load_cohort(path)
    assert (ours.code, ours.found, ours.expected, ours.action) == (
        theirs.value.code,
        theirs.value.found,
        theirs.value.expected,
        theirs.value.action,
    )


@pytest.mark.parametrize("cell", ["0", "100", "12.5"])
def test_scores_of_pd_l1_go_from_0_to_100(tmp_path: Path, cell: str) -> None:
    head = "case_id,pdl1_cps,pdl1_tps_percent\n"
    assert load(tmp_path, f"{head}a,{cell},{cell}\n").cells["a"]["pdl1_cps"] == cell


def test_tables_without_use_are_refused(tmp_path: Path) -> None:
    assert "no clinical column" in refusal(tmp_path, "case_id,pre_t2\na,x\n").found
    assert "no column 'case_id'" in refusal(tmp_path, "case,sex\na,F\n").found
    assert refusal(tmp_path, "case_id,sex\na,F\nA,M\n").code == "CASE_DUPLICATE"
    assert refusal(tmp_path, "case_id,sex\n,F\n").code == "CSV_FORMAT"
    with pytest.raises(CohortError) as caught:
        load(tmp_path, "case_id,sex\n")
    assert caught.value.code == "NO_CASES"
