"""Held-out cases: whatever form they come in, to the table a model is judged on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from radresp import io
from radresp.core import Note, NoteKind
from radresp.errors import CohortError, PlanError
from radresp.pipeline.batch import WHOLE, Batch, counted
from radresp.pipeline.cohort import extract_cohort
from radresp.pipeline.external import Judged, doubts_of, judge
from radresp.pipeline.flow import patient_flow, refusals_beside
from radresp.pipeline.learning_table import TrainingTable, join_outcomes
from radresp.pipeline.network import score_inputs
from radresp.pipeline.patches import cut_cohort, load_inputs
from radresp.pipeline.score import ScoringModel, open_model
from radresp.pipeline.score_checks import check_extractor
from radresp.pipeline.train import REPORT, Stage

IMAGE_COLUMNS = frozenset({"pre_t2", "post_t2", "post_dwi", "post_adc"})
"""Any of these makes a table a cohort."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How to read the held-out cases.

    Parameters
    ----------
    outcomes, clinical : Path, optional
        Tables beside the features; a cohort table is its own clinical table.
    endpoint : str, optional
        Which references count.
    id_column, outcome_column : str
        Column names in tables not made by radresp.
    outcome_map : mapping of str to str, optional
        What the outcomes' own words mean.
    drop : tuple of str
        Columns that are no features.
    root : Path, optional
        Data root of a cohort.
    """

    outcomes: Path | None = None
    clinical: Path | None = None
    endpoint: str | None = None
    id_column: str = "case_id"
    outcome_column: str = "outcome"
    outcome_map: Mapping[str, str] | None = None
    drop: tuple[str, ...] = ()
    root: Path | None = None


def evaluate_model(
    model: Path,
    source: Path,
    folder: Path,
    given: HeldOut,
    *,
    minimum_events: int = 10,
    batch: Batch = WHOLE,
    stage: Stage,
) -> tuple[Judged, ScoringModel]:
    """Judge a model folder on cases it never met.

    Parameters
    ----------
    model : Path
        Model folder.
    source : Path
        Cohort table (its features are extracted by the model's plan, into ``folder/features``),
        folder of ``extract``, or any feature table.
    folder : Path
        Output folder.
    given : HeldOut
        How to read the cases.
    minimum_events : int
        Fewest cases of either outcome for an AUC.
    batch : Batch
        Where an extraction is done.
    stage : callable
        Opens a progress line.

    Raises
    ------
    ModelError
        When the model or the features do not fit.
    PlanError
        ``LEAKAGE`` when an image was used to train the model; faults of the tables.
    CohortError
        ``NO_CASES``.
    """
    scoring = open_model(model)
    features = _features(source, folder, scoring, given, batch, stage)
    table = _table(source, features, given)
    _check_unmet(table, features, scoring)
    rules = scoring.plan.evaluation.model_copy(update={"minimum_events": minimum_events})
    doubts = doubts_of(map(str, table.x.index), features.parent, scoring)
    noted = _noted(table, scoring, model)
    scores = _network_scores(noted, source, folder, scoring, given, batch, stage)
    judged = judge(noted, scoring, doubts, rules, scores)
    # Counted once there is something to see: a refusal is no look.
    looks = io.count_look(model, {str(case): str(label) for case, label in table.y.items()})
    evaluation = {**judged.evaluation, "looks": looks}
    return replace(judged, evaluation=evaluation, facts=_facts(model)), scoring


def _facts(model: Path) -> dict[str, Any]:
    """How a model was made, by its own folder; the versions are those of this evaluation."""
    told = (io.read_json(model / REPORT) or {}).get("facts", {})
    return {**told, "versions": io.versions()}


def _network_scores(
    table: TrainingTable,
    source: Path,
    folder: Path,
    scoring: ScoringModel,
    given: HeldOut,
    batch: Batch,
    stage: Stage,
) -> dict[str, pd.Series]:
    """What the model's network says of a cohort; nothing where only features are at hand."""
    if scoring.network is None or source.is_dir() or not is_cohort(source):
        return {}
    cases = io.load_cohort(source, given.root).cases
    place = folder / "patches"
    watch = counted(stage("patches", len(cases)), len(cases))
    cut = cut_cohort(cases, scoring.plan, place, batch, watch=watch)
    known = [r.case_id for r in cut.finished if r.case_id in table.x.index]
    said = score_inputs([load_inputs(case, place) for case in known], scoring.network)
    return {"cnn": pd.Series(said, index=known)}


def _features(
    source: Path,
    folder: Path,
    scoring: ScoringModel,
    given: HeldOut,
    batch: Batch,
    stage: Stage,
) -> Path:
    """The feature table, extracted first where the source is a cohort."""
    if source.is_dir():
        return source / "features.parquet"
    if not is_cohort(source):
        return source
    check_extractor(scoring.plan, scoring.manifest)
    cohort = io.load_cohort(source, given.root)
    watch = counted(stage("features", len(cohort.cases)), len(cohort.cases))
    found = extract_cohort(cohort.cases, scoring.plan, folder / "features", batch, watch=watch)
    if not found.finished:
        refusal = found.refused[0].refusal
        raise CohortError(
            "NO_CASES",
            f"all {len(cohort.cases)} cases were refused, the first for {refusal and refusal.code}",
            expected="at least one",
            action=f"look into {folder.name}/features/status.jsonl",
        )
    return folder / "features" / "features.parquet"


def is_cohort(path: Path) -> bool:
    """Whether a table names images."""
    if not path.name.endswith((".csv", ".csv.gz")):
        return False
    return bool(IMAGE_COLUMNS & set(io.load_text_table(path).columns))


def _table(source: Path, features: Path, given: HeldOut) -> TrainingTable:
    outcomes, drop = given.outcomes, given.drop
    if outcomes is None:
        if features.suffix == ".parquet":
            raise PlanError("USAGE", "no outcome table", expected="--outcomes CSV")
        outcomes, drop = features, (*drop, given.outcome_column)
    said = io.load_outcomes(
        outcomes,
        id_column=given.id_column,
        outcome_column=given.outcome_column,
        outcome_map=given.outcome_map,
        endpoint=given.endpoint,
    )
    clinical = given.clinical
    if clinical is None and not source.is_dir() and is_cohort(source):
        clinical = source
    rows = io.load_features(features, id_column=given.id_column, drop=drop)
    table = join_outcomes(
        rows, said, None if clinical is None else io.load_clinical(clinical, given.id_column)
    )
    return replace(table, flow=patient_flow(rows.index, said, refusals_beside(features)))


def _check_unmet(table: TrainingTable, features: Path, scoring: ScoringModel) -> None:
    """Refuse an image the model was trained on."""
    here = io.read_json(features.parent / "acquisition.json") or {"cases": {}}
    known = {d: case for case, of in scoring.protocol["cases"].items() for d in of.values() if d}
    met = {
        str(case): known[digest]
        for case, of in here["cases"].items()
        for digest in of.values()
        if case in table.x.index and digest in known
    }
    if met:
        case, trained = next(iter(met.items()))
        raise PlanError(
            "LEAKAGE",
            f"{len(met)} cases hold images the model was trained on, first {case} ({trained} "
            "in training)",
            expected="cases the model never met",
            action="leave them out",
        )


def _noted(table: TrainingTable, scoring: ScoringModel, model: Path) -> TrainingTable:
    """The table, with a warning where case ids are also those of training cases."""
    trained = set(scoring.training_ids)
    same = [case for case in table.x.index if case in trained]
    if not same:
        return table
    note = Note(
        NoteKind.WARNING,
        "IN_TRAINING_SET",
        f"{len(same)} case ids are also those of training cases, first {same[0]}",
        "other patients than the model was trained on",
        "make sure that they only share their names",
        model.name,
    )
    return replace(table, notes=(*table.notes, note))
