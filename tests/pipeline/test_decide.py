"""The word for a case: asymmetric, bounded, and silent when in doubt."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from radresp.core import Decision
from radresp.pipeline.decide import DecisionRules, decide

RULES = DecisionRules()
NARROW = (0.4, 0.6)


@pytest.mark.parametrize(
    ("complete", "residual", "word", "code"),
    [
        (0.60, 0.04, Decision.COMPLETE_RESPONSE, "FITS_COMPLETE"),
        (0.60, 0.05, Decision.COMPLETE_RESPONSE, "FITS_COMPLETE"),
        (0.60, 0.06, Decision.INDETERMINATE, "FITS_BOTH"),
        (0.10, 0.70, Decision.RESIDUAL, "FITS_RESIDUAL"),
        (0.11, 0.70, Decision.INDETERMINATE, "FITS_BOTH"),
        (0.08, 0.05, Decision.ABSTAIN, "FITS_NEITHER"),
    ],
)
def test_the_word_follows_the_set_of_outcomes_that_fit(
    complete: float, residual: float, word: Decision, code: str
) -> None:
    said, (reason,) = decide({"complete": complete, "residual": residual}, NARROW, (), RULES)
    assert said is word
    assert reason.startswith(f"{code}: ")
    assert "{" not in reason


def test_an_indeterminate_case_is_told_what_may_help() -> None:
    _, (reason,) = decide({"complete": 0.5, "residual": 0.5}, NARROW, (), RULES)
    assert "endoscopy" in reason
    assert "short interval" in reason


def test_any_doubt_about_the_case_abstains_and_is_repeated() -> None:
    sure = {"complete": 0.9, "residual": 0.001}
    assert decide(sure, NARROW, ("far away",), RULES) == (Decision.ABSTAIN, ("far away",))
    for fit, interval in (({}, NARROW), (sure, None)):
        word, (reason,) = decide(fit, interval, (), RULES)
        assert word is Decision.ABSTAIN
        assert reason.startswith("NO_PROBABILITY")
    word, (reason,) = decide(sure, (0.02, 0.97), (), RULES)
    assert word is Decision.ABSTAIN
    assert reason.startswith("WIDE_INTERVAL")


@settings(max_examples=100, deadline=None)
@given(st.floats(0.001, 1), st.floats(0.001, 1), st.floats(0.01, 0.4))
def test_a_stricter_bound_on_missed_residual_never_releases_more(
    complete: float, residual: float, level: float
) -> None:
    fit = {"complete": complete, "residual": residual}
    loose, strict = (
        decide(fit, NARROW, (), DecisionRules(missed_residual=v))[0] for v in (level, level / 2)
    )
    if strict is Decision.COMPLETE_RESPONSE:
        assert loose is Decision.COMPLETE_RESPONSE


def test_the_default_is_stricter_about_tumour_called_scar() -> None:
    assert RULES.missed_residual < RULES.missed_complete
    with pytest.raises(ValidationError):
        DecisionRules(missed_residual=0)
    with pytest.raises(ValidationError):
        DecisionRules(complete_at=0.8)
