"""What was said, and to whom."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radresp.core import Decision
from radresp.errors import InputError
from radresp.evaluate import (
    decision_rates,
    released_at_missed,
    sensitivity_at_specificity,
    wilson_interval,
)

CCR, RESIDUAL, UNSURE, ABSTAIN = (str(word) for word in Decision)
# 10 complete responders, then 8 residual tumours.
Y = [1] * 10 + [0] * 8
SAID = [CCR] * 5 + [RESIDUAL] * 1 + [UNSURE] * 1 + [ABSTAIN] * 3
SAID += [CCR] * 1 + [RESIDUAL] * 4 + [UNSURE] * 2 + [ABSTAIN] * 1

cases = st.lists(st.tuples(st.booleans(), st.integers(-4, 4).map(float)), min_size=2, max_size=25)


def test_every_rate_of_a_table_counted_by_hand() -> None:
    found = decision_rates(Y, SAID)
    expected = {
        "missed_residual": (1, 8),
        "caught": (4, 8),
        "released": (5, 10),
        "operated": (1, 10),
        "complete_response_right": (5, 6),
        "residual_right": (4, 5),
    }
    for name, (part, whole) in expected.items():
        figure = found[name]
        assert (figure["part"], figure["whole"]) == (part, whole), name
        assert (figure["low"], figure["high"]) == wilson_interval(part, whole), name
        assert figure["value"] == part / whole
    assert [found["share"][word]["part"] for word in (CCR, RESIDUAL, UNSURE, ABSTAIN)] == [
        6,
        5,
        3,
        4,
    ]
    assert [found["abstained"][k]["part"] for k in (CCR, RESIDUAL)] == [3, 1]
    assert [found["indeterminate"][k]["whole"] for k in (CCR, RESIDUAL)] == [10, 8]
    assert found["counts"][RESIDUAL] == {CCR: 1, RESIDUAL: 4, UNSURE: 2, ABSTAIN: 1}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_abstaining_where_wrong_lowers_the_miss_but_not_its_whole() -> None:
    said = [ABSTAIN if word == CCR and not y else word for y, word in zip(Y, SAID, strict=True)]
    found = decision_rates(Y, said)
    assert (found["missed_residual"]["part"], found["missed_residual"]["whole"]) == (0, 8)
    assert found["missed_residual"]["high"] > 0.3
    # Answering only the easy ones cannot raise what was caught.
    assert found["caught"]["value"] == decision_rates(Y, SAID)["caught"]["value"]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(list(Decision))), max_size=30))
@settings(max_examples=50, deadline=None)
def test_words_share_the_cases_and_order_does_not_matter(
    rows: list[tuple[bool, Decision]],
) -> None:
    y, said = [row[0] for row in rows], [row[1] for row in rows]
    found = decision_rates(y, said)
    assert found == decision_rates(y[::-1], [str(word) for word in said[::-1]])
    assert sum(share["part"] for share in found["share"].values()) == len(rows)
    assert sum(sum(row.values()) for row in found["counts"].values()) == len(rows)
    json.dumps(found, allow_nan=False)


def test_a_truth_nobody_has_is_null_with_a_reason() -> None:
    found = decision_rates([1, 1], [CCR, ABSTAIN])
    assert (found["missed_residual"]["value"], found["missed_residual"]["whole"]) == (None, 0)
    assert found["missed_residual"]["reason"] == "no such cases"
    assert found["released"]["value"] == 0.5


def test_other_words_and_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="'maybe'") as caught:
        decision_rates([1], ["maybe"])
    assert caught.value.code == "LABEL_UNKNOWN"
    with pytest.raises(InputError, match="shape"):
        decision_rates([1, 0], [CCR])
    with pytest.raises(InputError, match="missed"):
        released_at_missed([1, 0], [0.1, 0.2], missed=1.1)


@given(cases, st.sampled_from([0.0, 0.05, 0.2, 1 / 3, 0.5, 1.0]))
@settings(max_examples=80, deadline=None)
def test_released_is_the_best_of_every_threshold(
    rows: list[tuple[bool, float]], missed: float
) -> None:
    y, score = np.array(rows).T
    found = released_at_missed(y, score, missed)
    if y.all() or not y.any():
        assert math.isnan(found.released.value)
        assert math.isnan(found.threshold)
        return
    best = 0
    for threshold in (*np.unique(score), np.inf):
        released = score >= threshold
        if released[y == 0].mean() <= missed + 1e-9:
            best = max(best, int(released[y == 1].sum()))
    assert (found.released.part, found.released.whole) == (best, int(y.sum()))
    released = score >= found.threshold
    assert released[y == 1].sum() == best
    assert released[y == 0].sum() == found.missed.part <= missed * (y == 0).sum() + 1e-9
    assert found.released == sensitivity_at_specificity(y, score, 1 - missed)


def test_no_complete_responder_above_the_residual_means_none_released() -> None:
    found = released_at_missed([1, 1, 0], [0.2, 0.5, 0.5], missed=0.05)
    assert (found.released.value, found.missed.part, found.threshold) == (0.0, 0, math.inf)
    # Of 20 residual tumours one may be missed at 5 %, of 19 none.
    y = np.r_[np.ones(5), np.zeros(20)]
    score = np.r_[np.full(5, 0.5), 0.9, np.full(19, 0.1)]
    assert released_at_missed(y, score).released.part == 5
    assert released_at_missed(y[:-1], score[:-1]).released.part == 0
