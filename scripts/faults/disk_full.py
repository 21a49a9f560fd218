"""A disk that fills up: small file systems as the output folder and as the temporary folder.

    python scripts/faults/disk_full.py -o WORK [--megabytes 1 2 4 8 16] [--workers N] [--json]

`radresp prepare` of 16 cases of about 1.4 MB each is run into a tmpfs of each size. It must end
with exit code 6, DISK_FULL and the path; files under a final name are those of an undisturbed run.
The file system is then made larger and the same command must finish with the whole tree of the
undisturbed run. With such a tmpfs as TMPDIR the run must finish, or be refused by code, and leave
nothing there. Needs the rights of root to mount, else exit code 77; 1 when a promise is broken.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cohorts
import runs
import trees
from common import Report, arguments, emptied, skip_unless_root

CASES = 16
ENOUGH_MB = 256


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A tmpfs of so many megabytes at a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    options = f"size={megabytes}m"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    made = subprocess.run(command, capture_output=True)
    if made.returncode:
        print(f"skipped: {made.stderr.decode().strip()}", file=sys.stderr)
        raise SystemExit(77)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S607


def enlarge(folder: Path) -> None:
    """Give a tmpfs all the room it needs."""
    options = f"remount,size={ENOUGH_MB}m"
    subprocess.run(["mount", "-o", options, str(folder)], check=True)  # noqa: S607


class Bench:
    """One cohort and its undisturbed tree."""

    def __init__(self, work: Path, cases: int, workers: int, report: Report) -> None:
        self.work, self.workers, self.report = work, workers, report
        self.cohort = cohorts.make_bulky(work / "data", cases)
        self.plan = cohorts.save_plan(work)
        self.said = work / "said.txt"
        whole = work / "whole"
        if workers == 0:
            runs.warm(self.words(work / "warm"))
        code = self.run(whole).code
        report.promise(code == 0, f"undisturbed: exit {code}: {self.said.read_text()[-300:]}")
        self.whole = trees.tree_of(whole)

    def run(self, out: Path) -> runs.Ended:
        """The command, as a fork where it needs no processes of its own."""
        start = runs.finished if self.workers else runs.forked
        return start(self.words(out), self.said)

    def words(self, out: Path) -> list[str]:
        """The command into a folder."""
        more = ("--workers", str(self.workers)) if self.workers else ()
        return runs.words("prepare", self.cohort, out, self.plan, *more)

    def as_output(self, megabytes: int) -> dict[str, object]:
        """The output folder on a small disk, which is then made larger."""
        where, promise = f"output of {megabytes} MB", self.report.promise
        with small_disk(self.work / "disk", megabytes) as disk:
            out = disk / "out"
            ended = self.run(out)
            told = ended.said[-300:]
            promise(ended.code == 6 and ended.error == "DISK_FULL", f"{where}: {ended.code} {told}")
            promise("file=" in told, f"{where}: no path in {told}")
            promise("Traceback" not in ended.said, f"{where}: a traceback")
            wrong = trees.wrong_finals(out, self.whole)
            promise(not wrong, f"{where}: wrong under a final name: {wrong}")
            intact = len(list(out.glob("*/qc.json")))
            enlarge(disk)
            again = self.run(out)
            promise(again.code == 0, f"{where}, enlarged: {again.code} {again.said[-300:]}")
            found = trees.differences(out, self.whole)
            promise(not found, f"{where}, enlarged: {found}")
        return {"exit": ended.code, "code": ended.error, "cases_before": intact}

    def as_temp(self, megabytes: int) -> dict[str, object]:
        """The temporary folder on a small disk."""
        where, promise = f"TMPDIR of {megabytes} MB", self.report.promise
        out = emptied(self.work / "out")
        with small_disk(self.work / "disk", megabytes) as disk:
            ended = runs.finished(self.words(out), self.said, TMPDIR=str(disk))
            told = ended.said[-300:]
            promise(ended.code in (0, 6, 8), f"{where}: {ended.code} {told}")
            promise("Traceback" not in ended.said, f"{where}: a traceback")
            left = sorted(path.name for path in disk.iterdir())
            promise(not left, f"{where}: left there: {left}")
            found = trees.differences(out, self.whole) if ended.code == 0 else []
            found += trees.wrong_finals(out, self.whole)
            promise(not found, f"{where}: {found}")
        return {"exit": ended.code, "code": ended.error}


def main() -> int:
    """Fill disks, and print what came of it."""
    parser = arguments(__doc__)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--as", dest="place", nargs="+", default=["output", "temp"])
    parser.add_argument("--cases", type=int, default=CASES, help="of 1.4 MB each")
    parser.add_argument("--workers", type=int, default=0)
    chosen = parser.parse_args()
    skip_unless_root("a mount")
    report = Report(chosen.json)
    bench = Bench(emptied(chosen.output.absolute()), chosen.cases, chosen.workers, report)
    report.figures["output_megabytes"] = round(sum(map(len, bench.whole.values())) / 2**20, 1)
    for place in chosen.place:
        trial = bench.as_output if place == "output" else bench.as_temp
        report.figures[place] = {f"{size} MB": trial(size) for size in chosen.megabytes}
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
