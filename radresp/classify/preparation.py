"""What happens to a table before a classifier sees it, learned from the training part alone.

Three steps, each off unless the settings ask for it: the mark of the site is taken off
(:mod:`radresp.classify.combat`), columns that say little but how large the region is are left out
(clinical.md 4.2, rule 7), and gaps get columns of their own that say where a value was missing.
Evaluation learns them anew in every outer fold. The folds inside it share them: they use no outcome
but the tuning does not see them from outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from radresp.classify.combat import Combat
from radresp.classify.settings import ClassifierSettings
from radresp.classify.table import Floats, TrainingTable

MISSING = "missing."
"""Prefix of a column that says where others have gaps."""


@dataclass(frozen=True, eq=False)
class Preparation:
    """What was learned.

    Parameters
    ----------
    columns : tuple of str
        Columns of the table.
    combat : Combat or None
        Harmonisation.
    shadows : tuple of str
        Columns left out because they follow a volume.
    gaps : mapping of str to tuple of str
        Added columns, each with those whose gaps it marks.
    """

    columns: tuple[str, ...]
    combat: Combat | None = None
    shadows: tuple[str, ...] = ()
    gaps: Mapping[str, tuple[str, ...]] | None = None

    @classmethod
    def of(
        cls, table: TrainingTable, rows: NDArray[np.bool_], settings: ClassifierSettings
    ) -> Self:
        """Learn from some rows of a table.

        Parameters
        ----------
        table : TrainingTable
            The checked table.
        rows : ndarray of bool, shape (cases,)
            The training part.
        settings : ClassifierSettings
            What to do.
        """
        x, combat = table.x[rows], None
        if settings.harmonise is not None:
            combat = Combat.of(x, table.sites[rows])
            x = combat.transform(x, table.sites[rows])
        shadows = _shadows(x, table.columns, settings)
        gaps = _gaps(x, table.columns) if settings.missing_indicators else {}
        return cls(table.columns, combat, shadows, gaps)

    @property
    def all_columns(self) -> tuple[str, ...]:
        """Columns afterwards: those of the table, and the added ones."""
        return (*self.columns, *(self.gaps or {}))

    def transform(self, x: Floats, sites: NDArray[Any]) -> Floats:
        """Values of x, shape (cases, columns), as the classifier sees them.

        Columns left out hold no value at all, which every classifier leaves out by itself.
        """
        where = {name: place for place, name in enumerate(self.columns)}
        marks = [
            np.isnan(x[:, [where[name] for name in names]]).any(axis=1)
            for names in (self.gaps or {}).values()
        ]
        result = x.copy() if self.combat is None else self.combat.transform(x, sites)
        result[:, [where[name] for name in self.shadows]] = np.nan
        return np.column_stack([result, *marks]) if marks else result

    def applied(self, table: TrainingTable) -> TrainingTable:
        """The table as the classifier sees it."""
        x = self.transform(table.x, table.sites)
        return replace(table, x=x, columns=self.all_columns)

    def record(self) -> dict[str, Any]:
        """JSON-ready, without the table's own columns."""
        return {
            "combat": self.combat and self.combat.record(),
            "shadows": list(self.shadows),
            "gaps": {name: list(of) for name, of in (self.gaps or {}).items()},
        }

    @classmethod
    def restored(cls, record: Mapping[str, Any], columns: tuple[str, ...]) -> Self:
        """The inverse of :meth:`record`.

        Raises
        ------
        ValueError
            When it names columns the table does not have.
        """
        combat = None if record["combat"] is None else Combat.restored(record["combat"])
        gaps = {str(name): tuple(of) for name, of in record["gaps"].items()}
        named = {*record["shadows"], *(one for of in gaps.values() for one in of)}
        if not named <= set(columns) or (combat and combat.centre.size != len(columns)):
            raise ValueError("the preparation is of another table")
        return cls(columns, combat, tuple(record["shadows"]), gaps)


def _shadows(x: Floats, columns: tuple[str, ...], settings: ClassifierSettings) -> tuple[str, ...]:
    """Columns whose ranks follow those of a volume more closely than allowed."""
    volumes = [i for i, name in enumerate(columns) if name.endswith(settings.volume_columns)]
    if not volumes or settings.max_volume_correlation >= 1:
        return ()
    kept = np.array(
        [i in volumes or name.startswith(settings.prespecified) for i, name in enumerate(columns)]
    )
    ranks = _ranks(x)
    # One product for all: gaps lie at the middle rank and count for nothing.
    rho = np.abs(ranks.T @ ranks[:, volumes]) / len(x)
    follows = (rho > settings.max_volume_correlation).any(axis=1) & ~kept
    return tuple(np.array(columns)[follows].tolist())


def _ranks(x: Floats) -> Floats:
    """Ranks on mean 0 and SD 1, gaps and constant columns at 0."""
    filled = np.where(np.isnan(x), _middle(x), x)
    ranks = rankdata(filled, axis=0)
    ranks -= ranks.mean(axis=0)
    spread = ranks.std(axis=0)
    return np.asarray(ranks / np.where(spread > 0, spread, 1.0))


def _middle(x: Floats) -> Floats:
    middle = np.zeros(x.shape[1])
    some = ~np.isnan(x).all(axis=0)
    middle[some] = np.nanmedian(x[:, some], axis=0)
    return middle


def _gaps(x: Floats, columns: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """One mark for every pattern of gaps that leaves some cases out and some in."""
    missing = np.isnan(x)
    patterns: dict[bytes, list[str]] = {}
    for place in np.flatnonzero(missing.any(axis=0) & ~missing.all(axis=0)):
        patterns.setdefault(missing[:, place].tobytes(), []).append(columns[place])
    return {MISSING + names[0]: tuple(names) for names in patterns.values()}
