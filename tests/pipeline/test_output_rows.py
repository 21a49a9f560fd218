"""Rows of the fault catalogue on output, interruption and concurrency (O), as a user meets them.

What costs a process or a file system more is in tests/faults, and in full in scripts/faults.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from builders_tiny import make_tiny, save_plan, save_table
from commands import Shown, radresp, tree

from radresp import io
from radresp.cli import app
from radresp.io import atomic
from radresp.pipeline import batch, cohort

INFORMATIVE = {"run.json", "status.jsonl", "events.jsonl"}
CASES = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of three sound cases, with a plan beside its folder."""
    folder = tmp_path_factory.mktemp("rows")
    save_plan(folder)
    return make_tiny(folder / "data", CASES)


def words(table: Path, out: Path, *more: str) -> list[str]:
    plan = table.parents[1] / "plan.yaml"
    here = () if "--workers" in more else ("--workers", "0")
    return ["extract", *map(str, (table, "-o", out, "--plan", plan)), *here, *more]


def extract(table: Path, out: Path, *more: str) -> Shown:
    return radresp(*words(table, out, "--progress", "none", *more))


def results(folder: Path) -> dict[str, bytes]:
    """All files but those that hold times or the history of runs."""
    return {name: data for name, data in tree(folder).items() if name not in INFORMATIVE}


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an undisturbed run leaves."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert extract(data, out).code == 0
    return results(out)


def in_a_fork(work: Callable[[], int]) -> int:
    """Start work in a child, which ends with the code it gives; gives the process id."""
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            code = work()
        finally:
            os._exit(code)
    return pid


def command(arguments: list[str]) -> int:
    try:
        app(arguments)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def exit_of(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "DISK_FULL"), (errno.EIO, "WRITE_FAILED")],
    ids=["o01", "o10"],
)
def test_o01_o10_a_failing_device_stops_the_run_and_costs_no_earlier_case(
    data: Path,
    whole: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    code: str,
) -> None:
    sync, out = os.fsync, tmp_path / "out"

    def failing(handle: int) -> None:
        if "c001.json" in Path(f"/proc/self/fd/{handle}").readlink().name:
            raise OSError(number, os.strerror(number))
        sync(handle)

    monkeypatch.setattr(os, "fsync", failing)
    shown = extract(data, out, "--json")
    monkeypatch.undo()
    error = shown.json["error"]
    assert (shown.code, error["code"]) == (6, code)
    assert error["file"] == "cases/extract/c001.json"
    assert "bytes) cannot be written" in error["found"]
    assert error["action"]
    assert results(out).items() <= whole.items()
    assert "cases/extract/c000.json" in results(out)
    assert extract(data, out).code == 0
    assert results(out) == whole


def test_o02_an_output_that_cannot_be_written_is_refused_before_any_work(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def never(*anything: object) -> None:
        raise AssertionError("a case was read")

    monkeypatch.setattr(atomic, "_create", refused)
    monkeypatch.setattr(cohort, "load_case", never)
    shown = extract(data, tmp_path / "out", "--json")
    assert (shown.code, shown.json["error"]["code"]) == (6, "OUTPUT_READONLY")


def test_o03_o04_a_killed_run_leaves_whole_files_and_the_next_clears_and_finishes(
    data: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"

    def killed_in_mid_write() -> int:
        def halfway(temp: Path) -> None:
            if "c001" in temp.name and temp.stat().st_size:
                os.truncate(temp, 100)
                os.kill(os.getpid(), signal.SIGKILL)

        atomic._sync = halfway
        return command(words(data, out))

    assert exit_of(in_a_fork(killed_in_mid_write)) == -signal.SIGKILL
    left = results(out)
    halves = {name for name in left if Path(name).name.startswith(".c001.json")}
    assert len(halves) == 1
    assert {name: left[name] for name in left.keys() - halves}.items() <= whole.items()
    assert extract(data, out).code == 0
    assert results(out) == whole


def test_o05_the_second_of_two_runs_is_told_who_holds_the_folder(
    data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ready, told = os.pipe()

    def hold() -> int:
        with io.lock(out):
            os.write(told, b"x")
            time.sleep(60)
        return 0

    pid = in_a_fork(hold)
    try:
        assert os.read(ready, 1) == b"x"
        shown = extract(data, out, "--json")
        error = shown.json["error"]
        assert (shown.code, error["code"]) == (6, "LOCKED")
        assert f"process {pid} on {os.uname().nodename} since 20" in error["found"]
        assert not results(out)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert extract(data, out).code == 0


def test_o08_a_refused_case_is_worked_on_again_once_it_is_repaired(
    data: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    table, out = make_tiny(tmp_path / "data", CASES), tmp_path / "out"
    save_plan(tmp_path)
    mask = table.parent / "c001_mask.nii.gz"
    content = mask.read_bytes()
    mask.write_bytes(content[:-20])
    shown = extract(table, out, "--json")
    assert (shown.code, shown.json["refused"]) == (4, {"c001": "NII_TRUNCATED"})
    assert b"c001" not in (out / "features.csv").read_bytes()
    mask.write_bytes(content)
    shown = extract(table, out, "--json")
    assert shown.code == 0
    assert shown.json["kept"] == 2
    assert results(out) == whole


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_o11_a_request_to_stop_is_heard_soon_and_the_run_can_be_resumed(
    data: Path, whole: dict[str, bytes], tmp_path: Path, number: int, code: int
) -> None:
    out = tmp_path / "out"

    def slow_second_case() -> int:
        load = cohort.load_case

        def slow(files: object, plan: object) -> object:
            if getattr(files, "case_id", "") == "c001":
                time.sleep(60)
            return load(files, plan)  # type: ignore[arg-type]

        cohort.load_case = slow  # type: ignore[assignment]
        return command(words(data, out))

    pid = in_a_fork(slow_second_case)
    while not (out / "cases/extract/c000.json").exists():
        time.sleep(0.01)
    time.sleep(0.05)
    asked = time.monotonic()
    os.kill(pid, number)
    assert exit_of(pid) == code
    assert time.monotonic() - asked < 5
    assert results(out).items() <= whole.items()
    assert extract(data, out).code == 0
    assert results(out) == whole


def test_o12_a_clock_that_runs_backwards_in_another_zone_changes_no_result(
    data: Path, whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Backwards(datetime):
        turns = 0

        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            cls.turns += 1
            return datetime(1999, 12, 31, tzinfo=UTC) - timedelta(days=cls.turns)

    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    for module in (atomic, batch):
        monkeypatch.setattr(module, "datetime", Backwards)
    table = save_table(data.parent, data.read_text().splitlines())
    assert extract(table, tmp_path / "out").code == 0
    monkeypatch.undo()
    time.tzset()
    assert Backwards.turns > CASES
    assert results(tmp_path / "out") == whole


@pytest.mark.parametrize("free", range(3))
def test_o15_a_shortage_of_open_files_is_told_and_costs_no_result(
    data: Path, whole: dict[str, bytes], tmp_path: Path, free: int
) -> None:
    out, said = tmp_path / "out", tmp_path / "said"

    def with_few_files() -> int:
        sys.stderr = said.open("w", buffering=1)
        most = 1 + max(int(path.name) for path in Path("/proc/self/fd").iterdir())
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        taken = []
        try:
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            for handle in taken[:free]:
                os.close(handle)
        return command(words(data, out))

    code = exit_of(in_a_fork(with_few_files))
    assert code == (2, 6, 0)[free]
    assert "Traceback" not in said.read_text()
    assert ("Too many open files" in said.read_text()) == (code != 0)
    assert results(out).items() <= whole.items()
    assert extract(data, out).code == 0
    assert results(out) == whole


def test_o16_a_reader_that_leaves_gets_no_traceback() -> None:
    run = "from radresp.cli import main; main()"
    program = f"{sys.executable} -c '{run}' methods --json | head -c 5; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 141)
    assert done.stderr == ""


def test_o17_the_order_of_rows_changes_no_byte(
    data: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    head, *rows = data.read_text().splitlines()
    turned = data.with_name("turned.csv")
    turned.write_text("\n".join([head, *reversed(rows)]) + "\n")
    assert extract(turned, tmp_path / "out").code == 0
    assert results(tmp_path / "out") == whole


def test_o17_two_workers_leave_the_bytes_of_one_process(
    data: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    assert extract(data, tmp_path / "out", "--workers", "2").code == 0
    assert results(tmp_path / "out") == whole
