"""A synthetic cohort on disk: repeatable, readable by our own tables, its truth kept apart."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from commands import tree

from radresp import io, phantom
from radresp.core import RegionKey, Roi, Sequence, Timepoint
from radresp.errors import PlanError
from radresp.io.clinical_columns import CLINICAL
from radresp.pipeline import make_phantom_cohort, phantom_settings
from radresp.pipeline.synthetic import ENDPOINT

SEED, FIRST, CASES = 5, 6, 2  # the second of these patients is one whose outcome is not settled
TINY = phantom.PhantomSettings(
    preset="opra",
    coarseness=4.0,
    field_of_view=0.4,
    dwi_samples_in_plane=2,
    samples_through_plane=1,
)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small cohort, written by one process; its folder."""
    folder = tmp_path_factory.mktemp("cohort")
    table = make_phantom_cohort(folder, CASES, SEED, first=FIRST, settings=TINY)
    assert table == folder / "cohort.csv"
    return folder


def names() -> list[str]:
    return [f"phantom_{FIRST + n:04d}" for n in range(CASES)]


def test_workers_do_not_change_a_byte(cohort: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    make_phantom_cohort(
        tmp_path,
        CASES,
        SEED,
        first=FIRST,
        settings=TINY,
        workers=2,
        progress=lambda done, of: seen.append((done, of)),
    )
    assert tree(tmp_path) == tree(cohort)
    assert seen == [(n + 1, CASES) for n in range(CASES)]


def test_first_continues_a_cohort(cohort: Path, tmp_path: Path) -> None:
    make_phantom_cohort(tmp_path, 1, SEED, first=FIRST + 1, settings=TINY)
    whole = tree(cohort)
    for name, content in tree(tmp_path).items():
        if not name.endswith(".csv"):
            assert content == whole[name], name
    for table in ("cohort.csv", "outcomes.csv", "truth/truth.csv"):
        assert rows(tmp_path / table) == rows(cohort / table)[1:2]


def test_tables_load_as_anybodys(cohort: Path) -> None:
    found = io.load_cohort(cohort / "cohort.csv")
    assert [case.case_id for case in found.cases] == names()
    for case in found.cases:
        assert set(case.images) == {(t, s) for t in Timepoint for s in (Sequence.T2, Sequence.DWI)}
        assert {(key.timepoint, key.roi) for key in case.masks} == {
            (Timepoint.PRE, Roi.TUMOUR),
            (Timepoint.POST, Roi.BED),
            *((visit, roi) for visit in Timepoint for roi in (Roi.LUMEN, Roi.MUSCLE)),
        }
        assert case.clinical["site"] == "synthetic"
        for visit in Timepoint:
            (t2,), _ = io.load_volumes(case.images[visit, Sequence.T2], Sequence.T2)
            dwi, _ = io.load_volumes(case.images[visit, Sequence.DWI], Sequence.DWI)
            assert len(dwi) > 1
            roi = Roi.TUMOUR if visit is Timepoint.PRE else Roi.BED
            mask, _ = io.load_mask(case.masks[RegionKey(visit, Sequence.T2, roi)], roi, t2.grid)
            assert not mask.is_empty
    outcomes = io.load_outcomes(cohort / "outcomes.csv")
    assert list(outcomes.labels) == names()
    assert outcomes.endpoint == ENDPOINT


def test_what_is_written_is_what_was_made(cohort: Path) -> None:
    patient = phantom.make_patient(FIRST, SEED, TINY)
    case = io.load_cohort(cohort / "cohort.csv").cases[0]
    for visit in Timepoint:
        (t2,), _ = io.load_volumes(case.images[visit, Sequence.T2], Sequence.T2)
        dwi, _ = io.load_volumes(case.images[visit, Sequence.DWI], Sequence.DWI)
        drawn = (patient.case.image(visit, Sequence.T2), *patient.case.dwi(visit))
        for read, volume in zip((t2, *dwi), drawn, strict=True):
            assert read.b_s_per_mm2 == volume.b_s_per_mm2
            assert read.grid.same_as(volume.grid, tol_mm=1e-3)
            np.testing.assert_array_equal(read.array, volume.array)
    (row,) = (r for r in rows(cohort / "truth/truth.csv") if r["case_id"] == case.case_id)
    assert row["outcome"] == patient.outcome
    assert float(row["bed_ml"]) == pytest.approx(patient.truth["bed_ml"], rel=1e-5)


def test_a_preset_with_follow_up_leaves_some_outcomes_empty(cohort: Path) -> None:
    outcomes, truth = rows(cohort / "outcomes.csv"), rows(cohort / "truth/truth.csv")
    assert [row["outcome"] == "" for row in outcomes] == [False, True]
    assert io.load_outcomes(cohort / "outcomes.csv").labels[names()[-1]] is None
    for found, true in zip(outcomes, truth, strict=True):
        assert true["outcome"] in phantom.OUTCOMES
        assert found["outcome"] in ("", true["outcome"])
    # Never among people all of whom are operated on or followed to the end.
    balanced = phantom.PhantomSettings.fast()
    for index in range(5):
        drawn = phantom.draw_patient(index, SEED, balanced)
        call = drawn.read(0)["reader_call"]
        found = drawn.refer(call)
        assert found["outcome"] == drawn.outcome or float(found["months_to_regrowth"]) > 24


def test_the_truth_stays_out_of_the_cohort_table(cohort: Path) -> None:
    columns = set(rows(cohort / "cohort.csv")[0])
    truth = set(rows(cohort / "truth/truth.csv")[0])
    found = set(rows(cohort / "outcomes.csv")[0])
    assert columns & truth == columns & found == {"case_id"}
    clinical = columns & set(CLINICAL)
    assert not any(CLINICAL[name].axis == "reference" for name in clinical)
    assert columns - clinical == {"case_id"} | {
        f"{visit}_{what}"
        for visit, lesion in (("pre", "tumour"), ("post", "bed"))
        for what in ("t2", "dwi", lesion, "lumen", "muscle")
    }
    assert not any("truth" in cell for row in rows(cohort / "cohort.csv") for cell in row.values())


def test_the_truth_folder_holds_maps_foci_and_the_transform(cohort: Path) -> None:
    foci = {row["case_id"]: row for row in rows(cohort / "truth/foci.csv")}
    truth = {row["case_id"]: row for row in rows(cohort / "truth/truth.csv")}
    assert set(foci) == {name for name, row in truth.items() if float(row["foci"]) > 0}
    assert 0 < len(foci) < CASES
    kept = {path.name for path in (cohort / "truth").iterdir()}
    assert kept == {"truth.csv", "foci.csv", *names()}
    for name in names():
        home = cohort / "truth" / name
        files = {path.name for path in home.iterdir()}
        parts = {f"post_t2_{part}.nii.gz" for part in phantom.BED_PARTS}
        rest = {"post_to_pre.tfm"}
        rest |= {f"{visit}_dwi_shift_mm.nii.gz" for visit in Timepoint}
        assert rest < files <= rest | parts
        maps = [nib.load(home / file) for file in sorted(files & parts)]
        bed = nib.load(cohort / name / "post/bed.nii.gz")
        for image in maps:
            np.testing.assert_allclose(image.affine, bed.affine)
        total = sum(np.asarray(image.dataobj) for image in maps)
        np.testing.assert_array_equal(total >= 0.5 - 1e-6, np.asarray(bed.dataobj) > 0)
        for visit in Timepoint:
            shift = nib.load(home / f"{visit}_dwi_shift_mm.nii.gz")
            dwi = nib.load(cohort / name / visit / "dwi.nii.gz")
            assert shift.shape == dwi.shape[:3]
            np.testing.assert_allclose(shift.affine, dwi.affine)
        there, index = sitk.ReadTransform(home / "post_to_pre.tfm"), int(name[-4:])
        drawn = phantom.draw_patient(index, SEED, TINY)
        for point in np.random.default_rng(0).uniform(-70, 70, (50, 3)).tolist():
            np.testing.assert_allclose(
                there.TransformPoint(point), drawn.transform().TransformPoint(point), atol=1e-9
            )


@pytest.mark.parametrize(
    ("preset", "scanners", "named"),
    [("everyone", None, "balanced"), ("torch", ["nobody_7t"], "siemens_3t_xa")],
)
def test_an_unknown_preset_or_scanner_is_a_fault_of_the_plan(
    preset: str, scanners: list[str] | None, named: str
) -> None:
    with pytest.raises(PlanError) as caught:
        phantom_settings(preset, scanners)
    assert caught.value.code == "CONFIG_VALUE"
    assert named in str(caught.value.expected)
    assert (scanners or [preset])[0] in caught.value.found


def test_settings_fit_what_is_asked_for() -> None:
    assert phantom_settings().scanners == phantom.VENDOR_SCANNERS
    assert phantom_settings(fast=True) == phantom.PhantomSettings.fast()
    quick = phantom_settings("torch", fast=True, dicom=True)
    assert quick.scanners == phantom.VENDOR_SCANNERS
    assert (quick.preset, quick.coarseness) == ("torch", phantom.PhantomSettings.fast().coarseness)
    assert phantom_settings(scanners=["ge_3t"], fast=True).scanners == ("ge_3t",)
