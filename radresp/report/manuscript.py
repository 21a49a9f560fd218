"""A methods section ready to paste: what was done, with versions and references, free to use.

Source: fMRIPrep's boilerplate, which spared its users thousands of imprecise methods sections.
Every sentence follows from the plan, the model's facts and the evaluation; what no program knows
stands in square brackets. A part that was not used is not mentioned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from radresp.report.manuscript_images import image_paragraphs
from radresp.report.manuscript_words import counted, joined, percent
from radresp.report.references import Citations
from radresp.report.wording import dig, estimate, figure, number, parts, rows_of, share, words

_METHODS = {
    "auto": ("ridge-penalised logistic regression on normal scores of all features", "ridge"),
    "elastic_net": ("elastic-net logistic regression", "elastic_net"),
    "extra_trees": ("extremely randomised trees", "extra_trees"),
    "gradient_boosting": ("gradient-boosted trees", "boosting"),
    "linear_svm": ("a linear support vector machine", "svm"),
    "mrmr": ("minimum-redundancy maximum-relevance selection and logistic regression", "mrmr"),
    "random_forest": ("a random forest", "forest"),
    "rbf_svm": ("a support vector machine with a radial kernel", "svm"),
}
_SOFTWARE = ("radresp", "pyradiomics-bhklab", "SimpleITK", "scikit-learn", "numpy", "torch")
_HERE = "this evaluation"


def methods_text(
    evaluation: Mapping[str, Any], facts: Mapping[str, Any], plan: Mapping[str, Any]
) -> str:
    """Methods of a training run or an external validation, in Markdown.

    Parameters
    ----------
    evaluation : mapping
        The content of ``evaluation.json``.
    facts : mapping
        Of the model, as for :func:`radresp.report.checklist.checklist_rows`; may be empty.
    plan : mapping
        The content of ``plan.yaml``; may be empty.

    Returns
    -------
    str
        The same input gives the same text.

    Examples
    --------
    >>> known = {
    ...     "endpoint": "pCR",
    ...     "cases": 40,
    ...     "patients": 40,
    ...     "class_counts": {"complete": 12, "residual": 28},
    ... }
    >>> text = methods_text(known, {}, {})
    >>> "12 complete and 28 residual" in text, "CC0" in text
    (True, True)
    """
    cite = Citations()
    sections = {
        "Participants and outcome": list(_participants(evaluation, cite)),
        "Images, regions and features": list(image_paragraphs(plan, cite)),
        "Model": list(_model(evaluation, facts, cite)),
        "Decisions": list(_decisions(evaluation, cite)),
        "Evaluation": list(_evaluation(evaluation, cite)),
        "Sample size": list(_sample_size(evaluation, cite)),
        "Results to quote": list(_results(evaluation)),
        "Software and reporting": list(_software(facts, cite)),
    }
    body = [_HEAD]
    for title, sentences in sections.items():
        if sentences:
            body += [f"## {title}", " ".join(sentences)]
    return "\n\n".join([*body, "## References", "\n".join(cite.listed())]) + "\n"


_HEAD = """# Methods

*Written by radresp from the plan and the evaluation of this run. Offered under CC0 1.0: copy, \
change and paste it without asking. Check every sentence against your study; what no program knows \
stands in [square brackets]. Research use only.*"""


def _participants(evaluation: Mapping[str, Any], cite: Citations) -> Iterator[str]:
    yield "[Who was eligible, where and when; how patients were treated; who approved the study.]"
    steps = rows_of(dig(evaluation, "flow", "steps"))
    gone = [(row["n"], row["reason"]) for step in steps for row in step["left_out"]]
    if steps:
        yield f"Of {steps[0]['n']} cases {sum(n for n, _ in gone)} were left out" + (
            f" ({'; '.join(f'{reason}, n = {n}' for n, reason in gone)})." if gone else "."
        )
    classes = joined([f"{n} {name}" for name, n in evaluation["class_counts"].items()])
    yield (
        f"We analysed {evaluation['cases']} cases of {evaluation['patients']} patients, "
        f"{classes}. The endpoint was {words(str(evaluation['endpoint']))}. [How the reference "
        "standard was made, and who knew what when the images were read.]"
    )
    if rows_of(dig(evaluation, "reader", "rows")):
        yield (
            "What the team had read before treatment was decided (complete, near-complete or "
            "incomplete clinical response) was kept apart from what was later found."
        )
    if evaluation.get("external_validation") == _HERE:
        yield (
            "None of these cases had been used to develop the model, which was applied unchanged "
            f"{cite('tripod')}."
        )


def _model(
    evaluation: Mapping[str, Any], facts: Mapping[str, Any], cite: Citations
) -> Iterator[str]:
    method = facts.get("method")
    if method is None:
        return
    settings = facts.get("hyperparameters") or {}
    said, work = _METHODS.get(method, (f"the method '{method}'", "sklearn"))
    looked = dig(evaluation, "sample_size", "candidate_parameters")
    of = "" if looked is None else f" from {looked} candidate features"
    yield f"The probability of residual tumour was predicted{of} by {said} {cite(work)}."
    if facts.get("stability_filter"):
        yield (
            "Features that did not repeat when images and outlines were perturbed were left out "
            f"beforehand, by the lower end of the interval of ICC(1,1) {cite('shrout')}; this step "
            "knows no outcome."
        )
    if facts.get("harmonised"):
        yield f"Sites were harmonised by ComBat {cite('combat')} within the training folds."
    folds, repeats = settings.get("outer_folds"), settings.get("repeats")
    inner, by = settings.get("inner_folds"), settings.get("tune_by")
    if None not in (folds, repeats, inner):
        yield (
            f"It was developed by nested cross-validation {cite('nested')}, {repeats} repeats of "
            f"{folds} outer folds stratified by outcome, all cases of a patient in one fold. Choice"
            " of columns, filling of gaps by the training median, scaling, hyper-parameters "
            f"({inner} inner folds, by {words(str(by))}), calibration {cite('platt')} and the "
            "extent of the training cases were learned anew within each outer training set."
        )
    yield "The final model was learned from all training cases in the same way."


def _decisions(evaluation: Mapping[str, Any], cite: Citations) -> Iterator[str]:
    found = evaluation.get("decisions")
    missed, cost = (dig(found, f"missed_{name}_level") for name in ("residual", "complete"))
    if None in (missed, cost):
        return
    yield (
        f"Each case was called complete response, residual tumour or indeterminate by "
        f"class-conditional conformal sets {cite('conformal')}, which bound the share of residual "
        f"tumours called complete at {percent(missed)} and of complete responses called residual at"
        f" {percent(cost)} for cases like the training cases. A case unlike them, or without the "
        "images or features the model needs, got no answer."
    )


def _evaluation(evaluation: Mapping[str, Any], cite: Citations) -> Iterator[str]:
    found = evaluation.get("complete_response")
    level, draws = dig(found, "level"), dig(found, "repeats")
    if None not in (level, draws):
        yield (
            f"The area under the ROC curve (AUC) is given with a {percent(level)} percentile "
            f"interval from {draws} bootstrap draws of patients {cite('bootstrap')} and with "
            f"DeLong's {cite('auc')}. Calibration is described by slope, intercept, observed to "
            f"expected ratio {cite('calibration')} and a smoothed curve with its integrated "
            f"calibration index {cite('ici')}; overall performance by the Brier score; clinical "
            f"utility by net benefit {cite('decision_curve')}. Proportions have Wilson intervals "
            f"{cite('wilson')}."
        )
    if rows_of(dig(evaluation, "decisions", "risk_coverage", "points")):
        yield f"What abstaining brings is shown by risk and coverage {cite('coverage')}."
    names = list(parts(evaluation.get("baselines")))
    if names:
        yield (
            f"The model was compared on the same cases with simpler predictors: {joined(names)}."
        )
    groups = [words(name) for name in parts(evaluation.get("subgroups"))]
    if groups:
        yield f"Performance is given by {joined(groups)}."
    if estimate(dig(evaluation, "leave_one_site_out", "complete_response", "auc")).value:
        yield "Each site was also predicted by a model of all other sites."
    if dig(evaluation, "feature_selection", "models"):
        yield f"The stability of the choice of features was measured {cite('selection')}."
    shuffles = dig(evaluation, "leak_guard", "permutations")
    if shuffles:
        yield (
            f"To guard against leaks the whole evaluation was repeated on outcomes shuffled over "
            f"patients ({counted(shuffles, 'time')})."
        )


def _sample_size(evaluation: Mapping[str, Any], cite: Citations) -> Iterator[str]:
    size = evaluation.get("sample_size")
    looked, needed = dig(size, "candidate_parameters"), dig(size, "patients_needed")
    if looked is None:
        return
    asked = (
        "no number of patients would do, as the ranking is no better than chance"
        if needed is None
        else f"{needed} patients would be needed"
    )
    yield (
        f"By the criteria of Riley et al. {cite('riley')}, with {looked} candidate features and "
        f"the AUC found, {asked}; there were {evaluation['patients']}. [How the sample size was "
        "decided.]"
    )


def _results(evaluation: Mapping[str, Any]) -> Iterator[str]:
    found, rates = evaluation.get("complete_response"), dig(evaluation, "decisions", "rates")
    said = {
        "AUC": figure(dig(found, "auc")),
        "Brier score": figure(dig(found, "brier")),
        "calibration slope": figure(dig(found, "calibration_slope")),
        "observed / expected": figure(dig(found, "observed_expected")),
        "residual tumours called complete": share(dig(rates, "missed_residual")),
        "complete responses called complete": share(dig(rates, "released")),
    }
    known = [f"{name} {text}" for name, text in said.items() if not text.startswith("none")]
    if known:
        yield "; ".join(known) + "."
    shuffled = [auc for auc in dig(evaluation, "leak_guard", "aucs") or () if auc is not None]
    if shuffled:
        yield f"AUC of shuffled outcomes {joined([number(auc) for auc in shuffled])}."


def _software(facts: Mapping[str, Any], cite: Citations) -> Iterator[str]:
    versions = facts.get("versions") or {}
    named = [f"{name} {versions[name]}" for name in _SOFTWARE if name in versions]
    if named:
        yield (
            f"Software: {', '.join(named)}; Python {versions.get('python', '')} "
            f"{cite('pyradiomics', 'simpleitk', 'sklearn')}."
        )
    plan = facts.get("plan_sha256")
    if plan:
        yield f"Every setting stands in plan.yaml (SHA-256 {plan[:12]})."
    yield (
        f"Reported by TRIPOD+AI {cite('tripod')} and CLEAR {cite('clear')}; the items are in "
        "checklist.csv. [Where data, code and model can be had.]"
    )
