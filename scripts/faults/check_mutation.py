"""Switch off every check in turn: at least one test must notice.

    python scripts/faults/check_mutation.py -o WORK [--codes A B] [--part K/N] [--tests PATH ...]

The package is copied with a switch at every place that raises or names a code (switches.py). The
test suite runs once over the copy and notes which tests reach which place; --tests limits that.
Then, for each place, the tests that reach it run with that one check off, those that name its code
first, until one fails. A place that no test reaches, or whose tests all pass, survives: it is
printed, and the exit code is 1. WORK keeps what was found, so that the same command goes on where
it was stopped; --part K/N does the K-th of N parts (the map is made once, by whoever comes first).
"""

from __future__ import annotations

import importlib
import json
import mmap
import os
import pkgutil
import re
import signal
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
import runs
import switches
from common import Report, arguments

MOST_TESTS = 40
"""Tests tried for one place; a check that so many pass without is taken to be untested."""
SECONDS = 600
HANGS = 1
PYTEST = ["-q", "-p", "no:cacheprovider", "--no-header", "--tb=line"]
ENDS = {0: "survived", 1: "killed", 2: "killed"}
"""By pytest's exit code; 2 is a test file that cannot even be collected."""


def import_copy(copy: Path) -> None:
    """Import every module of the copy, so that forks have them."""
    sys.path.insert(0, str(copy))
    import radresp

    for module in pkgutil.walk_packages(radresp.__path__, "radresp."):
        importlib.import_module(module.name)
    if not radresp.__file__.startswith(str(copy)):
        raise SystemExit(f"radresp was imported from {radresp.__file__}")


class Reached:
    """A pytest plugin that notes which tests reach which place, and which fail anyway."""

    def __init__(self, page: Path, sites: list[switches.Site], into: Path) -> None:
        page.write_bytes(bytes(max(len(sites), 1)))
        with page.open("r+b") as file:
            self.page = mmap.mmap(file.fileno(), 0)
        self.names, self.into = [site.name for site in sites], into
        self.tests: dict[str, list[str]] = defaultdict(list)
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember failures."""
        if report.failed:
            self.failed.add(report.nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Read the page and clear it."""
        reached = np.flatnonzero(np.frombuffer(self.page, np.uint8)).tolist()
        for number in reached:
            self.page[number] = 0
            self.tests[self.names[number]].append(nodeid)

    def pytest_sessionfinish(self) -> None:
        """Save what was found, without tests that fail with every check in force."""
        sound = {name: [test for test in tests if test not in self.failed]
                 for name, tests in self.tests.items()}  # fmt: skip
        self.into.write_text(json.dumps({"tests": sound, "failed": sorted(self.failed)}))


def pytest_run(copy: Path, words: list[str], log: Path, *plugins: object, **more: str) -> int:
    """Run tests over the copy in a fork; gives pytest's exit code, 1 for one that hangs."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            runs.stand_alone(log)
            os.environ.update(switches.environment(copy, **more))
            importlib.reload(sys.modules["radresp_switch"])
            os.chdir(switches.ROOT)
            code = int(pytest.main([*PYTEST, *words], plugins=plugins))
        finally:
            os._exit(code)
    until = time.monotonic() + (SECONDS if "RADRESP_OFF" in more else float("inf"))
    while time.monotonic() < until:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return abs(os.waitstatus_to_exitcode(status))
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return HANGS


def reached_by(
    work: Path, copy: Path, sites: list[switches.Site], tests: list[str], report: Report
) -> dict[str, list[str]]:
    """Tests by the places they reach, from one run of the suite over the copy."""
    path = work / "reached.json"
    if not path.exists():
        report.tell("which tests reach which check: one run of the suite")
        page = work / "page"
        plugin, log = Reached(page, sites, path), work / "suite.log"
        code = pytest_run(copy, tests, log, plugin, RADRESP_REACHED=str(page))
        report.tell(f"the suite over the copy ended with {code}; see {log}")
    found = json.loads(path.read_text())
    report.figures["failed_with_all_checks"] = found["failed"]
    return dict(found["tests"])


def ordered(tests: list[str], codes: tuple[str, ...]) -> list[str]:
    """Tests whose file names one of the codes first."""
    sources: dict[str, str] = {}

    def tells(test: str) -> bool:
        file = test.split("::", 1)[0]
        if file not in sources:
            path = switches.ROOT / file
            sources[file] = path.read_text(encoding="utf-8") if path.is_file() else ""
        return not any(re.search(rf"\b{re.escape(code)}\b", sources[file]) for code in codes)

    return sorted(tests, key=tells)


def judge(site: switches.Site, tests: list[str], copy: Path, log: Path) -> str:
    """How one place ends with its check off: ``killed``, ``survived`` or ``unreached``."""
    if not tests:
        return "unreached"
    chosen = ordered(tests, site.codes)[:MOST_TESTS]
    code = pytest_run(copy, ["-x", *chosen], log, RADRESP_OFF=str(site.number))
    return ENDS.get(code, f"pytest {code}")


def chosen_sites(sites: list[switches.Site], codes: list[str], part: str) -> list[switches.Site]:
    """The places asked for."""
    k, n = map(int, part.split("/"))
    asked = [site for site in sites if not codes or set(codes) & set(site.codes)]
    return asked[k - 1 :: n]


def known(path: Path) -> dict[str, str]:
    """What an earlier run found, by place."""
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(json.loads(line) for line in lines)


def main() -> int:
    """Mutate, test, and print the survivors."""
    parser = arguments(__doc__)
    parser.add_argument("--codes", nargs="+", default=[], help="only checks of these codes")
    parser.add_argument("--part", default="1/1", help="K/N: the K-th of N parts")
    parser.add_argument("--tests", nargs="+", default=["tests"], help="what the suite is")
    parser.add_argument("--list", action="store_true", help="print the places and end")
    chosen = parser.parse_args()
    work, report = chosen.output.absolute(), Report(chosen.json)
    work.mkdir(parents=True, exist_ok=True)
    copy = work / f"copy_{os.getpid()}"
    every = switches.copy_package(copy)
    sites = chosen_sites(every, chosen.codes, chosen.part)
    if chosen.list:
        print("\n".join(f"{site.name} {site.kind} {' '.join(site.codes)}" for site in sites))
        return 0
    import_copy(copy)
    reached = reached_by(work, copy, every, chosen.tests, report)
    results = work / "results.jsonl"
    found = known(results)
    for number, site in enumerate(sites, start=1):
        if site.name not in found:
            found[site.name] = judge(site, reached.get(site.name, []), copy, work / "one.log")
            with results.open("a") as file:
                file.write(json.dumps([site.name, found[site.name]]) + "\n")
        if number % 20 == 0:
            report.tell(f"{number} of {len(sites)}")
    for site in sites:
        what = f"{site.name} ({', '.join(site.codes)}, {site.kind}): {found[site.name]}"
        report.promise(found[site.name] == "killed", what)
    ends = Counter(found[site.name] for site in sites)
    report.figures |= {"places": len(sites), "killed": 0, "survived": 0, "unreached": 0, **ends}
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
