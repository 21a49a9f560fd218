"""The model's card in Markdown: what it is for, what it is worth, and what a paper must report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from radresp import report
from radresp.notice import INTENDED_USE

SHOWN = {
    "auc": "AUC",
    "average_precision": "AUPRC",
    "brier": "Brier score",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept",
}


def model_card(evaluation: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """The card, every number filled in.

    Parameters
    ----------
    evaluation : mapping
        The content of ``evaluation.json``.
    facts : mapping
        From :func:`radresp.pipeline.train.model_facts`.
    """
    counts = ", ".join(f"{n} {name}" for name, n in evaluation["class_counts"].items())
    lines = [
        "# radresp model",
        "",
        INTENDED_USE,
        "",
        *(part for line in trial_lines(evaluation) for part in (f"**This model is {line}.**", "")),
        "Use: research on telling residual rectal tumour from fibrosis and inflammation after",
        "treatment, on cases like the training cases. Not for screening, staging or follow-up, not",
        "for other organs, and not for patients without imaging before treatment.",
        "",
        f"- Endpoint: {evaluation['endpoint']}",
        f"- Classes: {', '.join(facts['classes'])}; p_ccr = 1 - p_residual",
        f"- Method: {facts['method']}" + (" with clinical values" if facts["clinical"] else ""),
        f"- Training data: {facts['training_data']}",
        f"- Cases: {evaluation['cases']} from {evaluation['patients']} patients; {counts}",
        _bound(facts["conformal"]),
        f"- External validation: {evaluation['external_validation']}",
        "- Intervals are patient-bootstrap percentiles of pooled out-of-fold predictions. They",
        "  leave out the variation of training itself and are too narrow for small cohorts (a",
        "  nominal 95 % interval held the truth in 72-82 % of simulations with 60 patients).",
        "",
        *_size_lines(evaluation),
        "",
        "## Performance by repeated, patient-grouped, nested cross-validation",
        "",
        *_figures(evaluation),
        "",
        "More, with figures: evaluation.html.",
        "",
        report.checklist_table(evaluation, facts),
    ]
    return "\n".join(lines) + "\n"


def _bound(conformal: Mapping[str, Any]) -> str:
    return (
        f"- Decisions: at most {conformal['missed_residual']:.0%} of residual tumours called "
        f"complete and {conformal['missed_complete']:.0%} of complete responses called residual,\n"
        f"  by conformal sets from {conformal['residual_cases']} and "
        f"{conformal['complete_cases']} cases; void where patients or images differ"
    )


def _size_lines(evaluation: Mapping[str, Any]) -> list[str]:
    size = evaluation["sample_size"]
    looked = (
        f"- Sample size (Riley 2019): {size['candidate_parameters']} features were looked at in"
    )
    has = f"{looked} {evaluation['patients']} patients"
    if size["patients_needed"] is None:
        return [f"{has}; without a ranking better than chance no number would do."]
    return [f"{has}; at the AUC found, {size['patients_needed']} patients would be needed."]


def trial_lines(evaluation: Mapping[str, Any]) -> list[str]:
    """Why a model is not usable, where it was learned from too few by choice (TOO_FEW).

    Examples
    --------
    >>> few = {"code": "TOO_FEW", "found": "9 patients with", "expected": "at least 10"}
    >>> trial_lines({"notes": [few | {"action": "not usable beyond a trial run"}]})
    ['not usable beyond a trial run: 9 patients with, where at least 10 are asked for']
    """
    return [
        f"{note['action']}: {note['found']}, where {note['expected']} are asked for"
        for note in evaluation.get("notes", ())
        if note["code"] == "TOO_FEW"
    ]


def figure_lines(evaluation: Mapping[str, Any]) -> list[str]:
    """The figures that matter most, one a line, after what forbids to use them."""
    return [*(f"- {line}" for line in trial_lines(evaluation)), *_figures(evaluation)]


def _figures(evaluation: Mapping[str, Any]) -> list[str]:
    figures = evaluation["complete_response"]
    lines = [f"- {said} {value_line(figures[name])}" for name, said in SHOWN.items()]
    rates = evaluation["decisions"]["rates"]
    missed, released, operated, unsure, silent = (
        _share(rate)
        for rate in (
            rates["missed_residual"],
            rates["released"],
            rates["operated"],
            rates["share"]["indeterminate"],
            rates["share"]["abstain"],
        )
    )
    lines.append(f"- of residual tumours {missed} called complete")
    lines.append(f"- of complete responses {released} called complete, {operated} residual")
    lines.append(f"- of all cases {unsure} indeterminate, {silent} abstained")
    for name, baseline in evaluation.get("baselines", {}).items():
        said = baseline["reason"] if "auc" not in baseline else _beside(baseline)
        lines.append(f"- {name}: {said}")
    fusion = evaluation.get("fusion")
    if fusion:
        lead = fusion["differences"]["fused - imaging"]["auc"]
        lines.append(
            f"- {_together(fusion)}: AUC {value_line(fusion['fused']['auc'])}, "
            f"{value_line(lead, sign='+')} against images alone"
        )
    return lines


def _together(fusion: Mapping[str, Any]) -> str:
    """The sources of a stack, in words."""
    named = {"clinical": "clinical values", "cnn": "network"}
    others = [said for name, said in named.items() if name in fusion]
    return f"images{', ' if len(others) > 1 else ' and '}{' and '.join(others)} together"


def _beside(baseline: Mapping[str, Any]) -> str:
    lead = value_line(baseline["difference"], sign="+")
    return f"AUC {value_line(baseline['auc'])}; the model {lead}, n {baseline['n']}"


def value_line(figure: Mapping[str, Any], sign: str = "") -> str:
    """A figure with its interval, or why there is none."""
    if figure["value"] is None:
        return f"none ({figure.get('reason', 'not defined')})"
    ends = (figure.get("low"), figure.get("high"))
    around = "" if None in ends else f" ({ends[0]:{sign}.2f} to {ends[1]:{sign}.2f})"
    return f"{figure['value']:{sign}.2f}{around}"


def _share(rate: Mapping[str, Any]) -> str:
    return "none" if rate["value"] is None else f"{rate['value']:.0%}"
