"""The page of one case: a single file that opens anywhere, offline."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

DECISION_WORDS = {
    "complete_response": "Complete response",
    "residual": "Residual tumour",
    "indeterminate": "Indeterminate",
    "abstain": "Abstained: no probability",
}
OUTCOMES = {"residual": "Residual tumour", "complete": "A complete response"}


def case_page(score: Mapping[str, Any], pictures: Sequence[tuple[str, bytes]]) -> str:
    """One self-contained HTML page for a score.

    Parameters
    ----------
    score : mapping
        The content of ``score.json``.
    pictures : sequence of (title, PNG bytes)
        Shown in this order.

    Returns
    -------
    str
        HTML; every text is escaped, nothing is loaded from elsewhere.
    """
    embedded = [(title, b64encode(data).decode()) for title, data in pictures]
    return render(
        "case.html",
        score=score,
        pictures=embedded,
        decision_words=DECISION_WORDS[score["decision"]],
        fit_words=fit_words(score),
        reader_words=reader_words(score),
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
