from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from radresp.core import Decision
from radresp.pipeline.decide import DecisionRules, decide

RULES = DecisionRules()


@pytest.mark.parametrize(
    ("p_ccr", "interval", "decision"),
    [
        (0.9, (0.7, 0.95), Decision.COMPLETE_RESPONSE),
        (0.9, (0.3, 0.95), Decision.INDETERMINATE),
        (0.6, (0.5, 0.7), Decision.INDETERMINATE),
        (0.2, (0.1, 0.4), Decision.RESIDUAL),
        (0.2, (0.1, 0.7), Decision.INDETERMINATE),
        (0.5, (0.02, 0.97), Decision.ABSTAIN),
    ],
)
def test_words_follow_the_thresholds(
    p_ccr: float, interval: tuple[float, float], decision: Decision
) -> None:
    word, reasons = decide(p_ccr, interval, (), RULES)
    assert word is decision
    assert reasons


def test_any_doubt_about_the_case_abstains_and_is_repeated() -> None:
    assert decide(0.95, (0.9, 0.99), ("far away",), RULES) == (Decision.ABSTAIN, ("far away",))


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_a_higher_probability_is_never_called_worse(one: float, other: float) -> None:
    order = [Decision.RESIDUAL, Decision.INDETERMINATE, Decision.COMPLETE_RESPONSE]
    low, high = sorted((one, other))
    words = [decide(p, (max(0, p - 0.1), min(1, p + 0.1)), (), RULES)[0] for p in (low, high)]
    assert order.index(words[0]) <= order.index(words[1])


def test_contradictory_rules_are_refused() -> None:
    with pytest.raises(ValidationError, match="complete_low"):
        DecisionRules(complete_at=0.6, complete_low=0.7)
