"""From a NIfTI header to a grid: qform, sform and pixdim must agree, and the axes be right-angled.

Readers pick one of the two forms in silence, invent an orientation where there is none, and
disagree about shear. World coordinates turn from RAS, as NIfTI has them, to LPS here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from radresp.core import Grid, Note, NoteKind
from radresp.errors import GeometryError, InputError
from radresp.io.image_checks import without_dust

CORNER_TOLERANCE_VOXELS = 0.1

_LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def grid_of_header(
    header: Any, size: tuple[int, int, int], path: Path
) -> tuple[Grid, tuple[Note, ...]]:
    """The grid a NIfTI header describes, after its forms have been checked against each other.

    Parameters
    ----------
    header : nibabel.Nifti1Header or nibabel.Nifti2Header
        Header as stored.
    size : tuple of int
        Voxels along x, y, z.
    path : Path
        File, for messages.

    Returns
    -------
    Grid, tuple of Note
        LPS mm, axes in stored order; the sform where it is coded, else the qform.

    Raises
    ------
    InputError
        ``NII_PIXDIM``, ``IMG_SPACING`` for a grid not in mm.
    GeometryError
        ``NII_NO_ORIENTATION``, ``NII_AFFINE``, ``NII_SHEAR``, ``NII_QS_CONFLICT``.
    """
    pixdim = np.asarray(header["pixdim"][1:4], dtype=float)
    if not np.all(np.isfinite(pixdim)) or np.any(pixdim <= 0):
        raise InputError(
            "NII_PIXDIM",
            f"pixdim {', '.join(f'{v:g}' for v in pixdim)}",
            expected="positive spacing in mm",
            file=path,
        )
    unit = int(header["xyzt_units"]) & 7
    if unit not in (0, 2):
        name = {1: "metres", 3: "micrometres"}.get(unit, f"unit code {unit}")
        raise InputError("IMG_SPACING", f"a grid in {name}", expected="mm", file=path)
    affines = _affines(header, path)
    if len(affines) == 2:
        _check_agreement(affines, size, path)
    grid, notes = _orthonormal(affines[0], size, path)
    return grid, notes + _pixdim_notes(grid, pixdim, path)


def _affines(header: Any, path: Path) -> list[NDArray[np.float64]]:
    """The coded affines (RAS): sform first, then qform."""
    try:
        found = [header.get_sform(coded=True)[0], header.get_qform(coded=True)[0]]
    except (ValueError, nib.spatialimages.HeaderDataError):
        raise GeometryError(
            "NII_AFFINE", "a quaternion that is no rotation", expected="a unit one", file=path
        ) from None
    affines = [np.asarray(affine, dtype=float) for affine in found if affine is not None]
    if not affines:
        raise GeometryError(
            "NII_NO_ORIENTATION",
            "neither qform nor sform is set",
            expected="an orientation; readers would each invent another one",
            action="export the image again with its orientation",
            file=path,
        )
    for affine in affines:
        if not np.all(np.isfinite(affine)) or np.abs(affine).max() > 1e6 or _flat(affine):
            raise GeometryError(
                "NII_AFFINE",
                "an affine that is singular or not finite",
                expected="three independent axes",
                file=path,
            )
    return affines


def _flat(affine: NDArray[np.float64]) -> bool:
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    return bool(lengths.min() < 1e-6) or abs(np.linalg.det(affine[:3, :3] / lengths)) < 1e-3


def _check_agreement(
    affines: list[NDArray[np.float64]], size: tuple[int, int, int], path: Path
) -> None:
    distance = _corner_distance(affines[0], affines[1], size)
    if distance > CORNER_TOLERANCE_VOXELS * _smallest_edge(affines[0]):
        raise GeometryError(
            "NII_QS_CONFLICT",
            f"sform and qform put a corner {distance:.3g} mm apart",
            expected=f"less than {CORNER_TOLERANCE_VOXELS:g} voxel",
            action="remove the wrong one of the two",
            file=path,
        )


def right_angled(
    affine: NDArray[np.float64], size: tuple[int, int, int]
) -> tuple[NDArray[np.float64], float]:
    """The affine with the nearest right-angled axes, and how far that moves a corner, mm."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    left, _, right = np.linalg.svd(affine[:3, :3] / spacing)
    straight = affine.copy()
    straight[:3, :3] = (left @ right) * spacing
    return straight, _corner_distance(affine, straight, size)


def _orthonormal(
    affine: NDArray[np.float64], size: tuple[int, int, int], path: Path
) -> tuple[Grid, tuple[Note, ...]]:
    """The grid with the nearest right-angled axes; refused when that moves a corner."""
    straight, moved = right_angled(affine, size)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if moved > CORNER_TOLERANCE_VOXELS * spacing.min():
        raise GeometryError(
            "NII_SHEAR",
            f"sheared axes; right angles would move a corner by {moved:.3g} mm",
            expected=f"less than {CORNER_TOLERANCE_VOXELS:g} voxel",
            action="resample the image to a grid with right angles",
            file=path,
        )
    lps = _LPS_FROM_RAS @ straight
    grid = Grid(size, tuple(spacing), tuple(lps[:3, 3]), without_dust(lps[:3, :3] / spacing))
    if moved <= 1e-3:
        return grid, ()
    note = Note(
        NoteKind.FIX,
        "NII_SHEAR",
        f"axes made right-angled; the furthest corner moved {moved:.2g} mm",
        file=path.name,
    )
    return grid, (note,)


def _pixdim_notes(grid: Grid, pixdim: NDArray[np.float64], path: Path) -> tuple[Note, ...]:
    if np.allclose(grid.spacing_mm, pixdim, rtol=0.01):
        return ()
    note = Note(
        NoteKind.WARNING,
        "NII_PIXDIM",
        f"pixdim {', '.join(f'{v:.4g}' for v in pixdim)} mm beside an sform of "
        f"{', '.join(f'{v:.4g}' for v in grid.spacing_mm)} mm; the sform is used",
        expected="the same spacing",
        file=path.name,
    )
    return (note,)


def _corner_distance(
    one: NDArray[np.float64], two: NDArray[np.float64], size: tuple[int, int, int]
) -> float:
    ends = [(0, max(n - 1, 1)) for n in size]  # one-voxel axes still have a thickness
    corners = np.array(np.meshgrid(*ends)).reshape(3, -1)
    corners = np.vstack([corners, np.ones(corners.shape[1])])
    return float(np.linalg.norm(((one - two) @ corners)[:3], axis=0).max())


def _smallest_edge(affine: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(affine[:3, :3], axis=0).min())
