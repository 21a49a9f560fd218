"""What a run can answer of how a model was evaluated, and of what came out.

An item about external validation is answered only where the evaluation states one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from radresp.report.answers import FILLED, Answer, Run, Source, authors, filled, listed, not_done
from radresp.report.tables import difference_in
from radresp.report.wording import (
    ABSENT,
    dig,
    estimate,
    figure,
    number,
    parts,
    reason_of,
    rows_of,
    share,
    words,
)

SHOWN = {
    "auc": "AUC",
    "brier": "Brier score",
    "calibration_slope": "calibration slope",
    "calibration_in_the_large": "calibration in the large",
}
"""Figures an answer quotes."""

NON_RADIOMIC = ("volume", "size", "clinical", "reader")
"""Words in the name of a baseline that is no radiomic feature."""

_DENIED = re.compile(r"(none|no|not)\b", re.IGNORECASE)
_NESTED = "repeated, patient-grouped, nested cross-validation"
_FURTHER = {
    "auc_delong": "DeLong's interval",
    "average_precision": "average precision",
    "observed_expected": "observed / expected",
    "thresholds": "sensitivity and the like at thresholds",
    "decision_curve": "decision curve",
    "calibration_curve": "calibration curve",
}


def stated_external(evaluation: Mapping[str, Any]) -> str | None:
    """The external validation an evaluation states; None where it states none."""
    text = str(evaluation.get("external_validation") or "none").strip()
    return None if _DENIED.match(text) else text


def _external_words(run: Run) -> str:
    return f"external validation: {stated_external(run.evaluation) or 'none'}"


def _figures(run: Run) -> Any:
    return run.evaluation.get("complete_response")


def _quoted(figures: Any, names: Iterable[str]) -> list[str]:
    """The figures that exist, with their intervals."""
    return [
        f"{SHOWN[name]} {figure(dig(figures, name))}"
        for name in names
        if estimate(dig(figures, name)).value is not None
    ]


def _cohort(run: Run) -> str:
    counts = ", ".join(f"{n} {name}" for name, n in run.evaluation["class_counts"].items())
    return f"{run.evaluation['cases']} cases of {run.evaluation['patients']} patients: {counts}"


def _outcome(run: Run) -> Answer:
    return authors(f"endpoint {run.evaluation['endpoint']}")


def _treatments(run: Run) -> Answer:
    rows = rows_of(dig(run.evaluation, "subgroups", "regimen"))
    return authors(", ".join(f"{row.get('n')} {row.get('value')}" for row in rows))


def _sample_size(run: Run) -> Answer:
    size = run.evaluation.get("sample_size")
    looked = dig(size, "candidate_parameters")
    if looked is None:
        return authors()
    needed = dig(size, "patients_needed")
    asks = "no number would do without a ranking" if needed is None else f"{needed} patients needed"
    return filled(f"Riley 2019: {looked} features, {run.evaluation['patients']} patients; {asks}")


def _dimensionality(run: Run) -> Answer:
    needed = dig(run.evaluation, "sample_size", "patients_needed")
    found = _sample_size(run)
    enough = needed is not None and needed <= run.evaluation["patients"]
    return found if enough else not_done(f"not enough patients shown: {found.text or ABSENT}")


def _partition(run: Run) -> Answer:
    if run.facts.get("method") is None:
        return authors()
    folds, repeats = (dig(run.facts, "hyperparameters", key) for key in ("outer_folds", "repeats"))
    numbers = "" if None in (folds, repeats) else f" ({repeats} x {folds} folds)"
    return filled(f"{_NESTED}{numbers}; no patient on both sides of a split; {_cohort(run)}")


def _internal(run: Run) -> Answer:
    if run.facts.get("method") is None or _figures(run) is None:
        return not_done(f"internal testing: {reason_of(_figures(run))}")
    return filled(f"outer folds of {_NESTED}, which choose nothing")


def _testing(run: Run) -> Answer:
    inside = _internal(run)
    said = f"internal: {inside.text}" if inside.status == FILLED else "no internal testing"
    return filled(f"{said}; {_external_words(run)}")


def _external(run: Run) -> Answer:
    stated = stated_external(run.evaluation)
    return not_done("external validation: none") if stated is None else filled(stated)


def _differences(run: Run) -> Answer:
    """How other data differ is for the authors, where there are any."""
    stated = stated_external(run.evaluation)
    return not_done("external validation: none") if stated is None else authors(stated)


def _clusters(run: Run) -> Answer:
    found = run.evaluation.get("leave_one_site_out")
    auc = dig(found, "complete_response", "auc")
    if estimate(auc).value is None:
        return not_done(f"no site was left out: {reason_of(found)}")
    sites = len(rows_of(dig(found, "sites")))
    return filled(f"each of {sites} sites left out in turn: AUC {figure(auc)}")


def _measures(run: Run) -> Answer:
    said = _quoted(_figures(run), SHOWN)
    if not said:
        return not_done(f"no measure: {reason_of(_figures(run))}")
    further = [name for key, name in _FURTHER.items() if dig(_figures(run), key)]
    return filled(", ".join(said) + (f"; also {listed(further)}" if further else ""))


def _performance(run: Run) -> Answer:
    said = _quoted(_figures(run), SHOWN)
    if not said:
        return not_done(f"no performance: {reason_of(_figures(run))}")
    groups = parts(run.evaluation.get("subgroups"))
    by = f"; by {listed([words(name) for name in groups])} in the table" if groups else ""
    return filled(", ".join(said) + by)


def _calibration(run: Run) -> Answer:
    said = _quoted(_figures(run), ("calibration_slope", "calibration_in_the_large"))
    return filled(", ".join(said)) if said else not_done(f"no figure: {reason_of(_figures(run))}")


def _uncertainty(run: Run) -> Answer:
    level, repeats = dig(_figures(run), "level"), dig(_figures(run), "repeats")
    if None in (level, repeats) or not estimate(dig(_figures(run), "auc")).has_interval:
        return not_done("no interval")
    sd = dig(run.evaluation, "fold_variation", "repeats", "sd")
    varies = "" if sd is None else f"; SD of the AUC over repeats {number(sd)}"
    return filled(f"{100 * level:g} % intervals, {repeats} bootstrap draws of patients{varies}")


def _compared(run: Run, names: Iterable[str]) -> list[str]:
    """Baselines with a paired difference that has an interval."""
    baselines = parts(run.evaluation.get("baselines"))
    return [
        f"AUC {figure(difference_in(baselines[name]), signed=True)} against {name}"
        for name in names
        if estimate(difference_in(baselines[name])).has_interval
    ]


def _comparison(run: Run) -> Answer:
    said = _compared(run, parts(run.evaluation.get("baselines")))
    return filled(", ".join(said)) if said else not_done("no paired difference from a baseline")


def _non_radiomic(run: Run) -> Answer:
    baselines = parts(run.evaluation.get("baselines"))
    said = _compared(run, [n for n in baselines if any(word in n for word in NON_RADIOMIC)])
    for name, entry in parts(dig(run.evaluation, "fusion", "differences")).items():
        if estimate(dig(entry, "auc")).has_interval:
            said.append(f"{name}: AUC {figure(dig(entry, 'auc'), signed=True)}")
    if said:
        return filled(", ".join(said))
    return not_done("no paired difference from volume, clinical variables or a reader")


def _updating(run: Run) -> Answer:
    return not_done("the model was not updated after its evaluation")


def _fairness(run: Run) -> Answer:
    groups = parts(run.evaluation.get("subgroups"))
    return authors(f"performance by {listed([words(n) for n in groups])}" if groups else "")


def _output(run: Run) -> Answer:
    rules = run.facts.get("conformal")
    levels = {
        words(key): dig(run.evaluation, "decisions", key)
        for key in ("missed_residual_level", "missed_complete_level")
        if dig(run.evaluation, "decisions", key) is not None
    }
    said = "probability of a complete response, p_ccr, with an interval"
    if levels or rules:
        said += f"; a decision by conformal sets ({listed(levels or rules)})"
    return filled(f"{said}; or an abstention with its reason")


def _flow(run: Run) -> Answer:
    return filled(f"{_cohort(run)}; who was left out and why is among the notes")


def _left_out(run: Run) -> Answer:
    codes = sorted({str(note.get("code")) for note in rows_of(run.evaluation.get("notes"))})
    return authors(f"{_cohort(run)}" + (f"; notes {listed(codes)}" if codes else ""))


def _input_quality(run: Run) -> Answer:
    rates = dig(run.evaluation, "decisions", "rates")
    abstained = dig(rates, "share", "abstain") or dig(rates, "abstained")
    known = estimate(abstained).value is not None
    found = f"; abstained here: {share(abstained)}" if known else ""
    return filled(
        "input that cannot be used is refused by a named code, and a case outside the training "
        f"range abstains{found}"
    )


def _interpretability(run: Run) -> Answer:
    return filled("every score lists the features that moved it, beside their training medians")


RESULTS: Mapping[str, Source] = {
    "calibration": _calibration,
    "characteristics": lambda run: authors(_cohort(run)),
    "clusters": _clusters,
    "comparison": _comparison,
    "counts": lambda run: filled(f"{_cohort(run)}, in all analyses"),
    "differences": _differences,
    "dimensionality": _dimensionality,
    "external": _external,
    "fairness": _fairness,
    "flow": _flow,
    "input_quality": _input_quality,
    "internal": _internal,
    "interpretability": _interpretability,
    "left_out": _left_out,
    "limitations": lambda run: authors(_external_words(run)),
    "measures": _measures,
    "non_radiomic": _non_radiomic,
    "outcome": _outcome,
    "output": _output,
    "partition": _partition,
    "performance": _performance,
    "sample_size": _sample_size,
    "testing": _testing,
    "treatments": _treatments,
    "uncertainty": _uncertainty,
    "updating": _updating,
}
"""Answers by the word the checklist asks for them with."""
