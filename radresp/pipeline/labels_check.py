"""An outcome table held against a cohort: unknown words, conflicts, cases of one table only.

References of the cohort table are read by the rules training reads those of an outcome table by.
What would refuse the table there is refused here; a reference that would unlabel its case is a
warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from radresp import io
from radresp.core import CaseFiles, Endpoint
from radresp.errors import CohortError, PlanError
from radresp.pipeline.findings import Finding, of_error, of_note, of_table

_LISTED = 5


def check_labels(cohort: io.Cohort, outcomes: Path, endpoint: str | None = None) -> list[Finding]:
    """Everything an outcome table says against itself and against the cohort.

    Parameters
    ----------
    cohort : Cohort
        The cases.
    outcomes : Path
        The outcome table.
    endpoint : str, optional
        Which references count, as for training.

    Returns
    -------
    list of Finding
        A refused one stops a training run.
    """
    try:
        said = io.load_outcomes(outcomes, endpoint=endpoint)
    except (PlanError, CohortError) as error:
        return [of_table(error, outcomes.name)]
    found = [of_note("", "outcome", note) for note in said.notes]
    found += _against_references(cohort.cases, said, outcomes.name)
    found += _against_each_other(cohort.cases, said, outcomes.name)
    found += _strangers(cohort.cases, said, outcomes.name)
    return found


def _against_references(
    cases: tuple[CaseFiles, ...], said: io.Outcomes, file: str
) -> Iterator[Finding]:
    # Outcomes of no endpoint that references know are held against both kinds of reference.
    known = said.endpoint in set(Endpoint)
    endpoint = Endpoint(said.endpoint) if known else Endpoint.COMPLETE_RESPONSE
    for files in cases:
        if files.case_id not in said.labels:
            continue
        try:
            reference = io.reference_of(files.clinical)
        except PlanError as error:
            yield of_error(files, "reference", error)
            continue
        label = said.labels[files.case_id]
        if label is None:
            continue
        truth = None if reference is None else reference.truth(endpoint)
        found = f"the outcome is {label}, the cohort table's "
        word = "" if reference is None else f"reference {reference.word}"
        fraction = files.clinical.get("residual_fraction", "")
        if truth is not None and truth.reason:
            found += f"{word} leaves the endpoint {endpoint} open ({truth.reason})"
            yield _conflict(files.case_id, file, found, severity="warning")
        elif truth is not None and io.contradicts(label, truth):
            yield _conflict(files.case_id, file, f"{found}{word} for the endpoint {endpoint}")
        elif fraction not in io.MISSING and io.contradicts_fraction(label, float(fraction)):
            yield _conflict(files.case_id, file, f"{found}residual fraction {fraction}")


def _against_each_other(
    cases: tuple[CaseFiles, ...], said: io.Outcomes, file: str
) -> Iterator[Finding]:
    first: dict[str, tuple[str, str]] = {}
    for files in cases:
        label = said.labels.get(files.case_id)
        if label is None:
            continue
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
