"""One case against a model folder: probability, interval, decision, reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radresp import classify, io
from radresp.core import (
    Case,
    CaseFiles,
    Decision,
    FeatureRow,
    Note,
    NoteKind,
    Prepared,
    Score,
    Step,
    Trail,
    notes_of,
)
from radresp.errors import ModelError
from radresp.pipeline import model_parts
from radresp.pipeline.acquisition import acquisition_of, outside_protocol
from radresp.pipeline.decide import decide
from radresp.pipeline.extract import extract_case, feature_names
from radresp.pipeline.learning_table import NOT_COMPLETE
from radresp.pipeline.network import Network, NetworkAnswer, ask_about, read_network
from radresp.pipeline.plan import Plan, missing_modules
from radresp.pipeline.predict import predict_case
from radresp.pipeline.prepare import prepare_case
from radresp.pipeline.read import load_case
from radresp.pipeline.records import input_paths
from radresp.pipeline.score_checks import check_extractor, check_features, missing_roles
from radresp.pipeline.score_notes import filled_notes, model_notes, why_missing
from radresp.pipeline.train import imaging_of


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
    network : Network, optional
        The CNN, of a model that asks one.
    """

    model: classify.Model | classify.Fused
    plan: Plan
    manifest: Mapping[str, Any]
    protocol: Mapping[str, Any]
    sha256: str
    training_ids: frozenset[str] = frozenset()
    network: Network | None = None

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
    """A score with everything it rests on.

    Parameters
    ----------
    score : Score
        The answer.
    prepared : Prepared
        Regions, all of them absent where an image is missing.
    row, prediction
        Features, and the model's own answer.
    reader_call : str
        What the team read; empty where not known.
    inputs : tuple of Path
        The files named for the case that are there.
    network : NetworkAnswer, optional
        What the model's network says of the case; None where the score abstains.
    """

    score: Score
    prepared: Prepared
    row: FeatureRow
    prediction: classify.Prediction
    reader_call: str = ""
    inputs: tuple[Path, ...] = ()
    network: NetworkAnswer | None = None

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
    model_parts.check_manifest(found, folder)
    plan = model_parts.read_plan(found, folder)
    check_installed(plan, folder)
    model = model_parts.read_classifier(found, folder)
    return ScoringModel(
        model=model,
        plan=plan,
        manifest=found.manifest,
        protocol=model_parts.read_protocol(found, folder),
        sha256=found.sha256,
        training_ids=model_parts.read_training_ids(found, folder),
        network=read_network(found.members, model),
    )


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
        When the case cannot be read or prepared, or what comes out is no probability.
    ModelError
        When the plan's features are not the model's, or pyradiomics is another.
    """
    check_features(scoring.imaging, scoring.plan)
    check_extractor(scoring.plan, scoring.manifest)
    lacking = missing_roles(files, scoring.plan)
    if lacking:
        return _without_images(files, scoring, lacking)
    return score_loaded(files, load_case(files, scoring.plan), scoring)


def score_loaded(files: CaseFiles, case: Case, scoring: ScoringModel) -> Scored:
    """Score a case whose images are in memory.

    Parameters
    ----------
    files : CaseFiles
        Its addresses and clinical row.
    case : Case
        Its images and outlines.
    scoring : ScoringModel
        From :func:`open_model`.

    Raises
    ------
    InputError
        As :func:`score_case`.
    """
    prepared = prepare_case(case, scoring.plan)
    row = extract_case(prepared, scoring.plan)
    said = None if scoring.network is None else ask_about(prepared, scoring.network)
    log_odds = None if said is None else said.residual_log_odds
    prediction = predict_case(files, row, scoring.model, log_odds)
    outside = (
        *outside_protocol(acquisition_of(row.trail), scoring.protocol["acquisition"]),
        *(note.text for note in notes_of(row.trail, NoteKind.ABSTAIN)),
        *prediction.outside,
        *why_missing(scoring.imaging, row),
    )
    decided = decide(prediction.fit, prediction.interval, outside, scoring.plan.decision)
    notes = (*filled_notes(prediction), *prediction.warnings)
    score = _score(files, scoring, decided, prediction, notes, row.trail)
    return Scored(
        score, prepared, row, prediction, *_of_files(files), said if score.classes else None
    )


def _without_images(files: CaseFiles, scoring: ScoringModel, lacking: tuple[str, ...]) -> Scored:
    """The abstention from a case that lacks images the model needs; nothing stands in for them."""
    note = Note(
        NoteKind.ABSTAIN,
        "MISSING_MODALITY",
        f"no {' and no '.join(lacking)} image is named",
        "all images the model was trained on",
        "nothing stands in for them",
    )
    regions, names = scoring.plan.regions, feature_names(scoring.plan)
    absent = dict.fromkeys(names, note.text)
    nothing = classify.Prediction(files.case_id, {}, None, (), ())
    return Scored(
        _score(files, scoring, (Decision.ABSTAIN, (note.text,)), nothing, (note,)),
        Prepared(files.case_id, {}, dict.fromkeys(regions, note.text), {}, files.clinical),
        FeatureRow(files.case_id, dict.fromkeys(names, math.nan), absent),
        nothing,
        *_of_files(files),
    )


def _score(
    files: CaseFiles,
    scoring: ScoringModel,
    decided: tuple[Decision, tuple[str, ...]],
    prediction: classify.Prediction,
    notes: tuple[Note, ...],
    trail: Trail = (),
) -> Score:
    """A decision with its numbers, or none of them where it is to abstain."""
    decision, reasons = decided
    abstains = decision is Decision.ABSTAIN
    known = model_notes(files, scoring.model, scoring.manifest, scoring.protocol)
    return Score(
        case_id=files.case_id,
        endpoint=scoring.imaging.endpoint,
        decision=decision,
        classes={} if abstains else prediction.classes,
        interval=None if abstains else prediction.interval,
        reasons=reasons,
        model_id=scoring.model_id,
        trail=(*trail, Step("pipeline", "score", notes=(*known, *notes))),
    )


def _of_files(files: CaseFiles) -> tuple[str, tuple[Path, ...]]:
    """What the team read of the case, and which of its files are there."""
    there = tuple(path for path in input_paths(files).values() if io.is_there(path))
    return files.clinical.get("reader_call", ""), there
