"""Random kill -9 over a run of twenty small cases, begun again until it finishes, and again.

    python scripts/faults/kills.py -o WORK [--kills 200] [--workers N]
        [--target group|parent|worker]

Delays are uniform over the length of an undisturbed run and drawn from --seed. After each kill
every file under a final name must be one of the undisturbed run, byte for byte; a run that ends
must leave the whole tree of the undisturbed one: no case lost or finished twice, nothing half
written left. With --workers 0 runs are forks of this process; else fresh interpreters, of which
`group` kills every process, `parent` the one that was started (its workers must end by themselves
while the next run is already on its way), and `worker` one worker, which the run must survive.
Exit code 1 when a promise is broken.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import cohorts
import psutil
import runs
import trees
from common import Report, arguments, emptied

ORPHANS_S = 30.0
"""Longest time a worker may outlive the run it belonged to."""


class Campaign:
    """One cohort, run and killed again and again; counts what came of it."""

    def __init__(self, work: Path, cases: int, workers: int, target: str, report: Report) -> None:
        self.work, self.workers, self.target, self.report = work, workers, target, report
        self.cohort = cohorts.make_tiny(work / "data", cases)
        self.plan = cohorts.save_plan(work)
        self.said, self.out, self.temp = work / "said.txt", work / "out", work / "tmp"
        self.temp.mkdir(exist_ok=True)
        self.orphans: list[psutil.Process] = []
        self.counts: Counter[str] = Counter(kills=0, runs=0, folders=0)
        if workers == 0:
            runs.warm(self.words(emptied(work / "warm")))
        self.seconds = self._undisturbed()
        self.whole = trees.tree_of(self.out)

    def words(self, out: Path) -> list[str]:
        """The command into a folder."""
        more = () if self.workers == 0 else ("--workers", str(self.workers))
        return runs.words("extract", self.cohort, out, self.plan, *more)

    def _undisturbed(self) -> float:
        shutil.rmtree(self.out, ignore_errors=True)
        since = time.monotonic()
        code = self._wait(self._begin(), None)
        self.report.promise(code == 0, f"undisturbed: exit {code}: {self.said.read_text()[-300:]}")
        return time.monotonic() - since

    def _begin(self) -> int:
        if self.workers == 0:
            return runs.begin(self.words(self.out), self.said)
        return runs.fresh(self.words(self.out), self.said, TMPDIR=str(self.temp)).pid

    def _wait(self, pid: int, seconds: float | None) -> int | None:
        """Exit code of a run, or None when it is still at work after so many seconds."""
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            ended, status = os.waitpid(pid, 0 if until is None else os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            if until is not None and time.monotonic() >= until:
                return None
            time.sleep(0.002)

    def kill(self, pid: int, dice: random.Random) -> bool:
        """Kill what is to be killed; whether there was anything."""
        family = psutil.Process(pid).children(recursive=True)
        if self.target == "worker":
            workers = self._workers(pid)
            if workers:
                dice.choice(workers).kill()
            return bool(workers)
        if self.target == "group":
            os.killpg(pid, signal.SIGKILL)
        else:
            self.orphans += family
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return True

    def _workers(self, pid: int) -> list[psutil.Process]:
        """The workers of a run, once it has some; none when it ends before."""
        run = psutil.Process(pid)
        while run.status() != psutil.STATUS_ZOMBIE:
            family = run.children(recursive=True)
            if found := [p for p in family if "spawn_main" in " ".join(_command(p))]:
                return found
            time.sleep(0.05)
        return []

    def folder(self, dice: random.Random, most: int) -> None:
        """A new output folder, its run killed and begun again until it finishes."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.counts["folders"] += 1
        killed = 0
        while True:
            pid = self._begin()
            self.counts["runs"] += 1
            code = self._wait(pid, dice.uniform(0, self.seconds) if killed < most else None)
            if code is None and self.kill(pid, dice):
                killed += 1
                self.counts["kills"] += 1
                if self.target != "worker":
                    self._judge_killed()
                    continue
            self._judge_end(self._wait(pid, None) if code is None else code)
            return

    def _judge_killed(self) -> None:
        wrong = trees.wrong_finals(self.out, self.whole) if self.out.exists() else []
        self.counts["corrupt"] += len(wrong)
        self.report.promise(not wrong, f"kill {self.counts['kills']}: corrupt: {wrong}")

    def _judge_end(self, code: int | None) -> None:
        where = f"folder {self.counts['folders']}"
        self.report.promise(code == 0, f"{where}: exit {code}: {self.said.read_text()[-300:]}")
        self._judge_orphans(where)
        found = trees.differences(self.out, self.whole)
        for kind, mark in (
            ("lost", ": lost"),
            ("corrupt", ": wrong"),
            ("left_behind", ": left behind"),
            ("duplicated", "more than once"),
        ):
            self.counts[kind] += sum(told.endswith(mark) for told in found)
        self.counts["differing_trees"] += bool(found)
        self.report.promise(not found, f"{where}: {found}")

    def _judge_orphans(self, where: str) -> None:
        _, alive = psutil.wait_procs(self.orphans, timeout=ORPHANS_S)
        self.counts["orphans"] += len(self.orphans)
        self.counts["orphans_that_stayed"] += len(alive)
        for process in alive:
            self.report.promise(False, f"{where}: outlived its run: {_command(process)[:3]}")
            process.kill()
        self.orphans = []


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def main() -> int:
    """Kill, resume, compare; print the counts."""
    parser = arguments(__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--target", default="group", choices=("group", "parent", "worker"))
    chosen = parser.parse_args()
    if chosen.workers == 0 and chosen.target != "group":
        parser.error("without worker processes the group is the parent: --target group")
    report, dice = Report(chosen.json), random.Random(chosen.seed)  # noqa: S311
    work = emptied(chosen.output.absolute())
    campaign = Campaign(work, chosen.cases, chosen.workers, chosen.target, report)
    most = 1 if chosen.target == "worker" else chosen.kills
    while campaign.counts["kills"] < chosen.kills:
        campaign.folder(dice, min(most, chosen.kills - campaign.counts["kills"]))
        report.tell(f"{campaign.counts['kills']} of {chosen.kills} kills")
    kills = campaign.counts["kills"]
    zero = dict.fromkeys(("lost", "duplicated", "corrupt", "left_behind", "differing_trees"), 0)
    report.figures = {
        "workers": chosen.workers,
        "target": chosen.target,
        "cases": chosen.cases,
        "undisturbed_seconds": round(campaign.seconds, 2),
        **(zero | campaign.counts),
        "upper_95_percent": round(1 - 0.05 ** (1 / kills), 4),
        "temp_folder": sorted(path.name for path in campaign.temp.iterdir()),
    }
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
