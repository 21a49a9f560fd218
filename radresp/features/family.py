"""The nouns of this room: what a family of features is, what it gives back, what a change is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from radresp.core import Prepared, Region, RegionKey, Settings, Step
from radresp.core.frozen import frozen


@dataclass(frozen=True, slots=True)
class Extracted:
    """Named numbers, the reasons for those that are missing, and how they were made.

    Parameters
    ----------
    values : mapping of str to float
        Always every name the settings promise, in their order; NaN where a value cannot exist.
    absent : mapping of str to str
        Why, for every NaN, in words.
    step : Step
        What was done, for the trail.
    """

    values: Mapping[str, float]
    absent: Mapping[str, str]
    step: Step

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", frozen(self.values))
        object.__setattr__(self, "absent", frozen(self.absent))


@dataclass(frozen=True, slots=True)
class Family:
    """A registered way to turn one region into numbers.

    Parameters
    ----------
    settings : type of Settings
        What a plan may set.
    names : callable
        Settings to feature names, in order; cheap, and the same for every case.
    extract : callable
        Region and settings to ``Extracted`` with exactly those names.
    """

    settings: type[Settings]
    names: Callable[[Any], tuple[str, ...]]
    extract: Callable[[Region, Any], Extracted]


@dataclass(frozen=True, slots=True)
class Change:
    """A registered way to compare the numbers of one region before and after treatment.

    Parameters
    ----------
    settings : type of Settings
        What a plan may set.
    names : callable
        The two regions, feature names (``original.firstorder_Mean``) and settings to the full
        names of their changes.
    extract : callable
        The two regions, full feature names to values, settings, full feature names to the
        reasons of their NaN, and the days between the visits or None, to ``Extracted``.
    """

    settings: type[Settings]
    names: Callable[[RegionKey, RegionKey, Iterable[str], Any], tuple[str, ...]]
    extract: Callable[..., Extracted]


@dataclass(frozen=True, slots=True)
class Measure:
    """A registered way to turn a whole prepared case, both visits at once, into numbers.

    Parameters
    ----------
    settings : type of Settings
        What a plan may set.
    names : callable
        Settings to names without the measure's own; cheap, and the same for every case.
    extract : callable
        Prepared case and settings to ``Extracted`` with exactly those names. What the case lacks
        is NaN with the reason, never an exception.
    """

    settings: type[Settings]
    names: Callable[[Any], tuple[str, ...]]
    extract: Callable[[Prepared, Any], Extracted]
