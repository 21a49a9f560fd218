"""Who is in an evaluation and who is not: counts from the files to the cases that are judged.

Source: TRIPOD+AI item 20a and STARD 2015 ask for the flow of participants with the reasons of every
exclusion. A case is counted once, at the first place it was lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from radresp import io
from radresp.errors import OutputError

_TOLD = ("case", "code", "found", "expected", "action")
NO_RECORD = "no features and no record of an extraction"
NOT_LISTED = "not in the outcome table"
UNLABELLED = "no outcome that counts for the endpoint"


def refusals_beside(table: Path) -> tuple[dict[str, str], ...]:
    """The cases an extraction refused, from ``status.jsonl`` beside a feature table.

    Parameters
    ----------
    table : Path
        A feature table; one that no extraction made has no such log.

    Returns
    -------
    tuple of dict
        ``case``, ``code``, ``found``, ``expected`` and ``action``, sorted by case; the last word on
        each case counts.
    """
    try:
        records = io.StatusLog(table.parent / "status.jsonl").read()
    except OutputError:  # a log of something else, beside a table radresp did not make
        return ()
    last = {str(record.get("case")): record for record in records if "case" in record}
    return tuple(
        {name: str(record.get(name) or "") for name in _TOLD}
        for _, record in sorted(last.items())
        if record.get("severity") != "finished"
    )


def patient_flow(
    features: pd.Index, outcomes: io.Outcomes, refused: Sequence[Mapping[str, str]] = ()
) -> dict[str, Any]:
    """Counts of every step to the analysed cases, with the reasons of those left out.

    Parameters
    ----------
    features : Index
        Case ids with features.
    outcomes : Outcomes
        What is known of the cases.
    refused : sequence of mapping
        From :func:`refusals_beside`.

    Returns
    -------
    dict
        JSON-ready: ``steps``, each with ``name``, ``n`` and ``left_out`` (reason and ``n``) before
        the next step; and ``refused``, the refused cases with their codes.
    """
    has = set(map(str, features))
    lost = {row["case"]: row for row in refused if row["case"] not in has}
    known = has | set(outcomes.labels) | set(lost)
    unread = Counter(
        f"refused: {lost[case]['code']}" if case in lost else NO_RECORD for case in known - has
    )
    labels = outcomes.labels
    unknown = Counter(
        NOT_LISTED if case not in labels else UNLABELLED for case in has if labels.get(case) is None
    )
    kept = sorted(case for case in has if labels.get(case) is not None)
    patients = len({outcomes.patients.get(case, case) for case in kept})
    return {
        "steps": [
            {"name": "cases named in the tables", "n": len(known), "left_out": _reasons(unread)},
            {"name": "cases with features", "n": len(has), "left_out": _reasons(unknown)},
            {"name": "cases analysed", "n": len(kept), "patients": patients, "left_out": []},
        ],
        "refused": [dict(row) for row in lost.values()],
    }


def _reasons(counts: Counter[str]) -> list[dict[str, Any]]:
    """The commonest first."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [{"reason": reason, "n": n} for reason, n in ordered]
