"""Elastic-net logistic regression: the room's plain and honest default.

Source: Zou & Hastie 2005; scikit-learn's SAGA solver (Defazio 2014). Use it when features are many
and patients few: the penalty keeps the model finite even where the classes separate perfectly.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from radresp.classify.method import Candidate
from radresp.classify.settings import ClassifierSettings

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression


class ElasticNet(ClassifierSettings):
    """Settings of the elastic net."""

    strengths: tuple[Annotated[float, Field(gt=0, le=1e4)], ...] = Field(
        (0.1, 0.3),
        min_length=1,
        max_length=20,
        description="Inverse penalties C to try, 0-1e4; small is strict.",
    )
    l1_ratios: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (0.1, 0.3),
        min_length=1,
        max_length=10,
        description="Mixes to try: 0 shrinks all coefficients, 1 drops most of them.",
    )
    max_iterations: int = Field(
        5000, ge=100, le=1_000_000, description="Solver passes; ten times as many on a second try."
    )


def grid(settings: ElasticNet) -> tuple[Candidate, ...]:
    """All combinations to try, the strictest and smallest first: ties go to the simplest."""
    ordered = product(
        sorted(settings.features),
        sorted(settings.l1_ratios, reverse=True),
        sorted(settings.strengths),
    )
    return tuple(
        Candidate(features, (("strength", strength), ("l1_ratio", l1_ratio)))
        for features, l1_ratio, strength in ordered
    )


def build(settings: ElasticNet, candidate: Candidate, seed: int) -> LogisticRegression:
    """The unfitted classifier of one combination.

    Parameters
    ----------
    settings : ElasticNet
        Class weights and passes.
    candidate : Candidate
        Penalty and mix.
    seed : int
        Order in which the solver visits cases.
    """
    # Not at the top: plans name these settings without ever training.
    from sklearn.linear_model import LogisticRegression

    options = dict(candidate.options)
    needs_penalty_name = LogisticRegression().get_params()["penalty"] != "deprecated"
    # scikit-learn before 1.8 reads l1_ratio only when the penalty is named; later ones warn of it.
    named: dict[str, Any] = {"penalty": "elasticnet"} if needs_penalty_name else {}
    return LogisticRegression(
        C=options["strength"],
        l1_ratio=options["l1_ratio"],
        solver="saga",
        class_weight=settings.class_weight,
        max_iter=settings.max_iterations,
        random_state=seed,
        **named,
    )
