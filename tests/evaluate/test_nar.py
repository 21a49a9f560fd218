"""Anchors of clinical.md 4.5, and what the score must do."""

from __future__ import annotations

import pytest

from radresp.errors import InputError
from radresp.evaluate import nar_score


@pytest.mark.parametrize(
    ("stage", "score"), [((3, 0, 0), 0.9365), ((4, 0, 0), 0.0), ((1, 4, 2), 100.0)]
)
def test_anchors(stage: tuple[int, int, int], score: float) -> None:
    assert nar_score(*stage) == pytest.approx(score, abs=5e-5)


def test_more_left_is_never_better() -> None:
    for c_t in range(1, 5):
        for yp_t in range(4):
            assert nar_score(c_t, yp_t + 1, 0) > nar_score(c_t, yp_t, 0)
        assert nar_score(c_t, 0, 2) > nar_score(c_t, 0, 1) > nar_score(c_t, 0, 0)


@pytest.mark.parametrize("stage", [(0, 0, 0), (5, 0, 0), (3, 5, 0), (3, 0, 3), (3, -1, 0)])
def test_stages_that_do_not_exist_are_refused(stage: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match="cT1-4") as caught:
        nar_score(*stage)
    assert caught.value.code == "CLINICAL_RANGE"
