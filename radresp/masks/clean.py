"""Tidy a drawn mask: stray specks out, pinholes closed, and every change on record.

What: pieces far smaller than the largest one are dropped, and small holes are filled slice by
slice, in the plane the mask was drawn in. Source: faults catalogue M15. When: once, on the mask as
drawn, before it travels.

Only pinholes are filled: the hole in the middle of a tumour that surrounds the bowel is its lumen,
which must stay out of the mask.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from radresp.core import Mask, Note, NoteKind, Settings, Step
from radresp.masks.slices import pieces, slice_axis

_WITHIN_A_SLICE = np.zeros((3, 3, 3), dtype=bool)
_WITHIN_A_SLICE[1] = ndimage.generate_binary_structure(2, 1)


class Clean(Settings):
    """What counts as a stray piece and as a pinhole."""

    min_fraction: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Smallest piece kept, as a fraction of the largest piece's volume.",
    )
    min_ml: float = Field(
        0.0, ge=0, le=100, description="Smallest piece kept, mL; the largest piece always stays."
    )
    max_hole_mm2: float = Field(
        10.0,
        ge=0,
        le=1_000,
        description="Largest hole filled, by its area in one slice, mm2; 0 fills none.",
    )


def clean(mask: Mask, settings: Clean = Clean()) -> tuple[Mask, Step]:  # noqa: B008
    """Drop stray pieces of a mask and fill its pinholes.

    Parameters
    ----------
    mask : Mask
        As drawn; an empty one comes back as it is.
    settings : Clean, optional
        The rule.

    Returns
    -------
    tuple of Mask and Step
        The tidy mask; a ``fix`` note for what was dropped (``MASK_ISLANDS``) or filled
        (``MASK_HOLES``), with counts.

    Examples
    --------
    >>> from radresp.core import Grid, Roi
    >>> drawn = np.zeros((3, 9, 9))
    >>> drawn[:, 1:6, 1:6] = 1
    >>> drawn[1, 3, 3] = 0
    >>> drawn[0, 8, 8] = 1
    >>> tidy, step = clean(Mask.from_array(drawn, Grid((9, 9, 3), (1, 1, 3)), Roi.TUMOUR))
    >>> tidy.voxel_count, [note.code for note in step.notes]
    (75, ['MASK_ISLANDS', 'MASK_HOLES'])
    """
    started = time.perf_counter()
    drawn = mask.array
    notes: list[Note] = []
    kept = _without_islands(drawn, mask, settings, notes)
    filled = _without_pinholes(kept, mask, settings, notes)
    tidy = mask.with_array(filled) if notes else mask
    seconds = time.perf_counter() - started
    return tidy, Step("masks", "clean", settings.model_dump(), seconds, tuple(notes))


def _without_islands(
    drawn: NDArray[np.bool_], mask: Mask, settings: Clean, notes: list[Note]
) -> NDArray[np.bool_]:
    labels, counts = pieces(drawn)
    if counts.size < 2:
        return drawn
    least = max(settings.min_fraction * counts.max(), settings.min_ml / mask.grid.voxel_volume_ml)
    keep = (counts >= least) | (counts == counts.max())
    if not keep.all():
        dropped = int(counts[~keep].sum())
        notes.append(
            Note(
                NoteKind.FIX,
                "MASK_ISLANDS",
                f"{int((~keep).sum())} of {counts.size} pieces of the {mask.roi} mask dropped: "
                f"{dropped} of {int(counts.sum())} voxels",
                expected=f"pieces of at least {settings.min_fraction:.0%} of the largest and "
                f"{settings.min_ml:g} mL",
            )
        )
    return np.concatenate(([False], keep))[labels]


def _without_pinholes(
    drawn: NDArray[np.bool_], mask: Mask, settings: Clean, notes: list[Note]
) -> NDArray[np.bool_]:
    across = slice_axis(mask.grid)
    edges_mm = np.delete(np.asarray(mask.grid.spacing_mm[::-1]), across)
    slices = np.moveaxis(drawn, across, 0)
    labels, count = ndimage.label(~slices, structure=_WITHIN_A_SLICE)
    open_ones = np.zeros(count + 1, dtype=bool)
    for border in (labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]):
        open_ones[border] = True
    areas_mm2 = np.bincount(labels.ravel()) * edges_mm.prod()
    pinholes = ~open_ones & (areas_mm2 <= settings.max_hole_mm2 * (1 + 1e-6))
    pinholes[0] = False
    if not pinholes.any():
        return drawn
    filled = slices | pinholes[labels]
    notes.append(
        Note(
            NoteKind.FIX,
            "MASK_HOLES",
            f"{int(pinholes.sum())} holes of the {mask.roi} mask filled: "
            f"{int(filled.sum() - slices.sum())} voxels",
            expected=f"no hole of {settings.max_hole_mm2:g} mm2 or less in a slice",
        )
    )
    return np.moveaxis(filled, 0, across)
