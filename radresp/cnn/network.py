"""The network: one encoder for both visits, and heads on what was, what is, and what changed.

Source: Siamese encoders for change (Daudt 2018); residual and squeeze-and-excitation blocks and
dense layers as MONAI builds them. Each visit goes through the same weights, so that the two are
compared in one language. Mean, largest and smallest value over the bed are read off at every level,
the images themselves among them, of both visits and of their difference: a focus of a few
millimetres is gone from the coarsest level, and what a normalised level has lost (a low ADC all
over) the images still hold. Groups instead of batches are normalised, which works from one case a
step on. A plane that was not measured is replaced by a value the network has learned, and the heads
are told which were there.

When to use: only beside the radiomic model, whose folds it shares. Published networks of this kind
fell from an AUC of 0.92-0.95 to 0.54-0.60 when others trained them on routine data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from monai.networks.blocks import ResidualUnit
from monai.networks.blocks.squeeze_and_excitation import SEBlock
from monai.networks.nets.densenet import _DenseBlock
from torch import Tensor, nn

from radresp.cnn.inputs import PLANES, SEQUENCES, VISITS
from radresp.cnn.settings import GROUPS, Cnn

_INSIDE = 0.5
"""Share of the fullest cell from which on a cell counts as bed."""
_FAR = 1e4
_MAP_CHANNELS = 16
_EDGE = 1e-4
"""Fractions stay so far from 0 and 1, that their log-odds are finite in 16 bits too."""
_NORM = ("group", {"num_groups": GROUPS})


class Answers(NamedTuple):
    """What the heads say.

    Parameters
    ----------
    logits : Tensor of shape (batch, classes)
        Log-odds of each class up to a constant.
    fraction : Tensor of shape (batch,)
        Log-odds of the share of the bed that is residual tumour.
    """

    logits: Tensor
    fraction: Tensor


class SiameseNet(nn.Module):
    """One encoder, two visits.

    Parameters
    ----------
    settings : Cnn
        Blocks, width, levels, dropout.
    classes : int
        Number of outcomes, 2 or 3.
    """

    def __init__(self, settings: Cnn, classes: int) -> None:
        super().__init__()
        self.missing = nn.Parameter(torch.zeros(len(VISITS), len(PLANES)))
        self.encoder = Encoder(settings)
        read = 3 * (len(SEQUENCES) + self.encoder.read)
        self.head = nn.Sequential(
            nn.LayerNorm(3 * read + len(VISITS) * len(PLANES)),
            nn.Linear(3 * read + len(VISITS) * len(PLANES), 64),
            nn.LeakyReLU(0.1),
            nn.Dropout(settings.dropout),
        )
        self.classify = nn.Linear(64, classes)
        if settings.residual_map:
            self.map = ResidualMap([len(SEQUENCES), *self.encoder.widths])
        else:
            self.fraction = nn.Linear(64, 1)

    def forward(self, images: Tensor, there: Tensor) -> Answers:
        """Judge cases.

        Parameters
        ----------
        images : Tensor of shape (batch, visits, planes, z, y, x)
            From :func:`radresp.cnn.inputs.inputs_of`.
        there : Tensor of shape (batch, visits, planes)
            1 where a plane was measured.
        """
        batch, visits = images.shape[:2]
        levels, bed = self._levels(images, there)
        read = torch.cat([_read(level, bed) for level in levels], dim=1)
        read = read.unflatten(0, (batch, visits))
        post, pre = read[:, 0], read[:, 1]
        both = torch.cat([post, pre, post - pre, there.flatten(1)], dim=1)
        last = self.head(both)
        if hasattr(self, "map"):
            inside = _or_all(_pooled(bed[::visits], levels[1].shape[2:]))
            fraction = _mean_log_odds(self.map(levels), inside)
        else:
            fraction = self.fraction(last)[:, 0]
        return Answers(self.classify(last), fraction)

    def residual_map(self, images: Tensor, there: Tensor) -> Tensor:
        """Probability of tumour voxel by voxel, shape (batch, z, y, x) of the patch.

        Learned from fractions of whole beds alone: it says where the fraction comes from, and
        nothing was ever shown to it of where tumour is. Only of networks with ``residual_map``.

        Parameters
        ----------
        images, there : Tensor
            As for the network.
        """
        levels, _ = self._levels(images, there)
        return _repeated(self.map(levels).sigmoid(), images.shape[3:])[:, 0]

    def _levels(self, images: Tensor, there: Tensor) -> tuple[list[Tensor], Tensor]:
        """Images and features of every level, and the bed, of both visits one after the other."""
        known = there[..., None, None, None]
        seen = images * known + self.missing[None, :, :, None, None, None] * (1 - known)
        visits = images.shape[1]
        planes = seen.flatten(0, 1)
        # Where the outline is: the bed at both visits, which lie on one grid.
        bed = (images[:, :1, -1:] * known[:, :1, -1:]).expand(-1, visits, -1, -1, -1, -1)
        levels = [planes[:, : len(SEQUENCES)], *self.encoder.levels(planes)]
        return levels, bed.flatten(0, 1)


class ResidualMap(nn.Module):
    """Log-odds of tumour voxel by voxel, from all levels of both visits.

    Each level is brought to a few channels at its own resolution, and only then made finer: the
    same as joining all levels at the finest one, for a fraction of the time.

    Parameters
    ----------
    channels : sequence of int
        Of each level, the images first.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        visits = len(VISITS)
        self.levels = nn.ModuleList(nn.Conv3d(visits * n, _MAP_CHANNELS, 1) for n in channels)
        self.last = nn.Sequential(nn.LeakyReLU(0.1), nn.Conv3d(_MAP_CHANNELS, 1, 1))

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Shape (batch, 1, z, y, x) of the finest features; later and earlier visits in turn."""
        size = levels[1].shape[2:]
        found = []
        for join, level in zip(self.levels, [_pooled(levels[0], size), *levels[1:]], strict=True):
            post, pre = level[:: len(VISITS)], level[1 :: len(VISITS)]
            found.append(_repeated(join(torch.cat([post, post - pre], dim=1)), size))
        answer: Tensor = self.last(torch.stack(found).sum(dim=0))
        return answer


class Encoder(nn.Module):
    """Levels of blocks, each at half the resolution in plane, and across once voxels are square.

    Parameters
    ----------
    settings : Cnn
        Blocks, width, levels, and the voxels of the patch.
    """

    def __init__(self, settings: Cnn) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        channels = len(PLANES)
        for level, stride in enumerate(strides(settings)):
            wanted = settings.width * 2**level
            # The first looks at its neighbours before it joins them; later ones saw them already.
            wider = 2 if level == 0 else 0
            kernel = (stride[0] + wider, stride[1] + wider, stride[2] + wider)
            down = nn.Conv3d(channels, wanted, kernel, stride, padding=wider // 2)
            stages.append(nn.Sequential(down, block(settings.encoder, wanted)))
            channels = wanted
        self.stages = nn.Sequential(*stages)
        self.widths = [settings.width * 2**level for level in range(settings.levels)]
        self.read = sum(self.widths)

    def forward(self, images: Tensor) -> Tensor:
        """Features of shape (batch, channels, z, y, x) at the coarsest level."""
        return self.levels(images)[-1]

    def levels(self, images: Tensor) -> list[Tensor]:
        """Features of every level, the finest first; ``read`` channels in all."""
        found = []
        for stage in self.stages:
            images = stage(images)
            found.append(images)
        return found


def strides(settings: Cnn) -> tuple[tuple[int, int, int], ...]:
    """Factors (z, y, x) by which each level is coarser than the one before, or than the patch."""
    z, y, x = settings.patch.size[::-1]
    dz, dy, dx = settings.patch.spacing_mm[::-1]
    found = []
    for _ in range(settings.levels):
        # Slices are joined only once they are no thicker than pixels are wide.
        step = (2 if dz < 1.5 * dx and z % 2 == 0 else 1, 2 - y % 2, 2 - x % 2)
        found.append(step)
        z, y, x = z // step[0], y // step[1], x // step[2]
        dz, dy, dx = dz * step[0], dy * step[1], dx * step[2]
    return tuple(found)


def block(kind: str, channels: int) -> nn.Module:
    """One block of MONAI that keeps its size."""
    if kind == "resnet":
        return ResidualUnit(3, channels, channels, subunits=2, norm=_NORM, act="LEAKYRELU")
    if kind == "seresnet":
        convolution = {"kernel_size": 3, "norm": _NORM, "act": "LEAKYRELU"}
        last = {"kernel_size": 3, "norm": _NORM, "act": None}
        return SEBlock(
            3,
            channels,
            channels // 2,
            channels // 2,
            channels,
            conv_param_1=convolution,
            conv_param_2=convolution,
            conv_param_3=last,
            r=2,
        )
    dense = _DenseBlock(
        spatial_dims=3,
        layers=2,
        in_channels=channels,
        bn_size=2,
        growth_rate=max(channels // 2, GROUPS),
        dropout_prob=0.0,
        act="LEAKYRELU",
        norm=_NORM,
    )
    grown = channels + 2 * max(channels // 2, GROUPS)
    return nn.Sequential(dense, nn.Conv3d(grown, channels, 1))


def _read(deep: Tensor, bed: Tensor) -> Tensor:
    """Mean, largest and smallest value over the bed, shape (batch, 3 x channels)."""
    z, y, x = deep.shape[2:]
    near = _or_all(nn.functional.adaptive_avg_pool3d(bed, (z, y, x)))
    mean = (deep * near).sum(dim=(2, 3, 4)) / near.sum(dim=(2, 3, 4))
    most = near.amax(dim=(2, 3, 4), keepdim=True)
    inside = near > _INSIDE * most
    large = torch.where(inside, deep, -_FAR).amax(dim=(2, 3, 4))
    small = torch.where(inside, deep, _FAR).amin(dim=(2, 3, 4))
    return torch.cat([mean, large, small], dim=1)


def _pooled(images: Tensor, size: Sequence[int]) -> Tensor:
    """Means over blocks; torch's own pooling repeats exactly on no graphics card."""
    blocks = images.unflatten(4, (size[2], -1)).unflatten(3, (size[1], -1))
    return blocks.unflatten(2, (size[0], -1)).mean(dim=(3, 5, 7))


def _repeated(images: Tensor, size: Sequence[int]) -> Tensor:
    """Made finer; nothing is drawn between voxels."""
    return nn.functional.interpolate(images, tuple(size), mode="nearest")


def _or_all(bed: Tensor) -> Tensor:
    """The bed; without an outline the patch itself, which was cut around one, stands for it."""
    return torch.where(bed.sum(dim=(2, 3, 4), keepdim=True) > 0, bed, torch.ones_like(bed))


def _mean_log_odds(log_odds: Tensor, weight: Tensor) -> Tensor:
    """Log-odds of a mean probability, shape (batch,)."""
    share = (log_odds.float().sigmoid() * weight).sum(dim=(1, 2, 3, 4)) / weight.sum(
        dim=(1, 2, 3, 4)
    )
    return torch.logit(share, eps=_EDGE)
