"""The voxelwise residual map: what it adds up to, what it finds, and that it stays optional."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

pytest.importorskip("monai")
pytest.importorskip("lightning")

import torch
from cnn import tiny

from radresp.cnn.inputs import Inputs
from radresp.cnn.network import SiameseNet
from radresp.cnn.predict import ask_network, map_residual
from radresp.cnn.samples import Sample
from radresp.cnn.training import Fitted

FOCUS = (slice(2, 6), slice(4, 8), slice(4, 12))
"""Half of the bed of ``tiny.cases``."""


def cases(count: int, seed: int) -> list[Sample]:
    """Noise; half of the bed is brighter in T2 where there is tumour."""
    found = []
    for one in tiny.cases(count, seed=seed, signal_size=0.0):
        images = one.inputs.images.copy()
        images[(0, 0, *FOCUS)] += 2.0 * (one.label or 0)
        found.append(
            replace(one, inputs=Inputs(images, one.inputs.there), fraction=0.5 * one.label)
        )
    return found


@lru_cache
def learned() -> Fitted:
    plan = tiny.still(epochs=14, learning_rate=1e-2, patience=50, residual_map=True, ema=0.9)
    return tiny.fit(cases(48, 1), plan)


def test_the_fraction_is_the_mean_of_the_map_over_the_bed() -> None:
    net = learned().network()
    one = cases(2, 7)[1].inputs
    found = map_residual(net, one)
    bed = one.images[0, -1] > 0
    assert found.shape == bed.shape
    assert not found[~bed].any()
    # Features are at half the resolution; this bed fills whole blocks of them.
    assert found[bed].mean() == pytest.approx(ask_network(net, [one]).fraction[0], abs=1e-4)


def test_a_map_learned_from_whole_beds_is_higher_where_the_tumour_is() -> None:
    net = learned().network()
    inside, beside, without = [], [], []
    for one in cases(20, 9):
        found = map_residual(net, one.inputs)
        rest = one.inputs.images[0, -1] > 0
        rest[FOCUS] = False
        if one.label:
            inside.append(found[FOCUS].mean())
            beside.append(found[rest].mean())
        else:
            without.append(found[one.inputs.images[0, -1] > 0].mean())
    assert np.mean(inside) > np.mean(beside) + 0.2
    assert np.mean(inside) > np.mean(without) + 0.2


def test_without_an_outline_the_whole_patch_is_mapped() -> None:
    one = cases(1, 3)[0].inputs
    images, there = one.images.copy(), one.there.copy()
    images[:, -1], there[:, -1] = 0, 0
    found = map_residual(learned().network(), Inputs(images, there))
    assert found.min() > 0


def test_a_network_without_a_map_has_no_weights_for_one() -> None:
    plain = SiameseNet(tiny.settings(), 2)
    mapped = SiameseNet(tiny.settings(residual_map=True), 2)
    assert not any(name.startswith("map.") for name in plain.state_dict())
    assert not any(name.startswith("fraction.") for name in mapped.state_dict())


def test_gradients_reach_the_value_of_a_missing_plane_through_the_map() -> None:
    torch.manual_seed(0)
    net = SiameseNet(tiny.settings(residual_map=True), 2)
    images = torch.randn(2, 2, 4, *tiny.SIZE[::-1])
    there = torch.ones(2, 2, 4)
    there[:, 1, 0] = 0
    net(images, there).fraction.sum().backward()
    assert net.missing.grad is not None
    assert net.missing.grad[1, 0] != 0
    assert net.missing.grad[0, 0] == 0
