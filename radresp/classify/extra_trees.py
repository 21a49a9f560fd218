"""Extremely randomised trees on chosen features.

Source: Geurts, Ernst and Wehenkel 2006; grown by scikit-learn, kept as arrays
(:mod:`radresp.classify.trees`). Smoother than a random forest, and as a rule better with few
patients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from radresp.classify.forest import Forest, grid, grow
from radresp.classify.method import Candidate

if TYPE_CHECKING:
    from radresp.classify.trees import Trees

__all__ = ["ExtraTrees", "build", "grid"]


class ExtraTrees(Forest):
    """Settings of the extremely randomised trees."""


def build(settings: ExtraTrees, candidate: Candidate, seed: int) -> Trees:
    """The unfitted classifier of one combination."""
    return grow("extra_trees", settings, candidate, seed)
