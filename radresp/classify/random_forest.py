"""Random forest on chosen features.

Source: Breiman 2001; grown by scikit-learn, kept as arrays (:mod:`radresp.classify.trees`).
Use it where features act together; it needs no scale and no shape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from radresp.classify.forest import Forest, grid, grow
from radresp.classify.method import Candidate

if TYPE_CHECKING:
    from radresp.classify.trees import Trees

__all__ = ["RandomForest", "build", "grid"]


class RandomForest(Forest):
    """Settings of the random forest."""


def build(settings: RandomForest, candidate: Candidate, seed: int) -> Trees:
    """The unfitted classifier of one combination."""
    return grow("random_forest", settings, candidate, seed)
