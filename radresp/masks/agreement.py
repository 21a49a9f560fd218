"""How well two outlines of one region agree: overlap, surfaces, volume.

What: Dice, surface Dice at a tolerance, the 95th percentile of the surface distances (HD95) and the
difference in volume. Surfaces are made of elements with an area, so that a millimetre counts alike
within and across thick slices.
Source: Dice, Ecology 1945;26:297-302; surface Dice: Nikolov et al., J Med Internet Res
2021;23:e26151, by their own library ``surface-distance``.
When: comparing two readers, an automatic with a drawn outline, or a carried mask with the truth.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import surface_distance
from numpy.typing import NDArray

from radresp.core import Mask
from radresp.errors import GeometryError, PlanError


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of two outlines.

    Parameters
    ----------
    dice : float
        Overlap, 0 to 1.
    surface_dice : float
        Share of both surfaces that lies within the tolerance of the other, 0 to 1.
    hd95_mm : float
        95th percentile of the distances from one surface to the other, the larger of both ways,
        mm; infinite when one outline is empty.
    volume_difference_ml : float
        Second minus first, mL.
    tolerance_mm : float
        Of the surface Dice.
    """

    dice: float
    surface_dice: float
    hd95_mm: float
    volume_difference_ml: float
    tolerance_mm: float

    def record(self) -> dict[str, float]:
        """The numbers by name."""
        return asdict(self)


def agreement(first: Mask, second: Mask, tolerance_mm: float = 1.0) -> Agreement:
    """Compare two outlines on one grid.

    Parameters
    ----------
    first, second : Mask
        Outlines; two empty ones agree perfectly.
    tolerance_mm : float, optional
        Distance between surfaces that counts as agreement, mm; 0 to 100.

    Returns
    -------
    Agreement
        Dice, surface Dice, HD95 (mm) and the difference in volume (mL).

    Raises
    ------
    GeometryError
        ``MASK_GEOMETRY`` when the outlines lie on different grids.
    PlanError
        ``CONFIG_RANGE`` for a tolerance out of range.

    Examples
    --------
    >>> from radresp.core import Grid, Roi
    >>> drawn = np.zeros((12, 16, 16))
    >>> drawn[3:9, 4:12, 4:12] = 1
    >>> one = Mask.from_array(drawn, Grid((16, 16, 12), (1, 1, 2)), Roi.BED)
    >>> other = one.with_array(np.roll(drawn, 1, axis=0))
    >>> found = agreement(one, other)
    >>> round(found.dice, 3), found.hd95_mm, found.volume_difference_ml
    (0.833, 2.0, 0.0)
    """
    if not (np.isfinite(tolerance_mm) and 0 <= tolerance_mm <= 100):
        raise PlanError("CONFIG_RANGE", f"a tolerance of {tolerance_mm} mm", expected="0 to 100 mm")
    if not first.grid.same_as(second.grid):
        raise GeometryError(
            "MASK_GEOMETRY",
            f"two outlines on different grids: {first.grid.difference(second.grid)}",
            expected="one grid",
            action="carry one of them to the other's grid first",
        )
    one, other = _around_both(first.array, second.array)
    change_ml = second.volume_ml - first.volume_ml
    if not (one.any() and other.any()):
        same = float(one.any() == other.any())
        return Agreement(same, same, 0.0 if same else np.inf, change_ml, tolerance_mm)
    apart = surface_distance.compute_surface_distances(one, other, first.grid.spacing_mm[::-1])
    return Agreement(
        float(surface_distance.compute_dice_coefficient(one, other)),
        float(surface_distance.compute_surface_dice_at_tolerance(apart, tolerance_mm)),
        float(surface_distance.compute_robust_hausdorff(apart, 95)),
        change_ml,
        tolerance_mm,
    )


def _around_both(
    one: NDArray[np.bool_], other: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Both within the box around them and one voxel of nothing, which closes every surface."""
    where = np.nonzero(one | other)
    box = tuple(slice(at.min(), at.max() + 1) if at.size else slice(0, 1) for at in where)
    return np.pad(one[box], 1), np.pad(other[box], 1)
