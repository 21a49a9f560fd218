"""What the configuration of an exported MONAI bundle refers to: its network, and how it reads.

Source: the MONAI bundle specification, whose tools know networks of one input tensor. The network
of a bundle therefore takes one, of 16 channels: the 8 planes of both visits, then 8 that are 1
everywhere where such a plane was measured and 0 where not. Files of a case are NIfTI images on the
grid of its patch, one for each plane that is there, read by MONAI.

When to use: not by hand; `monai.bundle run` builds these from ``configs/inference.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from radresp.cnn.inputs import PLANES, VISITS, Inputs, inputs_of
from radresp.cnn.network import SiameseNet
from radresp.cnn.settings import Cnn
from radresp.core import PATCH_CHANNELS, PATCH_MASKS, Grid, Patch
from radresp.errors import GeometryError, InputError

PARTS = (*PATCH_CHANNELS, *PATCH_MASKS)
"""Names of the files of a case, before ``.nii.gz``."""
CASE, IMAGE, PRED = "case", "image", "pred"
_SHAPE = (len(VISITS), len(PLANES))
_HALF = _SHAPE[0] * _SHAPE[1]
_NEAR_MM = 1e-3


class BundleNet(nn.Module):
    """The network with one input tensor.

    Parameters
    ----------
    settings : mapping
        Settings of the network, as far as they say how it is built.
    classes : int
        Number of outcomes.
    """

    def __init__(self, settings: Mapping[str, Any], classes: int) -> None:
        super().__init__()
        self.net = SiameseNet(Cnn.model_validate(settings), classes)

    def forward(self, image: Tensor) -> Tensor:
        """Probabilities of shape (batch, classes).

        Parameters
        ----------
        image : Tensor of shape (batch, 16, z, y, x)
            From :func:`packed`.
        """
        planes = image[:, :_HALF].unflatten(1, _SHAPE)
        there = image[:, _HALF:].amax(dim=(2, 3, 4)).unflatten(1, _SHAPE)
        return self.net(planes, (there > 0.5).to(image.dtype)).logits.softmax(dim=1)


def packed(inputs: Inputs) -> NDArray[np.float32]:
    """Inputs as the one tensor of a bundle, shape (16, z, y, x).

    Examples
    --------
    >>> inputs = Inputs(np.zeros((2, 4, 1, 2, 2), np.float32), np.eye(2, 4, dtype=np.float32))
    >>> packed(inputs).shape, packed(inputs)[8:, 0, 0, 0].tolist()
    ((16, 1, 2, 2), [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0])
    """
    marks = np.broadcast_to(inputs.there[..., None, None, None], inputs.images.shape)
    both = np.concatenate([inputs.images, marks])
    return np.ascontiguousarray(both.reshape(2 * _HALF, *inputs.images.shape[2:]))


class PatchReader:
    """From the images of a case, as MONAI loads them, to the tensor of a bundle.

    Parameters
    ----------
    size : sequence of three int
        Voxels of the patch along x, y, z.
    spacing_mm : sequence of three float
        Voxel edges of the patch along x, y, z.
    """

    def __init__(self, size: Sequence[int], spacing_mm: Sequence[float]) -> None:
        x, y, z = size
        dx, dy, dz = spacing_mm
        self.grid = Grid((x, y, z), (dx, dy, dz), (0.0, 0.0, 0.0))

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The case as one tensor.

        Parameters
        ----------
        data : mapping
            Images of shape (x, y, z) by their name in ``PARTS``, and ``"case"``. T2 normalised by
            the model's plan, DWI of the highest b-value, ADC in 1e-6 mm2/s, outlines 0 or 1; NaN
            beyond an image's field of view.

        Raises
        ------
        InputError
            ``PATCH`` for a name that is not known or a patch of another size, ``MASK_LABEL`` for
            an outline of other values.
        GeometryError
            ``GRID`` for images on different grids or with other voxels.
        """
        case = str(data[CASE])
        images = {name: value for name, value in data.items() if name != CASE}
        unknown = sorted(set(images) - set(PARTS))
        if unknown or not images:
            found = f"a file {unknown[0]}" if unknown else "no image"
            raise InputError("PATCH", found, expected=f"files {', '.join(PARTS)}", case=case)
        self._check_places(images, case)
        arrays = {name: self._array(name, value, case) for name, value in images.items()}
        absent = {name: "no such file" for name in PARTS if name not in images}
        channels = {name: arrays[name] for name in PATCH_CHANNELS if name in arrays}
        masks = {name: arrays[name] > 0 for name in PATCH_MASKS if name in arrays}
        patch = Patch(case, self.grid, channels, masks, absent)
        return {CASE: case, IMAGE: torch.from_numpy(packed(inputs_of(patch)))}

    def _array(self, name: str, value: Any, case: str) -> NDArray[np.float32]:
        array = np.asarray(value, dtype=np.float32)
        if array.shape != self.grid.size:
            found = f"{name} has {array.shape} voxels"
            raise InputError("PATCH", found, expected=f"{self.grid.size} (x, y, z)", case=case)
        if name in PATCH_MASKS and not np.isin(array, (0, 1)).all():
            raise InputError(
                "MASK_LABEL", f"{name} holds other values", expected="only 0 and 1", case=case
            )
        return np.ascontiguousarray(array.transpose(2, 1, 0))

    def _check_places(self, images: Mapping[str, Any], case: str) -> None:
        """Refuse images that do not lie where the others do."""
        placed = {name: np.asarray(value.affine) for name, value in images.items()}
        first = next(iter(placed))
        for name, affine in placed.items():
            edges = np.linalg.norm(affine[:3, :3], axis=0)
            if np.abs(edges - self.grid.spacing_mm).max() > _NEAR_MM:
                raise GeometryError(
                    "GRID",
                    f"voxels of {name} of {' x '.join(f'{edge:.3g}' for edge in edges)} mm",
                    expected=" x ".join(f"{edge:g}" for edge in self.grid.spacing_mm),
                    case=case,
                )
            if np.abs(affine - placed[first]).max() > _NEAR_MM:
                found = f"{name} and {first} lie on different grids"
                raise GeometryError("GRID", found, expected="one grid, the patch's", case=case)


class NamedProbabilities:
    """From what the network says of a case to probabilities by their name.

    Parameters
    ----------
    classes : sequence of str
        Names of the outcomes, in order.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)

    def __call__(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """``case`` and ``probabilities`` of a case with ``case`` and ``pred``."""
        values = [float(value) for value in data[PRED]]
        named = dict(zip(self.classes, values, strict=True))
        return {CASE: data[CASE], "probabilities": named}


class CaseEvaluator:
    """Runs a network over cases. MONAI's own evaluator needs ignite, which nothing else here does.

    Parameters
    ----------
    device : torch.device
        Where it runs.
    val_data_loader : iterable of mapping
        Batches with ``case`` and ``image``.
    network : callable
        From images to probabilities; put into evaluation mode.
    inferer : callable
        MONAI inferer: from images and network to probabilities.
    postprocessing : callable
        From ``case`` and ``pred`` to what is kept.
    """

    def __init__(
        self,
        device: torch.device,
        val_data_loader: Iterable[Mapping[str, Any]],
        network: nn.Module,
        inferer: Callable[[Tensor, nn.Module], Tensor],
        postprocessing: Callable[[Mapping[str, Any]], dict[str, Any]],
    ) -> None:
        self.device, self.loader = device, val_data_loader
        self.network, self.inferer = network, inferer
        self.postprocessing = postprocessing

    def run(self) -> list[dict[str, Any]]:
        """What is kept of every case, in their order."""
        self.network.eval()
        kept = []
        with torch.inference_mode():
            for batch in self.loader:
                found = self.inferer(batch[IMAGE].to(self.device), self.network).cpu()
                for case, pred in zip(batch[CASE], found, strict=True):
                    kept.append(self.postprocessing({CASE: case, PRED: pred}))
        return kept
