"""What an outline must be, by what it outlines: a treated region may be small, or not be seen."""

from __future__ import annotations

from radresp import masks
from radresp.core import Mask, Note, NoteKind, RegionKey, Roi, Step, Volume
from radresp.errors import InputError

MAY_BE_EMPTY = (Roi.BED, Roi.RESIDUAL)
"""What a complete responder need not show."""


def check_outline(mask: Mask, image: Volume, key: RegionKey, rules: masks.MaskRules) -> Step:
    """Check an outline on the image it was drawn on.

    Returns
    -------
    Step
        With a warning ``MASK_TOO_SMALL`` for a treated region too small for texture, which keeps
        its volume.

    Raises
    ------
    InputError, GeometryError
        As `radresp.masks.check_mask`.
    """
    try:
        return masks.check_mask(mask, image, rules)
    except InputError as error:
        if error.code != "MASK_TOO_SMALL" or key.roi not in MAY_BE_EMPTY:
            raise
        note = Note(NoteKind.WARNING, error.code, error.found, error.expected, error.action)
        return Step("masks", "check_mask", rules.model_dump(), notes=(note,))
