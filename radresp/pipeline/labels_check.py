"""An outcome table held against a cohort: unknown words, conflicts, cases of one table only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from radresp import io
from radresp.core import CaseFiles
from radresp.errors import CohortError, PlanError
from radresp.pipeline.findings import Finding, of_note, of_table

COMPLETE_TRUTH = frozenset({"pCR_TME", "pCR_LE", "sustained_cCR_24m", "cCR_12_24m", "cCR_lt12m"})
RESIDUAL_TRUTH = frozenset({"regrowth", "residual_path"})
RESIDUAL = "residual"
_LISTED = 5


def check_labels(cohort: io.Cohort, outcomes: Path) -> list[Finding]:
    """Everything an outcome table says against itself and against the cohort.

    Parameters
    ----------
    cohort : Cohort
        The cases.
    outcomes : Path
        The outcome table.

    Returns
    -------
    list of Finding
        A refused one stops a training run.
    """
    try:
        said = io.load_outcomes(outcomes)
    except (PlanError, CohortError) as error:
        return [of_table(error, outcomes.name)]
    found = [of_note("", "outcome", note) for note in said.notes]
    found += _conflicts(cohort.cases, said, outcomes.name)
    found += _strangers(cohort.cases, said, outcomes.name)
    return found


def _conflicts(cases: tuple[CaseFiles, ...], said: io.Outcomes, file: str) -> Iterator[Finding]:
    first: dict[str, tuple[str, str]] = {}
    for files in cases:
        label = said.labels.get(files.case_id)
        if label is None:
            continue
        truth = files.clinical.get("reference", "")
        wrong = RESIDUAL_TRUTH if label != RESIDUAL else COMPLETE_TRUTH
        if truth in wrong:
            found = f"the outcome is {label}, the cohort table's reference {truth}"
            yield _conflict(files.case_id, file, found)
        if truth == "died_or_lost":
            found = f"the outcome is {label}, the reference says died_or_lost"
            yield _conflict(files.case_id, file, found, severity="warning")
        other, before = first.setdefault(files.patient_key, (files.case_id, label))
        if before != label:
            found = f"the outcome is {label}, that of case {other} of the same patient {before}"
            yield _conflict(files.case_id, file, found)


def _conflict(case_id: str, file: str, found: str, *, severity: str = "refused") -> Finding:
    return Finding(
        case_id,
        "outcome",
        severity,
        "LABEL_CONFLICT",
        file,
        found,
        "one truth for one patient",
        "correct one of the tables",
    )


def _strangers(cases: tuple[CaseFiles, ...], said: io.Outcomes, file: str) -> Iterator[Finding]:
    known = {files.case_id for files in cases}
    without = [case for case in known if case not in said.labels]
    beyond = [case for case in said.labels if case not in known]
    if without:
        names = ", ".join(sorted(without)[:_LISTED])
        yield Finding(
            "", "outcome", "info", "UNLABELLED", file,
            f"{len(without)} cases are not in the outcome table ({names})",
            "", "they cannot be trained on",
        )  # fmt: skip
    if beyond:
        yield Finding(
            "", "outcome", "warning" if len(beyond) < len(said.labels) else "refused",
            "OUTCOME_UNKNOWN_CASE", file,
            f"{len(beyond)} of {len(said.labels)} outcomes are of no case of the cohort",
            "case ids as in the cohort table", "compare the ids of both tables",
        )  # fmt: skip
