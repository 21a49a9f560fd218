"""Why a network answered as it did: maps of both visits on the grid of the patch.

A map is made only together with a test that it depends on what the network has learned (Adebayo
2018); one that networks with random weights draw just as well says nothing about this network and
is not to be shown. `Explanation.reason_hidden` then says why.

When to use: to see where an answer comes from, by a reader who knows the case. A map says what the
network used, not where tumour is; it has no sensitivity or specificity.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from radresp.cnn.explain_maps import (
    Question,
    Traced,
    grad_cam,
    integrated_gradients,
    occlusion,
)
from radresp.cnn.explain_sanity import random_agreement
from radresp.cnn.explain_settings import Explain
from radresp.cnn.inputs import SEQUENCES, VISITS, Inputs
from radresp.cnn.network import SiameseNet
from radresp.cnn.predict import RESIDUAL
from radresp.core import Patch, Unit, Volume
from radresp.core import Sequence as Kind
from radresp.core.frozen import frozen
from radresp.errors import InputError, PlanError

METHODS: Mapping[str, Callable[[Question, Explain], Traced]] = {
    "integrated_gradients": integrated_gradients,
    "grad_cam": grad_cam,
    "occlusion": occlusion,
}
FRACTION = "fraction"
"""Target: the share of the bed that is residual tumour, instead of a class."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where an answer comes from.

    Parameters
    ----------
    maps : mapping of str to ndarray of shape (z, y, x)
        float32 by visit, ``"post"`` and ``"pre"``, both on the grid of the patch. Positive where a
        voxel speaks for the target, in log-odds; Grad-CAM++ is 0 or more and has no unit.
    target : str
        The class asked about, or ``"fraction"``.
    method : str
        A name in ``METHODS``.
    score : float
        Log-odds of the target, which the maps share out.
    completeness_error : float, optional
        How far the shares of integrated gradients are from the score less that of the baseline,
        log-odds.
    agreement : mapping of str to float
        Mean rank correlation, -1 to 1, inside the bed, of each visit's map with the maps of
        networks with random weights; NaN where the map is flat.
    settings : Explain
        How it was made.
    """

    maps: Mapping[str, NDArray[np.float32]]
    target: str
    method: str
    score: float
    completeness_error: float | None
    agreement: Mapping[str, float]
    settings: Explain

    def __post_init__(self) -> None:
        for name in ("maps", "agreement"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    @property
    def insane(self) -> bool:
        """Whether the map of a visit survives random weights."""
        return any(size >= self.settings.survival for size in self.agreement.values())

    @property
    def reason_hidden(self) -> str:
        """Why the maps are not to be shown; empty where they may be."""
        if all(math.isnan(size) for size in self.agreement.values()):
            return "the map is the same everywhere in the bed"
        if self.insane:
            worst = max(size for size in self.agreement.values() if not math.isnan(size))
            return (
                "networks with random weights draw the same map (mean rank correlation "
                f"{worst:.2f}; {self.settings.survival:g} or more is too alike)"
            )
        error = self.completeness_error
        if error is not None and error > self.settings.tolerance:
            return f"its parts miss the whole by {error:.2g} log-odds"
        return ""


def explain(
    net: SiameseNet,
    inputs: Inputs,
    *,
    classes: Sequence[str],
    spacing_mm: tuple[float, float, float],
    target: str = RESIDUAL,
    method: str = "integrated_gradients",
    settings: Explain | None = None,
) -> Explanation:
    """Trace a network's answer on one case back to the voxels of both visits.

    Parameters
    ----------
    net : SiameseNet
        The network; not changed. Works where it lies, on CPU or GPU.
    inputs : Inputs
        What it reads of the case.
    classes : sequence of str
        Names of its answers, in order.
    spacing_mm : tuple of three floats
        Voxel edges of the patch along x, y, z.
    target : str
        One of the classes, or ``"fraction"``.
    method : str
        A name in ``METHODS``.
    settings : Explain, optional
        Default: its defaults.

    Raises
    ------
    PlanError
        ``CONFIG_VALUE`` for an unknown target or method, or a stage the encoder does not have.
    InputError
        ``MASK_EMPTY`` where there is no bed to look at.
    """
    chosen = settings or Explain()
    if method not in METHODS:
        raise PlanError("CONFIG_VALUE", f"method '{method}'", expected=", ".join(METHODS))
    question = _question(net, inputs, _place(target, classes), spacing_mm, chosen.margin_mm)
    with torch.inference_mode():
        score = float(question.score(question.images[None]))
    traced = METHODS[method](question, chosen)
    # Ranks need fewer points than shares that add up.
    few = max(4, chosen.steps // 4)
    quick = chosen.model_copy(update={"steps": few, "most_steps": few})
    sizes = random_agreement(
        traced.maps,
        lambda other: METHODS[method](replace(question, net=other), quick).maps,
        question.net,
        inputs.images[0, -1] > 0,
        chosen.draws,
        chosen.seed,
    )
    names = [str(visit) for visit in VISITS]
    seen = inputs.there[:, : len(SEQUENCES)].max(axis=1)
    return Explanation(
        dict(zip(names, traced.maps, strict=True)),
        target,
        method,
        score,
        traced.error,
        {name: size for name, size, known in zip(names, sizes, seen, strict=True) if known},
        chosen,
    )


def masked(explanation: Explanation, patch: Patch) -> Explanation:
    """The explanation with 0 outside the bed and the margin around it.

    Parameters
    ----------
    explanation : Explanation
        From :func:`explain`.
    patch : Patch
        The case it explains, with its bed.

    Raises
    ------
    InputError
        ``MASK_EMPTY`` where the patch has no bed.
    """
    bed = patch.masks.get("bed")
    if bed is None or not bed.any():
        raise InputError("MASK_EMPTY", "the patch has no bed", case=patch.case_id)
    near = _near(bed, patch.grid.spacing_mm, explanation.settings.margin_mm)
    maps = {
        visit: np.where(near, values, 0).astype(np.float32)
        for visit, values in explanation.maps.items()
    }
    return replace(explanation, maps=maps)


def as_volume(values: NDArray[np.float32], patch: Patch) -> Volume:
    """A map in patient space.

    Parameters
    ----------
    values : ndarray of shape (z, y, x)
        One of the maps.
    patch : Patch
        The case it explains; its grid is that of both visits' maps. The volume goes by the name of
        the T2 after treatment, whose axes it has.

    Raises
    ------
    GeometryError
        ``GRID`` where the map is not on the patch's grid.
    """
    return Volume.from_array(values, patch.grid, Kind.T2, Unit.RATIO)


def _question(
    net: SiameseNet,
    inputs: Inputs,
    place: int | None,
    spacing_mm: tuple[float, float, float],
    margin_mm: float,
) -> Question:
    bed = inputs.images[0, -1] > 0
    if not (inputs.there[0, -1] and bed.any()):
        raise InputError("MASK_EMPTY", "there is no bed to explain the answer in")
    still = copy.deepcopy(net).eval().requires_grad_(False)
    device = next(still.parameters()).device
    images, there = (torch.from_numpy(part).to(device) for part in inputs)
    return Question(still, images, there, place, _near(bed, spacing_mm, margin_mm), spacing_mm)


def _place(target: str, classes: Sequence[str]) -> int | None:
    """Number of the class that is asked for; None for the residual fraction."""
    if target == FRACTION:
        return None
    if target not in classes:
        raise PlanError(
            "CONFIG_VALUE",
            f"target '{target}'",
            expected=f"one of {', '.join((*classes, FRACTION))}",
        )
    return list(classes).index(target)


def _near(
    bed: NDArray[np.bool_], spacing_mm: tuple[float, float, float], margin_mm: float
) -> NDArray[np.bool_]:
    """The bed and what lies within a margin of it."""
    away = ndimage.distance_transform_edt(~bed, sampling=spacing_mm[::-1])
    return np.asarray(away <= margin_mm)
