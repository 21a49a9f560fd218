"""Linear support vector machine on chosen features.

Source: Cortes and Vapnik 1995; liblinear. Its score is calibrated like every other here. Use it as
a second opinion to the elastic net: it looks at the cases near the border only.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from radresp.classify.method import Candidate
from radresp.classify.settings import ClassifierSettings

if TYPE_CHECKING:
    from sklearn.svm import LinearSVC


class LinearSvm(ClassifierSettings):
    """Settings of the linear support vector machine."""

    strengths: tuple[Annotated[float, Field(gt=0, le=1e4)], ...] = Field(
        (0.001, 0.01, 0.1),
        min_length=1,
        max_length=20,
        description="Inverse penalties C to try, 0-1e4; small is strict.",
    )
    max_iterations: int = Field(
        10_000,
        ge=100,
        le=1_000_000,
        description="Solver passes; ten times as many on a second try.",
    )


def grid(settings: LinearSvm) -> tuple[Candidate, ...]:
    """All combinations to try, the strictest and smallest first."""
    pairs = product(sorted(settings.features), sorted(settings.strengths))
    return tuple(Candidate(features, (("strength", strength),)) for features, strength in pairs)


def build(settings: LinearSvm, candidate: Candidate, seed: int) -> LinearSVC:
    """The unfitted classifier of one combination."""
    from sklearn.svm import LinearSVC

    return LinearSVC(
        C=dict(candidate.options)["strength"],
        class_weight=settings.class_weight,
        max_iter=settings.max_iterations,
        random_state=seed,
    )
