"""Weights come back bit for bit, and no damaged or foreign file becomes a network."""

import hashlib
import json
import re

import pytest

pytest.importorskip("monai")
pytest.importorskip("safetensors")

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from radresp.cnn.fast import fast_for_cpu, threads
from radresp.cnn.network import SiameseNet
from radresp.cnn.settings import Cnn, PatchSettings
from radresp.cnn.weights import (
    JSON_MEMBER,
    WEIGHTS_MEMBER,
    dump_network,
    load_encoder,
    network_card,
    restore_network,
)
from radresp.errors import ModelError, PlanError

SMALL = Cnn(width=4, levels=2, patch=PatchSettings(size=(16, 16, 8)))
CLASSES = ("complete", "residual")


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    with threads(1):
        yield


def network(seed: int = 0, cnn: Cnn = SMALL, classes: int = 2) -> SiameseNet:
    torch.manual_seed(seed)
    net = SiameseNet(cnn, classes).eval()
    torch.nn.init.normal_(net.missing)
    return net


def case(seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(2, 2, 4, 8, 16, 16, generator=generator)
    there = torch.ones(2, 2, 4)
    there[1, 1, 2] = 0
    return images, there


@pytest.fixture(scope="module")
def members() -> dict[str, bytes]:
    return dump_network(network(), SMALL, CLASSES)


def relabelled(members: dict[str, bytes], tensors: dict[str, torch.Tensor]) -> dict[str, bytes]:
    """The members with other weights and their right digest."""
    data = save(tensors)
    card = json.loads(members[JSON_MEMBER])
    card["weights_sha256"] = hashlib.sha256(data).hexdigest()
    return {JSON_MEMBER: json.dumps(card).encode(), WEIGHTS_MEMBER: data}


@pytest.mark.parametrize("encoder", ["resnet", "seresnet", "densenet"])
@pytest.mark.parametrize(
    "classes", [("complete", "residual"), ("fibrosis", "inflammation", "residual")]
)
def test_a_network_comes_back_bit_for_bit(encoder, classes):
    cnn = SMALL.model_copy(update={"encoder": encoder, "width": 8})
    net = network(cnn=cnn, classes=len(classes))
    members = dump_network(net, cnn, classes)
    found = restore_network(members)
    with torch.no_grad():
        for ours, theirs in zip(found(*case()), net(*case()), strict=True):
            assert torch.equal(ours, theirs)
    assert network_card(members)[:2] == (cnn, classes)
    assert not found.training
    assert all(values.requires_grad for values in found.parameters())


def test_the_same_network_gives_the_same_bytes(members):
    assert dump_network(network(), SMALL, CLASSES) == members
    laid_out = fast_for_cpu(network())
    assert dump_network(laid_out, SMALL, CLASSES) == members
    assert dump_network(restore_network(members), SMALL, CLASSES) == members
    assert dump_network(network(seed=1), SMALL, CLASSES) != members


def test_restoring_draws_no_random_numbers(members):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    restore_network(members)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(members, value):
    net = network()
    with torch.no_grad():
        net.classify.bias[0] = value
    with pytest.raises(ModelError, match=r"classify\.bias") as caught:
        dump_network(net, SMALL, CLASSES)
    assert caught.value.code == "MODEL_WEIGHTS"
    with pytest.raises(ModelError, match=r"classify\.bias") as caught:
        restore_network(relabelled(members, net.state_dict()))
    assert caught.value.code == "MODEL_WEIGHTS"


def test_one_changed_weight_is_noticed(members):
    data = bytearray(members[WEIGHTS_MEMBER])
    data[-1] ^= 1
    with pytest.raises(ModelError) as caught:
        restore_network({**members, WEIGHTS_MEMBER: bytes(data)})
    assert caught.value.code == "MODEL_HASH"


def without(tensors, name):
    return {key: values for key, values in tensors.items() if key != name}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: without(t, "missing"), "missing: missing"),
        (lambda t: {**t, "extra": torch.zeros(1)}, "unknown: extra"),
        (lambda t: {**t, "missing": torch.zeros(2, 3)}, "missing (2, 3) for (2, 4)"),
        (lambda t: {**t, "missing": t["missing"].double()}, "not float32: missing"),
    ],
)
def test_other_names_shapes_and_types_are_refused(members, change, said):
    tensors = change(load(members[WEIGHTS_MEMBER]))
    with pytest.raises(ModelError, match=re.escape(said)) as caught:
        restore_network(relabelled(members, tensors))
    assert caught.value.code == "MODEL_FORMAT"


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("format", 2, "MODEL_NEWER"),
        ("format", "1", "MODEL_FORMAT"),
        ("format", True, "MODEL_FORMAT"),
        ("format", None, "MODEL_FORMAT"),
        ("classes", ["residual"], "MODEL_FORMAT"),
        ("classes", ["residual", "residual"], "MODEL_FORMAT"),
        ("classes", [1, 2], "MODEL_FORMAT"),
        ("classes", [["a"], ["b"]], "MODEL_FORMAT"),
        ("classes", ["", "residual"], "MODEL_FORMAT"),
        ("classes", "residual", "MODEL_FORMAT"),
        ("classes", ["complete", "$__import__('os')"], "MODEL_FORMAT"),
        ("classes", ["a", "b", "residual"], "MODEL_FORMAT"),
        ("settings", {"width": 2}, "MODEL_FORMAT"),
        ("settings", {"magic": 2}, "MODEL_FORMAT"),
        ("settings", {"encoder": "seresnet", "width": 5}, "MODEL_FORMAT"),
        ("settings", None, "MODEL_FORMAT"),
        ("weights_sha256", None, "MODEL_FORMAT"),
    ],
)
def test_a_card_that_says_something_else_is_refused(members, key, value, code):
    card = {**json.loads(members[JSON_MEMBER]), key: value}
    with pytest.raises(ModelError) as caught:
        restore_network({**members, JSON_MEMBER: json.dumps(card).encode()})
    assert caught.value.code == code


def test_a_card_cannot_ask_for_a_huge_network(members):
    """Shapes are compared before any memory is taken: this one would need 80 GB."""
    card = json.loads(members[JSON_MEMBER])
    card["settings"] |= {"width": 128, "levels": 6}
    with pytest.raises(ModelError, match="of another shape") as caught:
        restore_network({**members, JSON_MEMBER: json.dumps(card).encode()})
    assert caught.value.code == "MODEL_FORMAT"


@pytest.mark.parametrize("name", [JSON_MEMBER, WEIGHTS_MEMBER])
def test_a_missing_member_is_named(members, name):
    with pytest.raises(ModelError, match=name) as caught:
        restore_network({key: data for key, data in members.items() if key != name})
    assert (caught.value.code, caught.value.file) == ("MODEL_FORMAT", name)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cut=st.integers(0, 400), junk=st.binary(max_size=60))
def test_damaged_bytes_never_raise_anything_else(cut, junk):
    whole = dump_network(network(), SMALL, CLASSES)
    for name in whole:
        damaged = {**whole, name: whole[name][:cut] + junk}
        with pytest.raises(ModelError):
            restore_network(damaged)
        data = damaged[WEIGHTS_MEMBER]
        card = {**json.loads(whole[JSON_MEMBER])}
        card["weights_sha256"] = hashlib.sha256(data).hexdigest()
        if data != whole[WEIGHTS_MEMBER]:
            with pytest.raises(ModelError):
                restore_network({JSON_MEMBER: json.dumps(card).encode(), WEIGHTS_MEMBER: data})


@pytest.mark.parametrize("prefix", ["", "encoder."])
def test_an_encoder_trained_elsewhere_is_taken_over(prefix):
    donor, net = network(seed=7), network(seed=8)
    head = net.head[1].weight.clone()
    tensors = {f"{prefix}{name}": values for name, values in donor.encoder.state_dict().items()}
    if prefix:
        tensors["classify.weight"] = torch.zeros(5, 5)
    load_encoder(net, save(tensors))
    for name, values in net.encoder.state_dict().items():
        assert torch.equal(values, donor.encoder.state_dict()[name])
    assert torch.equal(net.head[1].weight, head)


@pytest.mark.parametrize(
    ("donor", "said"),
    [
        (SMALL.model_copy(update={"levels": 3}), "unknown: stages.2"),
        (SMALL.model_copy(update={"width": 8}), "of another shape: stages.0.0.bias (8,) for (4,)"),
        (SMALL.model_copy(update={"encoder": "densenet"}), "missing: stages.0.1.conv"),
    ],
)
def test_what_does_not_fit_an_encoder_is_said_and_nothing_changes(donor, said):
    net = network()
    before = dump_network(net, SMALL, CLASSES)
    with pytest.raises(PlanError, match=re.escape(said)) as caught:
        load_encoder(net, save(network(cnn=donor).encoder.state_dict()))
    assert caught.value.code == "ENCODER_WEIGHTS"
    with pytest.raises(PlanError, match="no safetensors file"):
        load_encoder(net, b"\x80\x04pickle")
    assert dump_network(net, SMALL, CLASSES) == before


def test_the_fast_layout_changes_no_answer():
    slow, fast = network(), fast_for_cpu(network())
    assert fast.encoder.stages[0][0].weight.is_contiguous(memory_format=torch.channels_last_3d)
    with torch.no_grad():
        apart = slow(*case()).logits - fast(*case()).logits
    assert apart.abs().max() < 1e-4


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    with pytest.raises(RuntimeError, match="positive"), threads(0):
        pass
    assert torch.get_num_threads() == before
