"""The job of scale.py: all that a batch does with a case, but the image work."""

from __future__ import annotations

import json

from radresp.core import CaseFiles, Trail
from radresp.pipeline.case_work import Job, Place
from radresp.pipeline.plan import Plan
from radresp.pipeline.records import save_record


def write_record(files: CaseFiles, plan: Plan, place: Place) -> Trail:
    """Write a record of the size of a real one, with a number that tells the cases apart."""
    real = next(files.root.glob("*.json"))
    body = json.loads(real.read_text())["body"]
    body["values"] = [
        [name, value if value is None else value + files.clinical["i"]]
        for name, value in body["values"]
    ]
    save_record(SCALE.stage, files, plan.sha256(*SCALE.sections), place.folder, body)
    return ()


SCALE = Job("extract", write_record)
