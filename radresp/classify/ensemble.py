"""How much a case's probability would have changed with other patients in the training set.

Source: Efron & Tibshirani 1993. Whole patients are drawn with replacement; the chosen pipeline,
selection included, is fitted anew, and so is the calibration line on the out-of-fold scores of the
same draw. Every member is then one row of weights on log-odds.

The interval is about the model: where its calibrated probability for such a case would lie with
other training patients. In simulations (60 to 150 patients, 300 features) a 90 % interval held the
true event rate among cases of that score in 90 to 99 %. It is not the range of the one patient's
own chance, which also depends on what the features do not show; it held that in about 70 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri
from sklearn.pipeline import Pipeline

from radresp.classify.calibration import Platt, fit_platt
from radresp.classify.settings import ClassifierSettings
from radresp.classify.table import Floats, TrainingTable
from radresp.classify.training import Heads
from radresp.classify.tuning import Method, fit_pipeline, seed_of


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Refitted residual heads as weights on log-odds.

    Parameters
    ----------
    columns : tuple of str
        Every column some member uses.
    weights : ndarray of shape (members, columns)
        Calibrated log-odds of residual tumour per unit of the column; 0 where unused.
    offsets, low, high : ndarray of shape (members,)
        Constant part, and the limits of each member's log-odds.
    """

    columns: tuple[str, ...]
    weights: Floats
    offsets: Floats
    low: Floats
    high: Floats

    def log_odds(self, x: Floats) -> Floats:
        """Log-odds by every member able to judge a case, x of shape (columns,)."""
        missing = ~np.isfinite(x)
        able = ~(self.weights[:, missing] != 0).any(axis=1)
        parts = self.weights[able] * np.where(missing, 0.0, x)
        raw = parts.sum(axis=1) + self.offsets[able]
        return np.asarray(np.clip(raw, self.low[able], self.high[able]))

    def interval(self, x: Floats, log_odds: float, level: float) -> tuple[float, float] | None:
        """Interval of p_ccr around the model's own log-odds of residual tumour.

        Parameters
        ----------
        x : ndarray of shape (columns,)
            The case's values in the order of ``columns``.
        log_odds : float
            The model's calibrated log-odds of residual tumour.
        level : float
            Level of the interval, in (0, 1).

        Returns
        -------
        tuple of float or None
            Normal interval on the log-odds scale with the members' SD; None when fewer than half
            of the members can judge the case.
        """
        members = self.log_odds(x)
        if 2 * members.size < len(self.weights):
            return None
        half = float(ndtri(0.5 + level / 2)) * float(members.std(ddof=1))
        return float(expit(-log_odds - half)), float(expit(-log_odds + half))

    def record(self) -> dict[str, Any]:
        """JSON-ready: for every member its columns by number and their weights."""
        members = [np.flatnonzero(row) for row in self.weights]
        return {
            "columns": list(self.columns),
            "used": [used.tolist() for used in members],
            "weights": [
                row[used].tolist() for row, used in zip(self.weights, members, strict=True)
            ],
            "offsets": self.offsets.tolist(),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
        }

    @classmethod
    def restored(cls, record: dict[str, Any]) -> Self:
        """The inverse of :meth:`record`."""
        columns = tuple(record["columns"])
        weights = np.zeros((len(record["used"]), len(columns)))
        for row, used, values in zip(weights, record["used"], record["weights"], strict=True):
            row[used] = values
        ends = (np.array(record[name], dtype=float) for name in ("offsets", "low", "high"))
        return cls(columns, weights, *ends)


def fit_ensemble(
    method: Method, settings: ClassifierSettings, table: TrainingTable, heads: Heads, seed: int
) -> Ensemble:
    """Refit the chosen residual head on bootstrap draws of patients.

    Parameters
    ----------
    method, settings
        The classifier; ``settings.ensemble`` is the number of members.
    table : TrainingTable
        All training cases.
    heads : Heads
        The tuned heads, with the out-of-fold scores.
    seed : int
        Makes the draws repeatable.
    """
    rng = np.random.default_rng(seed_of(seed, 2))
    weights = np.zeros((settings.ensemble, len(table.columns)))
    ends = np.zeros((3, settings.ensemble))
    for member in range(settings.ensemble):
        counts = draw_patients(table.residual, table.groups, rng)
        rows = np.repeat(np.arange(counts.size), counts)
        pipeline, _ = fit_pipeline(
            method, settings, heads.candidate, table.x[rows], table.residual[rows], seed
        )
        platt = fit_platt(heads.scores, table.residual, counts.astype(float))
        weights[member], offset = linear_form(pipeline, platt)
        ends[:, member] = offset, platt.low, platt.high
    used = (weights != 0).any(axis=0)
    names = tuple(np.array(table.columns)[used].tolist())
    return Ensemble(names, weights[:, used], *ends)


def draw_patients(
    residual: NDArray[np.int64], groups: NDArray[Any], rng: np.random.Generator
) -> NDArray[np.int64]:
    """How often each case is drawn: patients with replacement, both outcomes among them."""
    patients, of_case = np.unique(groups, return_inverse=True)
    share = np.full(patients.size, 1 / patients.size)
    while True:
        counts = rng.multinomial(patients.size, share)[of_case]
        if 0 < counts @ residual < counts.sum():
            return np.asarray(counts, dtype=np.int64)


def linear_form(pipeline: Pipeline, platt: Platt) -> tuple[Floats, float]:
    """Weights on the raw columns and the constant of a pipeline's calibrated log-odds."""
    select, scale, classifier = pipeline["select"], pipeline["scale"], pipeline["classify"]
    slope = platt.slope * classifier.coef_[0] / scale.scale_
    weights = np.zeros(select.get_support().size)
    weights[select.get_support()] = slope
    constant = platt.slope * float(classifier.intercept_[0]) + platt.intercept
    return weights, constant - float((slope * scale.mean_).sum())
