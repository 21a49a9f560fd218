"""Gradient-boosted trees on chosen features.

Source: Friedman 2001 and 2002 (subsampling); grown by scikit-learn, kept as arrays
(:mod:`radresp.classify.trees`). Use it with many patients; with few it learns them by heart.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from radresp.classify.method import Candidate
from radresp.classify.settings import ClassifierSettings

if TYPE_CHECKING:
    from radresp.classify.trees import Trees


class GradientBoosting(ClassifierSettings):
    """Settings of gradient boosting."""

    features: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = Field(
        (16,), min_length=1, max_length=10, description="Numbers of features to try, 1-1000."
    )
    trees: tuple[Annotated[int, Field(ge=5, le=2000)], ...] = Field(
        (30, 100), min_length=1, max_length=10, description="Numbers of trees to try."
    )
    depth: int = Field(2, ge=1, le=6, description="Questions a tree asks in a row.")
    learning_rate: float = Field(0.05, gt=0, le=1, description="Share of each tree's answer taken.")
    subsample: float = Field(0.5, gt=0, le=1, description="Share of cases each tree sees.")
    class_weight: Literal[None] = Field(None, description="Always none: cases count once.")
    ensemble: int = Field(
        20, ge=10, le=1000, description="Patient-bootstrap refits behind a case's interval."
    )


def grid(settings: GradientBoosting) -> tuple[Candidate, ...]:
    """All combinations to try, the smallest first."""
    pairs = product(sorted(settings.features), sorted(settings.trees))
    return tuple(Candidate(features, (("trees", trees),)) for features, trees in pairs)


def build(settings: GradientBoosting, candidate: Candidate, seed: int) -> Trees:
    """The unfitted classifier of one combination."""
    from radresp.classify.trees import Trees

    return Trees(
        "gradient_boosting",
        {
            "n_estimators": int(dict(candidate.options)["trees"]),
            "max_depth": settings.depth,
            "learning_rate": settings.learning_rate,
            "subsample": settings.subsample,
            "random_state": seed,
        },
    )
