"""Registration: find how one visit's image lies on another's, and say how far to trust it.

A method is one file: settings that extend ``QualityRules`` and a ``find`` that returns ``Found``.
Its line in ``METHODS`` gives it a plan key, a listing and the contract tests. Checks before and
the verdict after are the same for all of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from radresp.core import (
    Alignment,
    Mask,
    Note,
    NoteKind,
    Quality,
    Settings,
    Step,
    Volume,
    check_same_grid,
)
from radresp.errors import GeometryError, InputError, PlanError
from radresp.registration import affine_mi, bspline_lncc, bspline_mi, epi_mi, greedy, rigid_mi
from radresp.registration.bspline_lncc import BsplineLncc
from radresp.registration.coarse import area_around, coarse_grid, filled
from radresp.registration.folding import jacobian
from radresp.registration.inverse import invert
from radresp.registration.measures import mutual_information, overlap_fraction, similarity
from radresp.registration.quality import Found, QualityRules, implausible, judge
from radresp.registration.rigid_mi import RigidMi

__all__ = [
    "METHODS",
    "BsplineLncc",
    "Found",
    "Method",
    "QualityRules",
    "RigidMi",
    "align",
    "area_around",
    "coarse_grid",
    "invert",
    "jacobian",
    "judge",
    "mutual_information",
    "similarity",
]


@dataclass(frozen=True, slots=True)
class Method:
    """A registered method.

    Parameters
    ----------
    settings : type of QualityRules
        Its settings.
    find : callable
        ``find(fixed, moving, settings, *, fixed_mask, moving_mask) -> Found``.
    extra : str, optional
        The optional extra of radresp it cannot do without.
    needs : tuple of str, optional
        Modules that extra brings.
    """

    settings: type[QualityRules]
    find: Callable[..., Found]
    extra: str = ""
    needs: tuple[str, ...] = ()

    @property
    def installed(self) -> bool:
        """Whether everything it needs is there."""
        return all(find_spec(module) for module in self.needs)


METHODS: dict[str, Method] = {
    "rigid_mi": Method(RigidMi, rigid_mi.find),
    "affine_mi": Method(affine_mi.AffineMi, affine_mi.find),
    "bspline_mi": Method(bspline_mi.BsplineMi, bspline_mi.find),
    "bspline_lncc": Method(BsplineLncc, bspline_lncc.find, "registration", ("torch",)),
    "greedy": Method(greedy.Greedy, greedy.find, "greedy", ("picsl_greedy",)),
    "epi_mi": Method(epi_mi.EpiMi, epi_mi.find),
}


def align(
    fixed: Volume,
    moving: Volume,
    *,
    fixed_mask: Mask | None = None,
    moving_mask: Mask | None = None,
    method: str = "rigid_mi",
    settings: Settings | None = None,
    names: tuple[str, str] = ("fixed", "moving"),
) -> Alignment:
    """Find the transform from a fixed to a moving image and judge how well it fits.

    Parameters
    ----------
    fixed, moving : Volume
        Two images of one patient. Their positions in the header are the first guess.
    fixed_mask, moving_mask : Mask, optional
        Outlines, each on its image's grid; what lies around them is what must fit.
    method : str, optional
        A key of ``METHODS``.
    settings : Settings, optional
        The method's settings; its defaults when absent.
    names : tuple of str, optional
        What the fixed and the moving image are called in records.

    Returns
    -------
    Alignment
        ``transform`` maps fixed to moving LPS mm: what carries the moving image, or a mask drawn
        on it, to the fixed grid. For the other way use ``transform.GetInverse()``. An implausible
        transform comes back too, with verdict ``failed`` and a ``REG_IMPLAUSIBLE`` note.

    Raises
    ------
    GeometryError
        ``REG_NO_OVERLAP`` before any search when the images share no place by their headers;
        ``MASK_GEOMETRY`` when a mask is not on its image's grid.
    InputError
        ``IMG_CONSTANT``, ``MASK_EMPTY``, ``REGISTRATION_FAILED``.
    PlanError
        ``CONFIG_KEY`` for an unknown method or another method's settings; ``EXTRA_MISSING`` for a
        method whose optional extra is not installed.
    ResourceError
        ``TIMEOUT``.

    Examples
    --------
    >>> import numpy as np
    >>> from radresp.core import Grid, Sequence
    >>> grid = Grid((40, 40, 12), (2, 2, 3))
    >>> values = np.random.default_rng(0).normal(size=(12, 40, 40)).cumsum(axis=2)
    >>> volume = Volume.from_array(values, grid, Sequence.T2)
    >>> align(volume, volume).quality.numbers["shift_mm"] < 0.1
    True
    """
    started = time.perf_counter()
    chosen = _chosen(method, settings)
    for volume, mask, name in zip((fixed, moving), (fixed_mask, moving_mask), names, strict=True):
        _check_usable(volume, mask, name)
    _check_overlap(fixed, moving, names)
    fixed, moving = filled(fixed), filled(moving)
    masks = {"fixed_mask": fixed_mask, "moving_mask": moving_mask}
    found = METHODS[method].find(fixed, moving, chosen, **masks)
    quality = judge(fixed, moving, found, chosen, **masks)
    notes = (*found.notes, *_quality_notes(quality, chosen))
    seconds = time.perf_counter() - started
    step = Step("registration", method, chosen.model_dump(), seconds, notes)
    return Alignment(*names, found.transform, quality, step)


def _chosen(method: str, settings: Settings | None) -> QualityRules:
    if method not in METHODS:
        raise PlanError(
            "CONFIG_KEY", f"registration method '{method}'", expected=f"one of {', '.join(METHODS)}"
        )
    if not METHODS[method].installed:
        extra = METHODS[method].extra
        raise PlanError(
            "EXTRA_MISSING",
            f"registration method '{method}' without {', '.join(METHODS[method].needs)}",
            expected=f"the optional extra '{extra}'",
            action=f"pip install 'radresp[{extra}]', or choose another method",
        )
    kind = METHODS[method].settings
    chosen = kind() if settings is None else settings
    if not isinstance(chosen, kind):
        raise PlanError(
            "CONFIG_KEY",
            f"{type(chosen).__name__} settings for registration method '{method}'",
            expected=f"{kind.__name__} settings",
        )
    return chosen


def _check_usable(volume: Volume, mask: Mask | None, name: str) -> None:
    values = filled(volume).array
    if values.min() == values.max():
        raise InputError(
            "IMG_CONSTANT",
            f"every voxel of the {name} image is {values.flat[0]:g}",
            expected="an image with structure",
            action="check the file",
        )
    if mask is None:
        return
    check_same_grid(volume, mask)
    if mask.is_empty:
        raise InputError(
            "MASK_EMPTY",
            f"the {mask.roi} mask on the {name} image has 0 voxels",
            expected="at least one voxel",
            action="draw the region or align without a mask",
        )


def _check_overlap(fixed: Volume, moving: Volume, names: tuple[str, str]) -> None:
    shared = max(
        overlap_fraction(fixed.grid, moving.grid), overlap_fraction(moving.grid, fixed.grid)
    )
    if shared == 0:
        raise GeometryError(
            "REG_NO_OVERLAP",
            f"the {names[0]} and the {names[1]} image share no place: their middles are at "
            f"{_place(fixed)} and {_place(moving)} mm",
            expected="two images whose fields of view overlap in scanner coordinates",
            action="check that the images belong together and that their headers are intact",
        )


def _place(volume: Volume) -> str:
    return "(" + ", ".join(f"{value:.0f}" for value in volume.grid.centre_mm) + ")"


def _quality_notes(quality: Quality, rules: QualityRules) -> tuple[Note, ...]:
    notes = [
        Note(
            NoteKind.WARNING,
            "REG_IMPLAUSIBLE",
            reason,
            expected="a motion a patient can make between two visits",
            action="look at the overlay; nothing is computed across these two images",
        )
        for reason in implausible(quality.numbers, rules)
    ]
    mirror = quality.numbers.get("mirror_ratio", 0.0)
    if mirror > rules.max_mirror_ratio:
        notes.append(
            Note(
                NoteKind.ABSTAIN,
                "LATERALITY_SUSPECT",
                f"the left-right mirrored image fits {mirror:.1f} times as well",
                expected="the image as it is to fit better than its mirror image",
                action="check left and right of both images",
            )
        )
    return tuple(notes)
