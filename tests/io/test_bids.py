"""A subject of a BIDS data set is a case; what BIDS leaves open is settled and documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from radresp.core import RegionKey, Roi, Sequence, Timepoint
from radresp.errors import InputError, PlanError
from radresp.io.case_folder import find_case

PRE, POST, T2, DWI, ADC = Timepoint.PRE, Timepoint.POST, Sequence.T2, Sequence.DWI, Sequence.ADC


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_a_subject_of_two_sessions(tmp_path: Path) -> None:
    subject = touch(
        tmp_path / "sub-07",
        "ses-pre/anat/sub-07_ses-pre_T2w.nii.gz",
        "ses-pre/anat/sub-07_ses-pre_T2w.json",
        "ses-pre/anat/sub-07_ses-pre_T1w.nii.gz",
        "ses-pre/anat/sub-07_ses-pre_label-tumour_mask.nii.gz",
        "ses-pre/anat/sub-07_ses-pre_label-brain_mask.nii.gz",
        "ses-pre/dwi/sub-07_ses-pre_dwi.nii.gz",
        "ses-pre/dwi/sub-07_ses-pre_dwi.bval",
        "ses-pre/dwi/sub-07_ses-pre_label-tumour_dseg.seg.nrrd",
        "ses-post/anat/sub-07_ses-post_acq-axial_T2w.nii",
        "ses-post/anat/sub-07_ses-post_label-normalwall_mask.dcm",
        "ses-post/dwi/sub-07_ses-post_ADC.nii.gz",
        "ses-post/dwi/sub-07_ses-post_label-bed_mask.nii.gz",
    )
    files = find_case(subject)
    home = files.root
    assert files.case_id == "sub-07"
    assert files.images == {
        (PRE, T2): home / "ses-pre/anat/sub-07_ses-pre_T2w.nii.gz",
        (PRE, DWI): home / "ses-pre/dwi/sub-07_ses-pre_dwi.nii.gz",
        (POST, T2): home / "ses-post/anat/sub-07_ses-post_acq-axial_T2w.nii",
        (POST, ADC): home / "ses-post/dwi/sub-07_ses-post_ADC.nii.gz",
    }
    assert set(files.masks) == {
        RegionKey(PRE, T2, Roi.TUMOUR),
        RegionKey(PRE, DWI, Roi.TUMOUR),
        RegionKey(POST, T2, Roi.NORMAL_WALL),
        RegionKey(POST, ADC, Roi.BED),
    }


def test_sessions_have_the_names_the_caller_says(tmp_path: Path) -> None:
    subject = touch(
        tmp_path / "sub-1",
        "ses-01/anat/sub-1_ses-01_T2w.nii.gz",
        "ses-02/anat/sub-1_ses-02_T2w.nii.gz",
    )
    found = find_case(subject, sessions={PRE: "01", POST: "02"}).images
    assert [path.name for path in found.values()] == [
        "sub-1_ses-01_T2w.nii.gz",
        "sub-1_ses-02_T2w.nii.gz",
    ]
    with pytest.raises(InputError) as caught:
        find_case(subject)
    assert caught.value.code == "MISSING_INPUT"
    assert "ses-pre" in caught.value.expected


@pytest.mark.parametrize(
    "twice",
    [
        ("anat/sub-1_ses-pre_run-1_T2w.nii.gz", "anat/sub-1_ses-pre_run-2_T2w.nii.gz"),
        ("anat/sub-1_ses-pre_T2w.nii", "anat/sub-1_ses-pre_T2w.nii.gz"),
        ("anat/sub-1_ses-pre_label-bed_mask.nrrd", "anat/sub-1_ses-pre_label-bed_mask.nii.gz"),
    ],
)
def test_two_files_for_one_thing_are_refused(tmp_path: Path, twice: tuple[str, str]) -> None:
    subject = touch(tmp_path / "sub-1", *(f"ses-pre/{name}" for name in twice))
    with pytest.raises(InputError) as caught:
        find_case(subject)
    assert caught.value.code == "AMBIGUOUS_INPUT"
    assert int(caught.value.exit_code) == 3


def test_a_link_that_leaves_the_data_root_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "elsewhere.nii.gz", "sub-1/ses-pre/anat/x")
    (tmp_path / "sub-1/ses-pre/anat/sub-1_ses-pre_T2w.nii.gz").symlink_to(
        tmp_path / "elsewhere.nii.gz"
    )
    with pytest.raises(PlanError) as caught:
        find_case(tmp_path / "sub-1")
    assert caught.value.code == "PATH_OUTSIDE_ROOT"
    assert find_case(tmp_path / "sub-1", tmp_path).images


def test_the_plain_layout_works_for_a_folder_called_like_a_subject(tmp_path: Path) -> None:
    case = touch(tmp_path / "sub-1", "pre/t2.nii.gz", "post/residual.dcm", "post/adc_bed.seg.nrrd")
    files = find_case(case)
    assert set(files.images) == {(PRE, T2)}
    assert set(files.masks) == {RegionKey(POST, T2, Roi.RESIDUAL), RegionKey(POST, ADC, Roi.BED)}
