"""Riley's criteria: the published example, planning numbers, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from radresp.evaluate import cox_snell_of_auc, riley


def test_the_published_example() -> None:
    found = riley(24, 0.174, 0.288)  # Riley et al. 2019, Chagas disease
    assert (found.shrinkage, found.optimism, found.risk) == (623, 662, 221)
    assert found.patients == 662
    assert found.events_per_parameter == pytest.approx(4.8, abs=0.01)


@pytest.mark.parametrize(
    ("parameters", "prevalence", "auc", "patients"),
    [
        (5, 0.342, 0.80, 346),  # clinical.md 4.4, by simulation: 1 % of tolerance
        (10, 0.342, 0.80, 346),
        (20, 0.342, 0.80, 642),
        (10, 0.342, 0.75, 478),
        (20, 0.342, 0.75, 956),
        (10, 0.10, 0.80, 749),
    ],
)
def test_planning_numbers(parameters: int, prevalence: float, auc: float, patients: int) -> None:
    found = riley(parameters, prevalence, cox_snell_of_auc(auc, prevalence))
    assert found.patients == pytest.approx(patients, rel=0.012)


def test_r_squared_is_that_of_a_simulated_model() -> None:
    rng = np.random.default_rng(0)
    y = rng.random(400_000) < 0.3
    x = rng.normal(1.2 * y, 1)
    logit = np.log(0.3 / 0.7) - 0.72 + 1.2 * x
    fitted = np.mean(np.where(y, -np.logaddexp(0, -logit), -np.logaddexp(0, logit)))
    empty = np.log(y.mean()) * y.mean() + np.log(1 - y.mean()) * (1 - y.mean())
    auc = float(roc_auc_score(y, x))
    assert cox_snell_of_auc(auc, 0.3) == pytest.approx(1 - np.exp(2 * (empty - fitted)), abs=0.004)


@given(st.integers(1, 50), st.floats(0.05, 0.95), st.floats(0.55, 0.95))
def test_more_candidates_never_need_fewer_patients(p: int, prevalence: float, auc: float) -> None:
    r_squared = cox_snell_of_auc(auc, prevalence)
    one, more = (riley(n, prevalence, r_squared).patients for n in (p, p + 1))
    assert more >= one


@pytest.mark.parametrize(("p", "prevalence", "r"), [(0, 0.3, 0.1), (5, 0.0, 0.1), (5, 0.3, 0.9)])
def test_what_cannot_be_is_refused(p: int, prevalence: float, r: float) -> None:
    with pytest.raises(ValueError, match=r"parameter|R squared"):
        riley(p, prevalence, r)
    with pytest.raises(ValueError, match="AUC"):
        cox_snell_of_auc(0.5, 0.3)
