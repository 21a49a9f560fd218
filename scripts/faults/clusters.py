"""Two schedulers with workers of their own, as two clusters: the same tree, also when workers die.

    python scripts/faults/clusters.py -o WORK [--cases 20] [--kills 3] [--cohort TABLE --plan YAML]

The cohort is extracted in one process, by two workers of a run of its own, by the first cluster,
and by the second, of whose workers one after the other is killed while they work. All four trees
must be one. Exit code 1 when they are not.
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cohorts
import psutil
import runs
import trees
from common import Report, arguments, emptied

CLUSTER = """
import sys, time
from distributed import LocalCluster
with LocalCluster(
    n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0", silence_logs=60
) as cluster:
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
"""


@contextmanager
def cluster() -> Iterator[tuple[str, psutil.Process]]:
    """The address of a scheduler with two workers, and the process they belong to."""
    started = subprocess.Popen(
        [sys.executable, "-c", CLUSTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield started.stdout.readline().strip(), psutil.Process(started.pid)
    finally:
        started.communicate(timeout=60)


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    """The worker processes below a cluster."""
    found = []
    for child in process.children():
        with suppress(psutil.Error):  # it is just dying
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
    return found


def kill_on_the_way(
    run: subprocess.Popen[bytes], out: Path, owner: psutil.Process, kills: int, dice: random.Random
) -> int:
    """Kill one worker after the other, each once a further case has ended; gives how many."""
    killed, seen = 0, 0
    while run.poll() is None and killed < kills:
        ended = trees.worked_on(out).total()
        alive = workers_of(owner)
        if ended > seen and len(alive) == 2:
            dice.choice(alive).kill()
            killed, seen = killed + 1, ended
        time.sleep(0.02)
    run.wait()
    return killed


def main() -> int:
    """Run, kill, compare."""
    parser = arguments(__doc__)
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--cohort", type=Path, help="instead of small cases of its own")
    parser.add_argument("--plan", type=Path)
    chosen = parser.parse_args()
    report, dice = Report(chosen.json), random.Random(chosen.seed)  # noqa: S311
    work = emptied(chosen.output.absolute())
    table = chosen.cohort or cohorts.make_tiny(work / "data", chosen.cases)
    plan = chosen.plan or cohorts.save_plan(work)
    seconds = {}

    def extract(name: str, *more: str) -> None:
        ended = runs.finished(runs.words("extract", table, work / name, plan, *more), work / "said")
        report.promise(ended.code == 0, f"{name}: exit {ended.code}: {ended.said[-300:]}")
        seconds[name] = round(ended.seconds, 1)

    extract("here", "--workers", "0")
    extract("own_workers", "--workers", "2")
    with cluster() as (first, _), cluster() as (second, owner):
        extract("first", "--scheduler", first)
        out = work / "second"
        words = runs.words("extract", table, out, plan, "--scheduler", second)
        since = time.monotonic()
        run = runs.fresh(words, work / "said")
        killed = kill_on_the_way(run, out, owner, chosen.kills, dice)
        seconds["second"] = round(time.monotonic() - since, 1)
        report.promise(run.returncode == 0, f"second: {(work / 'said').read_text()[-300:]}")
    report.promise(killed == chosen.kills, f"only {killed} workers could be killed in time")
    whole = trees.tree_of(work / "here")
    for name in ("own_workers", "first", "second"):
        found = trees.differences(work / name, whole)
        report.promise(not found, f"{name}: {found[:5]}")
    report.figures = {"files": len(whole), "workers_killed": killed, "seconds": seconds}
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
