"""Three ways to give voxels their share of a network's answer, each visit its own.

Sources: integrated gradients (Sundararajan 2017), Grad-CAM++ (Chattopadhay 2018), occlusion
(Zeiler 2014). The answer is the log-odds of one class against all others, which does not saturate
as a probability does, or those of the residual fraction. Outlines and the marks of what is there
are held as they are: they say where to look and are no evidence. An image that is not there has no
share.

When to use: integrated gradients by default, since its parts add up to the answer; occlusion where
a change to be seen in whole blocks is asked for; Grad-CAM++ for a quick and coarse look.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from monai.networks.layers import GaussianFilter
from numpy.typing import NDArray
from torch import Tensor, nn

from radresp.cnn.explain_settings import Explain
from radresp.cnn.inputs import SEQUENCES
from radresp.cnn.network import SiameseNet
from radresp.errors import PlanError

_BATCH = 8
_IMAGES = len(SEQUENCES)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of which network about which case.

    Parameters
    ----------
    net : SiameseNet
        In evaluation mode.
    images : Tensor of shape (visits, planes, z, y, x)
        What it reads, on its device.
    there : Tensor of shape (visits, planes)
        1 where a plane was measured.
    place : int, optional
        Number of the class asked for; the residual fraction without.
    near : ndarray of shape (z, y, x)
        bool; where an answer is looked for.
    spacing_mm : tuple of three floats
        Voxel edges along x, y, z.
    """

    net: SiameseNet
    images: Tensor
    there: Tensor
    place: int | None
    near: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]

    def score(self, images: Tensor) -> Tensor:
        """Log-odds of what is asked for, of cases of shape (batch, visits, planes, z, y, x)."""
        answers = self.net(images, self.there.expand(len(images), -1, -1))
        if self.place is None:
            return answers.fraction
        others = [place for place in range(answers.logits.shape[1]) if place != self.place]
        return answers.logits[:, self.place] - answers.logits[:, others].logsumexp(dim=1)

    def scores(self, cases: Iterator[Tensor]) -> Tensor:
        """Log-odds of many cases, a few at a time."""
        with torch.inference_mode():
            return torch.cat([self.score(part) for part in _batches(cases)])


@dataclass(frozen=True, slots=True)
class Traced:
    """Shares of voxels.

    Parameters
    ----------
    maps : ndarray of shape (visits, z, y, x)
        float32, log-odds; later visit first. Grad-CAM++ has no unit.
    error : float, optional
        How far the shares, all together, are from the difference they share out, log-odds.
    """

    maps: NDArray[np.float32]
    error: float | None = None


def integrated_gradients(question: Question, settings: Explain) -> Traced:
    """Gradients along the way from the baseline to the images, times that way.

    Points are doubled until the shares add up, which the axiom of completeness demands.
    """
    start = baseline(question, settings)
    way = question.images - start
    with torch.inference_mode():
        whole = question.score(torch.stack([start, question.images]))
    difference = float(whole[1] - whole[0])
    steps = settings.steps
    while True:
        shares = (way * _mean_gradient(question, start, way, steps))[:, :_IMAGES].sum(dim=1)
        error = abs(float(shares.double().sum()) - difference)
        if error <= settings.tolerance or 2 * steps > settings.most_steps:
            return Traced(_array(shares), error)
        steps *= 2


def grad_cam(question: Question, settings: Explain) -> Traced:
    """Grad-CAM++ of a stage of the encoder, which both visits went through; by default the last."""
    stages = question.net.encoder.stages
    if settings.cam_stage >= len(stages):
        raise PlanError(
            "CONFIG_VALUE",
            f"cam_stage {settings.cam_stage} for an encoder of {len(stages)} stages",
            expected=f"0 to {len(stages) - 1}",
        )
    kept: list[Tensor] = []
    stage = stages[len(stages) - 1 - settings.cam_stage]
    hook = stage.register_forward_hook(lambda _net, _read, deep: kept.append(deep))
    try:
        score = question.score(question.images[None].requires_grad_())
    finally:
        hook.remove()
    (gradient,) = torch.autograd.grad(score.sum(), kept)
    found = activation_map(kept[0].detach(), gradient)[:, None]
    size = question.images.shape[2:]
    fine = nn.functional.interpolate(found, size, mode="trilinear", align_corners=False)[:, 0]
    seen = question.there[:, :_IMAGES].amax(dim=1)
    return Traced(_array(fine * seen[:, None, None, None]))


def activation_map(deep: Tensor, gradient: Tensor) -> Tensor:
    """Weighted sum of feature maps, 0 or more, shape (visits, z, y, x).

    Parameters
    ----------
    deep, gradient : Tensor of shape (visits, channels, z, y, x)
        Feature maps, and the gradient of the score by them. The weights were derived for feature
        maps of 0 or more; below, they count as 0 there.
    """
    total = deep.relu().sum(dim=(2, 3, 4), keepdim=True)
    # Where the gradient is not positive the weight is 0, whatever the quotient.
    rising = gradient.relu()
    alpha = torch.where(rising > 0, 1 / (2 + total * rising), torch.zeros_like(rising))
    weights = (alpha * rising).sum(dim=(2, 3, 4), keepdim=True)
    return (weights * deep).sum(dim=1).relu()


def occlusion(question: Question, settings: Explain) -> Traced:
    """How far the score falls when a block of one visit is taken away, all its images at once."""
    start = baseline(question, settings)
    seen = question.there[:, :_IMAGES].amax(dim=1).bool().tolist()
    places = [
        (visit, block)
        for visit, block in product(range(len(seen)), _blocks(question, settings.block_mm))
        if seen[visit]
    ]

    def without() -> Iterator[Tensor]:
        for visit, block in places:
            images = question.images.clone()
            where = (visit, slice(0, _IMAGES), *block)
            images[where] = start[where]
            yield images

    with torch.inference_mode():
        whole = question.score(question.images[None])
    maps = torch.zeros_like(question.images[:, 0])
    if places:
        falls = whole - question.scores(without())
        for (visit, block), fall in zip(places, falls, strict=True):
            maps[(visit, *block)] = fall
    return Traced(_array(maps))


def baseline(question: Question, settings: Explain) -> Tensor:
    """The images as if they told nothing, shape (visits, planes, z, y, x).

    ``missing``: the value the network has learned for an image that is not there. Brightness itself
    is evidence in T2, diffusion and ADC, and a blurred image keeps it; this does not. ``blur``: the
    image without detail, which asks for texture and edges alone.
    """
    empty = question.images.clone()
    if settings.baseline == "missing":
        values = question.net.missing.detach()[:, :_IMAGES, None, None, None]
        empty[:, :_IMAGES] = values
        return empty
    sigma = [settings.blur_mm / edge for edge in question.spacing_mm[::-1]]
    blur = GaussianFilter(3, sigma).to(question.images.device)
    # Beyond the edge there is nothing; without the quotient it would count as the middle.
    inside = blur(torch.ones_like(empty[:1, :1]))
    empty[:, :_IMAGES] = blur(empty[:, :_IMAGES]) / inside
    return empty


def _mean_gradient(question: Question, start: Tensor, way: Tensor, steps: int) -> Tensor:
    """Mean over the way, whose points lie closer near the baseline, where normalisation bends."""
    middles = (torch.arange(steps, device=way.device) + 0.5) / steps
    total = torch.zeros_like(way)
    for part in middles.split(_BATCH):
        shape = (-1, *[1] * way.ndim)
        points = (start + (part**2).reshape(shape) * way).requires_grad_()
        (gradient,) = torch.autograd.grad(question.score(points).sum(), points)
        total += (gradient * (2 * part).reshape(shape)).sum(dim=0)
    return total / steps


def _blocks(question: Question, edge_mm: float) -> Iterator[tuple[slice, slice, slice]]:
    """Blocks (z, y, x) that touch where an answer is looked for."""
    edges = [max(1, round(edge_mm / spacing)) for spacing in question.spacing_mm[::-1]]
    starts = [range(0, size, edge) for size, edge in zip(question.near.shape, edges, strict=True)]
    for corner in product(*starts):
        z, y, x = (slice(a, a + edge) for a, edge in zip(corner, edges, strict=True))
        if question.near[z, y, x].any():
            yield z, y, x


def _batches(cases: Iterator[Tensor]) -> Iterator[Tensor]:
    waiting: list[Tensor] = []
    for case in cases:
        waiting.append(case)
        if len(waiting) == _BATCH:
            yield torch.stack(waiting)
            waiting = []
    if waiting:
        yield torch.stack(waiting)


def _array(maps: Tensor) -> NDArray[np.float32]:
    return np.asarray(maps.detach().cpu().numpy(), dtype=np.float32)
