"""What is written of a score: ``score.json``, and the page that shows the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from radresp import io, regimen, report
from radresp.core import NoteKind, notes_of
from radresp.pipeline.case_view import view_case
from radresp.pipeline.measurements import every_measure, measure, tissues
from radresp.pipeline.network_map import residual_maps
from radresp.pipeline.pair import days_between
from radresp.pipeline.score import Scored, ScoringModel


class Explains(Protocol):
    """What can be said and shown of where an answer comes from."""

    def record(self) -> dict[str, Any]:
        """What is said of it in ``score.json``."""

    def maps(self) -> tuple[report.Map, ...]:
        """What may be laid over the later T2."""


def shift_score(scored: Scored, scoring: ScoringModel, prevalence: float) -> regimen.Shifted | None:
    """What the probability becomes where complete responses are more or less common.

    Parameters
    ----------
    scored, scoring
        The answer and its model.
    prevalence : float
        Share of complete responses where the case comes from, in (0, 1).

    Returns
    -------
    Shifted or None
        The ends of the interval are shifted as the probability is; None where the case abstains.

    Raises
    ------
    InputError
        ``SCORE_INVALID`` for a prevalence out of range.
    """
    p, interval = scored.score.p_ccr, scored.score.interval
    if p is None or interval is None:
        return None
    before = scoring.imaging.prevalence
    after, low, high = regimen.shift_prevalence((p, *interval), before, prevalence).tolist()
    return regimen.Shifted(p, after, low, high, before, prevalence, scored.score.endpoint)


def score_record(
    scored: Scored,
    scoring: ScoringModel,
    *,
    prevalence: float | None = None,
    explained: Explains | None = None,
) -> dict[str, Any]:
    """The content of ``score.json``.

    Parameters
    ----------
    scored, scoring
        The answer and its model.
    prevalence : float, optional
        Share of complete responses where the case comes from, in (0, 1): what the probability
        becomes there is said as well.
    explained : optional
        Where the network's answer comes from.
    """
    score = scored.score
    shifted = None if prevalence is None else shift_score(scored, scoring, prevalence)
    measured = every_measure(scored.prepared, scored.row, scoring.plan)
    explanation = {} if explained is None else {"explanation": explained.record()}
    return {
        "intended_use": score.intended_use,
        "case_id": score.case_id,
        "endpoint": score.endpoint,
        "p_ccr": score.p_ccr,
        "interval": None if score.interval is None else list(score.interval),
        "interval_level": scoring.imaging.settings.interval_level,
        "prevalence": scoring.imaging.prevalence,
        "prevalence_shift": None if shifted is None else asdict(shifted),
        "classes": dict(score.classes),
        "p_pseudo_residual_given_non_ccr": scored.p_pseudo_residual,
        "reader_call": scored.reader_call or None,
        "fit": dict(scored.prediction.fit) if score.classes else {},
        "ruled_out_up_to": {
            "complete": scoring.plan.decision.missed_complete,
            "residual": scoring.plan.decision.missed_residual,
        },
        "decision": str(score.decision),
        "reasons": list(score.reasons),
        "drivers": [driver._asdict() for driver in scored.prediction.contributions],
        "measurements": measure(measured, scoring.plan, scoring.imaging.quantiles),
        "tissue_ml": tissues(measured),
        "support": dict(scored.prediction.support),
        "network": None if scored.network is None else scored.network.record(),
        "days_between_visits": days_between(score.trail),
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
        **explanation,
    }


def save_score(
    record: Mapping[str, Any], scored: Scored, folder: Path, explained: Explains | None = None
) -> Path:
    """Write ``score.json`` and ``report.html``; returns the page's path.

    Parameters
    ----------
    record : mapping
        From :func:`score_record`.
    scored : Scored
        What it is the record of; its images are shown.
    folder : Path
        Where to.
    explained : optional
        Maps to lay over them.
    """
    maps = residual_maps(scored.network) + (() if explained is None else explained.maps())
    viewer = report.viewer_data(view_case(scored.prepared, maps))
    io.write_json(folder / "score.json", record)
    page = folder / "report.html"
    io.write_text(page, report.case_page(record, viewer))
    return page
