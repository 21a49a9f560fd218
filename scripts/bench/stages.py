"""Seconds of every stage of one synthetic case, and of start-up: medians of several runs.

    python scripts/bench/stages.py [--runs 5]

One thread, so that figures compare between machines with other numbers of cores.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import SimpleITK as sitk

from radresp import io
from radresp.pipeline import extract_case, load_case, make_phantom_cohort, parse_plan, prepare_case

START_UP = {
    "import radresp": "import radresp",
    "radresp --help": "import sys; sys.argv = ['radresp', '--help']\n"
    "from radresp.cli import main; main()",
}


def main() -> None:
    """Print one line a stage."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=5)
    runs = arguments.parse_args().runs
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    for name, code in START_UP.items():
        show(name, runs, lambda code=code: run_python(code))
    with tempfile.TemporaryDirectory() as name:
        folder, plan = Path(name), parse_plan()
        make_phantom_cohort(folder, 1, 7)
        files = io.load_cohort(folder / "cohort.csv").cases[0]
        case = load_case(files, plan)
        prepared = prepare_case(case, plan)
        show("synthetic patient", 3, lambda: make_phantom_cohort(folder / "again", 1, 7))
        show("read a case", runs, lambda: load_case(files, plan))
        show("prepare a case", runs, lambda: prepare_case(case, plan))
        show("extract a case", runs, lambda: extract_case(prepared, plan))
        for step in prepared.trail:
            if step.seconds > 0.05:
                print(f"    {step.room}.{step.method:20s} {step.seconds:7.3f} s (once)")


def show(name: str, runs: int, task: Callable[[], object]) -> None:
    """Time a task several times and print its median."""
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        task()
        seconds.append(time.perf_counter() - start)
    print(f"{name:24s} {median(seconds):7.3f} s  ({min(seconds):.3f} to {max(seconds):.3f})")


def run_python(code: str) -> None:
    """Run code in a fresh interpreter."""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
