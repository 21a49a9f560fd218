"""Where a batch stands, by its logs and its lock, while it runs and afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from commands import radresp

from radresp import io
from radresp.errors import InputError
from radresp.pipeline.run_state import run_status


def log(folder: Path, *events: dict[str, Any]) -> None:
    log = io.StatusLog(folder / "events.jsonl")
    for i, event in enumerate(events):
        log.append({"time": f"2026-01-01T10:{i:02d}:00+00:00", "stage": "extract", **event})


def end(folder: Path, case: str, code: str = "OK") -> None:
    io.StatusLog(folder / "status.jsonl").append({"stage": "extract", "case": case, "code": code})


def half_way(folder: Path) -> None:
    """Of five cases one finished, one refused, one begun."""
    log(
        folder,
        {"event": "run", "cases": 5, "part": 1, "parts": 1},
        {"event": "todo", "kept": 0, "todo": 5},
        {"event": "begun", "case": "a"},
        {"event": "case", "case": "a", "code": "OK", "seconds": 60.0},
        {"event": "begun", "case": "b"},
        {"event": "case", "case": "b", "code": "MASK_EMPTY", "seconds": 2.0},
        {"event": "begun", "case": "c"},
    )
    end(folder, "a")
    end(folder, "b", "MASK_EMPTY")


@contextmanager
def held(folder: Path) -> Iterator[int]:
    code = (
        "import time; from pathlib import Path; from radresp import io\n"
        f"with io.lock(Path({str(folder)!r})):\n    print('held', flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield holder.pid
    finally:
        holder.kill()
        holder.communicate()


def test_a_run_on_its_way_shows_what_is_done_at_work_and_left(tmp_path: Path) -> None:
    half_way(tmp_path)
    with held(tmp_path) as pid:
        found = run_status(tmp_path)
        shown = radresp("status", tmp_path)
    assert found["running"]["pid"] == pid
    (stage,) = found["stages"]
    assert stage["finished"] == 1
    assert stage["refused"] == {"MASK_EMPTY": 1}
    assert stage["open"] == 3
    assert stage["in_work"] == ["c"]
    # Two cases in six minutes, three to go.
    assert stage["cases_an_hour"] == 20
    assert stage["seconds_left"] == 540
    assert stage["seconds_a_case"] == {"median": 31.0, "p95": 60.0, "max": 60.0}
    assert shown.code == 0
    assert f"process {pid}" in shown.out
    assert "at work: c" in shown.out
    assert "about 9 min left" in shown.out


def test_a_run_that_was_killed_is_not_running(tmp_path: Path) -> None:
    half_way(tmp_path)
    with held(tmp_path):
        pass
    found = run_status(tmp_path)
    assert found["running"] is None
    assert found["stages"][0]["in_work"] == []
    assert found["stages"][0]["open"] == 3
    assert "nothing is running here" in radresp("status", tmp_path).out


def test_a_case_counts_by_how_it_ended_last(tmp_path: Path) -> None:
    half_way(tmp_path)
    end(tmp_path, "b")
    (stage,) = run_status(tmp_path)["stages"]
    assert (stage["finished"], stage["refused"]) == (2, {})


def test_parts_beside_each_other_are_one_stage(tmp_path: Path) -> None:
    log(
        tmp_path,
        {"event": "run", "cases": 4, "part": 1, "parts": 2},
        {"event": "begun", "case": "a"},
        {"event": "run", "cases": 4, "part": 2, "parts": 2},
        {"event": "begun", "case": "b"},
    )
    with held(tmp_path):
        (stage,) = run_status(tmp_path)["stages"]
    assert stage["in_work"] == ["a", "b"]
    assert stage["open"] == 4


def test_looking_does_not_lock_anybody_out(tmp_path: Path) -> None:
    half_way(tmp_path)
    assert io.lock_holder(tmp_path) is None
    with io.lock(tmp_path):
        assert io.lock_holder(tmp_path)
    with io.lock(tmp_path, shared=True), io.lock(tmp_path, shared=True):
        assert io.lock_holder(tmp_path) is not None


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        run_status(tmp_path)
    assert caught.value.code == "NOT_A_RUN"
    assert radresp("status", tmp_path).code == 3


def test_the_machine_readable_status_is_the_same(tmp_path: Path) -> None:
    half_way(tmp_path)
    shown = radresp("status", tmp_path, "--json")
    found = json.loads(shown.out)
    assert {name: found[name] for name in ("running", "stages")} == run_status(tmp_path)
