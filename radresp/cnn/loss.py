"""What training lowers, how fast, and what it is judged by.

Cross-entropy in which every class counts the same, and where the residual fraction is known that
of the fraction; a learning rate with a warm-up and half a cosine; the area under the ROC curve.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from radresp.cnn.network import Answers
from radresp.cnn.samples import NO_LABEL, Sample

WARM_UP = 0.1
"""Share of the training in which the learning rate rises."""


@dataclass(frozen=True, slots=True)
class Aim:
    """How cases count in the loss.

    Parameters
    ----------
    classes : tuple of float
        Weight of a case of each class.
    fraction : float
        Weight of a case whose residual fraction is known.
    """

    classes: tuple[float, ...]
    fraction: float


def aim_at(samples: Sequence[Sample], classes: int, fraction_weight: float) -> Aim:
    """Weights under which every class counts the same.

    A mean over all cases becomes one over those with an answer.

    Parameters
    ----------
    samples : sequence of Sample
        The training cases.
    classes : int
        Number of classes.
    fraction_weight : float
        Weight of the fraction's loss against the class's.

    Examples
    --------
    >>> case = lambda label, fraction: Sample("a", "a", None, label, fraction)
    >>> aim_at([case(0, None), case(0, None), case(0, 0.5), case(1, 1.0)], 2, 0.3)
    Aim(classes=(0.6666666666666666, 2.0), fraction=0.6)
    """
    counts = [sum(one.label == label for one in samples) for label in range(classes)]
    present = sum(count > 0 for count in counts)
    weights = tuple(len(samples) / (present * count) if count else 0.0 for count in counts)
    known = sum(one.fraction is not None for one in samples)
    return Aim(weights, fraction_weight * len(samples) / known if known else 0.0)


def loss_of(answers: Answers, batch: dict[str, Tensor], aim: Aim) -> Tensor:
    """Mean loss of a batch: class and, where known, residual fraction."""
    label, fraction = batch["label"], batch["fraction"]
    weight = torch.tensor(aim.classes, device=label.device)[label.clamp_min(0)]
    weight = weight * (label != NO_LABEL)
    loss = weight * cross_entropy(answers.logits.float(), label.clamp_min(0), reduction="none")
    known = torch.isfinite(fraction)
    given = torch.where(known, fraction, 0.5)
    other = binary_cross_entropy_with_logits(answers.fraction.float(), given, reduction="none")
    return (loss + aim.fraction * known * other).mean()


def learning_rate(largest: float, passed: float) -> float:
    """The learning rate when a share of the training has passed.

    Examples
    --------
    >>> [round(learning_rate(1.0, passed), 3) for passed in (0.05, 0.1, 0.55, 1.0)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if passed < WARM_UP:
        return largest * passed / WARM_UP
    return largest * (1 + math.cos(math.pi * (passed - WARM_UP) / (1 - WARM_UP))) / 2


def mean_auc(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Area under the ROC curve of each class against the rest, averaged; NaN for one class alone.

    Examples
    --------
    >>> mean_auc(np.array([[2.0, 0], [0, 1], [1, 0], [0, 3]]), np.array([0, 1, 1, 1]))
    1.0
    """
    found = []
    for label in np.unique(labels):
        one = labels == label
        if one.all():
            return math.nan
        rest = np.delete(logits, label, axis=1)
        ranks = rankdata(logits[:, label] - np.logaddexp.reduce(rest, axis=1))
        pairs = one.sum() * (~one).sum()
        found.append((ranks[one].sum() - one.sum() * (one.sum() + 1) / 2) / pairs)
    return float(np.mean(found)) if found else math.nan
