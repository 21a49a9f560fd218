"""What an image or a mask of a case can be, by the names of columns and files."""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

from radresp.core import RegionKey, Roi, Sequence, Timepoint
from radresp.errors import InputError, PlanError
from radresp.io.identifiers import shown

ImageKey = tuple[Timepoint, Sequence]
IMAGES: dict[str, ImageKey] = {f"{t}_{s}": (t, s) for t, s in product(Timepoint, Sequence)}
"""Image column to what it addresses."""
SERIES: dict[str, ImageKey] = {f"{column}_series": key for column, key in IMAGES.items()}
"""Column that chooses one series of an image column's folder, to what it addresses."""
MASKS: dict[str, RegionKey] = {
    f"{t}_{s}_{roi}": RegionKey(t, s, roi) for t, s, roi in product(Timepoint, Sequence, Roi)
} | {f"{t}_{roi}": RegionKey(t, Sequence.T2, roi) for t, roi in product(Timepoint, Roi)}
"""Mask column to what it addresses; without a sequence the mask was drawn on the T2."""
NIFTI = (".nii.gz", ".nii")
MASK_ENDINGS = (*NIFTI, ".seg.nrrd", ".nrrd", ".dcm")
"""What a mask file may be called; what it is decides its content."""


def check_inside(text: str, root: Path, *, where: str, file: Path) -> None:
    """Refuse a path that leaves the data root, also by way of a symbolic link.

    Raises
    ------
    PlanError
        ``PATH_OUTSIDE_ROOT``.
    """
    resolved = Path(os.path.realpath(root / text))
    if not resolved.is_relative_to(root):
        raise PlanError(
            "PATH_OUTSIDE_ROOT",
            f"{where}: {shown(text, 120)} leads to {shown(str(resolved), 120)}",
            expected="a path inside the data root, by default the folder of the table or case",
            action="move the data, or name the folder that holds it with --root",
            file=file,
        )


def ambiguous(first: Path, second: Path, root: Path) -> InputError:
    """The refusal of two files that stand for the same thing."""
    return InputError(
        "AMBIGUOUS_INPUT",
        f"{first.relative_to(root)} and {second.relative_to(root)} stand for the same thing",
        expected="one of them",
        action="move one away",
        case=root.name,
        file=root,
    )
