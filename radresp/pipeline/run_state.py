"""Where a batch stands: read from its logs and its lock, also while it runs."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from radresp import io
from radresp.errors import InputError
from radresp.pipeline.batch import EVENTS, STATUS


@dataclass
class Stage:
    """What one stage of a folder has come to; grows with every line of the logs.

    Parameters
    ----------
    name : str
        For example ``extract``.
    cases : int
        In the cohort.
    ended : dict of str to str
        How each case ended the last time: ``OK``, ``KEPT`` or the code it was refused for.
    in_work : dict of str to None
        Cases begun and not ended, in this order.
    seconds : list of float
        What each case took that was worked on.
    since, until : str
        Time of the first and of the last event of the last run.
    done : int
        Cases worked on in the last run.
    """

    name: str
    cases: int = 0
    ended: dict[str, str] = field(default_factory=dict)
    in_work: dict[str, None] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    since: str = ""
    until: str = ""
    done: int = 0

    def hear(self, event: Mapping[str, Any]) -> None:
        """Take in one line of ``events.jsonl``."""
        kind, self.until = event["event"], event["time"]
        if kind == "run":
            self.cases = event["cases"]
            if event["parts"] == 1:  # parts run beside each other
                self.in_work, self.done, self.since = {}, 0, event["time"]
            self.since = self.since or event["time"]
        elif kind == "begun":
            self.in_work[event["case"]] = None
        elif kind == "case":
            self.in_work.pop(event["case"], None)
            self.seconds.append(event["seconds"])
            self.done += 1

    def record(self, running: bool) -> dict[str, Any]:
        """The stage as a JSON-ready dictionary."""
        refused = Counter(code for code in self.ended.values() if code not in ("OK", "KEPT"))
        finished = len(self.ended) - refused.total()
        still = self.cases - len(self.ended)
        return {
            "stage": self.name,
            "cases": self.cases,
            "finished": finished,
            "refused": dict(sorted(refused.items())),
            "open": max(0, still),
            "in_work": list(self.in_work) if running else [],
            "seconds_a_case": _spread(self.seconds),
            "cases_an_hour": self._pace(),
            "seconds_left": self._left(still) if running else None,
            "last_event": self.until,
        }

    def _pace(self) -> float | None:
        if not (self.since and self.done):
            return None
        elapsed = (_time(self.until) - _time(self.since)).total_seconds()
        return round(3600 * self.done / elapsed, 1) if elapsed > 0 else None

    def _left(self, still: int) -> float | None:
        pace = self._pace()
        return round(3600 * still / pace) if pace else None


def run_status(folder: Path) -> dict[str, Any]:
    """Where the batch of a folder stands.

    Parameters
    ----------
    folder : Path
        Output folder of ``prepare``, ``extract`` or ``stability``.

    Returns
    -------
    dict
        ``running``: the holder of the folder, or None; ``stages``: one record a stage, as its logs
        tell. Whether a finished case still holds is for the next run to see, which compares the
        hashes.

    Raises
    ------
    InputError
        ``NOT_A_RUN`` for a folder without the logs of a batch.
    """
    events = io.StatusLog(folder / EVENTS).read()
    if not events:
        raise InputError(
            "NOT_A_RUN",
            f"there is no {EVENTS} in the folder",
            expected="the output folder of prepare, extract or stability",
            file=folder,
        )
    stages = _stages(events, io.StatusLog(folder / STATUS).read())
    holder = io.lock_holder(folder)
    return {
        "running": holder,
        "stages": [stage.record(holder is not None) for stage in stages.values()],
    }


def _stages(
    events: Iterable[Mapping[str, Any]], lines: Iterable[Mapping[str, Any]]
) -> dict[str, Stage]:
    stages: dict[str, Stage] = {}
    for event in events:
        stages.setdefault(event["stage"], Stage(event["stage"])).hear(event)
    for line in lines:
        if line["stage"] in stages:
            stages[line["stage"]].ended[line["case"]] = line["code"]
    return stages


def _spread(seconds: list[float]) -> dict[str, float] | None:
    """Median, 95th percentile and largest."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    high = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    middle = round(statistics.median(ordered), 3)
    return {"median": middle, "p95": high, "max": ordered[-1]}


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
