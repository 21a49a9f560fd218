"""What a cohort of 100,000 cases costs, from runs of some thousands: time, disk, memory.

    python scripts/bench/scale.py -o WORK --extracted FOLDER [--cases 1000 2000 4000] [--workers 2]

FOLDER was written by `radresp extract` on real or synthetic images: its records give the size of a
case, its events the seconds. The runs here do all that a batch does but the image work: every case
is sent to a worker, writes a record of that size and is logged; then everything is kept by its
hashes; then the tables are made. Growth from run to run is the price of a case; the last rows say
what 100,000 cost by that price.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from scale_job import SCALE

from radresp import pipeline
from radresp.core import CaseFiles
from radresp.pipeline.batch import claimed, work_through
from radresp.pipeline.cohort import save_tables
from radresp.pipeline.plan import Plan, parse_plan

TARGET = 100_000


def main() -> None:
    """Run, measure, extrapolate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--extracted", type=Path, required=True)
    parser.add_argument("--cases", type=int, nargs="+", default=[1000, 2000, 4000])
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    record = next((chosen.extracted / "cases/extract").glob("*.json"))
    sizes = [measured(chosen, record, count) for count in chosen.cases]
    for row in sizes:
        print(json.dumps(row), flush=True)
    print(json.dumps(at_target(sizes, chosen)))


def measured(chosen: argparse.Namespace, record: Path, count: int) -> dict[str, Any]:
    """One cohort of so many cases: done, kept, and made into tables."""
    folder = chosen.output / str(count)
    shutil.rmtree(folder, ignore_errors=True)
    plan = parse_plan()
    cases = [
        CaseFiles(f"case_{i:06d}", f"case_{i:06d}", record.parent, {}, clinical={"i": float(i)})
        for i in range(count)
    ]
    engine = pipeline.Engine(processes=chosen.workers)
    with peak() as done:
        passed(cases, plan, folder, pipeline.Batch(engine))
    with peak() as kept:
        passed(cases, plan, folder, pipeline.Batch(engine))
    with peak() as tables:
        save_tables([files.case_id for files in cases], folder)
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {
        "cases": count,
        "done_s": done["seconds"],
        "parent_mb_done": done["grown_mb"],
        "kept_s": kept["seconds"],
        "tables_s": tables["seconds"],
        "parent_mb_tables": tables["grown_mb"],
        "disk_mb": round(sum(path.stat().st_size for path in files) / 1e6, 1),
        "files": len(files),
    }


def passed(cases: list[CaseFiles], plan: Plan, folder: Path, batch: pipeline.Batch) -> None:
    """One pass through a cohort."""
    with claimed(SCALE, cases, plan, folder, batch):
        result = work_through(SCALE, cases, plan, folder, batch)
    if result.refused:
        raise SystemExit(str(result.refused[0].refusal))


@contextmanager
def peak() -> Iterator[dict[str, float]]:
    """Seconds, and by how much this process grew at most, MB."""
    here, found = psutil.Process(), {"seconds": 0.0, "grown_mb": 0.0}
    before, over = here.memory_info().rss, threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            grown = (here.memory_info().rss - before) / 1e6
            found["grown_mb"] = round(max(found["grown_mb"], grown), 1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    since = time.monotonic()
    try:
        yield found
    finally:
        found["seconds"] = round(time.monotonic() - since, 2)
        over.set()
        watcher.join()


def at_target(sizes: list[dict[str, Any]], chosen: argparse.Namespace) -> dict[str, Any]:
    """What the target costs by the growth of the runs, and the images by what was extracted."""
    counts = np.array([row["cases"] for row in sizes], float)

    def grown(name: str) -> float:
        slope, start = np.polyfit(counts, [row[name] for row in sizes], 1)
        return round(float(start + slope * TARGET), 1)

    events = [json.loads(x) for x in (chosen.extracted / "events.jsonl").read_text().splitlines()]
    seconds = statistics.median(e["seconds"] for e in events if e["event"] == "case")
    fits = [p.stat().st_size for p in (chosen.extracted / "fits").rglob("*") if p.is_file()]
    cases = sum(1 for _ in (chosen.extracted / "cases/extract").glob("*.json"))
    names = ("done_s", "parent_mb_done", "kept_s", "tables_s", "parent_mb_tables", "disk_mb")
    return {
        "cases": TARGET,
        **{name: grown(name) for name in names},
        "image_core_hours": round(seconds * TARGET / 3600, 1),
        "fits_gb": round(sum(fits) / max(1, cases) * TARGET / 1e9, 1),
        "fit_files": round(len(fits) / max(1, cases) * TARGET),
    }


if __name__ == "__main__":
    main()
