"""The whole way on synthetic patients: cohort, features, model, and one case it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radresp import io
from radresp.errors import RadrespError
from radresp.pipeline.batch import Batch, counted
from radresp.pipeline.cohort import extract_cohort
from radresp.pipeline.engine import Engine
from radresp.pipeline.learning_table import join_outcomes
from radresp.pipeline.plan import HEADER, RIGID, Plan, parse_plan
from radresp.pipeline.results import CohortResult
from radresp.pipeline.score import Scored, open_model, score_case
from radresp.pipeline.score_page import save_score, score_record
from radresp.pipeline.synthetic import ceiling, make_phantom_cohort, phantom_settings
from radresp.pipeline.train import Stage, Trained, save_model, train_model

"""Opens a progress line for a named stage of so many units and returns its ticker."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo made.

    Parameters
    ----------
    cohort : CohortResult
        Features of the training patients.
    trained : Trained
        The model with its evaluation.
    scored : Scored
        The new case.
    truth : str
        What the new case really is.
    page : Path
        Its report.
    ceiling : float
        AUC of the phantom's oracle on the training patients.
    """

    cohort: CohortResult
    trained: Trained
    scored: Scored
    truth: str
    page: Path
    ceiling: float

    def describe(self) -> dict[str, Any]:
        """The demo as a JSON-ready dictionary."""
        score = self.scored.score
        return {
            "cohort": self.cohort.describe(),
            "evaluation": self.trained.evaluation,
            "oracle_auc": self.ceiling,
            "case_id": score.case_id,
            "p_ccr": score.p_ccr,
            "decision": str(score.decision),
            "truth": self.truth,
            "report": str(self.page),
        }

    def lines(self) -> list[str]:
        """The demo for a terminal."""
        return [
            *self.trained.lines(),
            f"- AUC of the oracle, the most that images could show: {self.ceiling:.3f}",
            "",
            "a new synthetic case the model has not seen:",
            *self.scored.lines(),
            f"its truth is: {self.truth}",
            f"report: {self.page}",
        ]


def demo_plan() -> Plan:
    """The default plan with rigid registration, which keeps a demonstration to minutes."""
    return parse_plan({"registration": {"method": RIGID}, "registration_dwi": {"method": HEADER}})


def run_demo(
    folder: Path,
    plan: Plan,
    *,
    cases: int = 50,
    seed: int = 21,
    workers: int = 2,
    stage: Stage,
) -> Demo:
    """Make a synthetic cohort, train on it and score a new synthetic case.

    Parameters
    ----------
    folder : Path
        Gets ``cohort/``, ``features/``, ``model/``, ``new_case/`` and ``score/``.
    plan : Plan
        What to compute and train.
    cases : int
        Training patients; one more is made for scoring.
    seed, workers : int
        Seed of the patients, and processes.
    stage : callable
        Opens a progress line for each stage.
    """
    settings = phantom_settings(fast=True)
    table = make_phantom_cohort(
        folder / "cohort",
        cases,
        seed,
        workers=workers,
        settings=settings,
        progress=stage("synthetic patients", cases),
    )
    new_table = make_phantom_cohort(folder / "new_case", 1, seed, first=cases, settings=settings)
    cohort = io.load_cohort(table)
    result = extract_cohort(
        cohort.cases,
        plan,
        folder / "features",
        Batch(Engine(workers)),
        watch=counted(stage("features", cases), cases),
    )
    if result.refused:
        raise result.refused[0].refusal or RadrespError("DEMO", "a synthetic case was refused")
    outcomes = io.load_outcomes(folder / "cohort" / "outcomes.csv")
    joined = join_outcomes(
        io.load_features(folder / "features" / "features.parquet"),
        outcomes,
        io.load_clinical(table),
    )
    trained = train_model(joined, plan, stage=stage)
    save_model(
        trained,
        plan,
        folder / "model",
        protocol=io.read_json(folder / "features" / "acquisition.json"),
        training_data="synthetic",
        overwrite=True,
    )
    scoring = open_model(folder / "model")
    new_case = io.load_cohort(new_table).cases[0]
    scored = score_case(new_case, scoring)
    page = save_score(score_record(scored, scoring), scored, folder / "score")
    truth = io.load_outcomes(folder / "new_case" / "outcomes.csv").labels[new_case.case_id]
    return Demo(result, trained, scored, truth or "", page, ceiling(folder / "cohort"))
