"""From a patch to what the network reads: scaled images of each visit, and which are there.

T2 comes normalised by the plan; ADC has a physical unit and is scaled by constants; the high
b-value has none and is scaled by the middle and the brightest tissue of its own patch. An image
that is not there is marked as such and never stands for itself as zeros: the network has learned a
value for it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from radresp.core import PATCH_MASKS, Patch, Timepoint

VISITS = (Timepoint.POST, Timepoint.PRE)
SEQUENCES = ("t2", "dwi", "adc")
PLANES = (*SEQUENCES, "mask")
"""What each visit is made of, in order: three images and its outline (bed, or tumour)."""
ADC_MIDDLE, ADC_SPREAD = 1300.0, 500.0
"""1e-6 mm2/s: between tumour and scar, and the distance of either."""
_LIMIT = 5.0
_BRIGHT = 2.0

Floats = NDArray[np.float32]


class Inputs(NamedTuple):
    """What the network reads of one case.

    Parameters
    ----------
    images : ndarray of shape (visits, planes, z, y, x)
        float32; later visit first; planes as in ``PLANES``. 0 where nothing is known.
    there : ndarray of shape (visits, planes)
        float32; 1 where a plane was measured, 0 where not.
    """

    images: Floats
    there: Floats


def inputs_of(patch: Patch) -> Inputs:
    """What the network reads of a patch.

    Parameters
    ----------
    patch : Patch
        The case.

    Examples
    --------
    >>> from radresp.core import PATCH_CHANNELS, Grid
    >>> grid = Grid((2, 2, 1), (1.0, 1.0, 4.0), (0.0, 0.0, 0.0), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    >>> adc = {"post.adc": np.full((1, 2, 2), 1800, np.float32)}
    >>> names = (*PATCH_CHANNELS, *PATCH_MASKS)
    >>> missing = {name: "not measured" for name in names if name not in adc}
    >>> found = inputs_of(Patch("a", grid, adc, {}, missing))
    >>> found.images[0, 2].ravel().tolist(), found.there[0].tolist()
    ([1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0])
    """
    shape = patch.grid.size[::-1]
    images = np.zeros((len(VISITS), len(PLANES), *shape), np.float32)
    there = np.zeros((len(VISITS), len(PLANES)), np.float32)
    for row, (visit, outline) in enumerate(zip(VISITS, PATCH_MASKS, strict=True)):
        for column, sequence in enumerate(SEQUENCES):
            values = patch.channels.get(f"{visit}.{sequence}")
            if values is not None and np.isfinite(values).any():
                images[row, column] = _SCALED[sequence](values)
                there[row, column] = 1
        mask = patch.masks.get(outline)
        if mask is not None:
            images[row, -1], there[row, -1] = mask, 1
    return Inputs(images, there)


def _clipped(values: Floats) -> Floats:
    """Within limits; the middle beyond an image's field of view."""
    return np.asarray(np.nan_to_num(np.clip(values, -_LIMIT, _LIMIT)), dtype=np.float32)


def _by_its_patch(values: Floats) -> Floats:
    """0 at the middle of the patch, ``_BRIGHT`` at its brightest tissue."""
    middle, high = np.nanquantile(values, (0.5, 0.98))
    spread = (high - middle) / _BRIGHT
    return _clipped((values - middle) / (spread if spread > 0 else 1.0))


_SCALED = {
    "t2": _clipped,
    "dwi": _by_its_patch,
    "adc": lambda values: _clipped((values - ADC_MIDDLE) / ADC_SPREAD),
}
