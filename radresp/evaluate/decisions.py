"""What the spoken decisions did to complete responders and to patients with residual tumour.

Source: the figures of a diagnostic accuracy study (STARD 2015), kept to the two mistakes that count
here: a residual tumour released as a complete response, and an operation on a complete responder.
Their wholes are all patients of that truth, those without an answer included, so that abstaining
makes neither of them look better than it is. Intervals are Wilson's and take one case a patient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from radresp.core import Decision
from radresp.errors import InputError
from radresp.evaluate.entries import proportion
from radresp.evaluate.intervals import z_value
from radresp.evaluate.pairs import check_scores
from radresp.evaluate.utility import Proportion, check_share, share_of

WORDS = tuple(str(word) for word in Decision)
TRUTHS = (str(Decision.COMPLETE_RESPONSE), str(Decision.RESIDUAL))


class Released(NamedTuple):
    """Complete responders released from a threshold on, and residual tumours released with them.

    A case is released when its score is at or above ``threshold``; infinite when none may be.
    """

    released: Proportion
    missed: Proportion
    threshold: float


def decision_rates(y: ArrayLike, decisions: Sequence[str], level: float = 0.95) -> dict[str, Any]:
    """How often each word was said, and how often it was right.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 for a complete response, 0 for residual tumour.
    decisions : sequence of str, length n
        Each one of ``complete_response``, ``residual``, ``indeterminate``, ``abstain``.
    level : float
        Confidence level, in (0, 1).

    Returns
    -------
    dict
        JSON-ready. Proportions (``value``, ``low``, ``high``, ``part``, ``whole``, ``reason``):
        ``share`` of each word; of all residual, ``missed_residual`` (called complete response) and
        ``caught`` (called residual); of all complete responders, ``released`` (called complete
        response) and ``operated`` (called residual); ``complete_response_right`` and
        ``residual_right``, of the cases called so; ``abstained`` and ``indeterminate`` by truth.
        ``counts`` is the whole table, truth by word.

    Raises
    ------
    InputError
        ``LABEL_UNKNOWN`` for another word or outcome, ``SCORE_INVALID`` for unequal lengths.

    Examples
    --------
    >>> said = ["complete_response", "abstain", "complete_response", "residual"]
    >>> rates = decision_rates([1, 1, 0, 0], said)
    >>> rates["missed_residual"]["part"], rates["missed_residual"]["whole"]
    (1, 2)
    """
    z_value(level)
    words = np.asarray([str(word) for word in decisions], dtype=object)
    unknown = sorted(set(words) - set(WORDS))
    if unknown:
        raise InputError("LABEL_UNKNOWN", f"decision {unknown[0]!r}", expected=", ".join(WORDS))
    # The words stand in for predictions: only their number and the outcomes are checked.
    complete = check_scores(y, np.zeros(words.size)).y == 1
    truth = dict(zip(TRUTHS, (complete, ~complete), strict=True))

    def share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> dict[str, Any]:
        return proportion(share_of(int((part & whole).sum()), int(whole.sum()), level))

    everybody = np.ones(words.size, dtype=bool)
    released, operated = words == TRUTHS[0], words == TRUTHS[1]
    return {
        "n": int(words.size),
        "events": int(complete.sum()),
        "level": level,
        "share": {word: share(words == word, everybody) for word in WORDS},
        "missed_residual": share(released, ~complete),
        "caught": share(operated, ~complete),
        "released": share(released, complete),
        "operated": share(operated, complete),
        "complete_response_right": share(complete, released),
        "residual_right": share(~complete, operated),
        "abstained": {k: share(words == Decision.ABSTAIN, is_it) for k, is_it in truth.items()},
        "indeterminate": {
            k: share(words == Decision.INDETERMINATE, is_it) for k, is_it in truth.items()
        },
        "counts": {
            k: {word: int(((words == word) & is_it).sum()) for word in WORDS}
            for k, is_it in truth.items()
        },
    }


def released_at_missed(
    y: ArrayLike, score: ArrayLike, missed: float = 0.05, level: float = 0.95
) -> Released:
    """Most complete responders a threshold releases while few residual tumours go with them.

    Parameters
    ----------
    y : array-like of shape (n,)
        1 for a complete response, 0 for residual tumour.
    score : array-like of shape (n,)
        Any finite number; higher means a complete response is more likely. Where abstained cases
        are to count in the wholes, give them a score below all others.
    missed : float
        Largest share of residual tumours that may be released, in [0, 1].
    level : float
        Confidence level, in (0, 1); the intervals ignore that the threshold was chosen, so the
        share missed among new patients is larger.

    Returns
    -------
    Released
        With the highest threshold that releases that share. NaN when a class is missing.

    Raises
    ------
    InputError
        ``SCORE_INVALID`` or ``LABEL_UNKNOWN`` for unusable numbers.

    Examples
    --------
    >>> found = released_at_missed([1, 1, 1, 0, 0], [0.9, 0.7, 0.4, 0.6, 0.2], missed=0.0)
    >>> found.released.part, found.released.whole, found.threshold
    (2, 3, 0.7)
    """
    check_share("missed", missed)
    pairs = check_scores(y, score)
    complete, residual = pairs.p[pairs.y == 1], np.sort(pairs.p[pairs.y == 0])[::-1]
    allowed = int(np.floor(missed * residual.size + 1e-9))
    # Residual tumours beyond the allowed number must stay strictly below the threshold.
    cut = residual[allowed] if allowed < residual.size else -np.inf
    above = complete[complete > cut]
    threshold = float(above.min()) if above.size else np.inf
    if not (complete.size and residual.size):
        none = (np.nan, np.nan, np.nan, 0)
        return Released(Proportion(*none, complete.size), Proportion(*none, residual.size), np.nan)
    return Released(
        share_of(int(above.size), complete.size, level),
        share_of(int((residual >= threshold).sum()), residual.size, level),
        threshold,
    )
