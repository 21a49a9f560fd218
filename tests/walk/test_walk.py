"""From folders to a probability, as a user walks: synthetic cohort, model, scores, real DICOM."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from builders import shared_data
from builders_canary import CANARY, PLACE, find_marks
from builders_case import wrong_figures
from commands import Shown, correlation, radresp, tree

from radresp import intensity, io, masks, pipeline
from radresp.core import Roi, Sequence, resample_mask, resample_volume
from radresp.notice import INTENDED_USE
from radresp.pipeline.synthetic import make_phantom_cohort, phantom_settings

CASES = 20
SEED = 11
FAST = phantom_settings(fast=True)
PLAN = """\
registration: {method: rigid_mi}
registration_dwi: {method: header}
classifier:
  settings: {outer_folds: 3, repeats: 1, inner_folds: 3, inner_repeats: 1, ensemble: 20,
             min_per_class: 5}
evaluation: {permutations: 0, bootstrap: 100}
"""
SCORE_KEYS = {
    "intended_use", "case_id", "endpoint", "p_ccr", "interval", "classes", "decision", "reasons",
    "qc", "model", "versions", "fixes", "warnings",
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort, its features and a model, made once by the commands themselves."""
    folder = tmp_path_factory.mktemp("walk")
    (folder / "plan.yaml").write_text(PLAN)
    for name, cases, first in (("cohort", CASES, 0), ("new", 2, CASES)):
        make_phantom_cohort(folder / name, cases, SEED, first=first, settings=FAST)
    extracted = radresp(
        "extract", folder / "cohort/cohort.csv", "-o", folder / "features",
        "--plan", folder / "plan.yaml", "--progress", "none",
    )  # fmt: skip
    assert extracted.code == 0, extracted.err
    trained = radresp(
        "train", folder / "features", "--outcomes", folder / "cohort/outcomes.csv",
        "-o", folder / "model", "--progress", "none", "--plan", folder / "plan.yaml",
    )  # fmt: skip
    assert trained.code == 0, trained.err
    return folder


def score(home: Path, case: Path, out: Path, *more: str) -> Shown:
    return radresp("score", case, "--model", home / "model", "-o", out, *more)


def new_case(home: Path) -> Path:
    return home / "new" / f"phantom_{CASES:04d}"


# ---------------------------------------------------------------------------------- synthetic


def test_a_new_case_gets_a_score_with_everything_it_rests_on(home: Path, tmp_path: Path) -> None:
    shown = score(home, new_case(home), tmp_path / "out")
    assert shown.code == 0, shown.err
    record = json.loads((tmp_path / "out/score.json").read_text())
    assert set(record) >= SCORE_KEYS
    assert record["intended_use"] == INTENDED_USE
    assert "SYNTHETIC_MODEL" in {note["code"] for note in record["warnings"]}
    if record["decision"] == "abstain":
        assert record["p_ccr"] is None
        assert record["reasons"]
    else:
        low, high = record["interval"]
        assert 0 <= low <= record["p_ccr"] <= high <= 1
        assert sum(record["classes"].values()) == pytest.approx(1)
        assert record["p_ccr"] == pytest.approx(1 - record["classes"]["residual"])
    page = (tmp_path / "out/report.html").read_text()
    assert INTENDED_USE in page
    assert list(wrong_figures(page, record)) == []
    assert "viewer-data" in page
    assert len(page) < 2_000_000
    run = json.loads((tmp_path / "out/run.json").read_text())
    assert run["exit_code"] == 0
    assert {entry["path"] for entry in run["outputs"]} == {"score.json", "report.html"}


def test_the_same_case_gets_the_same_bytes_and_json_says_the_same(
    home: Path, tmp_path: Path
) -> None:
    first = score(home, new_case(home), tmp_path / "a", "--json")
    second = score(home, new_case(home), tmp_path / "b", "--json")
    for name in ("p_ccr", "classes", "decision", "reasons", "qc"):
        assert first.json[name] == second.json[name]
    assert first.json["p_ccr"] == json.loads((tmp_path / "a/score.json").read_text())["p_ccr"]


def test_h01_a_score_and_its_report_hold_no_mark(home: Path, tmp_path: Path) -> None:
    case = tmp_path / PLACE / "new_1"
    shutil.copytree(new_case(home), case)
    for path in case.rglob("*.nii.gz"):
        stored = nib.load(path)
        stored.header["descrip"] = CANARY.encode()
        stored.header.extensions.append(nib.nifti1.Nifti1Extension("comment", CANARY.encode()))
        nib.save(nib.Nifti1Image(np.asanyarray(stored.dataobj), None, stored.header), path)
    shown = score(home, case, tmp_path / "out", "--json")
    assert shown.code == 0, shown.err
    assert find_marks(shown.out, shown.err, tmp_path / "out", home / "model") == []
    assert (tmp_path / "out/report.html").exists()


def test_a_model_is_judged_on_images_it_never_met(home: Path, tmp_path: Path) -> None:
    words = ("--outcomes", home / "new/outcomes.csv", "--progress", "none", "--json")
    shown = radresp(
        "evaluate", home / "model", home / "new/cohort.csv", "-o", tmp_path / "out", *words
    )
    assert shown.code == 0, shown.err
    found = shown.json["evaluation"]
    assert found["cases"] == 2
    assert found["complete_response"]["auc"]["value"] is None
    assert (tmp_path / "out/features/features.parquet").exists()
    own = radresp(
        "evaluate", home / "model", home / "features", "-o", tmp_path / "own",
        "--outcomes", home / "cohort/outcomes.csv", "--progress", "none", "--json",
    )  # fmt: skip
    assert (own.code, own.json["error"]["code"]) == (2, "LEAKAGE")


def test_a_model_is_not_judged_on_cases_that_are_all_refused(home: Path, tmp_path: Path) -> None:
    table = table_of(home, tmp_path)
    (table.parent / new_case(home).name / "post/t2.nii.gz").write_bytes(b"")
    shown = radresp(
        "evaluate", home / "model", table, "-o", tmp_path / "out", "--json",
        "--outcomes", home / "new/outcomes.csv", "--progress", "none",
    )  # fmt: skip
    assert (shown.code, shown.json["error"]["code"]) == (5, "NO_CASES")
    assert "the first for NII_" in shown.json["error"]["found"]


def test_extraction_resumes_without_redoing_and_survives_a_damaged_record(home: Path) -> None:
    features = home / "features"
    before = tree(features)
    words = (
        "extract", home / "cohort/cohort.csv", "-o", features,
        "--plan", home / "plan.yaml", "--json", "--progress", "none",
    )  # fmt: skip
    assert radresp(*words).json["kept"] == CASES
    (features / "cases/extract/phantom_0001.json").write_text('{"key": 1, "body"')
    again = radresp(*words)
    assert again.json["kept"] == CASES - 1
    after = tree(features)
    changed = {name for name in before if before[name] != after[name]}
    # Only what tells of runs and times may differ; the redone record is what it was.
    assert changed <= {"status.jsonl", "events.jsonl", "run.json"}


def test_another_plan_never_mixes_into_a_folder(home: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("ring_mm: 7\n")
    before = tree(home / "features")
    shown = radresp(
        "extract", home / "cohort/cohort.csv", "-o", home / "features", "--plan", plan, "--json"
    )
    assert shown.code == 6
    assert shown.json["error"]["code"] == "CONFIG_CHANGED"
    assert "ring_mm" in shown.json["error"]["found"]
    assert before == tree(home / "features")


def test_a_bed_nobody_drew_is_carried_over_and_says_so(home: Path, tmp_path: Path) -> None:
    case = tmp_path / "case_without_bed"
    shutil.copytree(new_case(home), case)
    (case / "post/bed.nii.gz").unlink()
    shown = score(home, case, tmp_path / "out", "--json")
    assert shown.code == 0, shown.out
    notes = [note for step in shown.json["trail"] for note in step["notes"]]
    assert "BED_PROPAGATED" in {note["code"] for note in notes}
    assert shown.json["qc"]["volume_ml"]["post.t2.bed"] > 0


def test_visits_that_cannot_be_aligned_leave_the_later_one(home: Path, tmp_path: Path) -> None:
    case = tmp_path / "case_of_two_patients"
    shutil.copytree(new_case(home), case)
    image = nib.load(case / "pre/t2.nii.gz")
    turned = np.asanyarray(image.dataobj)[:, ::-1]
    nib.save(nib.Nifti1Image(turned, image.affine, image.header), case / "pre/t2.nii.gz")
    shown = score(home, case, tmp_path / "out", "--json")
    assert shown.code == 0, shown.out
    record = shown.json
    assert record["qc"]["alignments"]["post.t2<-pre.t2"]["verdict"] == "failed"
    assert "DELTA_INVALID" in {note["code"] for note in record["warnings"]}
    assert record["qc"]["change"] == {}
    looked_at = pipeline.open_model(home / "model").model.selected
    needs_delta = any(name.startswith("delta.") for name in looked_at)
    said = any("delta not valid, post only" in reason for reason in record["reasons"])
    assert said == needs_delta


def test_prepare_writes_masks_transforms_and_pictures_and_resumes(
    home: Path, tmp_path: Path
) -> None:
    words = ("prepare", new_case(home), "-o", tmp_path / "out", "--json", "--progress", "none")
    shown = radresp(*words)
    assert shown.code == 0, shown.out
    case = tmp_path / "out" / new_case(home).name
    assert {path.name for path in case.iterdir()} == {
        "change", "images", "masks", "qc", "qc.json", "transforms",
    }  # fmt: skip
    bed = nib.load(case / "masks/post.t2.bed.nii.gz")
    assert set(np.unique(np.asarray(bed.dataobj))) == {0, 1}
    assert radresp(*words).json["kept"] == 1


def test_register_writes_transform_image_and_quality(home: Path, tmp_path: Path) -> None:
    case = new_case(home)
    shown = radresp(
        "register", case / "post/t2.nii.gz", case / "pre/t2.nii.gz", "-o", tmp_path / "out",
        "--fixed-mask", case / "post/bed.nii.gz", "--json",
    )  # fmt: skip
    assert shown.code == 0, shown.out
    assert shown.json["verdict"] in {"good", "doubtful"}
    made = {"transform.tfm", "inverse.tfm", "moved.nii.gz", "quality.json"}
    assert made <= set(tree(tmp_path / "out"))


def test_a_deformation_is_written_with_its_inverse_for_any_itk(home: Path, tmp_path: Path) -> None:
    case, out = new_case(home), tmp_path / "out"
    shown = radresp(
        "register", case / "post/t2.nii.gz", case / "pre/t2.nii.gz", "-o", out,
        "--fixed-mask", case / "post/bed.nii.gz", "--method", "greedy", "--jacobian", "--json",
    )  # fmt: skip
    assert shown.code == 0, shown.out
    there, back = (sitk.ReadTransform(str(out / f"{name}.h5")) for name in ("transform", "inverse"))
    place = sitk.ReadImage(str(out / "moved.nii.gz")).TransformIndexToPhysicalPoint((50, 50, 12))
    assert np.allclose(there.TransformPoint(back.TransformPoint(place)), place, atol=0.1)
    ratio = nib.load(out / "jacobian.nii.gz").get_fdata()
    assert 0 < ratio.min() < 1 < ratio.max()


def test_features_of_one_image_are_named_numbers(home: Path) -> None:
    case = new_case(home)
    shown = radresp("features", case / "post/t2.nii.gz", case / "post/bed.nii.gz", "--json")
    assert shown.code == 0, shown.out
    found = shown.json["features"]
    assert found["post.t2.bed.volumetry.volume_ml"] > 0
    assert np.isfinite([value for value in found.values() if value is not None]).all()


def test_check_finds_nothing_to_refuse_in_a_sound_cohort(home: Path) -> None:
    shown = radresp("check", home / "new/cohort.csv", "--json")
    assert shown.code == 0
    assert shown.json["refused"] == []


@pytest.mark.slow
def test_two_workers_give_the_bytes_of_one(home: Path, tmp_path: Path) -> None:
    tables = []
    for workers in (1, 2):
        out = tmp_path / str(workers)
        shown = radresp(
            "extract", home / "new/cohort.csv", "-o", out, "--workers", str(workers), "--json",
            "--progress", "none",
        )  # fmt: skip
        assert shown.code == 0, shown.out
        tables.append((out / "features.csv").read_bytes())
    assert tables[0] == tables[1]


# ---------------------------------------------------------------------------------- bad input


@pytest.fixture
def case(home: Path, tmp_path: Path) -> Path:
    """A copy of a sound case to spoil."""
    folder = tmp_path / "spoiled"
    shutil.copytree(new_case(home), folder)
    return folder


def rewrite(path: Path, change: object) -> None:
    image = nib.load(path)
    data = np.asarray(image.dataobj)
    nib.save(nib.Nifti1Image(change(data), image.affine, image.header), path)  # type: ignore[operator]


def refused(home: Path, case: Path, tmp_path: Path) -> dict[str, str]:
    """Score a spoiled case into a folder with earlier results, which must stay as they were."""
    out = tmp_path / "out"
    assert score(home, new_case(home), out).code == 0
    before = tree(out)
    shown = score(home, case, out, "--json")
    assert shown.code == 3, shown.out
    assert before == tree(out)
    assert str(tmp_path) not in shown.out
    error = shown.json["error"]
    assert error["case"] == case.name
    assert error["expected"]
    return error


def test_a_missing_post_t2_is_named_and_nothing_stands_in_for_it(
    home: Path, case: Path, tmp_path: Path
) -> None:
    (case / "post/t2.nii.gz").unlink()
    shown = score(home, case, tmp_path / "out", "--json")
    assert shown.code == 0
    assert (shown.json["decision"], shown.json["p_ccr"]) == ("abstain", None)
    assert "MISSING_MODALITY: no post t2" in shown.json["reasons"][0]


def test_an_empty_mask_is_refused(home: Path, case: Path, tmp_path: Path) -> None:
    rewrite(case / "post/bed.nii.gz", np.zeros_like)
    assert refused(home, case, tmp_path)["code"] == "MASK_EMPTY"


def test_a_mask_on_another_grid_is_refused_with_millimetres(
    home: Path, case: Path, tmp_path: Path
) -> None:
    path = case / "post/bed.nii.gz"
    image = nib.load(path)
    affine = image.affine.copy()
    affine[0, 3] += 5
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), path)
    error = refused(home, case, tmp_path)
    assert error["code"] == "MASK_GEOMETRY"
    assert "5 mm" in error["found"]
    assert error["file"] == "post/bed.nii.gz"


def test_a_half_cut_file_is_refused(home: Path, case: Path, tmp_path: Path) -> None:
    path = case / "pre/t2.nii.gz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    error = refused(home, case, tmp_path)
    assert error["code"] == "NII_TRUNCATED"
    assert error["file"] == "pre/t2.nii.gz"


def table_of(home: Path, tmp_path: Path, **change: str) -> Path:
    """The one-case table of the new case with some cells changed; lies beside the images."""
    rows = list(csv.DictReader((home / "new/cohort.csv").open()))
    folder = tmp_path / "table"
    shutil.copytree(home / "new", folder)
    with (folder / "cohort.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerow(rows[0] | change)
    return folder / "cohort.csv"


def test_swapped_dates_are_refused(home: Path, tmp_path: Path) -> None:
    table = table_of(home, tmp_path, pre_date="2024-06-01", post_date="2024-01-01")
    for command in (("score", "--model", home / "model"), ("extract",)):
        shown = radresp(command[0], table, *command[1:], "-o", tmp_path / command[0], "--json")
        assert shown.code in (3, 5)
        assert "PAIR_ORDER" in shown.out
    assert "PAIR_ORDER" in radresp("check", table, "--json").out


@pytest.mark.slow
def test_one_bad_case_costs_no_other(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cohort"
    shutil.copytree(home / "new", folder)
    spoiled = folder / f"phantom_{CASES + 1:04d}" / "post/t2.nii.gz"
    spoiled.write_bytes(b"not an image")
    words = (
        "extract", folder / "cohort.csv", "-o", tmp_path / "out", "--json", "--progress", "none",
    )  # fmt: skip
    shown = radresp(*words)
    assert shown.code == 4
    assert shown.json["refused"] == {f"phantom_{CASES + 1:04d}": "NII_NOT_NIFTI"}
    shutil.copy(home / "new" / f"phantom_{CASES + 1:04d}" / "post/t2.nii.gz", spoiled)
    assert radresp(*words).json == {
        **shown.json, "exit_code": 0, "finished": 2, "kept": 1, "refused": {},
    }  # fmt: skip


def test_an_adc_in_mm2_per_s_is_scaled_and_recorded(home: Path, case: Path, tmp_path: Path) -> None:
    for visit in ("pre", "post"):
        dwi, _ = io.load_volumes(case / visit / "dwi.nii.gz", Sequence.DWI)
        adc = intensity.fit_adc(dwi).adc
        io.save_volume(adc, case / visit / "adc.nii.gz")
    whole = score(home, case, tmp_path / "a", "--json").json
    for visit in ("pre", "post"):
        rewrite(case / visit / "adc.nii.gz", lambda data: (data * 1e-6).astype(np.float32))
    scaled = score(home, case, tmp_path / "b", "--json").json
    assert "ADC_UNITS" in {note["code"] for note in scaled["fixes"]}
    assert "ADC_UNITS" not in {note["code"] for note in whole["fixes"]}
    assert scaled["qc"]["volume_ml"] == whole["qc"]["volume_ml"]
    assert scaled["decision"] == whole["decision"]
    if whole["p_ccr"] is not None:
        assert scaled["p_ccr"] == pytest.approx(whole["p_ccr"], abs=1e-4)


def test_a_typo_in_the_outcomes_stops_training_and_leaves_the_model(
    home: Path, tmp_path: Path
) -> None:
    outcomes = tmp_path / "outcomes.csv"
    text = (home / "cohort/outcomes.csv").read_text()
    outcomes.write_text(text.replace(",residual,", ",residul,", 1))
    before = tree(home / "model")
    shown = radresp(
        "train", home / "features", "--outcomes", outcomes, "-o", home / "model", "--json",
        "--overwrite",
    )  # fmt: skip
    assert shown.code == 2
    assert shown.json["error"]["code"] == "LABEL_UNKNOWN"
    assert "residul" in shown.json["error"]["found"]
    assert before == tree(home / "model")


def test_a_changed_model_is_refused(home: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(home / "model", model)
    member = model / "evaluation.json"
    member.write_text(member.read_text().replace("0", "1", 1))
    shown = radresp("score", new_case(home), "--model", model, "-o", tmp_path / "out", "--json")
    assert shown.code == 7
    assert shown.json["error"]["code"] == "MODEL_HASH"


def test_a_training_case_is_recognised(home: Path, tmp_path: Path) -> None:
    shown = score(home, home / "cohort/phantom_0000", tmp_path / "out", "--json")
    assert "IN_TRAINING_SET" in {note["code"] for note in shown.json["warnings"]}


def test_the_same_image_under_two_patients_is_a_leak(home: Path, tmp_path: Path) -> None:
    features = tmp_path / "features"
    shutil.copytree(home / "features", features)
    path = features / "acquisition.json"
    protocol = json.loads(path.read_text())
    protocol["cases"]["phantom_0001"]["pre_t2"] = protocol["cases"]["phantom_0000"]["pre_t2"]
    path.write_text(json.dumps(protocol))
    shown = radresp(
        "train",
        features,
        "--outcomes",
        home / "cohort/outcomes.csv",
        "-o",
        tmp_path / "m",
        "--json",
    )
    assert (shown.code, shown.json["error"]["code"]) == (2, "LEAKAGE")
    assert "phantom_0000 and phantom_0001" in shown.json["error"]["found"]


@pytest.mark.parametrize("name", ["adc_bed", "dwi_bed"])
def test_a_bed_drawn_on_the_diffusion_images_is_used_there(
    home: Path, case: Path, tmp_path: Path, name: str
) -> None:
    dwi, _ = io.load_volumes(case / "post/dwi.nii.gz", Sequence.DWI)
    t2, _ = io.load_volumes(case / "post/t2.nii.gz", Sequence.T2)
    bed, _ = io.load_mask(case / "post/bed.nii.gz", Roi.BED, t2[0].grid)
    drawn = masks.grow(resample_mask(bed, dwi[0].grid), 4.0)
    io.save_mask(drawn, case / f"post/{name}.nii.gz")
    shown = score(home, case, tmp_path / "out", "--json")
    assert shown.code == 0, shown.out
    assert shown.json["qc"]["volume_ml"]["post.adc.bed"] == pytest.approx(drawn.volume_ml, rel=0.01)


# ---------------------------------------------------------------------------------- real DICOM


@pytest.fixture(scope="module")
def prostate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """A real case straight from its DICOM folders; the gland stands in for the tumour."""
    source = shared_data("prostatex_0001")
    table = tmp_path_factory.mktemp("real") / "cohort.csv"
    cells = {
        "case_id": "real_case",
        "pre_t2": "dicom/t2_tra",
        "post_t2": "dicom/t2_tra_repeat",
        "pre_dwi": "dicom/dwi_b50_400_800",
        "post_dwi": "dicom/dwi_b50_400_800",
        "pre_tumour": "masks/gland_AI_Bosma22b.nii.gz",
    }
    table.write_text(",".join(cells) + "\n" + ",".join(cells.values()) + "\n")
    return table, Path("--root"), source


def test_a_real_case_runs_to_the_end_and_says_it_is_no_rectum(
    home: Path, prostate: tuple[Path, ...], tmp_path: Path
) -> None:
    words = ("--model", home / "model", "-o", tmp_path / "out", "--json")
    shown = radresp("score", *prostate, *words)
    assert shown.code == 0, shown.out
    record = shown.json
    assert record["decision"] == "abstain"
    assert any("outside" in reason.lower() for reason in record["reasons"])
    assert "BODY_PART" in {note["code"] for note in record["warnings"]}
    assert record["qc"]["alignments"]["post.t2<-pre.t2"]["verdict"] != "failed"
    assert not record["qc"]["absent"]
    assert "ProstateX" not in (tmp_path / "out/score.json").read_text()
    assert "ProstateX" not in (tmp_path / "out/report.html").read_text()


@pytest.mark.slow
def test_real_features_are_finite(prostate: tuple[Path, ...], tmp_path: Path) -> None:
    shown = radresp("extract", *prostate, "-o", tmp_path / "out", "--json", "--progress", "none")
    assert shown.code == 0, shown.out
    table = io.load_features(tmp_path / "out/features.parquet")
    assert table.shape[0] == 1
    measured = table.columns.str.startswith("response.")
    assert np.isfinite(table.loc[:, ~measured].to_numpy()).mean() > 0.99
    # Nobody outlined lumen, wall or residual here; muscle is found.
    certain = ["bed_ml", "volume_reduction", "adc_ratio", "scar_fraction", "wall_thickness_max_mm"]
    assert np.isfinite(table[[f"response.{name}" for name in certain]].to_numpy()).all()


def test_real_registration_brings_the_gland_together(tmp_path: Path) -> None:
    source = shared_data("prostatex_0001")
    gland = source / "masks/gland_AI_Bosma22b.nii.gz"
    shown = radresp(
        "register", source / "dicom/t2_tra", source / "dicom/t2_tra_repeat",
        "-o", tmp_path / "out", "--fixed-mask", gland, "--json",
    )  # fmt: skip
    assert shown.code == 0, shown.out
    fixed = io.load_volumes(source / "dicom/t2_tra", Sequence.T2)[0][0]
    moving = io.load_volumes(source / "dicom/t2_tra_repeat", Sequence.T2)[0][0]
    mask = io.load_mask(gland, Roi.TUMOUR, fixed.grid)[0]
    moved = io.load_volumes(tmp_path / "out/moved.nii.gz", Sequence.T2)[0][0]
    at_start = resample_volume(moving, fixed.grid)
    assert correlation(fixed.values_in(mask), at_start.values_in(mask)) == pytest.approx(
        0.47, abs=0.01
    )
    assert correlation(fixed.values_in(mask), moved.values_in(mask)) >= 0.80


def test_real_adc_agrees_with_the_vendor() -> None:
    source = shared_data("prostatex_0001")
    dwi, _ = io.load_volumes(source / "dicom/dwi_b50_400_800", Sequence.DWI)
    fit = intensity.fit_adc(dwi)
    vendor, _ = intensity.adc_volume(io.load_adc_image(source / "dicom/adc")[0])
    t2 = io.load_volumes(source / "dicom/t2_tra", Sequence.T2)[0][0]
    gland = io.load_mask(source / "masks/gland_AI_Bosma22b.nii.gz", Roi.TUMOUR, t2.grid)[0]
    inside = resample_mask(gland, vendor.grid).array
    for where in (vendor.array > 0, inside & (vendor.array > 0) & ~fit.unreliable):
        ours, theirs = fit.adc.array[where], vendor.array[where]
        assert correlation(ours, theirs) > 0.998
        assert 0.9 < np.median(ours / theirs) < 1.1


def test_check_lists_what_a_careful_radiographer_sees(prostate: tuple[Path, ...]) -> None:
    shown = radresp("check", *prostate, "--json")
    assert shown.code == 0, shown.out
    codes = {finding["code"] for finding in shown.json["findings"]}
    assert codes >= {"PAIR_INTERVAL", "IMAGE_REUSED", "BODY_PART", "NO_B0", "COVERAGE"}
    assert not any("ProstateX" in json.dumps(finding) for finding in shown.json["findings"])


def test_series_tells_what_is_in_the_folder() -> None:
    shown = radresp("series", shared_data("prostatex_0001", "dicom"), "--json")
    found = {series["folder"]: series for series in shown.json["series"]}
    assert {name: series["kind"] for name, series in found.items()} == {
        "t2_tra": "t2",
        "t2_tra_repeat": "t2",
        "dwi_b50_400_800": "dwi",
        "dwi_calc_b": "calculated_b",
        "adc": "adc",
    }
    assert found["dwi_b50_400_800"]["b_values"] == {"50": 19, "400": 19, "800": 19}


# ---------------------------------------------------------------------------------------- network

CNN = """\
cnn: {patch: {size: [16, 16, 8], spacing_mm: [5.0, 5.0, 8.0]}, width: 4, levels: 2, epochs: 2,
      batch: 8, folds: 3, residual_map: true}
"""


@pytest.fixture(scope="module")
def network(home: Path) -> Path:
    """A tiny network of the same cohort, and a model that asks it."""
    pytest.importorskip("monai")
    pytest.importorskip("lightning")
    plan = home / "cnn.yaml"
    plan.write_text(PLAN + CNN)
    taught = radresp(
        "train-cnn", home / "cohort/cohort.csv", "--outcomes", home / "cohort/outcomes.csv",
        "-o", home / "cnn", "--plan", plan, "--device", "cpu", "--progress", "none",
    )  # fmt: skip
    assert taught.code == 0, taught.err
    trained = radresp(
        "train", home / "features", "--outcomes", home / "cohort/outcomes.csv", "--plan", plan,
        "--cnn", home / "cnn", "--fuse", "-o", home / "fused", "--progress", "none",
    )  # fmt: skip
    assert trained.code == 0, trained.err
    return home


@pytest.mark.slow
def test_a_network_is_judged_beside_the_features_and_asked_at_scoring(
    network: Path, tmp_path: Path
) -> None:
    found = json.loads((network / "fused/evaluation.json").read_text())
    assert {"imaging", "cnn", "fused"} <= set(found["fusion"])
    assert "fused - imaging" in found["fusion"]["differences"]
    manifest = json.loads((network / "fused/model.json").read_text())["manifest"]
    assert manifest["sources"] == ["cnn", "imaging"]
    assert {path.name for path in (network / "fused").iterdir()} >= {
        "cnn_weights.safetensors",
        "cnn_network.json",
        "classifier_fusion.json",
    }
    assert (network / "cnn/learning_curve.svg").exists()
    assert INTENDED_USE in (network / "cnn/evaluation.html").read_text()
    shown = radresp(
        "score", new_case(network), "--model", network / "fused", "-o", tmp_path / "a", "--json"
    )
    assert shown.code == 0, shown.err
    assert "CNN_MISSING" not in {note["code"] for note in shown.json["warnings"]}
    assert shown.json["decision"] != "abstain"
    assert 0 < shown.json["network"]["residual_fraction"] < 1
    assert (tmp_path / "a/residual_map.nii.gz").exists()
    assert "Network, residual tumour" in (tmp_path / "a/report.html").read_text()
    judged = radresp(
        "evaluate", network / "fused", network / "new/cohort.csv", "-o", tmp_path / "b",
        "--outcomes", network / "new/outcomes.csv", "--progress", "none", "--json",
    )  # fmt: skip
    assert judged.code == 0, judged.err
    assert judged.json["evaluation"]["cases"] == 2


@pytest.mark.slow
def test_a_finished_network_is_kept_and_a_damaged_one_refused(network: Path) -> None:
    words = (
        "train-cnn", network / "cohort/cohort.csv", "--outcomes", network / "cohort/outcomes.csv",
        "-o", network / "cnn", "--plan", network / "cnn.yaml", "--device", "cpu",
        "--progress", "none", "--json",
    )  # fmt: skip
    before = {
        name: data
        for name, data in tree(network / "cnn").items()
        if name.endswith((".safetensors", ".npz"))
    }
    assert radresp(*words).code == 0
    after = tree(network / "cnn")
    keys = {
        json.loads(p.read_text())["key"] for p in (network / "cnn/networks").glob("*/done.json")
    }
    assert len(keys) == 1
    assert {name for name, data in before.items() if after[name] != data} == set()
    (network / "cnn/scores.npz").write_bytes(b"not scores")
    shown = radresp(
        "train", network / "features", "--outcomes", network / "cohort/outcomes.csv",
        "--cnn", network / "cnn", "-o", network / "other", "--json", "--progress", "none",
    )  # fmt: skip
    assert (shown.code, shown.json["error"]["code"]) == (7, "MODEL_HASH")


@pytest.mark.slow
def test_without_torch_a_model_of_features_scores_and_another_says_what_to_install(
    network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radresp.cnn.installed.find_spec", lambda name: None)
    assert score(network, new_case(network), tmp_path / "plain").code == 0
    shown = radresp(
        "score", new_case(network), "--model", network / "fused", "-o", tmp_path / "x", "--json"
    )
    assert (shown.code, shown.json["error"]["code"]) == (7, "EXTRA_MISSING")
    assert "radresp[cnn]" in shown.json["error"]["action"]


@pytest.mark.slow
def test_the_networks_answer_is_traced_and_its_network_handed_on(
    network: Path, tmp_path: Path
) -> None:
    shown = radresp(
        "score", new_case(network), "--model", network / "fused", "-o", tmp_path / "a",
        "--explain", "grad_cam", "--json",
    )  # fmt: skip
    assert shown.code == 0, shown.err
    said = json.loads((tmp_path / "a/score.json").read_text())["explanation"]
    assert said["method"] == "grad_cam"
    maps = sorted(path.name for path in (tmp_path / "a").glob("explanation_*.nii.gz"))
    page = (tmp_path / "a/report.html").read_text()
    if said["hidden"]:  # a network of two epochs may well say nothing of its own
        assert maps == []
        assert "is not shown" in page
    else:
        assert maps == ["explanation_post.nii.gz", "explanation_pre.nii.gz"]
        assert "not where tumour is" in page
    plain = radresp(
        "score", new_case(network), "--model", network / "model", "-o", tmp_path / "b",
        "--explain", "grad_cam", "--json",
    )  # fmt: skip
    assert (plain.code, plain.json["error"]["code"]) == (7, "NO_NETWORK")
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    sent = radresp("export", network / "fused", "-o", tmp_path / "out", "--json")
    assert sent.code == 0, sent.err
    assert sent.json["onnx_difference"] <= 1e-4
    written = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*")}
    assert written >= {"network.onnx", "bundle/LICENSE", "bundle/configs/metadata.json"}
