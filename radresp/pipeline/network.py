"""The network of a model folder: restored when a model asks one, and asked about a patch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from radresp import classify, cnn
from radresp.core import Patch, Prepared
from radresp.pipeline.train import CNN_PREFIX


class Network(NamedTuple):
    """A restored network with what was stored beside it."""

    net: cnn.SiameseNet
    card: cnn.NetworkCard


@dataclass(frozen=True, slots=True)
class NetworkAnswer:
    """What a network says of one case.

    Parameters
    ----------
    residual_log_odds : float
        Log-odds of residual tumour, not calibrated.
    fraction : float, optional
        Share of the bed that is tumour, 0-1; None of a network that was not taught any.
    patch : Patch
        What it looked at.
    map : ndarray of shape (z, y, x), optional
        Where that fraction comes from, 0-1, on the grid of the patch.
    """

    residual_log_odds: float
    fraction: float | None
    patch: Patch
    map: NDArray[np.float32] | None

    def record(self) -> dict[str, Any]:
        """What is said of it in ``score.json``."""
        return {"residual_log_odds": self.residual_log_odds, "residual_fraction": self.fraction}


def read_network(
    members: Mapping[str, bytes], model: classify.Model | classify.Fused
) -> Network | None:
    """The network a model asks; None for one that asks none.

    Parameters
    ----------
    members : mapping of str to bytes
        Of the model folder, checked.
    model : classify.Model or classify.Fused
        The classifier.

    Raises
    ------
    ModelError
        ``EXTRA_MISSING`` where the CNN cannot run here; ``MODEL_FORMAT``, ``MODEL_NEWER`` or
        ``MODEL_WEIGHTS`` for a network that cannot be restored.
    """
    if "cnn" not in getattr(model, "lines", {}):
        return None
    cnn.require("this model")
    own = {
        name.removeprefix(CNN_PREFIX): data
        for name, data in members.items()
        if name.startswith(CNN_PREFIX)
    }
    return Network(cnn.fast_for_cpu(cnn.restore_network(own)), cnn.network_card(own))


def ask_about(prepared: Prepared, network: Network) -> NetworkAnswer | None:
    """What the network says of a case; None where the case has no patch."""
    patch = prepared.patch
    if patch is None:
        return None
    inputs = cnn.inputs_of(patch)
    said = cnn.ask_network(network.net, [inputs])
    knows = network.card.knows_fraction
    mapped = knows and network.card.settings.residual_map
    return NetworkAnswer(
        residual_log_odds=float(cnn.residual_score(said.log_odds, network.card.classes)[0]),
        fraction=float(said.fraction[0]) if knows else None,
        patch=patch,
        map=cnn.map_residual(network.net, inputs) if mapped else None,
    )


def score_inputs(cases: Sequence[cnn.Inputs], network: Network) -> list[float]:
    """Log-odds of residual tumour of several cases."""
    said = cnn.ask_network(network.net, cases)
    found: list[float] = cnn.residual_score(said.log_odds, network.card.classes).tolist()
    return found
