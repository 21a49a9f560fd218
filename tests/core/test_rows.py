from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radresp.core import Decision, FeatureRow, Note, NoteKind, Score, Settings, Step, notes_of
from radresp.errors import InputError
from radresp.notice import INTENDED_USE

GOOD: dict[str, Any] = {
    "case_id": "c1",
    "endpoint": "pCR",
    "decision": Decision.INDETERMINATE,
    "classes": {"fibrosis": 0.3, "inflammation": 0.2, "residual": 0.5},
    "interval": (0.4, 0.6),
    "reasons": (),
    "model_id": "m",
}


def test_order_of_features_is_kept() -> None:
    row = FeatureRow("c1", {"b": 1, "a": 2.5})
    assert list(row.values) == ["b", "a"]


def test_every_nan_needs_a_reason_and_every_reason_a_nan() -> None:
    FeatureRow("c1", {"a": math.nan}, {"a": "no bed"})
    for values, absent in [({"a": math.nan}, {}), ({"a": 1.0}, {"a": "no bed"})]:
        with pytest.raises(InputError) as caught:
            FeatureRow("c1", values, absent)
        assert caught.value.code == "FEATURE_NAN"


def test_infinite_features_are_refused() -> None:
    with pytest.raises(InputError, match="a is infinite"):
        FeatureRow("c1", {"a": math.inf})


def test_p_ccr_is_one_minus_residual() -> None:
    score = Score(**GOOD)
    assert score.p_ccr == pytest.approx(0.5)
    assert score.intended_use == INTENDED_USE


@pytest.mark.parametrize(
    "change",
    [
        {"classes": {"fibrosis": 0.6, "residual": 0.5}},
        {"classes": {"fibrosis": 1.1, "residual": -0.1}},
        {"classes": {"complete": 1.0}},
        {"classes": {"complete": math.nan, "residual": 0.5}},
        {"interval": (0.6, 0.7)},
        {"interval": None},
        {"decision": Decision.ABSTAIN},
        {"decision": Decision.ABSTAIN, "classes": {}, "interval": None, "reasons": ()},
    ],
)
def test_impossible_scores_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        Score(**{**GOOD, **change})
    assert caught.value.code == "SCORE_INVALID"


def test_an_abstention_has_reasons_and_no_number() -> None:
    score = Score(
        **{
            **GOOD,
            "decision": Decision.ABSTAIN,
            "classes": {},
            "interval": None,
            "reasons": ("too far",),
        }
    )
    assert score.p_ccr is None


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_any_split_of_the_rest_keeps_p_ccr(residual: float, share: float) -> None:
    rest = 1 - residual
    classes = {
        "fibrosis": rest * share,
        "inflammation": rest * (1 - share),
        "residual": residual,
    }
    score = Score(**{**GOOD, "classes": classes, "interval": (0.0, 1.0)})
    assert score.p_ccr == pytest.approx(rest)


def test_notes_are_gathered_by_kind_and_once() -> None:
    fix = Note(NoteKind.FIX, "MASK_LABEL", "label 255", "1", "mapped to 1")
    warning = Note(NoteKind.WARNING, "FOV_UNUSUAL", "90 mm")
    trail = (Step("io", "nifti", notes=(fix, warning)), Step("io", "nifti", notes=(fix,)))
    assert notes_of(trail, NoteKind.FIX) == (fix,)
    assert fix.text == "MASK_LABEL: label 255; expected 1; mapped to 1"
    assert trail[0].record()["notes"][1]["severity"] == "warning"


def test_settings_refuse_unknown_keys_and_nan() -> None:
    class Blur(Settings):
        sigma_mm: float = 1.0

    for bad in ({"sigma": 1}, {"sigma_mm": float("nan")}, {"sigma_mm": "wide"}):
        with pytest.raises(ValueError, match="sigma"):
            Blur.model_validate(bad)
