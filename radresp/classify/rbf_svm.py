"""Support vector machine with a Gaussian kernel on chosen features.

Source: Cortes and Vapnik 1995; libsvm, kernel width by the number of features (``gamma="scale"``).
Use it where a feature may be telling at a middle value; with few patients it seldom wins.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from radresp.classify.method import Candidate
from radresp.classify.settings import ClassifierSettings

if TYPE_CHECKING:
    from sklearn.svm import SVC


class RbfSvm(ClassifierSettings):
    """Settings of the support vector machine with a Gaussian kernel."""

    strengths: tuple[Annotated[float, Field(gt=0, le=1e4)], ...] = Field(
        (0.3, 1.0, 3.0),
        min_length=1,
        max_length=20,
        description="Inverse penalties C to try, 0-1e4; small is strict.",
    )
    ensemble: int = Field(
        20, ge=10, le=1000, description="Patient-bootstrap refits behind a case's interval."
    )


def grid(settings: RbfSvm) -> tuple[Candidate, ...]:
    """All combinations to try, the strictest and smallest first."""
    pairs = product(sorted(settings.features), sorted(settings.strengths))
    return tuple(Candidate(features, (("strength", strength),)) for features, strength in pairs)


def build(settings: RbfSvm, candidate: Candidate, seed: int) -> SVC:
    """The unfitted classifier of one combination."""
    from sklearn.svm import SVC

    return SVC(
        C=dict(candidate.options)["strength"],
        class_weight=settings.class_weight,
        random_state=seed,
    )
