"""From how well a case fits each outcome to a word, with the right to abstain."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from radresp.core import Decision, Settings


class DecisionRules(Settings):
    """When a case gets a word.

    Calling scar tumour costs an organ, calling tumour scar costs a cure. Each mistake has a bound
    of its own, by class-conditional conformal sets (see ``radresp.classify.conformal``), and the
    stricter one is on tumour called scar.
    """

    missed_residual: float = Field(
        0.05,
        gt=0,
        lt=0.5,
        description="Largest share of residual tumours called complete_response, 0-0.5.",
    )
    missed_complete: float = Field(
        0.1,
        gt=0,
        lt=0.5,
        description="Largest share of complete responses called residual, 0-0.5.",
    )
    max_interval_width: float = Field(
        0.9, gt=0, le=1, description="A wider interval of p_ccr abstains."
    )


NEXT = "endoscopy, or MRI again after a short interval, may tell"


def decide(
    fit: Mapping[str, float],
    interval: tuple[float, float] | None,
    outside: tuple[str, ...],
    rules: DecisionRules,
) -> tuple[Decision, tuple[str, ...]]:
    """Turn the fit of a case to each outcome and the doubts about it into a decision.

    Parameters
    ----------
    fit : mapping of str to float
        Conformal p-values of ``complete`` and ``residual``; empty when the classifier gave no
        probability.
    interval : tuple of float or None
        Interval of p_ccr.
    outside : tuple of str
        Reasons the case lies outside what the model was trained on; any of them abstains.
    rules : DecisionRules
        Levels.

    Returns
    -------
    Decision, tuple of str
        The word and the reasons for it, each starting with its code.

    Examples
    --------
    >>> decide({"complete": 0.6, "residual": 0.02}, (0.7, 0.97), (), DecisionRules())[0]
    <Decision.COMPLETE_RESPONSE: 'complete_response'>
    """
    if outside or not fit or interval is None:
        return Decision.ABSTAIN, outside or ("NO_PROBABILITY: the classifier gave none",)
    width = interval[1] - interval[0]
    if width > rules.max_interval_width:
        reason = (
            f"WIDE_INTERVAL: the interval of p_ccr is {width:.2f} wide; "
            f"the plan allows {rules.max_interval_width:.2f}"
        )
        return Decision.ABSTAIN, (reason,)
    word = word_of(fit, rules)
    return word, (_REASONS[word].format(**fit, rules=rules, next=NEXT),)


def word_of(fit: Mapping[str, float], rules: DecisionRules) -> Decision:
    """The word for the set of outcomes a case fits; none of them abstains."""
    complete = fit["complete"] > rules.missed_complete
    residual = fit["residual"] > rules.missed_residual
    if complete and residual:
        return Decision.INDETERMINATE
    if complete:
        return Decision.COMPLETE_RESPONSE
    return Decision.RESIDUAL if residual else Decision.ABSTAIN


_REASONS = {
    Decision.COMPLETE_RESPONSE: "FITS_COMPLETE: only {residual:.1%} of residual tumours look as "
    "little like one; the plan rules residual out up to {rules.missed_residual:.0%}",
    Decision.RESIDUAL: "FITS_RESIDUAL: only {complete:.1%} of complete responses look as little "
    "like one; the plan rules a complete response out up to {rules.missed_complete:.0%}",
    Decision.INDETERMINATE: "FITS_BOTH: neither outcome can be ruled out ({complete:.1%} of "
    "complete responses and {residual:.1%} of residual tumours fit their own outcome no better); "
    "{next}",
    Decision.ABSTAIN: "FITS_NEITHER: the case fits neither outcome ({complete:.1%} of complete "
    "responses, {residual:.1%} of residual tumours fit theirs as badly)",
}
