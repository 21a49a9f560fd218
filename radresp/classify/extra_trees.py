"""Extremely randomised trees on chosen features.

Source: Geurts, Ernst and Wehenkel 2006; grown by scikit-learn, kept as arrays
(:mod:`radresp.classify.trees`). Smoother than a random forest, and as a rule better with few
patients.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from radresp.classify.method import Candidate
from radresp.classify.settings import ClassifierSettings

if TYPE_CHECKING:
    from radresp.classify.trees import Trees


class ExtraTrees(ClassifierSettings):
    """Settings of the extremely randomised trees."""

    features: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = Field(
        (32,), min_length=1, max_length=10, description="Numbers of features to try, 1-1000."
    )
    trees: int = Field(200, ge=10, le=5000, description="Trees.")
    leaf_cases: tuple[Annotated[int, Field(ge=1, le=100)], ...] = Field(
        (3, 8), min_length=1, max_length=10, description="Fewest cases in a leaf, to try."
    )
    ensemble: int = Field(
        20, ge=10, le=1000, description="Patient-bootstrap refits behind a case's interval."
    )


def grid(settings: ExtraTrees) -> tuple[Candidate, ...]:
    """All combinations to try, the smallest and coarsest first."""
    pairs = product(sorted(settings.features), sorted(settings.leaf_cases, reverse=True))
    return tuple(Candidate(features, (("leaf_cases", leaf),)) for features, leaf in pairs)


def build(settings: ExtraTrees, candidate: Candidate, seed: int) -> Trees:
    """The unfitted classifier of one combination."""
    from radresp.classify.trees import Trees

    return Trees(
        "extra_trees",
        {
            "n_estimators": settings.trees,
            "min_samples_leaf": int(dict(candidate.options)["leaf_cases"]),
            "class_weight": settings.class_weight,
            "random_state": seed,
        },
    )
