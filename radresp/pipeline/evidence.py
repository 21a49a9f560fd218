"""What a training run can show: the honest evaluation as one JSON-ready record.

Discrimination, calibration and utility from pooled out-of-fold predictions; the same by hospital
left out and by subgroup; what the decisions would have done; plain alternatives on the same folds;
and the leak guard. ``docs/reference/evaluation.md`` describes every key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from radresp import classify, evaluate
from radresp.core import Decision, Note, NoteKind
from radresp.errors import CohortError
from radresp.notice import INTENDED_USE
from radresp.pipeline.decide import DecisionRules, word_of
from radresp.pipeline.evaluation_rules import EvaluationRules
from radresp.pipeline.learning_table import TrainingTable
from radresp.pipeline.readings import reader_table


def describe_all(
    table: TrainingTable,
    out_of_fold: classify.OutOfFold,
    rules: EvaluationRules,
    decision: DecisionRules,
    seed: int,
) -> dict[str, Any]:
    """Everything that follows from the out-of-fold predictions alone.

    Parameters
    ----------
    table : TrainingTable
        The cases.
    out_of_fold : OutOfFold
        Their predictions.
    rules, decision
        What is looked at, and the levels of the decisions.
    seed : int
        Makes bootstraps repeatable.
    """
    cases = out_of_fold.p.index
    y, groups = table.complete.loc[cases].to_numpy(), table.groups.loc[cases].to_numpy()
    p = out_of_fold.p_ccr.to_numpy()
    figures = figures_of(y, p, groups, rules, seed)
    folds = [out_of_fold.folds[name].to_numpy() for name in out_of_fold.folds]
    said, calls = words_by_repeat(out_of_fold, decision), table.strata.get("reader_call")
    return {
        "intended_use": INTENDED_USE,
        "endpoint": table.endpoint,
        "cases": len(cases),
        "patients": int(table.groups.nunique()),
        "class_counts": {str(k): int(v) for k, v in table.y.value_counts().sort_index().items()},
        "complete_response": figures,
        "roc": evaluate.roc_points(y, p),
        "roc_band": evaluate.roc_band(y, p, groups, seed=seed, repeats=rules.bootstrap),
        "fold_variation": evaluate.fold_variation(
            y, [1 - one[classify.RESIDUAL].to_numpy() for one in out_of_fold.per_repeat], folds
        ),
        "decisions": decisions(y, out_of_fold, groups, decision, seed),
        "reader": reader_table(y, None if calls is None else calls.loc[cases], said),
        "pseudo_residual": pseudo_residual(
            y, out_of_fold.pseudo.to_numpy(), table.doubted_of(cases), groups, rules, seed
        ),
        "subgroups": subgroups(table, cases, y, p, groups, rules, seed),
        "sample_size": sample_size(table.x.shape[1], float(y.mean()), figures),
        "external_validation": "none",
    }


def figures_of(
    y: np.ndarray, p: np.ndarray, groups: np.ndarray, rules: EvaluationRules, seed: int
) -> dict[str, Any]:
    """Discrimination, calibration and utility; no AUC from too few events."""
    settings = evaluate.Describe(minimum_events=rules.minimum_events)
    return evaluate.describe(y, p, groups, seed=seed, repeats=rules.bootstrap, settings=settings)


def decisions(
    y: np.ndarray,
    out_of_fold: classify.OutOfFold,
    groups: np.ndarray,
    rules: DecisionRules,
    seed: int,
) -> dict[str, Any]:
    """What the decisions would have done, measured on cases no model had met.

    Rates are means over the repeats; their intervals count each case once. The width of a case's
    interval, another reason to abstain, is not known out of fold and left out.
    """
    said = words_by_repeat(out_of_fold, rules)
    p = out_of_fold.p_ccr.to_numpy()
    outside = out_of_fold.outside.mean(axis=1).to_numpy()
    # Cases unlike the training cases would be abstained from first.
    sure = np.abs(p - 0.5) - outside
    return {
        "missed_residual_level": rules.missed_residual,
        "missed_complete_level": rules.missed_complete,
        "rates": mean_rates([evaluate.decision_rates(y, one) for one in said]),
        "coverage": mean_rates([coverage(y, fit, rules) for fit in out_of_fold.fit]),
        "risk_coverage": evaluate.risk_coverage(y, p, sure, groups, seed=seed),
    }


def words_by_repeat(out_of_fold: classify.OutOfFold, rules: DecisionRules) -> list[list[str]]:
    """The word for each case in each repeat, by models that never met its patient."""
    repeats = zip(out_of_fold.fit, out_of_fold.outside.T.to_numpy(), strict=True)
    return [words(fit, outside, rules) for fit, outside in repeats]


def words(fit: pd.DataFrame, outside: np.ndarray, rules: DecisionRules) -> list[str]:
    """The word for each case by how it fits and whether it is unlike the training cases."""
    return [
        str(Decision.ABSTAIN if strange else word_of({"complete": c, "residual": r}, rules))
        for c, r, strange in zip(fit["complete"], fit["residual"], outside, strict=True)
    ]


def coverage(y: np.ndarray, fit: pd.DataFrame, rules: DecisionRules) -> dict[str, Any]:
    """Share of each outcome whose conformal set holds it."""
    held = {
        "complete": fit["complete"].to_numpy()[y] > rules.missed_complete,
        "residual": fit["residual"].to_numpy()[~y] > rules.missed_residual,
    }
    return {name: {"part": int(of.sum()), "whole": int(of.size)} for name, of in held.items()}


def mean_rates(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Proportions averaged over repeats, with intervals for one repeat's number of cases."""
    first, found = each[0], {}
    for name, value in first.items():
        if not isinstance(value, Mapping):
            continue
        inner = [one[name] for one in each]
        if "whole" not in value:
            nested = mean_rates(inner)
            if nested:  # a table of counts has no proportions in it
                found[name] = nested
            continue
        whole = float(np.mean([one["whole"] for one in inner]))
        part = float(np.mean([one["part"] for one in inner]))
        low, high = evaluate.wilson_interval(part, whole) if whole else (None, None)
        share = part / whole if whole else None
        found[name] = {"value": share, "low": low, "high": high, "part": part, "whole": whole}
    return found


def pseudo_residual(
    y: np.ndarray,
    p: np.ndarray,
    doubted: np.ndarray,
    groups: np.ndarray,
    rules: EvaluationRules,
    seed: int,
) -> dict[str, Any]:
    """Among cases read as nCR or iCR: how many were none, and whether the model knew.

    Parameters
    ----------
    y, doubted : ndarray of bool, shape (cases,)
        Complete response, and such a reading.
    p : ndarray of shape (cases,)
        Probability of a complete response given such a reading; NaN where there is none.
    groups : ndarray of shape (cases,)
        Patient of each case.
    rules, seed
        Fewest events and bootstrap.
    """
    found: dict[str, Any] = {
        "condition": "read as nCR or iCR",
        "read": int(doubted.sum()),
        "pseudo_residual": int(y[doubted].sum()),
    }
    known = doubted & np.isfinite(p)
    if not known.any():
        return found | {"reason": "too few cases were read so, here or in training"}
    return found | {"figures": figures_of(y[known], p[known], groups[known], rules, seed)}


def subgroups(
    table: TrainingTable,
    cases: pd.Index,
    y: np.ndarray,
    p: np.ndarray,
    groups: np.ndarray,
    rules: EvaluationRules,
    seed: int,
) -> dict[str, Any]:
    """Figures of some cases by regimen, site, scanner, reader call and kind of reference."""
    return {
        name: evaluate.describe_groups(
            y,
            p,
            labels.reindex(cases).fillna("").tolist(),
            groups,
            seed=seed,
            minimum=rules.minimum_events,
        )
        for name, labels in table.strata.items()
    }


def by_site(
    table: TrainingTable,
    settings: Any,
    rules: EvaluationRules,
    decision: DecisionRules,
    seed: int,
    progress: Any = None,
) -> dict[str, Any]:
    """Every hospital judged by a model of the others; the reason where that cannot be."""
    if table.sites is None:
        return {"reason": "no site is known"}
    try:
        found = classify.leave_one_site_out(
            table.x,
            table.y,
            table.groups,
            settings,
            seed=seed,
            sites=table.sites,
            progress=progress,
        )
    except CohortError as error:
        return {"reason": error.message}
    cases = found.p.index
    y, p = table.complete.loc[cases].to_numpy(), found.p_ccr.to_numpy()
    groups, site = table.groups.loc[cases].to_numpy(), table.sites.loc[cases]
    rows = evaluate.describe_groups(
        y, p, site.tolist(), groups, seed=seed, minimum=rules.minimum_events
    )
    said = pd.Series(words(found.fit[0], found.outside.to_numpy()[:, 0], decision), cases)
    for row in rows:
        of = (site == row["value"]).to_numpy()
        row["abstained"] = float((said[of] == Decision.ABSTAIN).mean())
    return {
        "complete_response": figures_of(y, p, groups, rules, seed),
        "rates": mean_rates([evaluate.decision_rates(y, said.tolist())]),
        "sites": rows,
    }


def sample_size(
    parameters: int, prevalence: float, figures: Mapping[str, Any]
) -> dict[str, float | None]:
    """What Riley's criteria ask for at the AUC found; None where that is no better than chance."""
    auc = figures["auc"]["value"]
    needed = None
    if auc is not None and 0.5 < auc < 1 and 0 < prevalence < 1:
        r_squared = evaluate.cox_snell_of_auc(auc, prevalence)
        needed = evaluate.riley(parameters, prevalence, r_squared).patients
    return {"candidate_parameters": parameters, "auc": auc, "patients_needed": needed}


_STRONG, _RARE = 0.3, 0.01


def confounding(table: TrainingTable) -> tuple[Note, ...]:
    """Hospitals or scanners that go with the outcome: a model may learn where, not what."""
    from scipy.stats import chi2_contingency

    notes = []
    for name in ("site", "scanner"):
        if name not in table.strata:
            continue
        where = table.strata[name].reindex(table.y.index)
        counts = pd.crosstab(where[where != ""], table.complete[where != ""])
        if min(counts.shape) < 2:
            continue
        chi2, p_value, _, _ = chi2_contingency(counts.to_numpy())
        strength = float(np.sqrt(chi2 / counts.to_numpy().sum()))
        if strength < _STRONG or p_value > _RARE:
            continue
        said = "; ".join(f"{at} {row[True]} of {row.sum()}" for at, row in counts.iterrows())
        notes.append(
            Note(
                NoteKind.WARNING,
                "CONFOUNDED",
                f"complete responses by {name}: {said} (Cramer's V {strength:.2f})",
                "a share that does not depend on it",
                "read the evaluation by site left out; harmonise with care",
            )
        )
    return tuple(notes)
