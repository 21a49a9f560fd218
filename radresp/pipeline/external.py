"""External validation: a finished model on cases it never met, judged once and counted.

Source: TRIPOD+AI (BMJ 2024;385:e078378), items on evaluation; faults.md L14. Nothing is fitted to
the new cases. Figures are given for all cases with a probability and, beside them, for those that
scoring would not abstain from; too few events give no AUC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from radresp import classify, evaluate, io
from radresp.core import Decision
from radresp.core.notebook import card
from radresp.errors import CohortError, PlanError
from radresp.notice import INTENDED_USE
from radresp.pipeline.acquisition import outside_protocol
from radresp.pipeline.decide import decide
from radresp.pipeline.evaluation_rules import EvaluationRules
from radresp.pipeline.evidence import (
    coverage,
    figures_of,
    mean_rates,
    pseudo_residual,
    subgroups,
)
from radresp.pipeline.learning_table import CALLS, TrainingTable
from radresp.pipeline.model_card import value_line
from radresp.pipeline.plan import Plan
from radresp.pipeline.readings import reader_table
from radresp.pipeline.records import record_path
from radresp.pipeline.score import ScoringModel
from radresp.pipeline.train import json_bytes, report_files

ALONE = {
    "volume only": ("post.t2.bed.volumetry.volume_ml", -1.0),
    "mean ADC only": ("post.adc.bed.original.firstorder_Mean", 1.0),
}
"""Single numbers, with the direction in which they speak for a complete response."""
TITLE = "How good is this model elsewhere?"
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """A model on new cases.

    Parameters
    ----------
    evaluation : mapping
        The content of ``evaluation.json``; ``looks`` is filled in by whoever counts them.
    predictions : DataFrame
        One row a case: probability, interval, fit, decision, reasons, outcome.
    plan : Plan
        Of the model.
    facts : mapping
        What the model folder tells of how the model was made.
    """

    evaluation: Mapping[str, Any]
    predictions: pd.DataFrame
    plan: Plan
    facts: Mapping[str, Any] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The result for a terminal."""
        found = self.evaluation
        figures, accepted = found["complete_response"], found["accepted"]
        looks = found["looks"]
        times = "could not be counted" if looks is None else f"{looks}"
        shown = {
            "AUC": figures["auc"],
            "calibration slope": figures["calibration_slope"],
            "observed / expected": figures["observed_expected"],
            f"AUC of the {accepted['n']} cases not abstained from": accepted["auc"],
        }
        rates = found["decisions"]["rates"]
        missed, released = rates["missed_residual"], rates["released"]
        counts = f"{found['cases']} cases, {figures['events']} complete responses"
        return [
            f"{counts}, endpoint {found['endpoint']}",
            f"looks at these cases with this model: {times}",
            *[f"- {name} {value_line(figure)}" for name, figure in shown.items()],
            f"- residual tumours called complete: {missed['part']} of {missed['whole']}",
            f"- complete responses called complete: {released['part']} of {released['whole']}",
        ]

    def _repr_html_(self) -> str:
        title, *lines = self.lines()
        return card(
            title, {}, notice=INTENDED_USE, lines=(line.removeprefix("- ") for line in lines)
        )


def judge(
    table: TrainingTable,
    scoring: ScoringModel,
    doubts: Mapping[str, tuple[str, ...]],
    rules: EvaluationRules,
    scores: Mapping[str, pd.Series] | None = None,
) -> Judged:
    """Score every case and compare with what was found.

    Parameters
    ----------
    table : TrainingTable
        The new cases, labelled; nothing is trained.
    scoring : ScoringModel
        The model.
    doubts : mapping of str to tuple of str
        Reasons beyond the features to abstain from a case: protocol, failed checks.
    rules : EvaluationRules
        Fewest events and bootstrap draws.
    scores : mapping of str to Series, optional
        What sources of another kind, such as a network, say of the cases.

    Raises
    ------
    PlanError
        ``ENDPOINT_MIXED`` when the outcomes are of another endpoint than the model's.
    CohortError
        ``NO_CASES`` when no case has a probability.
    """
    _check_endpoint(table, scoring)
    found = classify.predict(
        scoring.model, table.x, clinical=table.clinical, scores=scores, sites=table.sites
    )
    rows = {one.case_id: _row(one, scoring, doubts.get(one.case_id, ())) for one in found}
    predictions = pd.DataFrame.from_dict(rows, orient="index")
    predictions.index.name = "case_id"
    predictions["outcome"] = table.y.loc[predictions.index]
    has = predictions["p_ccr"].notna().to_numpy()
    if not has.any():
        raise CohortError("NO_CASES", "no case has a probability", expected="at least one")
    kept = has & (predictions["decision"] != str(Decision.ABSTAIN)).to_numpy()
    seed = scoring.plan.seed
    everyone = Cases(table, predictions, rules, seed)
    evaluation = {
        "intended_use": INTENDED_USE,
        "endpoint": table.endpoint,
        "model": {"id": scoring.model_id, "sha256": scoring.sha256},
        "cases": len(rows),
        "patients": int(table.groups.nunique()),
        "class_counts": {str(k): int(v) for k, v in table.y.value_counts().sort_index().items()},
        "without_probability": int((~has).sum()),
        "complete_response": everyone.figures(has),
        "accepted": everyone.figures(kept),
        "roc": evaluate.roc_points(everyone.y[has], everyone.p[has]),
        "roc_band": everyone.roc_band(has),
        "decisions": _decisions(everyone, has, kept, scoring),
        "reader": reader_table(everyone.y, everyone.calls, [predictions["decision"].tolist()]),
        "flow": table.flow,
        "prevalence": {"training": scoring.imaging.prevalence, "here": float(everyone.y.mean())},
        "pseudo_residual": pseudo_residual(
            everyone.y, everyone.p_pseudo, everyone.doubted, everyone.groups, rules, seed
        ),
        "subgroups": subgroups(
            table,
            predictions.index[has],
            everyone.y[has],
            everyone.p[has],
            everyone.groups[has],
            rules,
            seed,
        ),
        "baselines": _alone(everyone, has),
        "external_validation": "this evaluation",
        "looks": None,
        "notes": [note.record() for note in dict.fromkeys(table.notes)],
    }
    return Judged(evaluation, predictions, scoring.plan)


class Cases:
    """Outcomes and predictions of the same cases, in the order of the predictions."""

    def __init__(
        self, table: TrainingTable, predictions: pd.DataFrame, rules: EvaluationRules, seed: int
    ) -> None:
        order = predictions.index
        self.table, self.predictions, self.rules, self.seed = table, predictions, rules, seed
        self.y = table.complete.loc[order].to_numpy()
        self.p = predictions["p_ccr"].to_numpy(float)
        self.groups = table.groups.loc[order].to_numpy()
        self.p_pseudo = predictions["p_pseudo_residual_given_non_ccr"].to_numpy(float)
        self.doubted = table.doubted_of(order)
        calls = table.strata.get("reader_call")
        self.calls = None if calls is None else calls.loc[order]

    def figures(self, rows: NDArray[np.bool_]) -> dict[str, Any]:
        """Discrimination, calibration and utility of some cases."""
        return figures_of(self.y[rows], self.p[rows], self.groups[rows], self.rules, self.seed)

    def roc_band(self, rows: NDArray[np.bool_]) -> dict[str, Any]:
        """The band around the ROC curve of some cases."""
        draws = {"seed": self.seed, "repeats": self.rules.bootstrap}
        return evaluate.roc_band(self.y[rows], self.p[rows], self.groups[rows], **draws)


def _decisions(
    cases: Cases, has: NDArray[np.bool_], kept: NDArray[np.bool_], scoring: ScoringModel
) -> dict[str, Any]:
    # Abstained cases are the first to go.
    sure = np.abs(cases.p[has] - 0.5) - (~kept)[has]
    rules = scoring.plan.decision
    fit = cases.predictions[["fit_complete", "fit_residual"]]
    named = fit.set_axis(["complete", "residual"], axis=1)[has]
    return {
        "missed_residual_level": rules.missed_residual,
        "missed_complete_level": rules.missed_complete,
        "rates": evaluate.decision_rates(cases.y, cases.predictions["decision"].tolist()),
        "coverage": mean_rates([coverage(cases.y[has], named, rules)]),
        "risk_coverage": evaluate.risk_coverage(
            cases.y[has], cases.p[has], sure, cases.groups[has], seed=cases.seed
        ),
    }


def _check_endpoint(table: TrainingTable, scoring: ScoringModel) -> None:
    """PCR and cCR are never mixed without a word (clinical.md 3.3)."""
    mine, theirs = scoring.imaging.endpoint, table.endpoint
    if io.UNSPECIFIED not in (mine, theirs) and mine != theirs:
        raise PlanError(
            "ENDPOINT_MIXED",
            f"the model was trained for {mine}, the outcomes are {theirs}",
            expected=mine,
            action=f"derive the outcomes with --endpoint {mine}, or judge another model",
        )


def _row(
    one: classify.Prediction, scoring: ScoringModel, doubts: tuple[str, ...]
) -> dict[str, Any]:
    decision, reasons = decide(
        one.fit, one.interval, (*doubts, *one.outside), scoring.plan.decision
    )
    low, high = one.interval or (np.nan, np.nan)
    return {
        "p_ccr": np.nan if one.p_ccr is None else one.p_ccr,
        "low": low,
        "high": high,
        **{f"p_{name}": p for name, p in one.classes.items()},
        **{f"fit_{name}": p for name, p in one.fit.items()},
        "p_pseudo_residual_given_non_ccr": one.p_pseudo_residual,
        "decision": str(decision),
        "reasons": "; ".join(reasons),
    }


def _alone(cases: Cases, has: NDArray[np.bool_]) -> dict[str, Any]:
    """Single numbers and the reader on the same cases; their direction was known beforehand."""
    table, order = cases.table, cases.predictions.index
    scores = {
        name: sign * table.x[column] if column in table.x else None
        for name, (column, sign) in ALONE.items()
    }
    calls = table.strata.get("reader_call")
    scores["reader call"] = None if calls is None else calls.map(CALLS)
    return {
        name: {"reason": "no such column in the tables"}
        if score is None
        else _beside(cases, has, score.loc[order].to_numpy(float))
        for name, score in scores.items()
    }


def _beside(cases: Cases, has: NDArray[np.bool_], score: Floats) -> dict[str, Any]:
    """AUC of a score, and the model's lead over it, on the cases that have both."""
    rows = has & np.isfinite(score)
    y = cases.y[rows]
    if min(y.sum(), (~y).sum()) < cases.rules.minimum_events:
        return {"reason": "too few events among the cases that have it"}
    lead = evaluate.compare_auc(y, cases.p[rows], score[rows])
    draws = {"seed": cases.seed, "repeats": cases.rules.bootstrap}
    low, high = evaluate.auc_bootstrap(y, score[rows], cases.groups[rows], **draws)
    return {
        "n": int(rows.sum()),
        "auc": {"value": lead.auc_b, "low": low, "high": high},
        "difference": {"value": lead.difference, "low": lead.low, "high": lead.high},
    }


def doubts_of(
    cases: Iterable[str], features: Path, scoring: ScoringModel
) -> dict[str, tuple[str, ...]]:
    """Reasons to abstain that stand in the records of an extraction: protocol and failed checks.

    Parameters
    ----------
    cases : iterable of str
        Which cases.
    features : Path
        A folder written by ``extract``; a case without a record there has no doubts.
    scoring : ScoringModel
        The model, with the protocol it was trained on.
    """
    found = {}
    for case in cases:
        record = io.read_json(record_path("extract", case, features))
        if not isinstance(record, dict):
            continue
        body = record["body"]
        notes = [note for step in body["trail"] for note in step["notes"]]
        failed = [
            f"{note['code']}: {note['found']}" for note in notes if note["severity"] == "abstain"
        ]
        outside = outside_protocol(body["acquisition"], scoring.protocol["acquisition"])
        found[case] = (*outside, *failed)
    return found


def save_judged(judged: Judged, folder: Path) -> list[Path]:
    """Write ``evaluation.json``, ``predictions.csv``, and the page with what stands beside it."""
    members = {
        "evaluation.json": json_bytes(judged.evaluation),
        "predictions.csv": judged.predictions.sort_index().to_csv().encode(),
        **report_files(judged.evaluation, TITLE, judged.facts, judged.plan),
    }
    for name, data in members.items():
        io.write_bytes(folder / name, data)
    return [folder / name for name in members]
