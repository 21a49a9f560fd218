"""Crash-point enumeration: a run is killed, or a call failed, at every change it makes on disk.

    python scripts/faults/crash_points.py -o WORK [--command extract prepare] [--sample N] [--json]

A run of three small cases is counted once: every call that makes, writes, flushes, renames, cuts or
removes something below its output folder is a point. Then, for every point, a run into a new
folder is killed there; killed after half of that write; met by ENOSPC; met by EIO. After each:
every file under a final name is, byte for byte, one of the undisturbed run; an error leaves with
exit code 0 or 6 and no traceback. The same command then finishes what was begun, and the whole
tree is that of the undisturbed run. Calls are counted by a library preloaded into forks of one
process (shim.c), which is repeatable and costs nothing; --strace N holds the count to what the
kernel sees and repeats N kills by strace in fresh interpreters. Exit code 1 when a promise is
broken, 77 without a C compiler.
"""

from __future__ import annotations

import errno
import random
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

import cohorts
import runs
import trees
from common import Report, arguments, emptied

CASES = 3
FAULTS = {"KILL": runs.KILL, "TORN": runs.TORN, "ENOSPC": errno.ENOSPC, "EIO": errno.EIO}
CALLS = (
    "open", "openat", "creat", "write", "writev", "pwrite64", "fsync", "fdatasync", "ftruncate",
    "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat",
)  # fmt: skip
SAME = {
    "openat": "open", "creat": "open", "writev": "write", "pwrite64": "write", "fdatasync": "fsync",
    "renameat": "rename", "renameat2": "rename", "unlinkat": "unlink", "rmdir": "unlink",
    "mkdirat": "mkdir",
}  # fmt: skip
TRACED = re.compile(r"^\d+ +(?P<call>\w+)\((?P<rest>.*)$")
READING = re.compile(r"O_RDONLY|O_PATH")


class Bench:
    """One command on one cohort: its undisturbed tree and its points."""

    def __init__(self, work: Path, command: str, report: Report) -> None:
        self.work, self.command, self.report = work, command, report
        self.cohort = cohorts.make_tiny(work / "data", CASES)
        self.plan = cohorts.save_plan(work)
        self.said = work / "said.txt"
        self.out = work / "out"
        runs.warm(self.words(emptied(work / "warm")))
        self.points = self._count()
        self.whole = trees.tree_of(self.out)
        bad = trees.unreadable(self.whole) + trees.differences(self.out, self.whole)
        report.promise(not bad, f"{command}: the undisturbed run is sound, not {bad}")

    def words(self, out: Path, *more: str) -> list[str]:
        """The command into a folder."""
        return runs.words(self.command, self.cohort, out, self.plan, *more)

    def _count(self) -> list[str]:
        log = self.work / "points.txt"
        log.unlink(missing_ok=True)
        shutil.rmtree(self.out, ignore_errors=True)
        ended = runs.forked(self.words(self.out), self.said, runs.Fault(self.out, log=log))
        self.report.promise(ended.code == 0, f"{self.command}: undisturbed: {ended}")
        return log.read_text().splitlines()

    def chosen(self, name: str, sample: int | None, dice: random.Random) -> list[int]:
        """The points a fault is tried at, counted from 1."""
        every = range(1, len(self.points) + 1)
        fit = [k for k in every if name != "TORN" or self.points[k - 1].startswith("write ")]
        return fit if sample is None else sorted(dice.sample(fit, min(sample, len(fit))))

    def attempt(self, name: str, k: int) -> str:
        """Disturb a run at a point and judge it, finish it and judge that; gives how it ended."""
        shutil.rmtree(self.out, ignore_errors=True)
        fault = runs.Fault(self.out, k, FAULTS[name])
        ended = runs.forked(self.words(self.out), self.said, fault)
        where = f"{self.command} {name} at {k} ({self.points[k - 1].replace(str(self.work), '')})"
        self._judge(ended, where, kill=name in ("KILL", "TORN"))
        return f"exit {ended.code}" + (f" {ended.error}" if ended.error else "")

    def _judge(self, ended: runs.Ended, where: str, *, kill: bool) -> None:
        promise = self.report.promise
        allowed = (-9,) if kill else (0, 6)
        told = ended.said.strip().splitlines()[-3:]
        promise(ended.code in allowed, f"{where}: exit {ended.code}: {told}")
        promise("Traceback" not in ended.said, f"{where}: a traceback")
        if ended.code == 6:
            promise(ended.error in ("DISK_FULL", "WRITE_FAILED"), f"{where}: {told}")
            promise("file=" in ended.said, f"{where}: no path: {told}")
        if ended.code == 0:
            self._finished(where + ", which it survived")
        wrong = trees.wrong_finals(self.out, self.whole)
        promise(not wrong, f"{where}: wrong under a final name: {wrong}")
        again = runs.forked(self.words(self.out), self.said)
        promise(again.code == 0, f"{where}: run again: {again.code} {again.said[-300:]}")
        self._finished(where)

    def _finished(self, where: str) -> None:
        found = trees.differences(self.out, self.whole)
        self.report.promise(not found, f"{where}: finished, but {found}")

    def traced(self, *inject: str) -> tuple[runs.Ended, list[tuple[str, bool, int]]]:
        """A run under strace: call, whether it changes the output, its number among its like."""
        shutil.rmtree(self.out, ignore_errors=True)
        trace = self.work / "trace.txt"
        before = [
            "strace",
            "-f",
            "-y",
            "-s",
            "1",
            "-o",
            str(trace),
            "-e",
            f"trace={','.join(CALLS)}",
        ]
        process = runs.fresh(
            self.words(self.out), self.said, [*before, *inject], OMP_NUM_THREADS="1"
        )
        code = process.wait()
        seen: Counter[str] = Counter()
        found = []
        for line in trace.read_text(errors="replace").splitlines():
            if match := TRACED.match(line):
                seen[match["call"]] += 1
                below = str(self.out) in match["rest"] and not READING.search(match["rest"])
                found.append((match["call"], below, seen[match["call"]]))
        return runs.Ended(code, 0.0, self.said.read_text(errors="replace")), found

    def cross_check(self, many: int, dice: random.Random) -> int:
        """Hold the shim to strace: the same calls in the same order, and kills of the same end."""
        _, found = self.traced()
        kernel = [SAME.get(call, call) for call, below, _ in found if below]
        shim = [point.split(" ", 1)[0] for point in self.points]
        same = kernel == shim
        lacks = Counter(kernel) - Counter(shim), Counter(shim) - Counter(kernel)
        self.report.promise(same, f"{self.command}: strace sees other calls than the shim: {lacks}")
        numbered = [(call, n) for call, below, n in found if below]
        hits = 0
        for call, number in dice.sample(numbered, min(many, len(numbered))):
            inject = f"inject={call}:signal=KILL:when={number}"
            ended, _ = self.traced("-e", inject)
            where = f"{self.command} strace {inject}"
            self._judge(
                runs.Ended(-9, 0.0, "") if ended.code in (-9, 137) else ended, where, kill=True
            )
            hits += 1
        return hits


def enumerate_points(
    bench: Bench, sample: int | None, faults: list[str], dice: random.Random
) -> dict[str, object]:
    """All faults at all points of one command."""
    outcomes: dict[str, Counter[str]] = {}
    for name in faults:
        outcomes[name] = Counter()
        chosen = bench.chosen(name, sample, dice)
        for number, k in enumerate(chosen, start=1):
            outcomes[name][bench.attempt(name, k)] += 1
            if number % 50 == 0:
                bench.report.tell(f"{bench.command} {name} {number}/{len(chosen)}")
    kinds = Counter(point.split(" ", 1)[0] for point in bench.points)
    return {"points": len(bench.points), "calls": dict(kinds)} | {
        name: {"tried": counted.total(), **counted} for name, counted in outcomes.items()
    }


def main() -> int:
    """Enumerate, and print what came of it."""
    parser = arguments(__doc__)
    parser.add_argument("--command", nargs="+", default=["extract"], help="extract, prepare")
    parser.add_argument("--fault", nargs="+", default=list(FAULTS), choices=list(FAULTS))
    parser.add_argument("--sample", type=int, help="points a fault; all by default")
    parser.add_argument("--strace", type=int, default=0, help="kills repeated by strace")
    chosen = parser.parse_args()
    runs.preload(chosen.output)
    report, dice = Report(chosen.json), random.Random(chosen.seed)  # noqa: S311
    for command in chosen.command:
        bench = Bench((chosen.output / command).absolute(), command, report)
        found = enumerate_points(bench, chosen.sample, chosen.fault, dice)
        if chosen.strace:
            found["strace_kills"] = bench.cross_check(chosen.strace, dice)
        report.figures[command] = found
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
