"""The page of one case: a single file that opens anywhere, offline."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from radresp.report.case_bars import drivers, tissue_bars
from radresp.report.case_figures import figures_of, pointer
from radresp.report.case_quality import lights, sentence
from radresp.report.case_words import plain_name, sentence_case

DECISION_WORDS = {
    "complete_response": "Complete response",
    "residual": "Residual tumour",
    "indeterminate": "Indeterminate",
    "abstain": "Abstained: no probability",
}
OUTCOMES = {"residual": "Residual tumour", "complete": "A complete response"}
TISSUE_WORDS = {
    "scar": "dark scar",
    "intermediate": "intermediate",
    "restricted": "restricted",
    "bright": "bright (oedema or mucin)",
}


def case_page(score: Mapping[str, Any], viewer: Mapping[str, Any] | None = None) -> str:
    """One self-contained HTML page for a score.

    Parameters
    ----------
    score : mapping
        The content of ``score.json``. Parts that later versions added may be absent.
    viewer : mapping, optional
        From :func:`radresp.report.viewer_data`.

    Returns
    -------
    str
        HTML; every text is escaped, nothing is loaded from elsewhere, and the page's own policy
        forbids it. The same content gives the same page.
    """
    style, script = _style(), _part("viewer.js")
    return render(
        "case.html",
        score={**_LATER, **score},
        viewer=viewer or {"views": [], "absent": {}},
        style=style,
        script=script,
        policy=_policy(style, script),
        show=figures_of(score),
        pointer=pointer,
        decision_words=DECISION_WORDS[score["decision"]],
        reasons=[reason.partition(": ")[::2] for reason in score["reasons"]],
        fit_words=fit_words(score),
        reader_words=reader_words(score),
        lights=lights(score),
        tissues=tissue_bars(score.get("tissue_ml") or {}),
        tissue_words=TISSUE_WORDS,
        drivers=drivers(score),
        plain_name=plain_name,
        sentence=sentence,
        sentence_case=sentence_case,
    )


_LATER: dict[str, Any] = {
    "interval_level": None,
    "prevalence": None,
    "prevalence_shift": None,
    "measurements": [],
    "tissue_ml": {},
    "days_between_visits": None,
    "explanation": None,
    "network": None,
}


@cache
def _part(name: str) -> Markup:
    """A file of this room that goes into a page as it is."""
    return Markup(resources.files("radresp.report").joinpath(name).read_text("utf-8"))  # noqa: S704


@cache
def _style() -> Markup:
    """The rules every page shares, and those of this one."""
    return Markup(render("style.html")) + _part("case.css")  # noqa: S704


def _policy(style: str, script: str) -> str:
    """What the page may do: run its own script and show what it holds; it may fetch nothing."""
    style_sha, script_sha = (
        b64encode(sha256(text.encode()).digest()).decode() for text in (style, script)
    )
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style_sha}'; "
        f"script-src 'sha256-{script_sha}'; base-uri 'none'; form-action 'none'"
    )


def fit_words(score: Mapping[str, Any]) -> list[str]:
    """Which outcomes are ruled out and by how much, from conformal p-values; none without them.

    Parameters
    ----------
    score : mapping
        ``fit`` by outcome, and ``ruled_out_up_to`` where it is told; both may be absent.

    Examples
    --------
    >>> fit_words({"fit": {"residual": 0.02}})
    ['Residual tumour: 2.0 % of those in training looked as little like one.']
    """
    fit, levels = score.get("fit") or {}, score.get("ruled_out_up_to") or {}
    said = []
    for name, outcome in OUTCOMES.items():
        if name not in fit:
            continue
        share = f"{100 * fit[name]:.1f} % of those in training looked as little like one"
        if name not in levels:
            said.append(f"{outcome}: {share}.")
            continue
        verdict = "ruled out" if fit[name] <= levels[name] else "not ruled out"
        level = f"{100 * levels[name]:g} % or less rules it out"
        said.append(f"{outcome} is {verdict}: {share} ({level}).")
    return said


def reader_words(score: Mapping[str, Any]) -> str:
    """What the model adds to a team that saw something; empty where it has nothing to add.

    Examples
    --------
    >>> reader_words({"reader_call": "nCR", "p_pseudo_residual_given_non_ccr": 0.4})
    'Given that the team read nCR: probability that this is no tumour 0.40.'
    """
    call, p = score.get("reader_call"), score.get("p_pseudo_residual_given_non_ccr")
    if not call or p is None:
        return ""
    return f"Given that the team read {call}: probability that this is no tumour {p:.2f}."


def render(template: str, **content: Any) -> str:
    """A template of this room filled in; every text is escaped, a missing name is an error."""
    pages = Environment(
        loader=PackageLoader("radresp", "report"), autoescape=True, undefined=StrictUndefined
    )
    return pages.get_template(template).render(**content)
