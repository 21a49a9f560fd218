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
from radresp.classify.head import Head, head_of
from radresp.classify.scaling import Scaler, restored_scaler, scaler_of
from radresp.classify.selection import scaling_step
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
    scaler : Scaler
        Brings the columns to one scale, learned on all training cases.
    weights : ndarray of shape (members, columns)
        Calibrated log-odds of residual tumour per unit of that scale; 0 where unused.
    offsets, low, high : ndarray of shape (members,)
        Constant part, and the limits of each member's log-odds.
    """

    columns: tuple[str, ...]
    scaler: Scaler
    weights: Floats
    offsets: Floats
    low: Floats
    high: Floats
    fills_gaps: bool = False

    def __len__(self) -> int:
        return len(self.weights)

    def log_odds(self, x: Floats) -> Floats:
        """Log-odds by every member able to judge a case, x of shape (columns,)."""
        missing = ~np.isfinite(x)
        able = ~(self.weights[:, missing] != 0).any(axis=1) | self.fills_gaps
        parts = self.weights[able] * np.nan_to_num(self.scaler.transform(x[None])[0])
        raw = parts.sum(axis=1) + self.offsets[able]
        return np.asarray(np.clip(raw, self.low[able], self.high[able]))

    def record(self) -> dict[str, Any]:
        """JSON-ready: for every member its columns by number and their weights."""
        members = [np.flatnonzero(row) for row in self.weights]
        return {
            "columns": list(self.columns),
            "scaler": self.scaler.record(),
            "fills_gaps": self.fills_gaps,
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
        offsets, low, high = (
            np.array(record[name], dtype=float) for name in ("offsets", "low", "high")
        )
        scaler = restored_scaler(record["scaler"])
        return cls(columns, scaler, weights, offsets, low, high, bool(record["fills_gaps"]))


@dataclass(frozen=True, eq=False)
class Refits:
    """Refitted residual heads that are no weighted sums.

    Parameters
    ----------
    heads : tuple of Head
        The members.
    lines : tuple of Platt
        The calibration of each.
    """

    heads: tuple[Head, ...]
    lines: tuple[Platt, ...]

    def __len__(self) -> int:
        return len(self.heads)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column some member uses."""
        return tuple(sorted({name for head in self.heads for name in head.columns}))

    def log_odds(self, x: Floats) -> Floats:
        """Log-odds by every member able to judge a case, x of shape (columns,)."""
        place = {name: i for i, name in enumerate(self.columns)}
        found = []
        for head, line in zip(self.heads, self.lines, strict=True):
            values = x[[place[name] for name in head.columns]]
            if np.isfinite(values).all():
                scores = head.scores(values[None], 2)
                found.append(float(line.log_odds(scores[:, 1] - scores[:, 0])[0]))
        return np.array(found)


def interval_of(
    members: Floats, of: int, log_odds: float, level: float
) -> tuple[float, float] | None:
    """Interval of p_ccr around the model's own log-odds of residual tumour.

    Parameters
    ----------
    members : ndarray of shape (able members,)
        Log-odds by every member able to judge the case.
    of : int
        Members in all.
    log_odds : float
        The model's calibrated log-odds of residual tumour.
    level : float
        Level of the interval, in (0, 1).

    Returns
    -------
    tuple of float or None
        Normal interval on the log-odds scale with the members' SD; None when fewer than half of
        the members can judge the case.
    """
    if 2 * members.size < of:
        return None
    half = float(ndtri(0.5 + level / 2)) * float(members.std(ddof=1))
    return float(expit(-log_odds - half)), float(expit(-log_odds + half))


def fit_ensemble(
    method: Method, settings: ClassifierSettings, table: TrainingTable, heads: Heads, seed: int
) -> Ensemble | Refits:
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
    pipelines, lines = [], []
    for _ in range(settings.ensemble):
        counts = draw_patients(table.residual, table.groups, rng)
        rows = np.repeat(np.arange(counts.size), counts)
        drawn = table.x[rows], table.residual[rows], table.columns
        pipeline, _ = fit_pipeline(method, settings, heads.candidate, *drawn, seed)
        pipelines.append(pipeline)
        lines.append(fit_platt(heads.scores, table.residual, counts.astype(float)))
    if not hasattr(pipelines[0]["classify"], "coef_"):
        return Refits(tuple(head_of(p, table.columns) for p in pipelines), tuple(lines))
    return _weighted(pipelines, lines, table, method, settings)


def _weighted(
    pipelines: list[Pipeline],
    lines: list[Platt],
    table: TrainingTable,
    method: Method,
    settings: ClassifierSettings,
) -> Ensemble:
    """Members as weights on the scale of all training cases."""
    used = np.any([pipeline["select"].get_support() for pipeline in pipelines], axis=0)
    values = table.x[:, used]
    filled = np.where(np.isnan(values), np.nanmedian(values, axis=0), values)
    names = np.array(table.columns)[used]
    scaler = scaler_of(scaling_step(settings, method.front, names).fit(filled))
    weights = np.zeros((len(pipelines), int(used.sum())))
    offsets = np.zeros(len(pipelines))
    for i, (pipeline, line) in enumerate(zip(pipelines, lines, strict=True)):
        weights[i], offsets[i] = linear_form(pipeline, line, scaler, used)
    low, high = (np.array([getattr(line, end) for line in lines]) for end in ("low", "high"))
    return Ensemble(tuple(names.tolist()), scaler, weights, offsets, low, high, settings.fills_gaps)


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


def linear_form(
    pipeline: Pipeline, platt: Platt, scaler: Scaler, used: NDArray[np.bool_]
) -> tuple[Floats, float]:
    """Weights on scaled columns, and the constant, of a pipeline's calibrated log-odds.

    Normal scores of a draw and of all cases are taken as the same but for mean and spread: where
    their quantiles differ is the draw's own noise.
    """
    classifier, own = pipeline["classify"], scaler_of(pipeline["scale"])
    support = pipeline["select"].get_support()
    weights = np.zeros(support.size)
    weights[support] = platt.slope * classifier.coef_[0]
    constant = platt.slope * float(classifier.intercept_[0]) + platt.intercept
    mean, scale = np.zeros(support.size), np.ones(support.size)
    mean[used], scale[used] = scaler.mean, scaler.scale
    slope = weights[support] / own.scale
    constant += float((slope * (mean[support] - own.mean)).sum())
    weights[support] = slope * scale[support]
    return weights[used], constant
