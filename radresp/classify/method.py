"""What a classifier of the room is: settings, combinations to try, and an estimator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from radresp.classify.settings import ClassifierSettings


class Candidate(NamedTuple):
    """One combination of hyper-parameters: how many features, and the classifier's own options."""

    features: int
    options: tuple[tuple[str, float], ...]

    def record(self) -> dict[str, float]:
        """The combination as a JSON-ready dictionary."""
        return {"features": self.features, **dict(self.options)}


@dataclass(frozen=True)
class Method:
    """A classifier of the room.

    Parameters
    ----------
    settings : type of ClassifierSettings
        Its settings.
    grid : callable
        Settings to the combinations to try, simplest first.
    build : callable
        Settings, combination and seed to an unfitted scikit-learn classifier. One with ``coef_``
        gets intervals and contributions from its weights, another from refits.
    front : str
        What stands before it: ``selected`` (chosen columns, mean 0 and SD 1), ``mrmr`` (chosen for
        relevance and little redundancy, often enough), or ``ranks`` (all usable columns as normal
        scores, where a gap of a new case counts as its training median).
    """

    settings: type[ClassifierSettings]
    grid: Callable[[Any], tuple[Candidate, ...]]
    build: Callable[[Any, Candidate, int], Any]
    front: str = field(default="selected")
