"""What a network says of cases: probabilities of the classes, and one score of residual tumour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from radresp.cnn.fast import threads
from radresp.cnn.inputs import Inputs
from radresp.cnn.network import SiameseNet

RESIDUAL = "residual"
_BATCH = 8


class Said(NamedTuple):
    """What a network says of cases.

    Parameters
    ----------
    log_odds : ndarray of shape (cases, classes)
        Of each class up to a constant.
    fraction : ndarray of shape (cases,)
        Share of the bed that is tumour, 0-1; means nothing where no case of training had one.
    """

    log_odds: NDArray[np.float64]
    fraction: NDArray[np.float64]


def ask_network(
    net: SiameseNet, cases: Sequence[Inputs], *, device: str = "cpu", batch: int = _BATCH
) -> Said:
    """What a network says of cases it has not met.

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
    log_odds, fractions = [np.zeros((0, net.classify.out_features))], [np.zeros(0)]
    with exactly(), torch.inference_mode():
        for start in range(0, len(cases), batch):
            answers = net(*_tensors(cases[start : start + batch], device))
            log_odds.append(answers.logits.double().cpu().numpy())
            fractions.append(answers.fraction.double().sigmoid().cpu().numpy())
    return Said(np.concatenate(log_odds), np.concatenate(fractions))


def map_residual(net: SiameseNet, case: Inputs, *, device: str = "cpu") -> NDArray[np.float32]:
    """Probability of tumour voxel by voxel in the bed, shape (z, y, x) of the patch; 0 outside.

    Parameters
    ----------
    net : SiameseNet
        With ``residual_map`` in its settings.
    case : Inputs
        What it reads.
    device : str
        Where it runs.
    """
    net = net.to(device).eval()
    with exactly(), torch.inference_mode():
        found = net.residual_map(*_tensors([case], device))[0].float().cpu().numpy()
    bed = case.images[0, -1] > 0
    return np.where(bed, found, np.float32(0)) if bed.any() else found


@contextmanager
def exactly() -> Iterator[None]:
    """Answers of a graphics card that are those of a processor: no TF32, which keeps 10 bits.

    One thread of the processor: one case is too little for a second, which would wait for a busy
    core.
    """
    kept = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with threads(1):
            yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = kept


def _tensors(cases: Sequence[Inputs], device: str) -> tuple[Tensor, Tensor]:
    images = torch.from_numpy(np.stack([one.images for one in cases])).to(device)
    return images, torch.from_numpy(np.stack([one.there for one in cases])).to(device)


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
        Of each class up to a constant.
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
