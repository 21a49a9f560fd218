"""Whether a map shows what was learned, or any network would draw it.

Source: the test of Adebayo 2018. All weights are drawn anew as before training, the map is made
again, and the ranks of both are compared inside the bed, where it is read. An edge detector comes
out the same; what was learned does not. One draw says little: maps of few independent cells agree
by chance, and a conspicuous voxel stands out in every network, for one class or for the other as
the draw will have it. So several are made, and the mean of their signed rank correlations counts.

When to use: on every map. To pass is necessary and not enough; noise passes too.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from radresp.cnn.network import SiameseNet

Floats = NDArray[np.float32]
MapOf = Callable[[SiameseNet], Floats]
"""Makes maps of shape (visits, z, y, x) of a network."""


def random_agreement(
    maps: Floats, map_of: MapOf, net: SiameseNet, inside: NDArray[np.bool_], draws: int, seed: int
) -> tuple[float, ...]:
    """How much the maps of each visit agree with those of networks that have learned nothing.

    Parameters
    ----------
    maps : ndarray of shape (visits, z, y, x)
        The maps in question.
    map_of : callable
        How they were made.
    net : SiameseNet
        Their network; not changed.
    inside : ndarray of shape (z, y, x)
        bool; the voxels to compare.
    draws : int
        Random networks, 1 or more.
    seed : int
        Where their weights come from.

    Returns
    -------
    tuple of float
        Mean rank correlation of each visit, -1 to 1; NaN where its map is flat, as that of a visit
        that is not there.
    """
    found = []
    for draw in range(draws):
        others = map_of(randomised(net, seed + draw))
        pairs = zip(maps, others, strict=True)
        found.append([rank_agreement(one[inside], other[inside]) for one, other in pairs])
    return tuple(float(mean) for mean in np.mean(found, axis=0))


def rank_agreement(one: Floats, other: Floats) -> float:
    """Rank correlation of two maps: 0 where the second is flat, NaN where the first is.

    Examples
    --------
    >>> ramp = np.arange(5, dtype=np.float32)
    >>> round(rank_agreement(ramp, -(ramp**3)), 6), rank_agreement(ramp, 0 * ramp)
    (-1.0, 0.0)
    """
    if one.size < 2 or np.ptp(one) == 0:
        return float("nan")
    return 0.0 if np.ptp(other) == 0 else float(spearmanr(one, other).statistic)


def randomised(net: SiameseNet, seed: int) -> SiameseNet:
    """A copy of a network with all weights drawn as before training.

    The values for missing planes stay: they are what voxels are compared with, not what is tested.
    """
    device = next(net.parameters()).device
    # Drawn on the CPU, so that every device gets the same weights.
    other = copy.deepcopy(net).cpu()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in other.modules():
            redraw = getattr(module, "reset_parameters", None)
            if callable(redraw):
                redraw()
    return other.to(device)
