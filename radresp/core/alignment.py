"""The alignment: a spatial transform that knows how well it fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import SimpleITK as sitk

from radresp.core.frozen import frozen
from radresp.core.notebook import card, folded
from radresp.core.trail import Step
from radresp.core.words import Verdict


@dataclass(frozen=True, slots=True)
class Quality:
    """A verdict on an alignment with the numbers and reasons it rests on.

    Parameters
    ----------
    verdict : Verdict
        ``good``, ``doubtful`` or ``failed``.
    numbers : mapping of str to float
        Measured figures, unit in the name (``shift_mm``, ``overlap_fraction``, ...).
    reasons : tuple of str
        Sentences that explain a verdict other than ``good``.
    """

    verdict: Verdict
    numbers: Mapping[str, float] = field(default_factory=dict)
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", frozen(self.numbers))

    def record(self) -> dict[str, Any]:
        """The verdict as a JSON-ready dictionary."""
        return {
            "verdict": str(self.verdict),
            "numbers": {k: round(v, 6) for k, v in self.numbers.items()},
            "reasons": list(self.reasons),
        }


@dataclass(frozen=True, slots=True)
class Alignment:
    """A transform from fixed-image to moving-image millimetres with its quality.

    Parameters
    ----------
    fixed, moving : str
        Names of the two images, for example ``"post.t2"`` and ``"pre.t2"``.
    transform : SimpleITK.Transform
        Maps a point of the fixed image (LPS mm) to the same anatomy in the moving image (LPS mm),
        which is what resampling the moving image onto the fixed grid needs.
    quality : Quality
        How well it fits.
    step : Step
        How it was found; ``step.method`` is the registration method.
    """

    fixed: str
    moving: str
    transform: sitk.Transform
    quality: Quality
    step: Step

    @property
    def method(self) -> str:
        """Name of the registration method that found it."""
        return self.step.method

    @property
    def usable(self) -> bool:
        """Whether anything may be computed across the two images."""
        return self.quality.verdict is not Verdict.FAILED

    def _repr_html_(self) -> str:
        numbers = {name: f"{value:.4g}" for name, value in self.quality.numbers.items()}
        return card(
            f"{self.fixed} <- {self.moving}: {self.quality.verdict}",
            {"method": self.method, "transform": self.transform.GetName()},
            lines=self.quality.reasons,
            more=folded("what the verdict rests on", numbers),
        )
