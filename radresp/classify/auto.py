"""Auto: all features as normal scores, shrunk together; the default.

With a thousand features and a hundred patients, choosing features costs more than it gains: which
ones are chosen is mostly chance. Here all are kept and share one strict penalty, so that thousands
of weak hints may add up; ranks instead of values, so that no outlier and no scale decides.

Source: ridge-penalised logistic regression (le Cessie and van Houwelingen 1992) on van der
Waerden's normal scores. The penalty is given per feature: C = strength / number of features, which
makes a strength mean the same for 50 features and for 5,000. Measured against selection on twenty
public radiomic tables in docs/reference/learning.md.

What a radiologist would measure (``response.*``) is not one voice among a thousand: those columns
divide half of the prior variance among them, all others the other half.

When to use: always first. A model that must be written down with few features: ``elastic_net``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from radresp.classify.method import Candidate
from radresp.classify.settings import ClassifierSettings

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression


class Auto(ClassifierSettings):
    """Settings of the default classifier; ``features`` and ``max_correlation`` are not used."""

    fills_gaps: ClassVar[bool] = True

    strengths: tuple[Annotated[float, Field(gt=0, le=1e4)], ...] = Field(
        (0.3, 1.0, 3.0),
        min_length=1,
        max_length=20,
        description="Inverse penalties to try, times the number of features; small is strict.",
    )
    prespecified_share: float | None = Field(
        0.5,
        gt=0,
        lt=1,
        description="Share of the prior variance that the prespecified columns divide among them, "
        "0-1, all others the rest; null gives every column the same.",
    )
    inner_repeats: int = Field(
        3, ge=1, le=100, description="How often the inner folds are drawn anew."
    )
    class_weight: Literal["balanced"] | None = Field(
        "balanced",
        description="'balanced' keeps the chance number of events of a fold out of the score; "
        "calibration puts the prevalence back.",
    )
    max_iterations: int = Field(
        1000, ge=100, le=1_000_000, description="Solver passes; ten times as many on a second try."
    )


def grid(settings: Auto) -> tuple[Candidate, ...]:
    """Penalties to try, the strictest first."""
    return tuple(Candidate(0, (("strength", s),)) for s in sorted(settings.strengths))


def build(settings: Auto, candidate: Candidate, seed: int) -> LogisticRegression:
    """The unfitted classifier of one strength; it learns its penalty from the number of columns."""
    from radresp.classify.estimators import PerFeatureRidge

    del seed  # the solver has no chance in it
    return PerFeatureRidge(
        strength=dict(candidate.options)["strength"],
        class_weight=settings.class_weight,
        max_iter=settings.max_iterations,
    )
