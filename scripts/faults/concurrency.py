"""Twenty starts at the same instant into one output folder: one works, the others are refused.

    python scripts/faults/concurrency.py -o WORK [--starts 20] [--cases 60] [--json]

The starts are forks of one process that has everything imported, let go together. Exactly one must
finish with exit code 0 and the tree of an undisturbed run; the others must end with 6 and LOCKED,
naming the holder, within two seconds. Then a holder is killed at work, with -9, and the next
start must finish without any cleaning by hand. Exit code 1 when a promise is broken.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import cohorts
import runs
import trees
from common import Report, arguments, emptied

SOON_S = 2.0


def start_together(words: list[str], said: list[Path]) -> list[runs.Ended]:
    """Let so many runs go at one instant and wait for all."""
    instant = time.monotonic() + 0.1 * len(said)
    pids = [runs.begin(words, path, at=instant) for path in said]
    return gather(dict(zip(pids, said, strict=True)), instant)


def gather(said: dict[int, Path], since: float) -> list[runs.Ended]:
    """Runs as they end."""
    ended = []
    while said:
        pid, status = os.waitpid(-1, 0)
        text = said.pop(pid).read_text(errors="replace")
        code = os.waitstatus_to_exitcode(status)
        ended.append(runs.Ended(code, time.monotonic() - since, text))
    return ended


def judge_starts(ended: list[runs.Ended], report: Report) -> None:
    """One that works, the others locked out soon."""
    worked = [run for run in ended if run.code == 0]
    locked = [run for run in ended if run.code == 6 and run.error == "LOCKED"]
    slowest = max((run.seconds for run in locked), default=0.0)
    report.promise(len(worked) == 1, f"{len(worked)} runs worked, not one")
    told = [(run.code, run.said[-200:]) for run in ended if run not in worked + locked]
    report.promise(len(worked) + len(locked) == len(ended), f"other ends: {told}")
    report.promise(slowest < SOON_S, f"refused after {slowest:.2f} s")
    named = all("process " in run.said or "only just begun" in run.said for run in locked)
    report.promise(named, "a refusal does not name the holder")
    report.figures |= {
        "starts": len(ended),
        "worked": len(worked),
        "locked": len(locked),
        "slowest_refusal_seconds": round(slowest, 2),
        "work_seconds": round(max(run.seconds for run in ended), 2),
    }


def kill_the_holder(words: list[str], out: Path, said: Path, report: Report) -> None:
    """A holder killed at work, and the next start."""
    shutil.rmtree(out)
    pid = runs.begin(words, said)
    while not (out / "status.jsonl").exists():
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    done = sum(trees.worked_on(out).values())
    again = runs.forked(words, said)
    report.promise(again.code == 0, f"after the holder died: {again.code} {again.said[-300:]}")
    report.figures["cases_done_when_killed"] = done


def main() -> int:
    """Start, count, kill, start."""
    parser = arguments(__doc__)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--cases", type=int, default=60, help="enough to outlast all starts")
    chosen = parser.parse_args()
    report, work = Report(chosen.json), emptied(chosen.output.absolute())
    cohort, plan = cohorts.make_tiny(work / "data", chosen.cases), cohorts.save_plan(work)
    runs.warm(runs.words("extract", cohort, work / "whole", plan))
    whole, out = trees.tree_of(work / "whole"), work / "out"
    words = runs.words("extract", cohort, out, plan)
    said = [work / f"said{number}.txt" for number in range(chosen.starts)]
    judge_starts(start_together(words, said), report)
    found = trees.differences(out, whole)
    kill_the_holder(words, out, said[0], report)
    found += trees.differences(out, whole)
    report.promise(not found, f"finished, but {found}")
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
