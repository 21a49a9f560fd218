"""The batch engine with tasks of its own: crashes, interrupts, locks, places to write."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from radresp import io
from radresp.core import CaseFiles, Trail
from radresp.errors import CohortError, InputError, OutputError, PlanError
from radresp.pipeline import cohort, interrupt
from radresp.pipeline.case_work import Job, Place, work_on
from radresp.pipeline.plan import Plan, parse_plan


def files_of(*names: str) -> list[CaseFiles]:
    return [CaseFiles(name, name, Path("/nowhere"), {}) for name in names]


def test_a_stop_that_a_library_swallowed_drops_the_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupt, "_requests", [signal.SIGINT])

    def swallows_one(files: CaseFiles, plan: Plan, place: Place) -> Trail:
        raise InputError("REGISTRATION_FAILED", "a callback raised")

    job = Job("swallows", swallows_one)
    with pytest.raises(KeyboardInterrupt):
        work_on(job, files_of("a")[0], parse_plan(), Place(Path(), Path()))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_ends_soon_and_can_be_resumed(
    tmp_path: Path, number: int, code: int
) -> None:
    run = subprocess.Popen(
        [
            sys.executable, "-c", "from radresp.cli import main; main()",
            "phantom", "-o", str(tmp_path / "out"), "--cases", "200", "--fast",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not any(tmp_path.rglob("t2.nii.gz")) and time.monotonic() < deadline:
        time.sleep(0.05)
    start = time.monotonic()
    run.send_signal(number)
    _, said = run.communicate(timeout=30)
    assert time.monotonic() - start < 5
    assert run.returncode == code
    assert "resume" in said
    assert "Traceback" not in said
    whole = [io.load_images(path) for path in (tmp_path / "out").rglob("t2.nii.gz")]
    assert whole


def test_a_locked_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    code = (
        "import sys, time; from pathlib import Path; from radresp import io\n"
        f"with io.lock(Path({str(folder)!r})):\n    print('held', flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(OutputError) as caught:
            cohort.extract_cohort(files_of("a"), parse_plan(), folder)
        assert caught.value.code == "LOCKED"
        assert [path.name for path in folder.iterdir()] == [".radresp.lock"]
    finally:
        holder.kill()
        holder.communicate()


def test_results_never_land_among_the_inputs(tmp_path: Path) -> None:
    files = CaseFiles("a", "a", tmp_path, {})
    with pytest.raises(PlanError) as caught:
        cohort.extract_cohort([files], parse_plan(), tmp_path)
    assert caught.value.code == "OUTPUT_IS_INPUT"
    assert not list(tmp_path.iterdir())


def test_an_empty_cohort_is_nothing_to_do(tmp_path: Path) -> None:
    with pytest.raises(CohortError) as caught:
        cohort.extract_cohort([], parse_plan(), tmp_path / "out")
    assert caught.value.code == "NO_CASES"
    assert not (tmp_path / "out").exists()


def test_a_cohort_of_refusals_ends_with_none_usable(tmp_path: Path) -> None:
    result = cohort.extract_cohort(files_of("a", "b"), parse_plan(), tmp_path / "out")
    assert result.exit_code == 5
    assert result.describe()["refused"] == {"a": "MISSING_INPUT", "b": "MISSING_INPUT"}
    records = io.StatusLog(tmp_path / "out/status.jsonl").read()
    assert [(r["case"], r["severity"]) for r in records] == [("a", "refused"), ("b", "refused")]
