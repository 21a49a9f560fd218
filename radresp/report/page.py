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
    )


def render(template: str, **content: Any) -> str:
    """A template of this room filled in; every text is escaped, a missing name is an error."""
    pages = Environment(
        loader=PackageLoader("radresp", "report"), autoescape=True, undefined=StrictUndefined
    )
    return pages.get_template(template).render(**content)
