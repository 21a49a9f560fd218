"""An ONNX graph answers as its network does, and opens no other file."""

import importlib.util

import numpy as np
import pytest

pytest.importorskip("monai")
pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

import onnx
import torch

from radresp.cnn import onnx_export
from radresp.cnn.fast import fast_for_cpu, threads
from radresp.cnn.inputs import Inputs
from radresp.cnn.network import SiameseNet
from radresp.cnn.onnx_export import check_onnx, export_onnx, load_onnx, serve
from radresp.cnn.settings import Cnn, PatchSettings
from radresp.errors import ModelError

SMALL = Cnn(width=4, levels=2, patch=PatchSettings(size=(16, 16, 8)))


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    with threads(1):
        yield


def network(cnn: Cnn = SMALL, classes: int = 2, seed: int = 0) -> SiameseNet:
    torch.manual_seed(seed)
    net = SiameseNet(cnn, classes).eval()
    with torch.no_grad():
        net.missing.normal_()
        net.classify.weight *= 5
    return net


def case(seed: int = 0, *, bed: bool = True) -> Inputs:
    draw = np.random.default_rng(seed)
    images = draw.normal(size=(2, 4, 8, 16, 16)).astype(np.float32)
    images[:, 3] = 0
    images[:, 3, 2:6, 4:12, 4:12] = 1
    there = np.ones((2, 4), np.float32)
    there[0, 2] = 0
    there[0, 3] = bed
    return Inputs(images, there)


@pytest.fixture(scope="module")
def exported() -> tuple[SiameseNet, bytes]:
    net = network()
    return net, export_onnx(net, SMALL)


@pytest.mark.slow
@pytest.mark.parametrize(("encoder", "classes"), [("seresnet", 3), ("densenet", 2)])
def test_every_encoder_is_exported(encoder, classes):
    cnn = SMALL.model_copy(update={"encoder": encoder, "width": 8})
    net = network(cnn, classes)
    data = export_onnx(net, cnn)
    assert check_onnx(data, net, case()) <= 1e-5
    assert serve(load_onnx(data), [case()]).probabilities.shape == (1, classes)


def test_the_graph_answers_as_the_network(exported):
    net, data = exported
    assert 0 <= check_onnx(data, net, case()) <= 1e-5
    assert check_onnx(data, net, case(bed=False)) <= 1e-5


@pytest.mark.parametrize("count", [1, 2, 5])
def test_any_number_of_cases_is_answered_each_for_itself(exported, count):
    _, data = exported
    cases = [case(seed) for seed in range(count)]
    session = load_onnx(data, threads=2)
    together = serve(session, cases)
    alone = [serve(session, [one]) for one in cases]
    np.testing.assert_allclose(
        together.probabilities, np.concatenate([one.probabilities for one in alone]), atol=1e-6
    )
    np.testing.assert_allclose(together.probabilities.sum(axis=1), 1, atol=1e-6)
    assert together.fraction.shape == (count,)
    assert session.get_inputs()[0].shape == ["batch", 2, 4, 8, 16, 16]


def test_exporting_leaves_the_network_as_it_was_and_the_machine_out(exported):
    net, data = exported
    net.train()
    again = export_onnx(net, SMALL)
    assert net.training
    net.eval()
    assert again == data
    for trace in (b"radresp", b"site-packages", b"network.py", b"/"):
        names = b"".join(
            node.SerializeToString() for node in onnx.load_from_string(data).graph.node
        )
        assert trace not in names


def test_the_layout_for_the_cpu_makes_no_difference(exported):
    assert check_onnx(exported[1], fast_for_cpu(network()), case()) <= 1e-5


def test_the_graph_of_another_network_is_refused(exported):
    _, data = exported
    with pytest.raises(ModelError, match="apart") as caught:
        check_onnx(data, network(seed=1), case())
    assert caught.value.code == "MODEL_SELF_TEST"


def test_a_graph_that_answers_nonsense_is_refused(exported):
    net, data = exported
    model = onnx.load_from_string(data)
    for weights in model.graph.initializer:
        if weights.name.endswith("classify.bias"):
            weights.CopyFrom(onnx.numpy_helper.from_array(np.full(2, np.nan, "f"), weights.name))
    with pytest.raises(ModelError, match="nan apart"):
        check_onnx(model.SerializeToString(), net, case())


def beside(tensor) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"


def test_a_graph_that_asks_for_another_file_is_refused(exported):
    _, data = exported
    model = onnx.load_from_string(data)
    beside(model.graph.initializer[0])
    with pytest.raises(ModelError, match="other files") as caught:
        load_onnx(model.SerializeToString())
    assert caught.value.code == "MODEL_FORMAT"


def test_also_when_it_hides_the_request_in_a_branch(exported):
    _, data = exported
    model = onnx.load_from_string(data)
    hidden = onnx.helper.make_tensor("hidden", onnx.TensorProto.FLOAT, [1], [0.0])
    beside(hidden)
    constant = onnx.helper.make_node("Constant", [], ["hidden"], value=hidden)
    branch = onnx.helper.make_graph([constant], "branch", [], [])
    node = onnx.helper.make_node("If", ["images"], [], then_branch=branch, else_branch=branch)
    model.graph.node.append(node)
    with pytest.raises(ModelError, match="other files"):
        load_onnx(model.SerializeToString())


@pytest.mark.parametrize("data", [b"", b"not a graph", b"\x80\x04pickle"])
def test_other_bytes_are_refused(data):
    with pytest.raises(ModelError) as caught:
        load_onnx(data)
    assert caught.value.code == "MODEL_FORMAT"


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch, exported):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        onnx_export, "find_spec", lambda name: None if name == "onnxruntime" else found(name)
    )
    for call in (lambda: export_onnx(exported[0], SMALL), lambda: load_onnx(exported[1])):
        with pytest.raises(ModelError, match="onnxruntime") as caught:
            call()
        assert caught.value.code == "EXTRA_MISSING"
        assert "radresp[cnn,onnx]" in caught.value.action
