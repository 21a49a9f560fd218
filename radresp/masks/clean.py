"""Clean: drop specks and fill holes by a rule that is written down.

When to use: on every drawn or carried mask. Single stray voxels and pin-holes are slips of the
brush, not anatomy; a second component of some size is anatomy and stays.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from radresp.core import Mask, Note, NoteKind, Settings, Step

_TOUCHING = np.ones((3, 3, 3), bool)


class Clean(Settings):
    """What counts as a slip of the brush."""

    min_component_fraction: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Components smaller than this share of the largest one are dropped, 0 to 1.",
    )
    fill_holes: bool = Field(
        True, description="Fill holes enclosed within a slice, as drawn outlines have none."
    )


def clean(mask: Mask, settings: Clean | None = None) -> tuple[Mask, Step]:
    """Drop specks and fill holes.

    Parameters
    ----------
    mask : Mask
        Outline as drawn or carried.
    settings : Clean, optional
        Defaults when not given.

    Returns
    -------
    Mask, Step
        The tidied mask; a ``fix`` note says how many voxels were dropped and filled.
    """
    started = perf_counter()
    settings = settings or Clean()
    drawn = mask.array
    kept, dropped = _large_components(drawn, settings.min_component_fraction)
    filled = _filled(kept) if settings.fill_holes else kept
    notes = []
    if dropped or (filled != kept).any():
        found = (
            f"{dropped} specks of {int((drawn & ~kept).sum())} voxels dropped and "
            f"{int((filled & ~kept).sum())} hole voxels filled, of {int(drawn.sum())}"
        )
        notes.append(Note(NoteKind.FIX, "MASK_CLEANED", f"{mask.roi}: {found}"))
    seconds = perf_counter() - started
    step = Step("masks", "clean", settings.model_dump(mode="json"), seconds, tuple(notes))
    return (mask.with_array(filled) if notes else mask), step


def component_sizes(inside: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Voxels of each connected component (faces, edges or corners touch), largest first."""
    labels, _ = ndimage.label(inside, structure=_TOUCHING)
    return np.sort(np.bincount(labels.ravel())[1:])[::-1]


def _large_components(
    inside: NDArray[np.bool_], min_fraction: float
) -> tuple[NDArray[np.bool_], int]:
    labels, count = ndimage.label(inside, structure=_TOUCHING)
    if count <= 1:
        return inside, 0
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    large = sizes >= min_fraction * sizes.max()
    large[0] = False
    return large[labels], int(count - large.sum())


def _filled(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.stack([ndimage.binary_fill_holes(level) for level in inside])
