"""Maps share out an answer as their sources say, and none is shown that ignores the weights."""

import math

import numpy as np
import pytest

pytest.importorskip("monai")

import torch
from monai.visualize import GradCAMpp
from scipy import ndimage
from torch import nn

from radresp.cnn import explain as explain_module
from radresp.cnn.explain import Explanation, as_volume, explain, masked
from radresp.cnn.explain_maps import (
    Question,
    Traced,
    activation_map,
    grad_cam,
    integrated_gradients,
    occlusion,
)
from radresp.cnn.explain_sanity import random_agreement, randomised
from radresp.cnn.explain_settings import Explain
from radresp.cnn.fast import threads
from radresp.cnn.inputs import Inputs
from radresp.cnn.network import Answers, SiameseNet
from radresp.cnn.settings import Cnn, PatchSettings
from radresp.core import PATCH_CHANNELS, Grid, Patch
from radresp.errors import GeometryError, InputError, PlanError

SMALL = Cnn(width=4, levels=2, patch=PatchSettings(size=(16, 16, 8)))
SPACING = (2.0, 2.0, 4.0)
CLASSES = ("complete", "residual")
SHAPE = (8, 16, 16)
QUICK = Explain(steps=16, most_steps=16, draws=2, block_mm=8)
METHODS = ("integrated_gradients", "grad_cam", "occlusion")


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    with threads(1):
        yield


class Weighted(nn.Module):
    """Answers a weighted sum of all voxels: every share is known in advance."""

    def __init__(self, weights: torch.Tensor, missing: torch.Tensor) -> None:
        super().__init__()
        self.weights, self.missing = nn.Parameter(weights), nn.Parameter(missing)

    def forward(self, images: torch.Tensor, there: torch.Tensor) -> Answers:
        known = there[..., None, None, None]
        seen = images * known + self.missing[..., None, None, None] * (1 - known)
        total = (seen * self.weights).flatten(1).sum(dim=1)
        return Answers(torch.stack([torch.zeros_like(total), total], dim=1), -total)


def bed_of() -> np.ndarray:
    bed = np.zeros(SHAPE, bool)
    bed[2:6, 4:12, 4:12] = True
    return bed


def case(seed: int = 0, *, without_pre: bool = False) -> Inputs:
    images = np.random.default_rng(seed).normal(size=(2, 4, *SHAPE)).astype(np.float32)
    images[:, 3] = bed_of()
    there = np.ones((2, 4), np.float32)
    if without_pre:
        images[1], there[1] = 0, 0
    return Inputs(images, there)


def patch(bed: np.ndarray | None) -> Patch:
    grid = Grid(SHAPE[::-1], SPACING, (10.0, -20.0, 30.0), (0, 1, 0, -1, 0, 0, 0, 0, 1))
    absent = dict.fromkeys((*PATCH_CHANNELS, "tumour"), "not measured")
    if bed is None:
        return Patch("a", grid, {}, {}, {**absent, "bed": "not drawn"})
    return Patch("a", grid, {}, {"bed": bed}, absent)


def network(seed: int = 0, *, loud: float = 5.0) -> SiameseNet:
    torch.manual_seed(seed)
    net = SiameseNet(SMALL, 2).eval()
    with torch.no_grad():
        net.classify.weight *= loud
        net.missing.normal_()
    return net


def asked(net, inputs: Inputs, place: int | None = 1) -> Question:
    images, there = map(torch.from_numpy, inputs)
    return Question(net.requires_grad_(False), images, there, place, bed_of(), SPACING)


def weighted(seed: int = 3) -> Weighted:
    torch.manual_seed(seed)
    return Weighted(torch.randn(2, 4, *SHAPE) / 100, torch.randn(2, 4))


def away(net: Weighted, inputs: Inputs) -> np.ndarray:
    """What each voxel of the images adds to the answer of a weighted sum, (visits, z, y, x)."""
    way = torch.from_numpy(inputs.images) - net.missing[..., None, None, None]
    return (way * net.weights)[:, :3].sum(dim=1).detach().numpy()


# Integrated gradients


def test_gradients_of_a_weighted_sum_are_its_terms():
    net, inputs = weighted(), case()
    found = integrated_gradients(asked(net, inputs), QUICK)
    np.testing.assert_allclose(found.maps, away(net, inputs), atol=1e-6)
    assert found.error < 1e-4


@pytest.mark.parametrize("baseline", ["missing", "blur"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_shares_of_a_network_add_up(baseline, seed):
    """Completeness: their sum is the score less that of the baseline."""
    settings = Explain(baseline=baseline, tolerance=0.02, most_steps=1024)
    question = asked(network(seed, loud=5), case(seed))
    found = integrated_gradients(question, settings)
    start = question.images.clone()
    if baseline == "missing":
        start[:, :3] = question.net.missing[:, :3, None, None, None]
    else:
        sigma = (0, 10 / 4, 10 / 2, 10 / 2)
        for visit in range(2):
            blurred, inside = (
                ndimage.gaussian_filter(part, sigma, mode="constant", truncate=4)
                for part in (start[visit, :3].numpy(), np.ones((3, *SHAPE), np.float32))
            )
            start[visit, :3] = torch.from_numpy(blurred / inside)
    with torch.no_grad():
        scores = question.score(torch.stack([start, question.images]))
    difference = float(scores[1] - scores[0])
    assert abs(difference) > 0.1
    assert float(found.maps.sum()) == pytest.approx(difference, abs=0.03)
    assert found.error <= 0.02


def test_more_points_are_taken_only_where_shares_do_not_add_up():
    question = asked(network(loud=5), case())
    rough = integrated_gradients(question, Explain(steps=4, most_steps=4))
    fine = integrated_gradients(question, Explain(steps=4, most_steps=512))
    assert fine.error <= Explain().tolerance < rough.error
    many = integrated_gradients(question, Explain(steps=512, most_steps=512))
    np.testing.assert_allclose(fine.maps, many.maps, atol=0.05)


def test_what_speaks_for_one_class_speaks_against_the_other():
    net, inputs = network(), case()
    one, other = (integrated_gradients(asked(net, inputs, place), QUICK) for place in (0, 1))
    np.testing.assert_allclose(one.maps, -other.maps, atol=1e-5)


# Occlusion


def test_a_block_is_worth_what_it_adds():
    """8 mm of 2 x 2 x 4 mm voxels: blocks of 2 slices and 4 x 4 pixels, that touch the bed."""
    net, inputs = weighted(), case()
    found = occlusion(asked(net, inputs), QUICK).maps
    terms = away(net, inputs).reshape(2, 4, 2, 4, 4, 4, 4).sum(axis=(2, 4, 6))
    expected = terms.repeat(2, axis=1).repeat(4, axis=2).repeat(4, axis=3)
    touched = np.zeros(SHAPE, bool)
    touched[2:6, 4:12, 4:12] = True
    np.testing.assert_allclose(found[:, touched], expected[:, touched], rtol=1e-3, atol=1e-5)
    assert (found[:, ~touched] == 0).all()


def test_a_blurred_block_of_an_even_image_takes_nothing_away():
    even = Inputs(np.ones((2, 4, *SHAPE), np.float32), np.ones((2, 4), np.float32))
    question = asked(weighted(), even)
    blurred = occlusion(question, QUICK.model_copy(update={"baseline": "blur"})).maps
    assert np.abs(blurred).max() < 1e-4
    assert np.abs(occlusion(question, QUICK).maps).max() > 1e-2


# Grad-CAM++


def test_the_activation_map_is_that_of_monai():
    """Where feature maps are 0 or more and pooled by their mean, all implementations agree."""
    torch.manual_seed(2)
    net = nn.Sequential(
        nn.Conv3d(2, 5, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(),
        nn.Linear(5, 2),
    ).double()  # fmt: skip
    with torch.no_grad():
        # MONAI adds 1e-7 to the denominator, which only large gradients drown.
        net[4].weight *= 100
    image = torch.randn(1, 2, 4, 5, 6, dtype=torch.float64)
    theirs = GradCAMpp(net, target_layers="1", postprocessing=lambda values: values)(image, 1)
    deep = net[:2](image)
    (gradient,) = torch.autograd.grad(net[2:](deep)[0, 1], deep)
    ours = activation_map(deep.detach(), gradient)
    assert float(ours.max()) > 0
    ratio = (theirs[:, 0] / theirs.max()).detach() - ours / ours.max()
    assert float(ratio.abs().max()) < 1e-5


def test_the_activation_map_by_hand():
    """Two voxels, gradients 1 and 2, activations 3 and 1: weights 1/(2+4) + 2/(2+8)."""
    deep = torch.tensor([3.0, 1.0]).reshape(1, 1, 1, 1, 2)
    gradient = torch.tensor([1.0, 2.0]).reshape(1, 1, 1, 1, 2)
    weight = 1 / 6 + 2 / 10
    assert activation_map(deep, gradient).flatten().tolist() == pytest.approx(
        [3 * weight, weight], rel=1e-6
    )
    assert activation_map(deep, -gradient).flatten().tolist() == [0, 0]


def test_an_earlier_stage_gives_a_finer_map():
    question = asked(network(), case())
    coarse, fine = (
        grad_cam(question, Explain(cam_stage=stage)).maps[0] for stage in (0, 1)
    )  # fmt: skip
    bends = [np.abs(np.diff(values, n=2, axis=-1)).mean() / np.ptp(values) for values in
             (coarse, fine)]  # fmt: skip
    assert bends[1] > bends[0]
    with pytest.raises(PlanError, match="0 to 1"):
        grad_cam(question, Explain(cam_stage=2))


# The whole


@pytest.mark.parametrize("method", METHODS)
def test_each_visit_has_its_own_map_and_nothing_is_changed(method):
    net, inputs = network().train(), case()
    before = {name: values.clone() for name, values in net.state_dict().items()}
    images = inputs.images.copy()
    torch.manual_seed(9)
    expected = torch.rand(2)
    torch.manual_seed(9)
    found, again = (
        explain(net, inputs, classes=CLASSES, spacing_mm=SPACING, method=method, settings=QUICK)
        for _ in range(2)
    )
    assert torch.equal(torch.rand(2), expected)
    assert net.training
    assert all(values.requires_grad and values.grad is None for values in net.parameters())
    assert all(torch.equal(values, before[name]) for name, values in net.state_dict().items())
    assert np.array_equal(inputs.images, images)
    assert set(found.maps) == {"post", "pre"}
    assert all(values.shape == SHAPE for values in found.maps.values())
    assert not np.allclose(found.maps["post"], found.maps["pre"])
    assert found.agreement == again.agreement
    assert all(np.array_equal(found.maps[visit], again.maps[visit]) for visit in found.maps)


@pytest.mark.parametrize("method", METHODS)
def test_a_visit_that_is_not_there_has_no_share(method):
    found = explain(
        network(), case(without_pre=True), classes=CLASSES, spacing_mm=SPACING, method=method,
        settings=QUICK,
    )  # fmt: skip
    assert not found.maps["pre"].any()
    assert found.maps["post"].any()
    assert set(found.agreement) == {"post"}


def test_the_score_is_the_log_odds_of_the_target():
    net, inputs = network(), case()
    images, there = (torch.from_numpy(part)[None] for part in inputs)
    with torch.no_grad():
        answers = net(images, there)
    probability = float(answers.logits.softmax(dim=1)[0, 1])
    ask = {"classes": CLASSES, "spacing_mm": SPACING, "settings": QUICK, "method": "grad_cam"}
    found = explain(net, inputs, **ask)
    assert found.score == pytest.approx(math.log(probability / (1 - probability)), abs=1e-4)
    share = explain(net, inputs, target="fraction", **ask)
    assert share.score == pytest.approx(float(answers.fraction[0]), abs=1e-5)


SPOT = np.zeros(SHAPE, bool)
SPOT[3:5, 6:10, 5:9] = True


def spotted(seed: int) -> Inputs:
    """Odd cases have residual tumour: a bright spot in DWI after treatment."""
    one = case(seed)
    one.images[:, :3] *= 0.5
    one.images[0, 1][SPOT] += 3.0 * (seed % 2)
    return one


def learned() -> SiameseNet:
    """A network that has seen many such cases, each once."""
    torch.manual_seed(0)
    net = SiameseNet(SMALL.model_copy(update={"dropout": 0.0}), 2)
    optimiser = torch.optim.AdamW(net.parameters(), 1e-2)
    truth = torch.arange(16) % 2
    for turn in range(30):
        cases = [spotted(16 * turn + number) for number in range(16)]
        images, there = (torch.from_numpy(np.stack(part)) for part in zip(*cases, strict=True))
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(images, there).logits, truth).backward()
        optimiser.step()
    return net.eval()


def test_a_trained_network_points_at_what_it_has_learned():
    net, bed = learned(), bed_of()
    for method in ("integrated_gradients", "occlusion"):
        settings = Explain(block_mm=4, draws=3)
        found = explain(
            net, spotted(1001), classes=CLASSES, spacing_mm=SPACING, method=method,
            settings=settings,
        )  # fmt: skip
        post, pre = found.maps["post"], found.maps["pre"]
        assert found.score > 1
        assert post[SPOT].mean() > 5 * abs(post[bed & ~SPOT].mean())
        assert post[SPOT].sum() > 3 * abs(pre[bed].sum())
        assert found.reason_hidden == ""


# Sanity


def edges_of(monkeypatch, *signs: int) -> Explanation:
    """An explanation by an edge detector, turned over or not for each random network."""
    turns = iter([1, *signs])

    def edges(question: Question, settings: Explain) -> Traced:
        slopes = np.abs(np.gradient(question.images[:, 0].numpy(), axis=-1))
        return Traced(next(turns) * slopes.astype(np.float32))

    monkeypatch.setattr(explain_module, "METHODS", {"edges": edges})
    settings = QUICK.model_copy(update={"draws": len(signs)})
    return explain(
        network(), case(), classes=CLASSES, spacing_mm=SPACING, method="edges", settings=settings
    )


def test_a_map_that_ignores_the_weights_is_hidden(monkeypatch):
    """An edge detector looks convincing and says nothing about the network."""
    found = edges_of(monkeypatch, 1, 1, 1)
    assert found.insane
    assert "random weights draw the same map" in found.reason_hidden
    assert min(found.agreement.values()) == pytest.approx(1)


def test_a_conspicuous_spot_may_be_shown_where_its_sign_was_learned(monkeypatch):
    found = edges_of(monkeypatch, 1, -1, 1, -1)
    assert not found.insane
    assert max(found.agreement.values()) == pytest.approx(0, abs=1e-6)


def test_agreement_is_only_looked_for_inside_the_bed():
    net, bed = network(), bed_of()
    noise = np.random.default_rng(0)

    def outside_only(_net) -> np.ndarray:
        values = np.broadcast_to(np.arange(16.0, dtype=np.float32), (2, *SHAPE)).copy()
        values[:, bed] = noise.normal(size=(2, bed.sum()))
        return values

    sizes = random_agreement(outside_only(net), outside_only, net, bed, draws=5, seed=0)
    assert max(sizes) < 0.2
    everywhere = random_agreement(
        outside_only(net), outside_only, net, np.ones(SHAPE, bool), draws=5, seed=0
    )
    assert min(everywhere) > 0.6


def test_random_networks_differ_from_draw_to_draw_and_repeat_by_seed():
    net = network()
    one, same, other = randomised(net, 1), randomised(net, 1), randomised(net, 2)
    for name, values in net.state_dict().items():
        assert torch.equal(one.state_dict()[name], same.state_dict()[name])
        if values.ndim == 5:
            assert not torch.equal(one.state_dict()[name], values)
            assert not torch.equal(one.state_dict()[name], other.state_dict()[name])
    assert torch.equal(one.missing, net.missing)


def explanation(**changed) -> Explanation:
    given = {
        "maps": {visit: np.ones(SHAPE, np.float32) for visit in ("post", "pre")},
        "target": "residual",
        "method": "occlusion",
        "score": 1.0,
        "completeness_error": None,
        "agreement": {"post": 0.1, "pre": 0.1},
        "settings": Explain(),
    }
    return Explanation(**{**given, **changed})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"agreement": {"post": 0.1, "pre": 0.6}}, "0.60"),
        ({"agreement": {"post": math.nan, "pre": 0.6}}, "0.60"),
        ({"agreement": {"post": math.nan, "pre": 0.1}}, ""),
        ({"agreement": {"post": math.nan, "pre": math.nan}}, "the same everywhere"),
        ({"agreement": {}}, "the same everywhere"),
        ({"completeness_error": 0.01}, ""),
        ({"completeness_error": 0.3}, "0.3 log-odds"),
    ],
)
def test_why_a_map_is_hidden(changed, said):
    reason = explanation(**changed).reason_hidden
    assert said in reason
    assert bool(reason) == bool(said)


# Patient space


def test_outside_the_bed_and_its_margin_nothing_is_shown():
    """5 mm around one voxel of 2 x 2 x 4 mm: one slice and two pixels."""
    bed = np.zeros(SHAPE, bool)
    bed[4, 8, 8] = True
    shown = masked(explanation(settings=Explain(margin_mm=5)), patch(bed)).maps["post"] > 0
    z, y, x = np.nonzero(shown)
    assert (z.min(), z.max(), y.min(), y.max(), x.min(), x.max()) == (3, 5, 6, 10, 6, 10)
    assert shown[4, 8, 10]
    assert not shown[4, 10, 10]
    bare = masked(explanation(settings=Explain(margin_mm=0)), patch(bed)).maps["pre"] > 0
    assert np.array_equal(bare, bed)
    with pytest.raises(InputError) as caught:
        masked(explanation(), patch(None))
    assert (caught.value.code, caught.value.case) == ("MASK_EMPTY", "a")


def test_a_map_lies_where_its_patch_does():
    values = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    where = patch(bed_of())
    volume = as_volume(values, where)
    assert volume.grid.same_as(where.grid)
    assert np.array_equal(volume.array, values)
    with pytest.raises(GeometryError):
        as_volume(values[1:], where)


# Refusals


@pytest.mark.parametrize("wrong", [{"target": "tumour"}, {"method": "lime"}])
def test_what_is_not_known_is_refused(wrong):
    with pytest.raises(PlanError) as caught:
        explain(network(), case(), classes=CLASSES, spacing_mm=SPACING, **wrong)
    assert caught.value.code == "CONFIG_VALUE"
    assert "residual" in str(caught.value) or "occlusion" in str(caught.value)


def test_without_a_bed_there_is_nothing_to_explain():
    inputs = case()
    inputs.there[0, 3] = 0
    with pytest.raises(InputError) as caught:
        explain(network(), inputs, classes=CLASSES, spacing_mm=SPACING)
    assert caught.value.code == "MASK_EMPTY"
