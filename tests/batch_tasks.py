"""Tasks for the batch that worker processes can import."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

from radresp.core import CaseFiles, Trail
from radresp.errors import InputError
from radresp.pipeline.case_work import Job, Place
from radresp.pipeline.plan import Plan
from radresp.pipeline.records import save_record

STAGE = "trial"


def misbehave(files: CaseFiles, plan: Plan, place: Place) -> Trail:
    """Do what the case is called, or finish."""
    kind = files.case_id.split("_")[0]
    if kind in _DEEDS:
        _DEEDS[kind](place.folder, files.case_id)
    save_record(STAGE, files, plan.sha256(*TRIAL.sections), place.folder, {"name": files.case_id})
    return ()


def _crash(folder: Path, name: str) -> None:
    os.abort()  # this thread, at once; a signal to the process may reach another one first


def _crash_once(folder: Path, name: str) -> None:
    """Die as if somebody killed the worker, but for the second time asked."""
    mark = folder / f"{name}.mark"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def _crash_at_once(folder: Path, name: str) -> None:
    """Die so soon that the nanny has not heard of its worker yet."""
    os._exit(1)


def _hang(folder: Path, name: str) -> None:
    """Keep the interpreter to itself, as a library may: no thread of this process gets a turn."""
    re.match(r"(a+)+$", "a" * 60 + "b")


def _swell(folder: Path, name: str) -> None:
    kept = []
    while True:
        kept.append(bytearray(50_000_000))
        time.sleep(0.01)


def _refuse(folder: Path, name: str) -> None:
    raise InputError("MASK_EMPTY", "the mask has 0 voxels")


def _stumble(folder: Path, name: str) -> None:
    raise KeyError("a text that may name a patient")


def _dawdle(folder: Path, name: str) -> None:
    time.sleep(0.5)


def _starve(folder: Path, name: str) -> None:
    raise MemoryError


_DEEDS = {
    "crash": _crash,
    "gone": _crash_at_once,
    "once": _crash_once,
    "hang": _hang,
    "swell": _swell,
    "refuse": _refuse,
    "stumble": _stumble,
    "starve": _starve,
    "slow": _dawdle,
}
TRIAL = Job(STAGE, misbehave, ("seed",))
