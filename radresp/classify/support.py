"""Whether a new case looks like the training cases at all.

Source: fault catalogue section 5. Two measures, both calibrated on the training cases themselves,
each case measured against all others (leave one out): the Mahalanobis distance in the selected
features with a Ledoit-Wolf covariance (2004), and the share of all columns that lie outside the
training range. It cannot see a plausible case that is mislabelled or swapped.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf

from radresp.classify.settings import ClassifierSettings
from radresp.classify.table import Floats
from radresp.core import Note, NoteKind

_TOP = 3
MOST_COLUMNS, COMPONENTS = 40, 20
"""With more columns than the first, a case is placed along that many principal components."""


@dataclass(frozen=True, eq=False)
class Support:
    """The training cases' extent.

    Parameters
    ----------
    columns : tuple of str
        All columns, in the order of ``low`` and ``high``.
    low, high : ndarray of shape (columns,)
        Training range; NaN for a column without values.
    most_outside : float
        Largest accepted share of columns outside the range.
    selected : tuple of str
        The columns the distance is measured in.
    centre, spread : ndarray of shape (selected,)
        Training mean and SD.
    axes : ndarray of shape (selected, directions)
        Directions of the standardised values the distance is measured along: every column, or with
        more than ``MOST_COLUMNS`` the leading principal components.
    precision : ndarray of shape (directions, directions)
        Inverse covariance along them.
    farthest : float
        Largest accepted distance.
    """

    columns: tuple[str, ...]
    low: Floats
    high: Floats
    most_outside: float
    selected: tuple[str, ...]
    centre: Floats
    spread: Floats
    axes: Floats
    precision: Floats
    farthest: float

    @classmethod
    def of(
        cls,
        x: Floats,
        columns: tuple[str, ...],
        selected: NDArray[np.bool_],
        settings: ClassifierSettings,
    ) -> Self:
        """Measure the training cases.

        Parameters
        ----------
        x : ndarray of shape (cases, columns)
            Training features; NaN where missing.
        columns : tuple of str
            Their names.
        selected : ndarray of bool, shape (columns,)
            The columns the model looks at.
        settings : ClassifierSettings
            Percentile and share.
        """
        inside = x[:, selected]
        inside = np.where(np.isnan(inside), np.nanmedian(inside, axis=0), inside)
        percentile = settings.support_percentile
        centre, spread = inside.mean(axis=0), inside.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        axes = _axes((inside - centre) / spread)
        along = ((inside - centre) / spread) @ axes
        left_out = [_distance(np.delete(along, i, axis=0), along[i]) for i in range(len(x))]
        precision = _precision(along)
        low, high = _range(x)
        own_share = np.percentile(_left_out_shares(x), percentile)
        return cls(
            columns,
            low,
            high,
            max(settings.max_outside_fraction, float(own_share)),
            tuple(np.array(columns)[selected].tolist()),
            centre,
            spread,
            axes,
            precision,
            float(np.percentile(left_out, percentile)),
        )

    def check(self, x: Floats) -> tuple[Note, ...]:
        """Why one case, x of shape (columns,), lies outside; empty when it does not.

        Missing values outside the selected columns are not held against it.
        """
        notes = []
        share = self.outside(x)
        if share > self.most_outside:
            notes.append(
                Note(
                    NoteKind.ABSTAIN,
                    "OUTSIDE_RANGE",
                    f"{share:.1%} of the features lie outside the range of the training cases",
                    f"at most {self.most_outside:.1%}",
                )
            )
        chosen = self._chosen(x)
        distance, z = self.distance(chosen)
        if distance > self.farthest:
            notes.append(self._far(chosen, distance, z))
        return tuple(notes)

    def figures(self, x: Floats) -> dict[str, float]:
        """Where one case, x of shape (columns,), lies, and how far out it may.

        Returns
        -------
        dict of str to float
            ``distance`` and ``farthest``; ``outside``, the share of columns beyond the training
            range, and ``most_outside``.
        """
        return {
            "distance": self.distance(self._chosen(x))[0],
            "farthest": self.farthest,
            "outside": self.outside(x),
            "most_outside": self.most_outside,
        }

    def outside(self, x: Floats) -> float:
        """Share of the measured columns of one case that lie beyond the training range."""
        with np.errstate(invalid="ignore"):
            outside = (x < self.low) | (x > self.high)
        measurable = np.isfinite(x) & np.isfinite(self.low)
        return float(outside[measurable].mean()) if measurable.any() else 1.0

    def _chosen(self, x: Floats) -> Floats:
        return x[[self.columns.index(name) for name in self.selected]]

    def distance(self, values: Floats) -> tuple[float, Floats]:
        """Distance of a case from the training mean and its standardised values."""
        z = np.nan_to_num((values - self.centre) / self.spread)
        return _mahalanobis(z @ self.axes, self.precision), z

    def _far(self, values: Floats, distance: float, z: Floats) -> Note:
        top = np.argsort(-np.abs(z), kind="stable")[:_TOP]
        which = "; ".join(
            f"{self.selected[i]} = {values[i]:.4g} is {abs(z[i]):.1f} SD "
            f"{'above' if z[i] > 0 else 'below'} the training mean {self.centre[i]:.4g}"
            for i in top
        )
        return Note(
            NoteKind.ABSTAIN,
            "OUTSIDE_TRAINING",
            f"the case lies {distance:.1f} from the training cases, most of all {which}",
            f"at most {self.farthest:.1f}",
        )

    def record(self) -> dict[str, Any]:
        """JSON-ready; NaN as None."""
        return {
            name: _listed(value) if isinstance(value, np.ndarray) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def restored(cls, record: dict[str, Any]) -> Self:
        """The inverse of :meth:`record`."""
        arrays = ("low", "high", "centre", "spread", "axes", "precision")
        return cls(
            tuple(record["columns"]),
            selected=tuple(record["selected"]),
            most_outside=float(record["most_outside"]),
            farthest=float(record["farthest"]),
            **{name: np.array(record[name], dtype=float) for name in arrays},
        )


def _listed(values: Floats) -> list[Any]:
    return [_listed(v) if np.ndim(v) else None if np.isnan(v) else float(v) for v in values]


def _axes(z: Floats) -> Floats:
    """Every column, or the leading principal components on unit variance."""
    if z.shape[1] <= MOST_COLUMNS:
        return np.eye(z.shape[1])
    _, singular, axes = np.linalg.svd(z, full_matrices=False)
    kept = min(COMPONENTS, int((singular > 1e-9 * singular[0]).sum()))
    # The sign of a component is free; its largest weight is made positive.
    signs = np.sign(axes[np.arange(len(axes)), np.argmax(np.abs(axes), axis=1)])
    return np.asarray(
        (axes * (signs * np.sqrt(len(z)) / np.maximum(singular, 1e-300))[:, None])[:kept].T
    )


def _precision(along: Floats) -> Floats:
    covariance, _ = ledoit_wolf(along, assume_centered=True)
    return np.asarray(np.linalg.pinv(covariance, hermitian=True))


def _shape(x: Floats) -> tuple[Floats, Floats, Floats]:
    centre, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    return centre, spread, _precision((x - centre) / spread)


def _distance(others: Floats, case: Floats) -> float:
    centre, spread, precision = _shape(others)
    return _mahalanobis((case - centre) / spread, precision)


def _mahalanobis(z: Floats, precision: Floats) -> float:
    return float(np.sqrt(max(((z[:, None] * precision).sum(axis=0) * z).sum(), 0.0)))


def _range(x: Floats) -> tuple[Floats, Floats]:
    none = np.isnan(x).all(axis=0)
    low = np.where(np.isnan(x), np.inf, x).min(axis=0)
    high = np.where(np.isnan(x), -np.inf, x).max(axis=0)
    return np.where(none, np.nan, low), np.where(none, np.nan, high)


def _left_out_shares(x: Floats) -> Floats:
    """For each case the share of its columns that lie outside the range of all other cases."""
    lowest = np.sort(np.where(np.isnan(x), np.inf, x), axis=0)[:2]
    highest = np.sort(np.where(np.isnan(x), -np.inf, x), axis=0)[-2:]
    # Left out, an extreme case is judged by the runner-up.
    below = (x == lowest[0]) & (lowest[1] > lowest[0])
    above = (x == highest[1]) & (highest[0] < highest[1])
    measured = np.maximum(np.isfinite(x).sum(axis=1), 1)
    return np.asarray((below | above).sum(axis=1) / measured)
