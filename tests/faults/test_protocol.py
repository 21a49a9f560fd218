"""The fault protocol in short: the scripts of scripts/faults, each with a sample of its points.

The full runs and their figures are in docs/reliability.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts/faults"
SKIPPED = 77
"""Exit code of a script that may not do here what it has to, or lacks a compiler."""


def kept(script: str, work: Path, *words: str) -> dict[str, Any]:
    """Run a script; its figures, once every promise was kept."""
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / f"{script}.py"), "-o", str(work), "--json", *words],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    if done.returncode == SKIPPED:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def test_o03_o10_a_run_cut_short_or_failed_at_any_call_is_whole_and_goes_on(
    tmp_path: Path,
) -> None:
    found = kept("crash_points", tmp_path, "--sample", "2")["extract"]
    assert found["points"] > 100
    assert found["KILL"] == {"tried": 2, "exit -9": 2}


def test_o03_kills_at_random_times_lose_and_change_nothing(tmp_path: Path) -> None:
    found = kept("kills", tmp_path, "--kills", "3", "--cases", "5")
    assert (found["kills"], found["lost"], found["duplicated"]) == (3, 0, 0)


def test_o01_a_disk_that_fills_up_costs_no_finished_case(tmp_path: Path) -> None:
    words = ("--megabytes", "2", "--cases", "2", "--as", "output")
    found = kept("disk_full", tmp_path, *words)["output"]["2 MB"]
    assert found == {"exit": 6, "code": "DISK_FULL", "cases_before": 1}


def test_o05_of_many_starts_at_once_one_works(tmp_path: Path) -> None:
    found = kept("concurrency", tmp_path, "--starts", "6", "--cases", "15")
    assert (found["worked"], found["locked"]) == (1, 5)


def test_o17_a_cohort_with_a_spoilt_case_gives_the_codes_and_bytes_of_its_cases_alone(
    tmp_path: Path,
) -> None:
    small = ("--tiny", "--cases", "4", "--faulty", "0.25", "--compare", "2", "--speedup", "0")
    found = kept("soak", tmp_path, "--workers", "0", *small)
    assert (found["cases"], found["compared"]) == (4, 2)


@pytest.mark.slow
def test_o13_files_that_ask_for_gigabytes_are_refused_under_a_ceiling(tmp_path: Path) -> None:
    kept("memory_ceiling", tmp_path, "--gigabytes", "1", "--workers", "0")
