"""What random forests and extremely randomised trees share: settings, grid and estimator."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from radresp.classify.method import Candidate
from radresp.classify.settings import ClassifierSettings

if TYPE_CHECKING:
    from radresp.classify.trees import Trees


class Forest(ClassifierSettings):
    """Settings of a forest."""

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


def grid(settings: Forest) -> tuple[Candidate, ...]:
    """All combinations to try, the smallest and coarsest first."""
    pairs = product(sorted(settings.features), sorted(settings.leaf_cases, reverse=True))
    return tuple(Candidate(features, (("leaf_cases", leaf),)) for features, leaf in pairs)


def grow(kind: str, settings: Forest, candidate: Candidate, seed: int) -> Trees:
    """The unfitted forest of one combination; ``kind`` as in ``radresp.classify.trees``."""
    from radresp.classify.trees import Trees

    options = {
        "n_estimators": settings.trees,
        "min_samples_leaf": int(dict(candidate.options)["leaf_cases"]),
        "class_weight": settings.class_weight,
        "random_state": seed,
    }
    return Trees(kind, options)
