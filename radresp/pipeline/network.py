"""The network of a model folder: restored when a model asks one, and asked about a patch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from radresp import classify, cnn
from radresp.core import Prepared
from radresp.pipeline.train import CNN_PREFIX


class Network(NamedTuple):
    """A restored network with the names of its classes."""

    net: cnn.SiameseNet
    classes: tuple[str, ...]


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
    net = cnn.fast_for_cpu(cnn.restore_network(own))
    return Network(net, cnn.network_card(own).classes)


def score_patch(prepared: Prepared, network: Network) -> float | None:
    """Log-odds of residual tumour by the network; None where the case has no patch."""
    if prepared.patch is None:
        return None
    return score_inputs([cnn.inputs_of(prepared.patch)], network)[0]


def score_inputs(cases: Sequence[cnn.Inputs], network: Network) -> list[float]:
    """Log-odds of residual tumour of several cases."""
    log_odds = cnn.class_log_odds(network.net, cases)
    found: list[float] = cnn.residual_score(log_odds, network.classes).tolist()
    return found
