"""The privacy rows of the fault catalogue (H): marked patient data reaches no output.

Sixty attributes, sequences, private elements, a NIfTI header, exceptions, folder and file names
hold marks. Every byte of everything the commands write or print is searched, also inside gzip and
zip. Paths may stand in the working papers that address the data, and only there.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
from builders import make_mask
from builders_canary import CANARY, DAYS, PLACE, TEXTS, find_marks, mark
from builders_dicom import FAULTS, make_series, write_series
from builders_dicom_results import make_change, make_findings
from builders_study import series
from commands import radresp

from radresp import io
from radresp.core import RegionKey, Roi, Sequence, Timepoint
from radresp.io import dicom_folder, images, nifti

PLAN = 'regions: ["pre.t2.tumour"]\n'


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two visits of DICOM below folders named after a person."""
    folder = tmp_path_factory.mktemp("privacy") / PLACE / "case_1"
    for visit, day in zip(("pre", "post"), DAYS, strict=True):
        for kind in ("t2", "dwi"):
            write_series(folder / visit / kind, mark(make_series(kind), day))
    image = io.load_volumes(folder / "pre/t2", Sequence.T2)[0][0]
    inside = np.zeros(image.array.shape, np.uint8)
    z, y, x = (n // 4 for n in inside.shape)
    inside[z : z + max(3, 2 * z), y : 3 * y, x : 3 * x] = 1
    stored = nib.Nifti1Image(inside.T, np.diag([-1, -1, 1, 1]) @ image.grid.affine)
    stored.header["descrip"] = CANARY.encode()
    stored.header["aux_file"] = CANARY.encode()
    stored.header.extensions.append(nib.nifti1.Nifti1Extension("comment", CANARY.encode()))
    nib.save(stored, folder / "pre/tumour.nii.gz")
    return folder


def test_sixty_attributes_are_marked() -> None:
    assert len(TEXTS) >= 60


def run_all(words: list[tuple[str | Path, ...]]) -> None:
    """Run commands, with text and as JSON, and search what they print."""
    for command in words:
        for more in ((), ("--json",)):
            shown = radresp(*command, *more)
            assert find_marks(shown.out, shown.err) == [], command
            assert shown.code in (0, 3, 4, 5), (command, shown.err)


def test_h01_no_output_of_any_command_holds_a_patient_attribute(case: Path, tmp_path: Path) -> None:
    run_all(
        [
            ("series", case),
            ("check", case, "--csv", tmp_path / "findings.csv"),
            ("extract", case, "-o", tmp_path / "features"),
            ("prepare", case, "-o", tmp_path / "prepared"),
            ("register", case / "post/t2", case / "pre/t2", "-o", tmp_path / "registered"),
            ("features", case / "pre/t2", case / "pre/tumour.nii.gz", "--region", "pre.t2.tumour"),
        ]
    )
    assert find_marks(tmp_path) == []
    assert (tmp_path / "features/status.jsonl").exists()
    assert any((tmp_path / "prepared").rglob("*.nii.gz"))


def test_h01_h02_an_index_names_nobody(tmp_path: Path) -> None:
    """Paths stand in the table and its log alone; everything else is free of any mark."""
    root = tmp_path / "data"
    for visit, day in zip(("a", "b"), DAYS, strict=True):
        for number, kind in enumerate(("t2", "dwi", "adc"), start=1):
            made = mark(series(kind, CANARY, 0, number), day)
            for dataset in made:  # the fat-saturation rule reads descriptions: give it one
                dataset.SeriesDescription = f"{CANARY} tra"
            write_series(root / PLACE / visit / kind, made)
    FAULTS["nested sequences"].write(root / PLACE / "broken")
    out = tmp_path / "out"
    treatment = tmp_path / "treatment.csv"
    treatment.write_text(f"patient_id,treatment_start\n{CANARY},2024-02-01\n")
    run_all([("index", root, "-o", out / "cohort.csv", "--treatment", treatment)])
    assert find_marks(out) == []
    table = (out / "cohort.csv").read_text()
    assert PLACE in table
    assert re.search(r"^rr-[0-9a-f]{16},", table, re.MULTILINE)
    assert {path.name for path in (out / ".radresp").iterdir()} >= {
        "pseudonym.key",
        "index_cache.json",
        "run.json",
    }
    cache = json.dumps(io.read_json(out / ".radresp/index_cache.json"))
    assert all(word not in cache for word in (PLACE, CANARY, *DAYS))
    # Keyed hashes are other digits in every run, 2024 now and then among them.
    assert "2024" not in re.sub(r'"[0-9a-f]{64}"', "", cache)


@pytest.mark.filterwarnings("error")  # a warning could quote a name
@pytest.mark.parametrize("keep", [False, True])
def test_h01_dicom_results_copy_what_they_have_to_and_only_when_asked(
    case: Path, tmp_path: Path, keep: bool
) -> None:
    sources, masks = {}, {}
    for visit, roi in ((Timepoint.PRE, Roi.TUMOUR), (Timepoint.POST, Roi.BED)):
        for sequence, kind in ((Sequence.T2, "t2"), (Sequence.ADC, "dwi")):
            found = io.read_sources(case / visit / kind, identity=keep)
            sources[visit, sequence] = found
            masks[RegionKey(visit, sequence, roi)] = make_mask(found.grid, roi)
    change = make_change(sources[Timepoint.POST, Sequence.ADC].grid)
    regions = {key: (io.Number(io.dicom_codes.volume(), m.volume_ml),) for key, m in masks.items()}
    results = io.Results("case_1", sources, masks, change, make_findings(regions=regions))
    paths = io.save_dicom_results(results, tmp_path / "out")
    assert len(paths) == 6
    assert (find_marks(tmp_path / "out") == []) is not keep
    for path in paths:
        made = pydicom.dcmread(path)
        for keyword in (*io.IDENTITY, "ContentDate"):
            setattr(made, keyword, "")
        made.save_as(path)
    assert find_marks(tmp_path / "out") == []


def raising(*_: object, **__: object) -> None:
    raise RuntimeError(f"cannot decode {CANARY}^JOHN born 19510203 in /data/{PLACE}/x.dcm")


@pytest.mark.parametrize(
    ("module", "name"),
    [(nifti, "_header_and_data"), (images, "check_not_constant"), (dicom_folder, "read_headers")],
)
def test_h03_no_message_forwards_the_text_of_an_exception(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, name: str
) -> None:
    """A fault nobody foresaw becomes a place in the code, in the terminal and in crash.json."""
    nib.save(nib.Nifti1Image(np.ones((9, 9, 9), np.float32), np.eye(4)), tmp_path / "t2.nii")
    (tmp_path / "cohort.csv").write_text("case_id,pre_t2\na,t2.nii\n")
    (tmp_path / "plan.yaml").write_text(PLAN)
    monkeypatch.setattr(module, name, raising)
    target = tmp_path / "out"
    target.mkdir()
    words = (
        ("check", tmp_path / "cohort.csv", "--plan", tmp_path / "plan.yaml"),
        ("extract", tmp_path / "cohort.csv", "--plan", tmp_path / "plan.yaml", "-o", target),
        ("series", case),
    )
    for command in words:
        for more in ((), ("--json",)):
            shown = radresp(*command, *more)
            assert find_marks(shown.out, shown.err) == [], command
            assert PLACE not in shown.out + shown.err or command[0] == "series"
    assert find_marks(target) == []


def test_h03_no_refusal_quotes_a_header(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    slices = mark(make_series("t2"), DAYS[0])
    slices[1].PatientID = f"{CANARY}2"
    write_series(broken / "pre/t2", slices)
    write_series(broken / "post/t2", slices[:-2])
    for words in (("check", broken), ("extract", broken, "-o", tmp_path / "out")):
        shown = radresp(*words)
        assert shown.code != 0
        assert find_marks(shown.out, shown.err) == []


def test_h04_ids_that_look_like_a_person_are_warned_of(tmp_path: Path) -> None:
    names = ("12345678", "2021-03-04", "John_Smith", "case-1", "rr-0123456789012345")
    rows = "".join(f"{name},absent.nii\n" for name in names)
    (tmp_path / "cohort.csv").write_text(f"case_id,pre_t2\n{rows}")
    shown = radresp("check", tmp_path / "cohort.csv", "--json")
    found = [f for f in shown.json["findings"] if f["code"] == "CASE_ID_LOOKS_LIKE_PHI"]
    assert [f["severity"] for f in found] == ["warning"] * 3
    assert all(name not in f["found"] for name in names for f in found)


@pytest.mark.parametrize("name", ["burned in", "overlay", "secondary capture"])
def test_h06_pictures_with_text_burned_in_are_refused(tmp_path: Path, name: str) -> None:
    FAULTS[name].write(tmp_path / "t2")
    (tmp_path / "cohort.csv").write_text("case_id,pre_t2\na,t2\n")
    (tmp_path / "plan.yaml").write_text(PLAN)
    shown = radresp(
        "check", tmp_path / "cohort.csv", "--plan", tmp_path / "plan.yaml", "--json"
    )  # fmt: skip
    assert (shown.code, shown.json["findings"][0]["code"]) == (5, "DCM_BURNED_IN")


def test_h07_no_command_opens_a_connection(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "sendto", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for words in (("series", case), ("check", case), ("methods",)):
        assert radresp(*words).code in (0, 3, 4, 5)
    imports = re.compile(r"^\s*(import|from)\s+(urllib|http|requests|ftplib|smtplib|ssl)\b", re.M)
    package = Path(io.__file__).parents[1]
    assert [p.name for p in package.rglob("*.py") if imports.search(p.read_text())] == []


def test_h08_outputs_follow_the_umask_and_keys_are_private(case: Path, tmp_path: Path) -> None:
    """Who shares the machine sets umask 077 (threat-model.md); key and cache never wait for it."""
    out = tmp_path / "out"
    code = "import os, sys; os.umask(0o077); from radresp.cli import main; main()"
    words = ["extract", str(case), "-o", str(out), "--progress", "none"]
    subprocess.run([sys.executable, "-c", code, *words], capture_output=True, check=False)
    modes = {path.stat().st_mode & 0o077 for path in [out, *out.rglob("*")]}
    assert modes == {0}
    before = os.umask(0)
    try:
        io.load_key(tmp_path / "work")
    finally:
        os.umask(before)
    assert (tmp_path / "work/pseudonym.key").stat().st_mode & 0o777 == 0o600
