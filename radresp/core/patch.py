"""The patch: both visits around the treated bed on one grid, for networks that look at voxels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from radresp.core.frozen import frozen
from radresp.core.grid import Grid
from radresp.errors import InputError

PATCH_CHANNELS = ("post.t2", "post.dwi", "post.adc", "pre.t2", "pre.dwi", "pre.adc")
"""Images of a patch in order: T2 as the plan normalises it, highest b-value, ADC in 1e-6 mm2/s."""
PATCH_MASKS = ("bed", "tumour")
"""Outlines of a patch in order: the bed, and the tumour before treatment where the alignment
carries it."""


@dataclass(frozen=True, slots=True)
class Patch:
    """Both visits around the treated bed on one grid of the later T2's axes.

    Parameters
    ----------
    case_id : str
        Name of the case.
    grid : Grid
        Where it lies; its axes are those of the T2 after treatment.
    channels : mapping of str to ndarray of shape (z, y, x)
        float32 images by their name in ``PATCH_CHANNELS``; NaN outside an image's field of view.
    masks : mapping of str to ndarray of shape (z, y, x)
        bool outlines by their name in ``PATCH_MASKS``.
    absent : mapping of str to str
        Why a channel or outline is not there, in words; never a channel of zeros instead.

    Raises
    ------
    InputError
        ``PATCH`` when a name is unknown, both there and absent or neither, or an array is not on
        the grid.

    Examples
    --------
    >>> grid = Grid((2, 2, 1), (1.0, 1.0, 4.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    >>> seen = {"post.t2": np.zeros((1, 2, 2), np.float32)}
    >>> missing = dict.fromkeys((*PATCH_CHANNELS[1:], *PATCH_MASKS), "not measured")
    >>> Patch("a", grid, seen, {}, missing).available
    (True, False, False, False, False, False)
    """

    case_id: str
    grid: Grid
    channels: Mapping[str, NDArray[np.float32]]
    masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("channels", "masks", "absent"):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        there = [*self.channels, *self.masks, *self.absent]
        shape = self.grid.size[::-1]
        wrong = sorted(set(there) ^ {*PATCH_CHANNELS, *PATCH_MASKS})
        wrong += sorted({name for name in there if there.count(name) > 1})
        arrays = {**self.channels, **self.masks}
        wrong += [name for name, values in arrays.items() if values.shape != shape]
        if wrong:
            raise InputError(
                "PATCH",
                f"{wrong[0]} is unknown, missing, named twice or not on the patch's grid",
                expected="every channel and outline once, there or absent with a reason",
                case=self.case_id,
            )

    @property
    def available(self) -> tuple[bool, ...]:
        """Which of ``PATCH_CHANNELS`` are there."""
        return tuple(name in self.channels for name in PATCH_CHANNELS)
