"""What commands are given: plans, cohorts, cases and feature tables, opened and joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from radresp import io
from radresp.cnn import Cnn
from radresp.errors import PlanError
from radresp.pipeline.cnn_store import TrainedCnn, load_cnn
from radresp.pipeline.flow import patient_flow, refusals_beside
from radresp.pipeline.learning_table import TrainingTable, join_outcomes
from radresp.pipeline.plan import Plan, parse_plan
from radresp.pipeline.stability import keep_stable, repeatability
from radresp.pipeline.synthetic import ENDPOINT


@dataclass(frozen=True, slots=True)
class Joined:
    """A training table with what is known of how it was made.

    Parameters
    ----------
    table : TrainingTable
        Features and outcomes.
    plan : Plan
        The plan given, else the one saved beside the features, else the defaults.
    protocol : mapping, optional
        ``acquisition.json`` beside the features.
    training_data : str
        ``"synthetic"`` when the endpoint is the phantom's truth.
    network : mapping of str to bytes, optional
        The final network of ``train-cnn``.
    """

    table: TrainingTable
    plan: Plan
    protocol: Mapping[str, Any] | None
    training_data: str
    network: Mapping[str, bytes] | None = None


def load_plan(path: Path | None) -> Plan:
    """The plan in a YAML file, or the default plan."""
    return parse_plan(None if path is None else io.load_mapping(path))


def open_cases(path: Path, case_id: str | None = None, root: Path | None = None) -> io.Cohort:
    """The cases of a cohort table, or the one case of a folder.

    Parameters
    ----------
    path : Path
        A CSV table or a case folder.
    case_id : str, optional
        Keep only this case; needed by commands that take one case from a longer table.
    root : Path, optional
        Data root no path or link leaves; by default the folder of the table or case.

    Raises
    ------
    PlanError
        ``CASE_UNKNOWN`` when the table has no such case.
    """
    if path.is_dir():
        files = io.find_case(path, root)
        return io.Cohort((files,), (), files.root)
    cohort = io.load_cohort(path, root)
    if case_id is None:
        return cohort
    chosen = tuple(files for files in cohort.cases if files.case_id == case_id)
    if not chosen:
        raise PlanError(
            "CASE_UNKNOWN",
            f"no case '{case_id}' in the table",
            expected=f"one of {', '.join(files.case_id for files in cohort.cases[:5])} ...",
            file=path.name,
        )
    return io.Cohort(chosen, cohort.notes, cohort.root)


def open_case(path: Path, case_id: str | None = None, root: Path | None = None) -> io.Cohort:
    """Like :func:`open_cases`, but exactly one case.

    Raises
    ------
    PlanError
        ``CASE_CHOICE`` when the table holds several and none was chosen.
    """
    cohort = open_cases(path, case_id, root)
    if len(cohort.cases) != 1:
        raise PlanError(
            "CASE_CHOICE",
            f"the table holds {len(cohort.cases)} cases",
            expected="one case",
            action="choose it with --case ID",
            file=path.name,
        )
    return cohort


def training_table(
    features: Path,
    outcomes: Path | None,
    plan: Path | None = None,
    id_column: str = "case_id",
    outcome_column: str = "outcome",
    outcome_map: Mapping[str, str] | None = None,
    drop: tuple[str, ...] = (),
    stability: Path | None = None,
    minimum_icc: float = 0.75,
    clinical: Path | None = None,
    control: Path | None = None,
    endpoint: str | None = None,
    network: Path | None = None,
) -> Joined:
    """Join a feature table with outcomes, from files.

    Parameters
    ----------
    features : Path
        ``features.parquet`` or ``.csv``; a folder means the table ``extract`` wrote there.
    outcomes : Path, optional
        Outcome table; the feature table itself when not given.
    plan : Path, optional
        YAML plan.
    id_column, outcome_column : str
        Column names in tables not made by radresp.
    outcome_map : mapping of str to str, optional
        What the outcomes' own words mean, for example ``{"1": "residual", "0": "complete"}``.
    drop : tuple of str
        Columns of the feature table that are no features.
    stability : Path, optional
        A ``stability.csv``; features less stable than ``minimum_icc`` are left out.
    minimum_icc : float
        Lowest lower end of the interval of ICC(1,1).
    clinical : Path, optional
        Table of covariates, hospital, scanner and reader calls, such as the cohort table.
    control : Path, optional
        Feature table of the same cases, extracted with ``control`` in the plan.
    endpoint : str, optional
        ``pCR``, ``sustained_cCR_24m`` or ``complete_response``: which references count.
    network : Path, optional
        Folder written by ``train-cnn``.
    """
    table_path = _table_of(features)
    if outcomes is None and table_path.suffix == ".parquet":
        raise PlanError("USAGE", "no outcome table", expected="--outcomes CSV")
    if outcomes is None:
        outcomes, drop = table_path, (*drop, outcome_column)
    said = io.load_outcomes(
        outcomes,
        id_column=id_column,
        outcome_column=outcome_column,
        outcome_map=outcome_map,
        endpoint=endpoint,
    )
    rows = io.load_features(table_path, id_column=id_column, drop=drop)
    table = join_outcomes(
        rows,
        said,
        None if clinical is None else io.load_clinical(clinical, id_column),
        None if control is None else _control(_table_of(control), id_column, drop),
    )
    table = replace(table, flow=patient_flow(rows.index, said, refusals_beside(table_path)))
    if stability is not None:
        kept, note = keep_stable(table.x, stability, minimum_icc)
        icc = repeatability(stability)
        table = replace(table, x=kept, notes=(*table.notes, note), repeatability=icc)
    trained = None if network is None else load_cnn(network)
    if trained is not None:
        table = replace(table, cnn=trained.scores)
    beside = table_path.parent
    protocol = io.read_json(beside / "acquisition.json")
    _check_no_leak(table, protocol)
    saved_plan = beside / "plan.yaml"
    chosen = load_plan(plan or (saved_plan if saved_plan.is_file() else None))
    if trained is not None:
        chosen = _with_network(chosen, trained)
    return Joined(
        table=table,
        plan=chosen,
        network=None if trained is None else trained.members,
        protocol=protocol,
        training_data="synthetic"
        if ENDPOINT in (said.endpoint, said.stated_endpoint)
        else "not stated",
    )


def _with_network(plan: Plan, trained: TrainedCnn) -> Plan:
    """The plan of the features with the network's own section, if both prepared cases alike."""
    if plan.extraction_sha256 != trained.plan.extraction_sha256:
        raise PlanError(
            "CONFIG_CHANGED",
            "features and network come from plans that prepare cases differently",
            expected="one plan for `extract` and `train-cnn`",
            action="run one of them again with the plan of the other",
        )
    return replace(plan, cnn=trained.plan.cnn)


def _table_of(path: Path) -> Path:
    """A table, or the one ``extract`` wrote into a folder."""
    return path / "features.parquet" if path.is_dir() else path


def _control(path: Path, id_column: str, drop: tuple[str, ...]) -> pd.DataFrame:
    return io.load_features(path, id_column=id_column, drop=drop)


def _check_no_leak(table: TrainingTable, protocol: Mapping[str, Any] | None) -> None:
    """Refuse the same image under two patients: folds would share it (fault catalogue L01)."""
    first: dict[str, str] = {}
    for case, roles in (protocol or {"cases": {}})["cases"].items():
        images = (digest for role, digest in roles.items() if role.count("_") == 1 and digest)
        for digest in images if case in table.groups.index else ():
            other = first.setdefault(digest, case)
            if table.groups[other] != table.groups[case]:
                raise PlanError(
                    "LEAKAGE",
                    f"cases {other} and {case} hold the same image but count as two patients",
                    expected="one patient_id for one patient",
                    action="give both cases the same patient_id in the outcome table, or drop one",
                )


def load_cnn_plan(path: Path | None) -> Plan:
    """The plan in a YAML file, or the default one, with a CNN either way."""
    plan = load_plan(path)
    return plan if plan.cnn is not None else replace(plan, cnn=Cnn())


def load_outcomes(path: Path, *, endpoint: str | None = None) -> io.Outcomes:
    """The outcomes of a table; see :func:`radresp.io.load_outcomes`."""
    return io.load_outcomes(path, endpoint=endpoint)


def load_clinical(path: Path) -> io.ClinicalTable | None:
    """The clinical values of a cohort table; None for the folder of one case."""
    return None if path.is_dir() else io.load_clinical(path)
