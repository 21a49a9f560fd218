"""A cohort with files that ask for gigabytes, under a ceiling of memory set by the kernel.

    python scripts/faults/memory_ceiling.py -o WORK [--gigabytes 1 1.5 2 3] [--workers 0 2] [--json]

Twenty small cases, of which seven declare, unfold to or nest far more than they hold (rows N06,
D21, D22 and D23 of the catalogue), go through `check`, `extract` and `prepare` in a cgroup of each
size. The command must live to its end (exit code 4), refuse the spoilt cases by their codes, and
leave for the sound ones, byte for byte, what a cohort of them alone gives. Prints the peak of the
whole group and of the process that was started. Needs the rights of root and a memory cgroup, else
exit code 77; 1 when a promise is broken.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cohorts
import runs
import trees
from common import Report, arguments, emptied, skip_unless_root

LINGER_S = 20.0
"""Longest time a helper process may outlive the command."""
COMMANDS = ("check", "extract", "prepare")


@dataclass(frozen=True)
class Ceiling:
    """A memory cgroup, of version 1 or 2."""

    folder: Path
    limit: str
    peak: str

    @property
    def joined(self) -> list[str]:
        """Words that start a program inside."""
        return ["sh", "-c", f'echo $$ > {self.folder}/cgroup.procs && exec "$0" "$@"']

    @property
    def peak_mb(self) -> float:
        """Most memory the group has had, 10^6 bytes."""
        return round(int((self.folder / self.peak).read_text()) / 1e6, 0)


@contextmanager
def ceiling(gigabytes: float) -> Iterator[Ceiling]:
    """A group of processes that may have so much memory together, 10^9 bytes."""
    version_1, version_2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    root = version_1 if version_1.is_dir() else version_2
    old = root == version_1
    limit = "memory.limit_in_bytes" if old else "memory.max"
    peak = "memory.max_usage_in_bytes" if old else "memory.peak"
    group = Ceiling(root / f"radresp_{os.getpid()}", limit, peak)
    try:
        group.folder.mkdir()
        (group.folder / limit).write_text(str(int(gigabytes * 1e9)))
    except OSError as error:
        print(f"skipped: no memory cgroup can be made: {error}", file=sys.stderr)
        raise SystemExit(77) from error
    try:
        yield group
    finally:
        until = time.monotonic() + LINGER_S
        while (group.folder / "cgroup.procs").read_text() and time.monotonic() < until:
            time.sleep(0.1)
        group.folder.rmdir()


class Bench:
    """The cohort, its table of expected codes, and what its sound cases alone give."""

    def __init__(self, work: Path, report: Report) -> None:
        self.work, self.report = work, report
        self.cohort, self.expected = cohorts.make_hungry(work / "data")
        self.plan = cohorts.save_plan(work)
        self.said = work / "said.txt"
        self.whole = {command: self._alone(command) for command in ("extract", "prepare")}

    def _alone(self, command: str) -> trees.Tree:
        lines = self.cohort.read_text().splitlines()
        sound = [line for line in lines if line.split(",")[0] not in self.expected]
        table = self.cohort.with_name("sound.csv")
        table.write_text("\n".join(sound) + "\n")
        out = self.work / f"whole_{command}"
        ended = runs.finished(runs.words(command, table, out, self.plan), self.said)
        self.report.promise(ended.code == 0, f"sound cases alone: {command} {ended}")
        return trees.tree_of(out)

    def _words(self, command: str, out: Path, workers: int) -> list[str]:
        if command == "check":
            plan = ["--plan", str(self.plan)]
            return ["check", str(self.cohort), *plan, "--json", "--progress", "none"]
        more = ("--workers", str(workers)) if workers else ()
        return runs.words(command, self.cohort, out, self.plan, *more, "--json")

    def trial(self, command: str, gigabytes: float, workers: int) -> dict[str, object]:
        """One command under one ceiling."""
        where = f"{command} under {gigabytes} GB with {workers} workers"
        promise, out = self.report.promise, emptied(self.work / "out")
        with ceiling(gigabytes) as group:
            run = runs.fresh(self._words(command, out, workers), self.said, group.joined)
            _, status, usage = os.wait4(run.pid, 0)
            run.returncode = code = os.waitstatus_to_exitcode(status)
            peak = group.peak_mb
        told = self.said.read_text(errors="replace")
        promise(code == 4, f"{where}: exit {code}: {told[-300:]}")
        got = refused_codes(told)
        promise(got == self.expected, f"{where}: refused {got}, not {self.expected}")
        if command != "check":
            found = trees.differences(out, self.whole[command])
            found = [told for told in found if not told.startswith("qc/index.html")]  # names all
            promise(not found, f"{where}: {found}")
        return {"exit": code, "peak_mb": peak, "parent_mb": round(usage.ru_maxrss / 1e3, 0)}


def refused_codes(said: str) -> dict[str, str]:
    """Code by refused case, from what a command printed as JSON."""
    objects = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    found = objects[-1] if objects else {}
    if isinstance(found.get("refused"), dict):
        return dict(found["refused"])
    findings = found.get("findings", [])
    return {f["case_id"]: f["code"] for f in findings if f["severity"] == "refused"}


def main() -> int:
    """Try every ceiling, and print the peaks."""
    parser = arguments(__doc__)
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[1.0, 1.5, 2.0, 3.0])
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 2])
    parser.add_argument("--command", nargs="+", default=list(COMMANDS), choices=COMMANDS)
    chosen = parser.parse_args()
    skip_unless_root("a memory cgroup")
    report = Report(chosen.json)
    bench = Bench(emptied(chosen.output.absolute()), report)
    for gigabytes in chosen.gigabytes:
        for command in chosen.command:
            for workers in [0] if command == "check" else chosen.workers:
                name = f"{gigabytes} GB, {command}, {workers} workers"
                report.figures[name] = bench.trial(command, gigabytes, workers)
                report.tell(f"{name}: {report.figures[name]}")
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
