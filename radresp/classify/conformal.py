"""How well a case fits each outcome: class-conditional conformal p-values.

Source: Vovk, Gammerman & Shafer 2005, Mondrian (class-conditional) conformal prediction; the scores
are out-of-fold (cross-conformal, Vovk 2015), so that no case is set aside. For each outcome apart,
at most a share ``level`` of its cases get a p-value of ``level`` or less: the bound holds for the
rarer outcome too, where one for all cases together would hide it (at a prevalence of 0.2, 90 %
overall was 98 % and 59 % by class). It asks that new cases are like the training cases; where they
are not, nothing is promised. Below ``1 / level - 1`` cases an outcome can never be ruled out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from radresp.classify.table import Floats

COMPLETE, RESIDUAL = "complete", "residual"
OUTCOMES = (COMPLETE, RESIDUAL)


@dataclass(frozen=True, eq=False)
class Mondrian:
    """The out-of-fold log-odds of each outcome's training cases.

    Parameters
    ----------
    complete, residual : ndarray of shape (repeats x cases of that outcome,)
        Log-odds of residual tumour, rising.
    repeats : int
        How often each case is among them.

    Examples
    --------
    >>> scores = np.array([[-2.0, -1.0, 0.5, -0.5, 1.0, 2.0]])
    >>> known = Mondrian.of(scores, np.array([0, 0, 0, 1, 1, 1]))
    >>> known.p_values(np.array([-1.5])).tolist()
    [[0.75, 0.25]]
    """

    complete: Floats
    residual: Floats
    repeats: int

    @classmethod
    def of(cls, log_odds: Floats, event: NDArray[Any]) -> Self:
        """Sort out-of-fold scores by outcome.

        Parameters
        ----------
        log_odds : ndarray of shape (repeats, cases)
            Log-odds of residual tumour by models that never met the case.
        event : ndarray of shape (cases,)
            1 for residual tumour, 0 for a complete response.
        """
        complete, residual = (np.sort(log_odds[:, event == side], axis=None) for side in (0, 1))
        return cls(complete, residual, len(log_odds))

    @property
    def cases(self) -> tuple[int, int]:
        """Cases with a complete response, and with residual tumour."""
        return self.complete.size // self.repeats, self.residual.size // self.repeats

    def p_values(self, log_odds: Floats) -> Floats:
        """Share of each outcome's cases that fit it no better, shape (cases, 2).

        Parameters
        ----------
        log_odds : ndarray of shape (cases,)
            Log-odds of residual tumour of new cases.

        Returns
        -------
        ndarray
            In (0, 1]; the columns are complete and residual.
        """
        above = self.complete.size - np.searchsorted(self.complete, log_odds, side="left")
        below = np.searchsorted(self.residual, log_odds, side="right")
        count = np.stack([above, below], axis=-1) / self.repeats + 1
        return np.asarray(count / (np.array(self.cases) + 1))

    def thresholds(
        self, missed_complete: float, missed_residual: float
    ) -> tuple[float | None, float | None]:
        """Log-odds at which an outcome is ruled out.

        Parameters
        ----------
        missed_complete, missed_residual : float
            Levels, in (0, 1).

        Returns
        -------
        tuple of float or None
            Above the first a complete response is ruled out, below the second residual tumour; None
            where too few cases allow it at that level.
        """
        complete, residual = self.cases
        highest = _place(complete, missed_complete, self.repeats)
        lowest = _place(residual, missed_residual, self.repeats)
        return (
            None if highest is None else float(self.complete[-1 - highest]),
            None if lowest is None else float(self.residual[lowest]),
        )

    def named(self, log_odds: float) -> dict[str, float]:
        """The p-values of one case by outcome."""
        values = self.p_values(np.array([log_odds]))[0]
        return dict(zip(OUTCOMES, values.tolist(), strict=True))

    def record(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "complete": self.complete.tolist(),
            "residual": self.residual.tolist(),
            "repeats": self.repeats,
        }

    @classmethod
    def restored(cls, record: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`record`.

        Raises
        ------
        ValueError
            When it holds no sorted, finite scores.
        """
        complete, residual = (np.array(record[name], dtype=float) for name in OUTCOMES)
        found = cls(complete, residual, int(record["repeats"]))
        sorted_finite = all(
            values.size and np.isfinite(values).all() and (np.diff(values) >= 0).all()
            for values in (complete, residual)
        )
        if found.repeats < 1 or not sorted_finite:
            raise ValueError("no conformal scores")
        return found


def _place(cases: int, level: float, repeats: int) -> int | None:
    """How many scores of an outcome may lie beyond the point where it is ruled out."""
    beyond = (level * (cases + 1) - 1) * repeats
    return None if beyond < -1e-9 else int(beyond + 1e-9)
