"""What a team read, what was found, and what the model would have said: one table.

Source: docs/reference/endpoints.md. The two cells this toolkit exists for are the pseudo-residual,
a complete response read as less, which a model may release; and the residual tumour, which nobody
may miss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from radresp import evaluate
from radresp.core import Composite, Decision, composite

READ = ("cCR", "nCR", "iCR")
NOT_READ = "not assessed"
_MISSES = (Composite.TRUE_RESIDUAL, Composite.MISSED_RESIDUAL)


def reader_table(
    y: NDArray[np.bool_], calls: pd.Series | None, said: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Reader's call by truth by the model's word, as mean numbers of cases.

    Parameters
    ----------
    y : ndarray of bool, shape (cases,)
        Complete response.
    calls : Series of str, shape (cases,), optional
        ``cCR``, ``nCR``, ``iCR``, or anything else for no call; None where no table has calls.
    said : sequence of sequence of str
        The model's word on each case, for each repeat.

    Returns
    -------
    dict
        JSON-ready: ``rows`` (``call``, ``truth``, ``what`` they make together, ``n`` and ``words``,
        the mean number of cases for each word), and the proportions
        ``pseudo_residual_released``, ``missed_residual_caught`` and ``residual_released``; or
        ``reason``.
    """
    if calls is None:
        return {"reason": "no table has the reader's calls"}
    read = np.array([call if call in READ else NOT_READ for call in calls])
    words = np.array([[str(word) for word in one] for one in said])
    rows = []
    for call in (*READ, NOT_READ):
        for complete in (True, False):
            of = (read == call) & (y == complete)
            if of.any():
                rows.append(_row(call, complete, of, words))
    what = np.array(
        [str(composite(c, int(not t)) or "") for c, t in zip(read, y, strict=True)], dtype=object
    )
    misses = np.isin(what, [str(name) for name in _MISSES])
    released, caught = str(Decision.COMPLETE_RESPONSE), str(Decision.RESIDUAL)
    return {
        "rows": rows,
        "pseudo_residual_released": _share(what == Composite.PSEUDO_RESIDUAL, words == released),
        "missed_residual_caught": _share(what == Composite.MISSED_RESIDUAL, words == caught),
        "residual_released": _share(misses, words == released),
    }


def _row(call: str, complete: bool, of: NDArray[np.bool_], words: NDArray[Any]) -> dict[str, Any]:
    said = {str(word): float((words[:, of] == str(word)).sum(axis=1).mean()) for word in Decision}
    return {
        "call": call,
        "truth": "complete response" if complete else "residual tumour",
        "what": str(composite(call, int(not complete)) or ""),
        "n": int(of.sum()),
        "words": said,
    }


def _share(whole: NDArray[np.bool_], hit: NDArray[np.bool_]) -> dict[str, Any]:
    """Mean number over the repeats of hits among some cases; Wilson's interval for one repeat."""
    n, part = int(whole.sum()), float((hit & whole).sum(axis=1).mean())
    if not n:
        return {"value": None, "part": 0, "whole": 0, "reason": "no such case"}
    low, high = evaluate.wilson_interval(part, n)
    return {"value": part / n, "low": low, "high": high, "part": part, "whole": n, "reason": ""}
