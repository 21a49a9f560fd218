"""The run record: everything needed to repeat a run, nothing that names a person or a machine."""

from __future__ import annotations

import getpass
import hashlib
import importlib.metadata
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import radresp
from radresp.errors import InputError
from radresp.io import record
from radresp.io.record import RunRecord, sha256_of, versions, without_places
from radresp.notice import INTENDED_USE


def test_versions_are_those_installed_and_nothing_is_imported() -> None:
    found = versions()
    assert found["radresp"] == radresp.__version__
    for name in ("numpy", "SimpleITK", "pyradiomics-bhklab", "nibabel", "pydicom", "scikit-learn"):
        assert found[name] == importlib.metadata.version(name)
    program = (
        "import sys; from radresp.io.record import versions; before = set(sys.modules); versions();"
        "print({'sklearn', 'torch', 'radiomics', 'skops', 'pyarrow'} & (set(sys.modules) - before))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert shown.stdout.strip() == "set()", shown.stderr


def test_a_library_that_is_absent_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "monai":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    record._versions.cache_clear()
    try:
        assert "monai" not in versions()
    finally:
        record._versions.cache_clear()


def test_a_record_says_what_was_read_and_written(tmp_path: Path) -> None:
    root, out = tmp_path / "data", tmp_path / "out"
    (root / "p1").mkdir(parents=True)
    out.mkdir()
    (root / "p1" / "t2.nii").write_bytes(b"image")
    (out / "score.json").write_bytes(b"score")
    record = RunRecord.start(
        ["radresp", "score", str(root / "p1"), "-o", str(out)], root=root, folder=out, seed=3
    )
    record.add_input(root / "p1" / "t2.nii")
    record.add_output(out / "score.json")
    path = record.finish(0, "finished")
    written = json.loads(path.read_text())
    assert path == out / "run.json"
    assert written["command"] == ["radresp", "score", "p1", "-o", "out"]
    digest = hashlib.sha256(b"image").hexdigest()
    assert written["inputs"] == [{"path": "p1/t2.nii", "sha256": digest}]
    assert [entry["path"] for entry in written["outputs"]] == ["score.json"]
    assert (written["seed"], written["exit_code"], written["status"]) == (3, 0, "finished")
    assert written["intended_use"] == INTENDED_USE
    assert written["runtime_seconds"] >= 0


def test_no_place_person_or_machine_gets_into_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "canary-folder" / "data"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "elsewhere.csv").write_text("x")
    monkeypatch.chdir(root / "sub")
    words = ["score", str(root / "sub"), "../../elsewhere.csv", f"--plan={tmp_path}/plan.yaml"]
    words += ["--scheduler", f"tcp://{socket.gethostname()}:8786", "~canary-user/x"]
    record = RunRecord.start(words, root=root, folder=root / "sub")
    record.add_input(tmp_path / "elsewhere.csv")
    record.add_input(Path("../../../elsewhere.csv"))
    text = record.finish(0, "finished").read_text()
    for canary in (str(tmp_path), "canary-folder", "canary-user", "..", socket.gethostname()):
        assert canary not in text.replace("tcp://...", ""), canary
    if getpass.getuser() != "root":
        assert getpass.getuser() not in text


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("case-1", "case-1"),
        ("sub/case-1", "sub/case-1"),
        ("/data/case-1", "case-1"),
        ("/data/a/b", "a/b"),
        ("/home/someone/x.csv", "x.csv"),
        ("--input=/home/someone/x.csv", "--input=x.csv"),
        ("--set=a.b=1", "--set=a.b=1"),
        ("../someone/x.csv", "x.csv"),
        ("https://host/path", "https://..."),
        ("-0.5", "-0.5"),
    ],
)
def test_words_of_the_command_lose_their_places(word: str, shown: str) -> None:
    assert without_places(word, Path("/data")) == shown


def test_a_folder_digest_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    for name, order in (("one", ("a", "b")), ("two", ("b", "a"))):
        for part in order:
            (tmp_path / name / part).parent.mkdir(exist_ok=True)
            (tmp_path / name / part).write_text(part)
    os.utime(tmp_path / "two" / "a", (0, 0))
    first = sha256_of(tmp_path / "one")
    assert sha256_of(tmp_path / "two") == first
    (tmp_path / "two" / "a").rename(tmp_path / "two" / "c")
    assert sha256_of(tmp_path / "two") != first
    (tmp_path / "two" / "c").rename(tmp_path / "two" / "a")
    (tmp_path / "two" / "a").write_text("changed")
    assert sha256_of(tmp_path / "two") != first


def test_missing_files_and_pipes_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, code in (("none", "MISSING_FILE"), ("pipe", "NOT_A_FILE")):
        with pytest.raises(InputError) as caught:
            sha256_of(tmp_path / name)
        assert caught.value.code == code


def test_a_run_names_every_package_it_rests_on_and_none_of_the_tests(tmp_path: Path) -> None:
    run = RunRecord.start(["extract"], root=tmp_path, folder=tmp_path)
    parts = {part["name"].lower(): part for part in run.record(0, "finished")["soup"]}
    assert {"radresp", "numpy", "simpleitk", "distributed", "tornado"} <= set(parts)
    assert not {"pytest", "hypothesis", "ruff", "sphinx"} & set(parts)
    assert parts["numpy"]["version"] == versions()["numpy"]
    assert "BSD" in parts["numpy"]["licence"]
