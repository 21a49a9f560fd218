"""What a network says of cases: probabilities of the classes, and one score of residual tumour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from radresp.cnn.fast import threads
from radresp.cnn.inputs import Inputs
from radresp.cnn.network import SiameseNet

RESIDUAL = "residual"
_BATCH = 8


def class_log_odds(
    net: SiameseNet, cases: Sequence[Inputs], *, device: str = "cpu", batch: int = _BATCH
) -> NDArray[np.float64]:
    """Log-odds of each class up to a constant, shape (cases, classes).

    Parameters
    ----------
    net : SiameseNet
        The network; put into evaluation mode.
    cases : sequence of Inputs
        What it reads.
    device : str
        Where it runs, ``"cpu"`` or ``"cuda:0"`` and the like.
    batch : int
        Cases at once.
    """
    net = net.to(device).eval()
    found = []
    # One case is too little for a second thread, which would wait for a busy core.
    with threads(1), torch.inference_mode():
        for start in range(0, len(cases), batch):
            part = cases[start : start + batch]
            images = torch.from_numpy(np.stack([one.images for one in part])).to(device)
            there = torch.from_numpy(np.stack([one.there for one in part])).to(device)
            found.append(net(images, there).logits.double().cpu().numpy())
    return np.concatenate(found) if found else np.zeros((0, 2))


def probabilities(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of the classes, shape (cases, classes); rows sum to 1.

    Examples
    --------
    >>> probabilities(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """
    raised = np.exp(log_odds - log_odds.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def residual_score(log_odds: NDArray[np.float64], classes: Sequence[str]) -> NDArray[np.float64]:
    """Log-odds of residual tumour against all other classes, shape (cases,).

    Parameters
    ----------
    log_odds : ndarray of shape (cases, classes)
        From :func:`class_log_odds`.
    classes : sequence of str
        Their names, residual among them.

    Examples
    --------
    >>> residual_score(np.array([[0.0, 1.5]]), ("complete", "residual")).tolist()
    [1.5]
    """
    place = list(classes).index(RESIDUAL)
    rest = np.delete(log_odds, place, axis=1)
    return np.asarray(log_odds[:, place] - np.logaddexp.reduce(rest, axis=1))
