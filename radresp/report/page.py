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
    pages = Environment(
        loader=PackageLoader("radresp", "report"), autoescape=True, undefined=StrictUndefined
    )
    embedded = [(title, b64encode(data).decode()) for title, data in pictures]
    return pages.get_template("case.html").render(
        score=score, pictures=embedded, decision_words=DECISION_WORDS[score["decision"]]
    )
