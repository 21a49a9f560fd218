"""Rules: what makes an outline unusable, and what is merely odd.

Source: fault catalogue 2.4. When to use: on every mask as drawn, with the image it was drawn on.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from radresp.core import Mask, Note, NoteKind, Settings, Step, Volume, check_same_grid
from radresp.errors import InputError
from radresp.masks.clean import component_sizes


class MaskRules(Settings):
    """Limits for a usable outline."""

    min_voxels: int = Field(64, ge=1, description="Fewest voxels for texture (clinical.md 3.3).")
    max_fov_fraction: float = Field(
        0.5, gt=0, le=1, description="Largest share of the field of view; more is inverted."
    )
    max_background_fraction: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Largest share of the outline darker than the air level of the image.",
    )
    air_level: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="Air level: this share of the image's 99th percentile, 0 to 1.",
    )


def check_mask(mask: Mask, volume: Volume, settings: MaskRules | None = None) -> Step:
    """Refuse an outline that cannot be used; note what is odd about one that can.

    Parameters
    ----------
    mask : Mask
        Outline as drawn.
    volume : Volume
        The image it was drawn on.
    settings : MaskRules, optional
        Defaults when not given.

    Returns
    -------
    Step
        Warnings ``MASK_2D`` (one slice), ``MASK_ISLANDS`` and ``ROI_AT_EDGE``.

    Raises
    ------
    InputError
        ``MASK_EMPTY``, ``MASK_TOO_SMALL``, ``MASK_INVERTED``, ``MASK_ON_BACKGROUND`` or
        ``ROI_CONSTANT``.
    GeometryError
        ``MASK_GEOMETRY`` when it lies on another grid.
    """
    started = perf_counter()
    settings = settings or MaskRules()
    check_same_grid(volume, mask)
    inside = mask.array
    _check_size(mask, inside, settings)
    _check_values(mask, volume, inside, settings)
    notes = tuple(_odd(mask, inside))
    seconds = perf_counter() - started
    return Step("masks", "check_mask", settings.model_dump(mode="json"), seconds, notes)


def _check_size(mask: Mask, inside: NDArray[np.bool_], settings: MaskRules) -> None:
    count = mask.voxel_count
    if count == 0:
        raise InputError(
            "MASK_EMPTY",
            f"the {mask.roi} mask has 0 voxels",
            expected=f"at least {settings.min_voxels}",
            action="draw the region; the treated bed is drawn even when no tumour is visible",
        )
    if count < settings.min_voxels:
        raise InputError(
            "MASK_TOO_SMALL",
            f"the {mask.roi} mask has {count} voxels",
            expected=f"at least {settings.min_voxels}",
            action="draw the whole region, scar included",
        )
    if count > settings.max_fov_fraction * inside.size:
        raise InputError(
            "MASK_INVERTED",
            f"the {mask.roi} mask covers {count / inside.size:.0%} of the field of view",
            expected=f"at most {settings.max_fov_fraction:.0%}",
            action="check whether inside and outside are swapped",
        )


def _check_values(
    mask: Mask, volume: Volume, inside: NDArray[np.bool_], settings: MaskRules
) -> None:
    picture = volume.array
    values = picture[inside]
    if values.min() == values.max():
        raise InputError(
            "ROI_CONSTANT",
            f"the image is constant ({values[0]:g}) inside the {mask.roi} mask",
            expected="an image with contrast",
            action="check that the mask lies on the right image",
        )
    air = settings.air_level * float(np.percentile(picture, 99))
    dark = float((values <= air).mean())
    if dark > settings.max_background_fraction:
        raise InputError(
            "MASK_ON_BACKGROUND",
            f"{dark:.0%} of the {mask.roi} mask lies on air or background",
            expected=f"at most {settings.max_background_fraction:.0%}",
            action="check whether the mask is flipped or belongs to another image",
        )


def _odd(mask: Mask, inside: NDArray[np.bool_]) -> Iterator[Note]:
    slices = np.flatnonzero(inside.any(axis=(1, 2)))
    if slices.size == 1:
        found = f"the {mask.roi} mask lies in one slice"
        yield Note(
            NoteKind.WARNING, "MASK_2D", found, "a volume", "3-D shape features are left out"
        )
    sizes = component_sizes(inside)
    if sizes.size > 1 and sizes[-1] < 0.1 * sizes[0]:
        found = f"the {mask.roi} mask has {sizes.size} pieces of {sizes[0]} to {sizes[-1]} voxels"
        yield Note(NoteKind.WARNING, "MASK_ISLANDS", found, "one piece, or pieces of some size")
    if slices[0] == 0 or slices[-1] == len(inside) - 1:
        found = f"the {mask.roi} mask reaches the first or last slice"
        yield Note(NoteKind.WARNING, "ROI_AT_EDGE", found, "slices beyond the region on both sides")
