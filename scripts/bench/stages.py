"""Seconds of every stage of one synthetic case, and of start-up: medians of several runs.

    python scripts/bench/stages.py [--runs 5] [--full-size] [--plan PLAN]

One thread, so that figures compare between machines with other numbers of cores. ``--full-size``
times one case of two visits, T2 of 320 x 320 x 40 voxels of 0.6 x 0.6 x 3 mm and DWI, from disk to
regions on two threads instead.
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

import numpy as np
import SimpleITK as sitk

from radresp import io
from radresp.core import CaseFiles, Grid, Mask, Roi, Sequence, Step, Volume
from radresp.pipeline import (
    extract_case,
    load_case,
    load_plan,
    make_phantom_cohort,
    parse_plan,
    phantom_settings,
    prepare_case,
)
from radresp.pipeline.plan import Plan

SLICES = 40

START_UP = {
    "import radresp": "import radresp",
    "radresp --help": "import sys; sys.argv = ['radresp', '--help']\n"
    "from radresp.cli import main; main()",
}


def main() -> None:
    """Print one line a stage."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=5)
    arguments.add_argument("--full-size", action="store_true")
    arguments.add_argument("--plan", type=Path)
    asked = arguments.parse_args()
    runs = asked.runs
    if asked.full_size:
        full_size(runs, load_plan(asked.plan) if asked.plan else parse_plan())
        return
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


def full_size(runs: int, plan: Plan) -> None:
    """Time one full-size case from disk to regions, stage by stage."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_phantom_cohort(folder, 1, 7, settings=phantom_settings(scanners=["reference_3t"]))
        files = io.load_cohort(folder / "cohort.csv").cases[0]
        lengthen(files)
        timed: dict[str, list[float]] = {}
        for _ in range(runs):
            for stage, seconds in stages(files, plan).items():
                timed.setdefault(stage, []).append(seconds)
    for stage, seconds in timed.items():
        print(f"{stage:32s} {median(seconds):7.2f} s  ({min(seconds):.2f} to {max(seconds):.2f})")


def stages(files: CaseFiles, plan: Plan) -> dict[str, float]:
    """Seconds of each kind of step of one case; what no step accounts for stands under other."""
    started, worked = time.perf_counter(), time.process_time()
    case = load_case(files, plan)
    read = time.perf_counter() - started
    prepared = prepare_case(case, plan)
    whole = time.perf_counter() - started
    found = {"read from disk": read}
    for step in prepared.trail[len(case.trail) :]:
        name = _stage(step)
        found[name] = found.get(name, 0.0) + step.seconds
    found["other (change maps, checks)"] = whole - sum(found.values())
    return found | {"disk to regions": whole, "of it processor time": time.process_time() - worked}


def _stage(step: Step) -> str:
    return f"{step.room}: {step.method}"


def lengthen(files: CaseFiles) -> None:
    """Repeat the end slices of T2 and its outlines until there are forty."""
    for (_, sequence), path in files.images.items():
        if sequence is Sequence.T2:
            volume = io.load_volumes(path, Sequence.T2)[0][0]
            longer, grid = _longer(volume.array, volume.grid, "edge")
            io.save_volume(Volume.from_array(longer, grid, Sequence.T2), path)
    for key, path in files.masks.items():
        mask = Mask(sitk.ReadImage(str(path)), Roi(key.roi))
        longer, grid = _longer(mask.array, mask.grid, "constant")
        io.save_mask(Mask.from_array(longer, grid, key.roi), path)


def _longer(values: np.ndarray, grid: Grid, mode: str) -> tuple[np.ndarray, Grid]:
    below = (SLICES - len(values)) // 2
    above = SLICES - len(values) - below
    padded = np.pad(values, ((below, above), (0, 0), (0, 0)), mode=mode)
    nx, ny, _ = grid.size
    corner = grid.to_mm((0.0, 0.0, -float(below)))
    return padded, Grid((nx, ny, SLICES), grid.spacing_mm, corner, grid.direction)


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
