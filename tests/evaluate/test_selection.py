from __future__ import annotations

import numpy as np
import pytest

from radresp.evaluate import selection_frequency


def test_the_measure_is_that_of_nogueira() -> None:
    """By the definition: 1 - mean sample variance of the choices over that of random ones."""
    chosen = [["a", "b"], ["a", "c"], ["a", "b", "d"]]
    z = np.array([[1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [1, 1, 0, 1, 0]])
    filled = z.sum(axis=1).mean() / 5
    expected = 1 - z.var(axis=0, ddof=1).mean() / (filled * (1 - filled))
    found = selection_frequency(chosen, 5)
    assert found["stability"]["value"] == pytest.approx(expected)
    assert found["per_model"] == pytest.approx(7 / 3)


def test_the_same_choice_is_stable_and_a_random_one_is_not() -> None:
    rng = np.random.default_rng(1)
    names = [f"f{k}" for k in range(200)]
    drawn = [list(rng.choice(names, 20, replace=False)) for _ in range(50)]
    assert selection_frequency([names[:20]] * 5, 200)["stability"]["value"] == pytest.approx(1)
    assert abs(selection_frequency(drawn, 200)["stability"]["value"]) < 0.02


def test_the_order_of_models_does_not_matter() -> None:
    chosen = [["a", "b"], ["c"], ["a"]]
    assert selection_frequency(chosen, 9) == selection_frequency(chosen[::-1], 9)


def test_a_feature_of_the_final_model_is_listed_though_no_fold_chose_it() -> None:
    rows = selection_frequency([["a"]], 9, ["z"])["features"]
    assert [(row["name"], row["models"], row["final"]) for row in rows] == [
        ("a", 1, False),
        ("z", 0, True),
    ]


@pytest.mark.parametrize(("chosen", "of"), [([["a"]], 3), ([["a"], ["a"]], 1), ([[], []], 3)])
def test_no_stability_has_a_reason(chosen: list[list[str]], of: int) -> None:
    found = selection_frequency(chosen, of)["stability"]
    assert found["value"] is None
    assert found["reason"]
