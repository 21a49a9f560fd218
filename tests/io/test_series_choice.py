"""One series of a folder of several: named in the table, refused when the folder has changed."""

from __future__ import annotations

from pathlib import Path

import builders_dicom as make
import pytest
from commands import radresp

from radresp.core import Sequence, Timepoint
from radresp.errors import InputError, PlanError
from radresp.io import load_cohort, load_volumes, read_visit_facts


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two T2 and a DWI as some archives export a study: all files in one folder."""
    datasets = [*make.make_series("t2"), *make.make_series("dwi")]
    again = make.make_series("t2", slices=5)
    for dataset in again:
        dataset.AcquisitionTime = f"11{dataset.AcquisitionTime[2:]}"
    return make.write_series(tmp_path / "study", [*datasets, *again])


def test_a_chosen_series_is_read_as_if_alone(study: Path) -> None:
    listed = radresp("series", study, "--json").json["series"]
    assert [(s["number"], s["kind"], s["slices"]) for s in listed] == [
        (1, "t2", 6),
        (2, "dwi", 6),
        (3, "t2", 5),
    ]
    for choice, slices in (("1", 6), ("3", 5), ("3/3", 5)):
        assert load_volumes(study, Sequence.T2, choice)[0][0].grid.size[2] == slices
    assert len(load_volumes(study, Sequence.DWI, "2/3")[0]) == 3
    assert read_visit_facts(study, "1/3").patient is not None


@pytest.mark.parametrize(
    ("choice", "words"), [("4", "series 4 of a folder of 3"), ("1/2", "3 series in the folder")]
)
def test_a_choice_the_folder_does_not_keep_is_refused(study: Path, choice: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        load_volumes(study, Sequence.T2, choice)
    assert caught.value.code == "SERIES_CHOICE"


def test_a_choice_that_is_no_number_is_refused(study: Path) -> None:
    with pytest.raises(InputError, match="'the second' as a choice of series") as caught:
        load_volumes(study, Sequence.T2, "the second")
    assert caught.value.code == "SERIES_CHOICE"


def test_a_chosen_series_is_still_of_its_kind(study: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_volumes(study, Sequence.T2, "2/3")
    assert caught.value.code == "ROLE_MISMATCH"


def test_the_table_chooses(study: Path) -> None:
    table = study.parent / "cohort.csv"
    table.write_text("case_id,pre_t2,pre_t2_series\na,study,3/3\nb,study,\n")
    first, second = load_cohort(table).cases
    assert first.series == {(Timepoint.PRE, Sequence.T2): "3/3"}
    assert not second.series
    plan = study.parent / "plan.yaml"
    plan.write_text('regions: ["pre.t2.tumour"]\n')
    shown = radresp("check", table, "--plan", plan, "--json")
    refused = [f for f in shown.json["findings"] if f["severity"] == "refused"]
    assert (shown.code, len(refused)) == (4, 1)
    assert (refused[0]["case_id"], refused[0]["code"]) == ("b", "DCM_MULTI_SERIES")


@pytest.mark.parametrize(
    ("row", "words"),
    [("a,study,0", "'0'"), ("a,study,three", "'three'"), ("a,,3", "a series without a folder")],
)
def test_a_cell_that_chooses_nothing_is_refused_at_its_place(
    tmp_path: Path, row: str, words: str
) -> None:
    table = tmp_path / "cohort.csv"
    table.write_text(f"case_id,pre_t2,pre_t2_series\n{row}\n")
    with pytest.raises(PlanError, match=words) as caught:
        load_cohort(table)
    assert caught.value.code == "CSV_FORMAT"
    assert "line 2, column 'pre_t2_series'" in caught.value.found


def test_a_nifti_file_has_no_series(tmp_path: Path) -> None:
    (tmp_path / "t2.nii").write_bytes(b"\0" * 400)
    with pytest.raises(InputError) as caught:
        load_volumes(tmp_path / "t2.nii", Sequence.T2, "1")
    assert caught.value.code == "SERIES_CHOICE"
