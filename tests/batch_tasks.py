"""Tasks for the batch engine that worker processes can import."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from radresp.core import CaseFiles
from radresp.pipeline.plan import Plan
from radresp.pipeline.results import CaseResult


def dies_for_b_one(files: CaseFiles, plan: Plan, folder: Path) -> CaseResult:
    if files.case_id == "b":
        os.kill(os.getpid(), signal.SIGKILL)
    return CaseResult(files.case_id, "dies_for_b")


def kept(files: CaseFiles, body: Mapping[str, Any]) -> CaseResult:
    return CaseResult(files.case_id, "dies_for_b", kept=True)
