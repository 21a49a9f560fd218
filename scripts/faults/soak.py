"""A long run over phantoms, one in ten spoilt: nothing lost, nothing changed, nothing that grows.

    python scripts/faults/soak.py -o WORK [--cases 500] [--cohort PHANTOMS] [--compare 50]
        [--speedup 24] [--tiny] [--json]

Phantoms are made with `radresp phantom --fast` (or taken from a folder it made, which is copied);
one in ten is spoilt by a row of the catalogue drawn from --seed (spoil.py), each with the code it
must be refused with. `radresp extract` with two workers must end with 4; the code of every case is
the expected one; --compare sound cases have the same record and row, byte for byte, as when each
is run alone in a process of its own. Meanwhile memory and open files of every process are sampled
against cases done. Then the same command again keeps all (in less than a twentieth of the time),
one input is packed anew and only its case is worked on, and --speedup cases are run with one and
with two workers in turn. --tiny uses cases of 17,280 voxels and a plan of volumes. Slopes are
held to their promise from 100 cases on, the time of the second run from 5 minutes on. Exit code 1
when a promise is broken.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
import shutil
import statistics
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import cohorts
import numpy as np
import runs
import spoil
import trees
from common import Report, arguments, emptied
from watching import Watch

FAST = cohorts.ROOT / "configs/fast.yaml"
MANY = 100
"""Cases from which slopes mean something."""
LONG_S = 300.0
"""Length of a run from which the start of the workers is a small part of it."""
SLOPE_MB = 1.0
KEPT_SHARE = 0.05
TURNS = 3


class Soak:
    """A cohort with its spoilt cases, and the folder it is run into."""

    def __init__(self, work: Path, report: Report, chosen: Any) -> None:
        self.work, self.report = work, report
        self.said, self.out, self.temp = work / "said.txt", work / "out", work / "tmp"
        self.temp.mkdir()
        self.workers, self.dice = str(chosen.workers), random.Random(chosen.seed)  # noqa: S311
        self.table = self._make(chosen)
        self.plan = cohorts.save_plan(work) if chosen.tiny else FAST
        names = [row["case_id"] for row in self.rows()]
        share = max(1, round(len(names) * chosen.faulty))
        drawn = self.dice.sample(names, share)
        kinds = [*spoil.FAULTS] * (share // len(spoil.FAULTS) + 1)
        self.dice.shuffle(kinds)
        self.faulty = dict(zip(drawn, kinds, strict=False))
        self.expected = dict.fromkeys(names, "OK") | spoil.spoil(self.table, self.faulty)
        if chosen.workers == 0:
            one = self.part([name for name in names if name not in drawn][:1], "warm.csv")
            runs.warm(runs.words("extract", one, work / "warm", self.plan))

    def _make(self, chosen: Any) -> Path:
        data = self.work / "data"
        if chosen.tiny:
            return cohorts.make_tiny(data, chosen.cases)
        if chosen.cohort is not None:
            shutil.copytree(chosen.cohort, data)
            return data / "cohort.csv"
        words = ["phantom", "-o", str(data), "--cases", str(chosen.cases), "--fast"]
        more = ["--seed", str(chosen.seed), "--workers", self.workers, "--progress", "none"]
        made = runs.finished([*words, *more], self.said)
        self.report.promise(made.code == 0, f"phantoms: {made}")
        self.report.figures["phantom_seconds"] = round(made.seconds, 1)
        return data / "cohort.csv"

    def rows(self) -> list[dict[str, str]]:
        """The table."""
        with self.table.open(newline="") as file:
            return list(csv.DictReader(file))

    def part(self, names: list[str], path: str) -> Path:
        """A table of some cases, beside the whole one."""
        rows = [row for row in self.rows() if row["case_id"] in names]
        with self.table.with_name(path).open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        return self.table.with_name(path)

    def run(self, table: Path, out: Path, workers: str, watch: bool = False) -> runs.Ended:
        """One run; watched into the figures when asked for."""
        words = runs.words("extract", table, out, self.plan, "--workers", workers)
        since = time.monotonic()
        if self.workers == "0":
            pid = runs.begin(words, self.said)
        else:
            pid = runs.fresh(words, self.said, TMPDIR=str(self.temp), OMP_NUM_THREADS="1").pid
        watched = Watch(pid, out / "status.jsonl") if watch else None
        ended = runs.end(pid, self.said, since)
        if watched is not None:
            watched.end()
            self._judge_growth(watched.figures(len(self.expected)))
        return ended

    def first(self) -> runs.Ended:
        """The whole cohort, watched; codes and times."""
        ended = self.run(self.table, self.out, self.workers, watch=True)
        promise, figures = self.report.promise, self.report.figures
        promise(ended.code == 4, f"exit {ended.code}, not 4: {ended.said[-300:]}")
        got = {line["case"]: line["code"] for line in trees.status_of(self.out)}
        confusion = Counter((code, got.get(case, "lost")) for case, code in self.expected.items())
        promise(all(a == b for a, b in confusion), f"codes: {off_diagonal(self.expected, got)}")
        left = [path.name for path in self.temp.rglob("*") if path.is_file()]
        promise(not left, f"left in the temporary folder: {left}")
        took = [e["seconds"] for e in events(self.out, "case") if e["code"] == "OK"]
        figures |= {
            "cases": len(self.expected),
            "spoilt": dict(sorted(Counter(self.faulty.values()).items())),
            "confusion": {f"{a} got {b}": n for (a, b), n in sorted(confusion.items())},
            "run_seconds": round(ended.seconds, 1),
            "cases_per_hour": round(3600 * len(self.expected) / ended.seconds),
            "case_seconds": {
                "p50": round(float(np.percentile(took, 50)), 2),
                "p95": round(float(np.percentile(took, 95)), 2),
                "max": round(max(took), 2),
            },
        }
        return ended

    def _judge_growth(self, found: list[dict[str, Any]]) -> None:
        self.report.figures["processes"] = found
        if len(self.expected) < MANY:
            return
        for process in found:
            slope, (early, late) = process["mb_per_100_cases"], process["open_files"]
            self.report.promise(slope < SLOPE_MB, f"{process['process']}: {slope} MB per 100 cases")
            self.report.promise(abs(late - early) <= 1, f"{process['process']}: {process}")

    def again(self, first: runs.Ended) -> None:
        """The same command again keeps all that finished."""
        before = trees.tree_of(self.out)
        second = self.run(self.table, self.out, self.workers)
        share = second.seconds / first.seconds
        self.report.figures["second_run"] = {"seconds": round(second.seconds, 1), "share": share}
        promise = self.report.promise
        promise(second.code == 4, f"second run: exit {second.code}: {second.said[-300:]}")
        todo = events(self.out, "todo")[-1]
        promise(todo["todo"] == len(self.faulty), f"second run: {todo}")
        found = trees.differences(self.out, before)
        promise(not found, f"second run: {found}")
        if first.seconds >= LONG_S:
            promise(share < KEPT_SHARE, f"second run took {share:.1%} of the first")

    def touch_one(self) -> None:
        """One input packed anew, with the same voxels: only its case is worked on."""
        before = trees.tree_of(self.out)
        case = self.dice.choice([case for case, code in self.expected.items() if code == "OK"])
        row = next(row for row in self.rows() if row["case_id"] == case)
        image = self.table.parent / row["pre_t2"]
        plain = gzip.decompress(image.read_bytes())
        image.write_bytes(gzip.compress(plain, 2, mtime=1))
        self.run(self.table, self.out, self.workers)
        begun = len(events(self.out, "run"))
        redone = [e["case"] for e in events(self.out, "case", run=begun) if e["code"] == "OK"]
        self.report.promise(redone == [case], f"one input changed: {case}; worked on: {redone}")
        after = trees.tree_of(self.out)
        other = {n for n in before if before[n] != after.get(n)} - trees.INFORMATIVE
        mine = {f"cases/extract/{case}.json", "acquisition.json"}
        self.report.promise(other <= mine, f"one input changed: files changed: {sorted(other)}")

    def compare(self, many: int) -> None:
        """Some sound cases alone, each in a process of its own."""
        sound = [case for case, code in self.expected.items() if code == "OK"]
        lines = table_lines(self.out)
        for number, case in enumerate(drawn := self.dice.sample(sound, min(many, len(sound)))):
            out = emptied(self.work / "single")
            ended = self.run(self.part([case], "single.csv"), out, "0")
            record = f"cases/extract/{case}.json"
            same = (
                ended.code == 0 and (out / record).read_bytes() == (self.out / record).read_bytes()
            )
            self.report.promise(same, f"{case} alone: another record ({ended.code})")
            alone = table_lines(out).get(case)
            self.report.promise(alone == lines.get(case), f"{case} alone: another row")
            if number % 10 == 9:
                self.report.tell(f"{number + 1} of {len(drawn)} cases alone")
        self.report.figures["compared"] = len(drawn)

    def speed_up(self, many: int) -> None:
        """One and two workers in turn over the same cases."""
        sound = [case for case, code in self.expected.items() if code == "OK"]
        table = self.part(self.dice.sample(sound, min(many, len(sound))), "subset.csv")
        wall: dict[str, list[float]] = {"1": [], "2": []}
        work: dict[str, list[float]] = {"1": [], "2": []}
        for _ in range(TURNS):
            for workers in wall:
                out = emptied(self.work / "subset")
                wall[workers].append(self.run(table, out, workers).seconds)
                work[workers].append(working_seconds(out))
        middle = {name: {w: statistics.median(s) for w, s in times.items()}
                  for name, times in (("wall", wall), ("work", work))}  # fmt: skip
        self.report.figures["speed_up"] = {
            "cases": min(many, len(sound)),
            "seconds_1": wall["1"],
            "seconds_2": wall["2"],
            "of_whole_runs": round(middle["wall"]["1"] / middle["wall"]["2"], 2),
            "from_first_begun_to_last_ended": round(middle["work"]["1"] / middle["work"]["2"], 2),
        }


def off_diagonal(expected: dict[str, str], got: dict[str, str]) -> list[str]:
    """Cases whose code is another than expected."""
    return [f"{c}: {e}, got {got.get(c)}" for c, e in expected.items() if got.get(c) != e]


def events(out: Path, kind: str, run: int | None = None) -> list[dict[str, Any]]:
    """Events of one kind; of one run alone, counted from 1, when asked for."""
    found, number = [], 0
    for line in (out / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        number += event["event"] == "run"
        if event["event"] == kind and run in (None, number):
            found.append(event)
    return found


def working_seconds(out: Path) -> float:
    """From the first case begun to the last one ended."""
    ends = [events(out, "begun")[0]["time"], events(out, "case")[-1]["time"]]
    first, last = (datetime.fromisoformat(time) for time in ends)
    return (last - first).total_seconds()


def table_lines(out: Path) -> dict[str, str]:
    """Rows of the feature table as text, by case."""
    path = out / "features.csv"
    lines = path.read_text().splitlines() if path.exists() else []
    return {line.split(",", 1)[0]: line for line in lines}


def main() -> int:
    """Make, spoil, run, compare; print the figures."""
    parser = arguments(__doc__)
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--cohort", type=Path, help="folder `radresp phantom` made; copied")
    parser.add_argument("--faulty", type=float, default=0.1, help="share of spoilt cases")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--compare", type=int, default=50, help="sound cases run alone as well")
    parser.add_argument("--speedup", type=int, default=24, help="cases run with 1 and 2 workers")
    parser.add_argument("--tiny", action="store_true", help="small cases and a plan of volumes")
    chosen = parser.parse_args()
    report = Report(chosen.json)
    soak = Soak(emptied(chosen.output.absolute()), report, chosen)
    first = soak.first()
    report.tell(json.dumps(report.figures))
    soak.again(first)
    soak.compare(chosen.compare)
    soak.touch_one()
    if chosen.speedup:
        soak.speed_up(chosen.speedup)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
