"""Few features, chosen for relevance, little redundancy and steadiness; then ridge.

Source: minimum redundancy, maximum relevance (Ding and Peng 2005) within stability selection
(Meinshausen and Buehlmann 2010); see :class:`radresp.classify.selection.StableMrmr`. Use it where a
model must be told in a sentence, and its features should not change with every patient left out.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from radresp.classify.method import Candidate
from radresp.classify.settings import ClassifierSettings

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression


class Mrmr(ClassifierSettings):
    """Settings of the steady, small model."""

    strengths: tuple[Annotated[float, Field(gt=0, le=1e4)], ...] = Field(
        (0.01, 0.1),
        min_length=1,
        max_length=20,
        description="Inverse penalties C to try, 0-1e4; small is strict.",
    )
    max_iterations: int = Field(
        1000, ge=100, le=1_000_000, description="Solver passes; ten times as many on a second try."
    )


def grid(settings: Mrmr) -> tuple[Candidate, ...]:
    """All combinations to try, the strictest and smallest first."""
    pairs = product(sorted(settings.features), sorted(settings.strengths))
    return tuple(Candidate(features, (("strength", strength),)) for features, strength in pairs)


def build(settings: Mrmr, candidate: Candidate, seed: int) -> LogisticRegression:
    """The unfitted classifier of one combination."""
    from sklearn.linear_model import LogisticRegression

    del seed  # the solver has no chance in it
    return LogisticRegression(
        C=dict(candidate.options)["strength"],
        class_weight=settings.class_weight,
        max_iter=settings.max_iterations,
    )
