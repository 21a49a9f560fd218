"""One case against a model folder: probability, interval, decision, reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from radresp import classify, io, report
from radresp.core import (
    CaseFiles,
    Decision,
    FeatureRow,
    Note,
    NoteKind,
    Prepared,
    Score,
    Step,
    notes_of,
)
from radresp.errors import ModelError
from radresp.pipeline.acquisition import acquisition_of, outside_protocol
from radresp.pipeline.covariates import covariates
from radresp.pipeline.decide import decide
from radresp.pipeline.extract import extract_case, feature_names
from radresp.pipeline.learning_table import NOT_COMPLETE
from radresp.pipeline.page import region_pictures
from radresp.pipeline.plan import Plan, missing_modules, parse_plan
from radresp.pipeline.prepare import prepare_case
from radresp.pipeline.read import load_case
from radresp.pipeline.records import input_hashes
from radresp.pipeline.train import CLASSIFIER_PREFIX, imaging_of


@dataclass(frozen=True, slots=True)
class ScoringModel:
    """A verified model folder, ready to score.

    Parameters
    ----------
    model : classify.Model or classify.Fused
        The classifier.
    plan : Plan
        How its features were made; obeyed at scoring.
    manifest, protocol : mapping
        What the folder says of itself, and how its training images were acquired.
    sha256 : str
        Hash of the whole folder.
    training_ids : frozenset of str
        Case ids of the training cases.
    """

    model: classify.Model | classify.Fused
    plan: Plan
    manifest: Mapping[str, Any]
    protocol: Mapping[str, Any]
    sha256: str
    training_ids: frozenset[str] = frozenset()

    @property
    def imaging(self) -> classify.Model:
        """The model of the images."""
        return imaging_of(self.model)

    @property
    def model_id(self) -> str:
        """A short name of the model: the first twelve digits of its hash."""
        return f"radresp-{self.sha256[:12]}"


@dataclass(frozen=True, slots=True)
class Scored:
    """A score with everything it rests on."""

    score: Score
    prepared: Prepared
    row: FeatureRow
    prediction: classify.Prediction
    reader_call: str = ""

    @property
    def p_pseudo_residual(self) -> float | None:
        """Probability that what a reader saw is no tumour; None unless one saw something."""
        said = self.score.decision is not Decision.ABSTAIN and self.reader_call in NOT_COMPLETE
        return self.prediction.p_pseudo_residual if said else None

    def lines(self) -> list[str]:
        """The answer for a terminal."""
        score = self.score
        said = [f"case {score.case_id}: {score.decision}"]
        if score.p_ccr is not None and score.interval is not None:
            low, high = score.interval
            said.append(f"p(cCR) {score.p_ccr:.2f}, interval {low:.2f} to {high:.2f}")
            said.append(", ".join(f"{name} {p:.2f}" for name, p in score.classes.items()))
        if self.p_pseudo_residual is not None:
            said.append(
                f"p(pseudo-residual | read as {self.reader_call}) {self.p_pseudo_residual:.2f}"
            )
        said += [f"because {reason}" for reason in score.reasons]
        said += [f"warning {note.text}" for note in notes_of(score.trail, NoteKind.WARNING)]
        return said


def open_model(folder: Path) -> ScoringModel:
    """Open a model folder after every hash in it was verified.

    Raises
    ------
    ModelError
        When anything in the folder is not as it was saved, or does not fit this version.
    """
    found = io.load_model(folder)
    plan = parse_plan(io.parse_mapping(found.members["plan.yaml"].decode()))
    check_installed(plan, folder)
    if plan.extraction_sha256 != found.manifest.get("extraction_sha256"):
        raise ModelError(
            "EXTRACTION_MISMATCH",
            "this version reads the model's plan differently from the version that trained it",
            expected="the same extraction settings",
            action="score with the radresp version named in the model's manifest",
            file=folder,
        )
    return ScoringModel(
        model=classify.restore(
            {
                name.removeprefix(CLASSIFIER_PREFIX): data
                for name, data in found.members.items()
                if name.startswith(CLASSIFIER_PREFIX)
            }
        ),
        plan=plan,
        manifest=found.manifest,
        protocol=json.loads(found.members["protocol.json"]),
        sha256=found.sha256,
        training_ids=_ids_of(found.members["out_of_fold.csv"]),
    )


def _ids_of(predictions: bytes) -> frozenset[str]:
    """First column of the out-of-fold predictions."""
    return frozenset(line.partition(",")[0] for line in predictions.decode().splitlines()[1:])


def check_installed(plan: Plan, folder: Path) -> None:
    """Refuse a model whose registration method cannot run here, instead of using another one.

    Raises
    ------
    ModelError
        ``EXTRA_MISSING``.
    """
    for method in (plan.registration.method, plan.registration_dwi.method):
        missing = missing_modules(method)
        if missing:
            raise ModelError(
                "EXTRA_MISSING",
                f"the model registers by '{method}', which needs {', '.join(missing)}",
                expected="the method the model was trained with",
                action="install the extra that `radresp methods` names for it",
                file=folder,
            )


def score_case(files: CaseFiles, scoring: ScoringModel) -> Scored:
    """Score one case.

    Parameters
    ----------
    files : CaseFiles
        Its addresses.
    scoring : ScoringModel
        From :func:`open_model`.

    Returns
    -------
    Scored
        With a probability, or an abstention and its reasons.

    Raises
    ------
    InputError
        When the case cannot be read or prepared.
    ModelError
        When the plan's features are not the model's.
    """
    _check_features(scoring)
    prepared = prepare_case(load_case(files, scoring.plan), scoring.plan)
    row = extract_case(prepared, scoring.plan)
    prediction = _predicted(files, row, scoring)
    outside = (
        *outside_protocol(acquisition_of(row.trail), scoring.protocol["acquisition"]),
        *(note.text for note in notes_of(row.trail, NoteKind.ABSTAIN)),
        *prediction.outside,
        *_why_missing(scoring.imaging, row),
    )
    rules = scoring.plan.decision
    decision, reasons = decide(prediction.fit, prediction.interval, outside, rules)
    abstains = decision is Decision.ABSTAIN
    notes = (*_model_notes(files, scoring), *_filled_notes(prediction), *prediction.warnings)
    score = Score(
        case_id=files.case_id,
        endpoint=scoring.imaging.endpoint,
        decision=decision,
        classes={} if abstains else prediction.classes,
        interval=None if abstains else prediction.interval,
        reasons=reasons,
        model_id=scoring.model_id,
        trail=(*row.trail, Step("pipeline", "score", notes=notes)),
    )
    call = files.clinical.get("reader_call", "")
    return Scored(score, prepared, row, prediction, call)


def _predicted(files: CaseFiles, row: FeatureRow, scoring: ScoringModel) -> classify.Prediction:
    """The model's answer, with the clinical row where the model uses it."""
    clinical = None
    if isinstance(scoring.model, classify.Fused):
        wanted = scoring.model.models["clinical"].columns
        clinical = covariates({files.case_id: files.clinical}, wanted)
    sites = pd.Series([files.clinical.get("site", "")], index=[files.case_id])
    return classify.predict(scoring.model, _frame(row), clinical=clinical, sites=sites)[0]


def score_record(scored: Scored, scoring: ScoringModel) -> dict[str, Any]:
    """The content of ``score.json``."""
    score = scored.score
    return {
        "intended_use": score.intended_use,
        "case_id": score.case_id,
        "endpoint": score.endpoint,
        "p_ccr": score.p_ccr,
        "interval": None if score.interval is None else list(score.interval),
        "classes": dict(score.classes),
        "p_pseudo_residual_given_non_ccr": scored.p_pseudo_residual,
        "reader_call": scored.reader_call or None,
        "fit": dict(scored.prediction.fit) if score.classes else {},
        "decision": str(score.decision),
        "reasons": list(score.reasons),
        "drivers": [driver._asdict() for driver in scored.prediction.contributions],
        "qc": scored.prepared.qc(),
        "model": {
            "id": score.model_id,
            "sha256": scoring.sha256,
            "training_data": scoring.manifest["training_data"],
            "cases": scoring.manifest["cases"],
        },
        "versions": io.versions(),
        "fixes": [note.record() for note in notes_of(score.trail, NoteKind.FIX)],
        "warnings": [note.record() for note in notes_of(score.trail, NoteKind.WARNING)],
        "trail": [step.record() for step in score.trail],
    }


def save_score(scored: Scored, scoring: ScoringModel, folder: Path) -> Path:
    """Write ``score.json`` and ``report.html``; returns the page's path."""
    record = score_record(scored, scoring)
    io.write_json(folder / "score.json", record)
    page = folder / "report.html"
    io.write_text(page, report.case_page(record, region_pictures(scored.prepared)))
    return page


def _check_features(scoring: ScoringModel) -> None:
    missing = sorted(set(scoring.imaging.columns) - set(feature_names(scoring.plan)))
    if missing:
        raise ModelError(
            "FEATURE_SCHEMA",
            f"the model asks for {len(missing)} features its plan does not give: "
            f"{', '.join(missing[:3])}",
            expected="a model trained on features that radresp extracted",
            action="use `radresp evaluate` for models trained on other tables",
        )


def _why_missing(model: classify.Model, row: FeatureRow) -> tuple[str, ...]:
    """Why the case lacks features the model looks at, each reason once."""
    return tuple(dict.fromkeys(row.absent[name] for name in model.selected if name in row.absent))


def _filled_notes(prediction: classify.Prediction) -> tuple[Note, ...]:
    """Which features had no value and counted as their training median."""
    if not prediction.filled:
        return ()
    shown = ", ".join(prediction.filled[:3])
    more = len(prediction.filled) - 3
    return (
        Note(
            NoteKind.WARNING,
            "FEATURE_FILLED",
            f"no value for {shown}" + (f" and {more} more" if more > 0 else ""),
            "a value for every feature",
            "their training median stood in; together they carry little of the model's weight",
        ),
    )


def _frame(row: FeatureRow) -> pd.DataFrame:
    return pd.DataFrame([dict(row.values)], index=[row.case_id])


def _model_notes(files: CaseFiles, scoring: ScoringModel) -> tuple[Note, ...]:
    notes = []
    if scoring.manifest["training_data"] == "synthetic":
        notes.append(
            Note(
                NoteKind.WARNING,
                "SYNTHETIC_MODEL",
                "the model was trained on synthetic phantoms",
                action="its numbers show that the software works; they mean nothing for a patient",
            )
        )
    seen = {digest for roles in scoring.protocol["cases"].values() for digest in roles.values()}
    if seen & {digest for digest in input_hashes(files).values() if digest}:
        notes.append(
            Note(
                NoteKind.WARNING,
                "IN_TRAINING_SET",
                "an input of this case was used to train the model",
                action="the probability is optimistic",
            )
        )
    return tuple(notes)
