"""What a run can answer of how a model was made: data, features, method.

Statements about the learning itself (gaps, scaling, selection, tuning inside the training folds)
hold for every method of radresp, and are given where the run names one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from radresp.report.answers import Answer, Run, Source, authors, filled, listed, not_done
from radresp.report.wording import dig, estimate, number

_HASH_SHOWN = 12
_RADIOMICS = "pyradiomics-bhklab"
_SEQUENCES = frozenset({"t2", "dwi", "adc"})
_CLASSES = frozenset({"shape", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm"})
_KEEPS_ALL = frozenset({"auto"})
_VISITS, _FAMILY = frozenset({"pre", "post"}), 3


def _short(digest: Any) -> str:
    return str(digest)[:_HASH_SHOWN]


def _names(run: Run) -> tuple[str, ...]:
    """Names of the model's features; empty where the facts hold their number only."""
    found = run.facts.get("features")
    return () if found is None or isinstance(found, (int, str)) else tuple(map(str, found))


def _feature_count(run: Run) -> int | None:
    found = run.facts.get("features")
    return found if isinstance(found, int) else len(_names(run)) or None


def _by_extraction(run: Run, text: str) -> Answer:
    """An answer that stands in the plan of the extraction, where radresp extracted."""
    digest = run.facts.get("extraction_sha256")
    if digest is None:
        return authors()
    return filled(f"{text} plan.yaml of the model folder (extraction SHA-256 {_short(digest)})")


def _data_source(run: Run) -> Answer:
    stated = run.facts.get("training_data")
    return authors(f"training data: {stated}" if stated else "")


def _centres(run: Run) -> Answer:
    sites = run.facts.get("sites")
    return authors("" if sites is None else f"number of sites: {sites}")


def _multicentre(run: Run) -> Answer:
    sites = run.facts.get("sites")
    if sites is None:
        return authors()
    return filled(f"{sites} sites") if sites > 1 else not_done("one site")


def _preprocessing(run: Run) -> Answer:
    return _by_extraction(run, "the same checks and preprocessing for every case, as set in")


def _extraction_settings(run: Run) -> Answer:
    return _by_extraction(run, "every setting, defaults too, in")


def _settings_file(run: Run) -> Answer:
    digest = run.facts.get("plan_sha256")
    return authors("" if digest is None else f"plan.yaml, SHA-256 {_short(digest)}")


def _parts(run: Run) -> list[list[str]]:
    return [name.split(".") for name in _names(run)]


def _image_types(run: Run) -> Answer:
    found = {p[_FAMILY] for p in _parts(run) if p[0] in _VISITS and len(p) > _FAMILY + 1}
    if not found:
        return _extraction_settings(run)
    return filled(f"families of the model's features: {', '.join(sorted(found))}")


def _feature_classes(run: Run) -> Answer:
    found = {parts[-1].split("_")[0] for parts in _parts(run)} & _CLASSES
    return filled(", ".join(sorted(found))) if found else _extraction_settings(run)


def _sequences(run: Run) -> Answer:
    found = sorted({part for parts in _parts(run) for part in parts} & _SEQUENCES)
    if not found:
        return authors()
    if len(found) == 1:
        return filled(f"{found[0]} alone")
    return not_done(f"{', '.join(found)} together; none of them was evaluated alone")


def _software(run: Run) -> Answer:
    versions = run.facts.get("versions")
    if run.facts.get("extraction_sha256") is None or not versions:
        return authors()
    named = {name: at for name, at in versions.items() if name in ("radresp", _RADIOMICS)}
    return filled(f"pyradiomics' features: {listed(named)}")


def _feature_number(run: Run) -> Answer:
    looked = dig(run.evaluation, "sample_size", "candidate_parameters")
    kept = _feature_count(run)
    said = [f"{looked} features were looked at"] if looked is not None else []
    said += [f"{kept} are in the model"] if kept is not None else []
    return filled(", ".join(said)) if said else authors()


def _feature_statistics(run: Run) -> Answer:
    return authors(_feature_number(run).text)


def _candidates(run: Run) -> Answer:
    looked = dig(run.evaluation, "sample_size", "candidate_parameters")
    if looked is None:
        return authors()
    filter_ = "after" if run.facts.get("stability_filter") else "without"
    return filled(
        f"all {looked} features of the table, {filter_} a filter of unstable ones; no selection "
        "outside the training folds"
    )


def _predictors(run: Run) -> Answer:
    if _feature_count(run) is None:
        return authors()
    names = f": {listed(_names(run))}" if _names(run) else ""
    known = f"{_feature_count(run)} features{names}"
    if run.facts.get("extraction_sha256") is None:
        return authors(known)
    return filled(f"{known}; each name says visit, sequence, outline, family and feature")


def _missing_data(run: Run) -> Answer:
    if run.facts.get("method") is None:
        return authors()
    limit = dig(run.facts, "hyperparameters", "max_missing")
    often = "too often" if limit is None else f"in a share above {limit:g}"
    return filled(
        f"columns missing {often} are left out and other gaps take the training median, learned "
        "in each training fold; cases left out are among the notes"
    )


def _scaling(run: Run) -> Answer:
    if run.facts.get("method") is None:
        return authors()
    harmonised = "sites harmonised by ComBat" if run.facts.get("harmonised") else "no harmonisation"
    return filled(f"scaled inside each training fold; {harmonised}")


def _selection(run: Run) -> Answer:
    method = run.facts.get("method")
    if method is None:
        return authors()
    if method in _KEEPS_ALL:
        return not_done(f"{method} keeps all features under one penalty")
    most = dig(run.facts, "hyperparameters", "max_correlation")
    limit = "" if most is None else f"; two kept features correlate at most {most:g}"
    return filled(f"features chosen inside each training fold ({method}){limit}")


def _modelling(run: Run) -> Answer:
    method, chosen = run.facts.get("method"), run.facts.get("hyperparameters")
    if method is None:
        return authors()
    values = f" ({listed(chosen)})" if chosen else ""
    return filled(f"{method}{values}; tuned and calibrated inside the training folds")


def _tuning(run: Run) -> Answer:
    if run.facts.get("method") is None:
        return authors()
    by = dig(run.facts, "hyperparameters", "tune_by")
    figure = "" if by is None else f" by {by}"
    return filled(f"hyper-parameters chosen on inner folds{figure}; outer folds choose nothing")


def _stability(run: Run) -> Answer:
    if run.facts.get("stability_filter"):
        return filled("features unstable under perturbed images and outlines were left out")
    return not_done("no filter of unstable features")


def _reliability(run: Run) -> Answer:
    return authors(_stability(run).text)


def _clinical(run: Run) -> Answer:
    used = run.facts.get("clinical")
    if used is None:
        return authors()
    return authors("clinical variables were used") if used else filled("none was used")


def _confounders(run: Run) -> Answer:
    known = []
    limit = dig(run.facts, "hyperparameters", "max_volume_correlation")
    if limit is not None and limit < 1:
        known.append(f"features correlated with volume above {limit:g} were left out")
    if dig(run.evaluation, "subgroups", "scanner"):
        known.append("performance by scanner in the table")
    control = estimate(dig(run.evaluation, "leak_guard", "control", "auc")).value
    if control is not None:
        known.append(f"control voxels reach an AUC of {number(control)}")
    if run.facts.get("harmonised"):
        return filled("; ".join(["sites harmonised by ComBat inside the folds", *known]))
    return authors("; ".join(known)) if known else not_done("no harmonisation of sites")


def _imbalance(run: Run) -> Answer:
    counts = ", ".join(f"{n} {name}" for name, n in run.evaluation["class_counts"].items())
    settings = run.facts.get("hyperparameters")
    if not isinstance(settings, Mapping) or "class_weight" not in settings:
        return filled(f"{counts}; no resampling; probabilities are calibrated afterwards")
    weight = settings["class_weight"] or "none"
    return filled(f"{counts}; class weights: {weight}; no resampling; calibrated afterwards")


def _prediction(run: Run) -> Answer:
    digest = run.facts.get("plan_sha256")
    plan = "" if digest is None else f" by the plan {_short(digest)}"
    return filled(f"radresp score with the model folder{plan}; p_ccr = 1 - p_residual")


def _specification(run: Run) -> Answer:
    if run.facts.get("method") is None:
        return authors()
    return filled("the model folder: fitted model, features, plan and versions, hashed")


def _code(run: Run) -> Answer:
    version = dig(run.facts, "versions", "radresp")
    return authors("" if version is None else f"radresp {version} and its plan")


def _model_file(run: Run) -> Answer:
    return authors("the model folder, which scores cases by itself")


def _deep_learning(run: Run) -> Answer:
    return not_done("no end-to-end deep learning was assessed; the item holds for it alone")


METHOD: Mapping[str, Source] = {
    "authors": lambda run: authors(),
    "candidates": _candidates,
    "centres": _centres,
    "clinical": _clinical,
    "code": _code,
    "confounders": _confounders,
    "data_source": _data_source,
    "deep_learning": _deep_learning,
    "extraction_settings": _extraction_settings,
    "feature_classes": _feature_classes,
    "feature_number": _feature_number,
    "feature_statistics": _feature_statistics,
    "image_types": _image_types,
    "imbalance": _imbalance,
    "intended_use": lambda run: authors(str(run.evaluation["intended_use"])),
    "missing_data": _missing_data,
    "model_file": _model_file,
    "modelling": _modelling,
    "multicentre": _multicentre,
    "prediction": _prediction,
    "predictors": _predictors,
    "preprocessing": _preprocessing,
    "reliability": _reliability,
    "scaling": _scaling,
    "selection": _selection,
    "sequences": _sequences,
    "settings_file": _settings_file,
    "software": _software,
    "specification": _specification,
    "stability": _stability,
    "tuning": _tuning,
}
"""Answers by the word the checklist asks for them with."""
