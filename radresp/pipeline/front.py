"""For Python and notebooks: one case by its path, in one call."""

from __future__ import annotations

from pathlib import Path

from radresp.core import CaseFiles, FeatureRow, Score
from radresp.pipeline.extract import extract_case
from radresp.pipeline.plan import Plan
from radresp.pipeline.prepare import prepare_case
from radresp.pipeline.read import load_case
from radresp.pipeline.score import ScoringModel, open_model
from radresp.pipeline.score import score_case as score_files
from radresp.pipeline.score_page import save_score, score_record
from radresp.pipeline.tables import load_plan, open_case

Where = str | Path


def score_case(
    case: Where | CaseFiles,
    model: Where | ScoringModel,
    *,
    case_id: str | None = None,
    output: Where | None = None,
) -> Score:
    """Score one case with a model.

    Parameters
    ----------
    case : path or CaseFiles
        Folder of one case, a cohort table, or a case from :func:`radresp.open_cases`.
    model : path or ScoringModel
        Model folder, or one that :func:`radresp.open_model` has opened: for many cases open it
        once.
    case_id : str, optional
        Which case, when the table holds several.
    output : path, optional
        Folder that gets ``score.json`` and ``report.html``; without it nothing is written.

    Returns
    -------
    Score
        With a probability, or an abstention and its reasons; an abstention is no error.

    Raises
    ------
    RadrespError
        When case or model cannot be used; ``code`` is in the list of fault codes.
    """
    scoring = model if isinstance(model, ScoringModel) else open_model(Path(model))
    scored = score_files(_files(case, case_id), scoring)
    if output is not None:
        save_score(score_record(scored, scoring), scored, Path(output))
    return scored.score


def extract(
    case: Where | CaseFiles, plan: Where | Plan | None = None, *, case_id: str | None = None
) -> FeatureRow:
    """Read, align and measure one case.

    Parameters
    ----------
    case : path or CaseFiles
        Folder of one case, a cohort table, or a case from :func:`radresp.open_cases`.
    plan : path or Plan, optional
        What to compute; the default plan when not given.
    case_id : str, optional
        Which case, when the table holds several.

    Returns
    -------
    FeatureRow
        Named numbers in the order of the plan; NaN, with the reason, for what the case cannot give.

    Raises
    ------
    RadrespError
        When the case or the plan cannot be used; ``code`` is in the list of fault codes.
    """
    chosen = plan if isinstance(plan, Plan) else load_plan(None if plan is None else Path(plan))
    prepared = prepare_case(load_case(_files(case, case_id), chosen), chosen)
    return extract_case(prepared, chosen)


def _files(case: Where | CaseFiles, case_id: str | None) -> CaseFiles:
    return case if isinstance(case, CaseFiles) else open_case(Path(case), case_id).cases[0]
