"""From a probability to a word, with the right to abstain."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from radresp.core import Decision, Settings


class DecisionRules(Settings):
    """When a probability becomes a word.

    Calling scar tumour costs an organ and calling tumour scar costs a cure, so both words ask for
    a clear probability *and* an interval on the same side of one half. A kept tumour weighs more:
    its threshold is the stricter one (clinical.md 4.3, net benefit at thresholds of 0.6-0.9).
    """

    complete_at: float = Field(
        0.8, gt=0.5, le=1, description="Smallest p_ccr called complete_response."
    )
    residual_at: float = Field(0.3, ge=0, lt=0.5, description="Largest p_ccr called residual.")
    complete_low: float = Field(
        0.5, ge=0, le=1, description="The interval of a complete_response must start above this."
    )
    residual_high: float = Field(
        0.5, ge=0, le=1, description="The interval of a residual must end below this."
    )
    max_interval_width: float = Field(
        0.9, gt=0, le=1, description="A wider interval of p_ccr abstains."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.complete_low > self.complete_at:
            raise ValueError("complete_low must not exceed complete_at")
        if self.residual_high < self.residual_at:
            raise ValueError("residual_high must not lie below residual_at")
        return self


def decide(
    p_ccr: float | None,
    interval: tuple[float, float] | None,
    outside: tuple[str, ...],
    rules: DecisionRules,
) -> tuple[Decision, tuple[str, ...]]:
    """Turn a probability, its interval and the doubts about the case into a decision.

    Parameters
    ----------
    p_ccr : float or None
        Probability of a complete response, 0 to 1; None when the classifier gave none.
    interval : tuple of float or None
        Its interval.
    outside : tuple of str
        Reasons the case lies outside what the model was trained on; any of them abstains.
    rules : DecisionRules
        Thresholds.

    Returns
    -------
    Decision, tuple of str
        The word and the reasons for it.

    Examples
    --------
    >>> decide(0.9, (0.7, 0.97), (), DecisionRules())[0]
    <Decision.COMPLETE_RESPONSE: 'complete_response'>
    """
    if outside or p_ccr is None or interval is None:
        return Decision.ABSTAIN, outside or ("NO_PROBABILITY: the classifier gave none",)
    width = interval[1] - interval[0]
    if width > rules.max_interval_width:
        return Decision.ABSTAIN, (
            (
                f"WIDE_INTERVAL: the interval of p_ccr is {width:.2f} wide; "
                f"the plan allows {rules.max_interval_width:.2f}"
            ),
        )
    said = f"p_ccr {p_ccr:.2f} (interval {interval[0]:.2f} to {interval[1]:.2f})"
    if p_ccr >= rules.complete_at and interval[0] >= rules.complete_low:
        return Decision.COMPLETE_RESPONSE, (f"{said} reaches {rules.complete_at:.2f}",)
    if p_ccr <= rules.residual_at and interval[1] <= rules.residual_high:
        return Decision.RESIDUAL, (f"{said} is at or below {rules.residual_at:.2f}",)
    return Decision.INDETERMINATE, (
        (
            f"{said} lies between the thresholds {rules.residual_at:.2f} and "
            f"{rules.complete_at:.2f}, or its interval crosses over"
        ),
    )
