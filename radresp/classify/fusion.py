"""Late fusion: imaging and clinical models, each for itself, and one line over their log-odds.

Source: stacking (Wolpert 1992) on out-of-fold log-odds with weights that are not negative (Breiman
1996). A handful of clinical values is not drowned among a thousand features, and a model with and
without them is compared on the same folds. With weights of 1 two sources are independent evidence,
with a sum of 1 they say the same; the prior, normal around one half with SD one half, lies between.

When to use: ``radresp train --clinical TABLE`` compares; ``--fuse`` keeps the fused model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from radresp.classify.calibration import Platt, fit_platt
from radresp.classify.conformal import OUTCOMES, Mondrian
from radresp.classify.cross_validation import PSEUDO, OutOfFold, Part, mean_known
from radresp.classify.model import Model
from radresp.classify.settings import ClassifierSettings
from radresp.classify.table import RESIDUAL, Floats
from radresp.classify.training import doubted_line
from radresp.core import Step
from radresp.errors import PlanError

IMAGING, CLINICAL, CNN = "imaging", "clinical", "cnn"
_PRIOR_MEAN, _PRIOR_SD = 0.5, 0.5


@dataclass(frozen=True, slots=True)
class Stack:
    """Log-odds of residual tumour = ``intercept`` + sum of weight x log-odds of each source.

    Parameters
    ----------
    sources : tuple of str
        Names, in the order of ``weights``.
    weights : tuple of float
        0 or more.
    intercept : float
        Constant part.
    low, high : float
        Limits: never more certain than the most extreme training case.

    Examples
    --------
    >>> stack = Stack(("imaging", "clinical"), (1.0, 0.5), 0.2, -3.0, 3.0)
    >>> stack.log_odds({"imaging": np.array([1.0]), "clinical": np.array([-2.0])}).tolist()
    [0.2]
    """

    sources: tuple[str, ...]
    weights: tuple[float, ...]
    intercept: float
    low: float
    high: float

    def log_odds(self, parts: Mapping[str, Floats]) -> Floats:
        """Log-odds from those of every source, arrays of one shape."""
        total = sum(w * parts[name] for name, w in zip(self.sources, self.weights, strict=True))
        return np.asarray(np.clip(total + self.intercept, self.low, self.high))

    def record(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "sources": list(self.sources),
            "weights": list(self.weights),
            "intercept": self.intercept,
            "low": self.low,
            "high": self.high,
        }

    @classmethod
    def restored(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`record`.

        Raises
        ------
        ValueError
            When its numbers do not fit or are not finite.
        """
        sources = tuple(str(name) for name in record["sources"])
        weights = tuple(float(w) for w in record["weights"])
        rest = [float(record[name]) for name in ("intercept", "low", "high")]
        if len(weights) != len(sources) or not np.isfinite([*weights, *rest]).all():
            raise ValueError("no stack")
        return cls(sources, weights, *rest)


def fit_stack(inner: Mapping[str, Floats], event: NDArray[Any]) -> Stack:
    """Learn the weights from out-of-fold log-odds.

    Parameters
    ----------
    inner : mapping of str to ndarray of shape (repeats, cases)
        Log-odds of residual tumour by each source, all of the same cases; each case counts once.
    event : ndarray of shape (cases,)
        1 for residual tumour.
    """
    names = tuple(inner)
    z = np.stack([inner[name] for name in names], axis=-1)
    y = np.asarray(event, dtype=float)

    def loss(theta: Floats) -> tuple[float, Floats]:
        raw = z @ theta[1:] + theta[0]
        off = theta[1:] - _PRIOR_MEAN
        value = (np.logaddexp(0, raw) - y * raw).sum() / len(z) + (off @ off) / (2 * _PRIOR_SD**2)
        error = (expit(raw) - y) / len(z)
        slope = np.tensordot(error, z, axes=2) + off / _PRIOR_SD**2
        return float(value), np.concatenate([[error.sum()], slope])

    start = np.concatenate([[0.0], np.full(len(names), _PRIOR_MEAN)])
    bounds = [(None, None)] + [(0, None)] * len(names)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    raw = z @ found[1:] + found[0]
    weights = tuple(float(w) for w in found[1:])
    return Stack(names, weights, float(found[0]), float(raw.min()), float(raw.max()))


@dataclass(frozen=True, eq=False)
class Fused:
    """Several models of the same patients, and the line over them.

    Parameters
    ----------
    models : mapping of str to Model
        ``imaging`` and others.
    stack : Stack
        The line.
    conformal : Mondrian
        Out-of-fold log-odds of the stack by outcome.
    doubted : Platt or None
        Line from the stack's log-odds for cases a reader called less than complete.
    lines : mapping of str to Platt
        For sources that are no models of this room: the line from their score to log-odds.
    """

    models: Mapping[str, Model]
    stack: Stack
    conformal: Mondrian
    doubted: Platt | None
    lines: Mapping[str, Platt] = field(default_factory=dict)

    @property
    def imaging(self) -> Model:
        """The model of the images."""
        return self.models[IMAGING]


def fuse_models(
    models: Mapping[str, Model],
    residual: pd.Series,
    doubted: pd.Series,
    settings: ClassifierSettings,
    scores: Mapping[str, pd.Series] | None = None,
) -> Fused:
    """Stack models that were just fitted to the same cases.

    Parameters
    ----------
    models : mapping of str to Model
        Straight from :func:`radresp.classify.fit`, with their out-of-fold log-odds.
    residual, doubted : Series
        1 for residual tumour, and whether a reader called the case less than complete, by case id.
    settings : ClassifierSettings
        Holds the fewest patients a class may have.
    scores : mapping of str to Series, optional
        Out-of-fold scores of residual tumour by sources of another kind, such as a network.

    Raises
    ------
    PlanError
        ``TABLE_MISMATCH`` when the models were not fitted to as many cases.
    """
    order = residual.sort_index().index
    event = residual.loc[order].to_numpy()
    inner = {name: model.inner for name, model in models.items() if model.inner is not None}
    if len(inner) < len(models) or any(v.shape[1] != event.size for v in inner.values()):
        raise PlanError("TABLE_MISMATCH", "the models are not of the same cases")
    lines = {}
    for name, score in (scores or {}).items():
        raw = score.loc[order].to_numpy(dtype=float)[None]
        lines[name] = fit_platt(raw, event)
        inner[name] = lines[name].log_odds(raw)
    learned = same_repeats(inner)
    stack = fit_stack(learned, event)
    log_odds = stack.log_odds(learned)
    line = doubted_line(log_odds, event, doubted.loc[order].to_numpy(), settings)
    return Fused(dict(models), stack, Mondrian.of(log_odds, event), line, lines)


def same_repeats(inner: Mapping[str, Floats]) -> dict[str, Floats]:
    """As many repeats of every source: one stands for all, else the fewest are taken.

    Parameters
    ----------
    inner : mapping of str to ndarray of shape (repeats, cases)
        Log-odds by each source.
    """
    fewest = min((len(values) for values in inner.values() if len(values) > 1), default=1)
    return {
        name: np.broadcast_to(values, (fewest, values.shape[1]))
        if len(values) == 1
        else values[:fewest]
        for name, values in inner.items()
    }


def fuse_out_of_fold(
    parts: Mapping[str, OutOfFold],
    residual: pd.Series,
    doubted: pd.Series,
    settings: ClassifierSettings,
) -> OutOfFold:
    """Out-of-fold probabilities of the stack: in every outer fold learned from its training part.

    Parameters
    ----------
    parts : mapping of str to OutOfFold
        By each source, on the same cases with the same folds; ``imaging`` among them.
    residual, doubted, settings
        As in :func:`fuse_models`.

    Raises
    ------
    PlanError
        ``TABLE_MISMATCH`` when cases or folds differ.
    """
    first = parts[IMAGING]
    if any(not one.folds.equals(first.folds) for one in parts.values()):
        raise PlanError("TABLE_MISMATCH", "the models do not share their folds")
    event = residual.loc[first.p.index].to_numpy()
    doubt = doubted.loc[first.p.index].to_numpy()
    probability = [frame.to_numpy().copy() for frame in first.per_repeat]
    fit = np.full((len(first.per_repeat), event.size, 2), np.nan)
    pseudo = np.full((len(first.per_repeat), event.size), np.nan)
    kept = []
    for place, part in enumerate(first.parts):
        test, repeat = part.test, part.repeat
        inner = same_repeats({name: one.parts[place].inner for name, one in parts.items()})
        stack = fit_stack(inner, event[~test])
        log_odds = stack.log_odds({name: one.parts[place].outer for name, one in parts.items()})
        learned = stack.log_odds(inner)
        fit[repeat, test] = Mondrian.of(learned, event[~test]).p_values(log_odds)
        line = doubted_line(learned, event[~test], doubt[~test], settings)
        if line is not None:
            pseudo[repeat, test] = np.where(doubt[test], 1 - line.probability(log_odds), np.nan)
        probability[repeat][test] = shared_out(
            probability[repeat][test], list(first.p.columns).index(RESIDUAL), expit(log_odds)
        )
        kept.append(Part(repeat, test, learned, log_odds))

    def frame(values: Floats, columns: Any) -> pd.DataFrame:
        return pd.DataFrame(values, index=first.p.index, columns=columns)

    outside = np.any([one.outside.to_numpy() for one in parts.values()], axis=0)
    return replace(
        first,
        p=frame(np.mean(probability, axis=0), first.p.columns),
        per_repeat=tuple(frame(values, first.p.columns) for values in probability),
        fit=tuple(frame(values, list(OUTCOMES)) for values in fit),
        outside=frame(outside, first.outside.columns),
        pseudo=pd.Series(mean_known(pseudo), index=first.p.index, name=PSEUDO),
        parts=tuple(kept),
        step=Step("classify", "stack", {"sources": list(parts)}, 0.0, first.step.notes),
    )


def shared_out(p: Floats, residual: int, p_residual: Floats) -> Floats:
    """Class probabilities with another p(residual); the others keep their shares of the rest.

    Parameters
    ----------
    p : ndarray of shape (cases, classes)
        Before; rows sum to 1.
    residual : int
        Which class is residual tumour.
    p_residual : ndarray of shape (cases,)
        Its new probability.
    """
    rest = np.delete(np.arange(p.shape[1]), residual)
    share = p[:, rest] / np.maximum(p[:, rest].sum(axis=1, keepdims=True), 1e-300)
    result = np.empty_like(p)
    result[:, rest] = share * (1 - p_residual)[:, None]
    result[:, residual] = p_residual
    return result
