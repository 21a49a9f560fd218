"""The slices of one series arranged into stacks: split by b-value, sorted, without duplicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence as Ordered
from dataclasses import dataclass, replace
from pathlib import Path

from radresp.core import Grid, Note, NoteKind
from radresp.errors import GeometryError, InputError
from radresp.io.dicom_diffusion import without_directions
from radresp.io.dicom_geometry import check_same_plane, grid_of, positions
from radresp.io.dicom_kind import Kind, kind_of
from radresp.io.dicom_pixels import pixel_digest
from radresp.io.dicom_slice import Header


@dataclass(frozen=True, slots=True)
class Stack:
    """Headers of one volume in order along the normal; several at one place are repeats.

    Parameters
    ----------
    b_s_per_mm2 : float or None
        b-value of a diffusion series.
    places : tuple of tuple of Header
        One entry a slice position.
    grid : Grid
        Where the voxels lie, LPS mm.
    notes : tuple of Note
        What was mended or looked odd.
    """

    b_s_per_mm2: float | None
    places: tuple[tuple[Header, ...], ...]
    grid: Grid
    notes: tuple[Note, ...] = ()


def arrange(headers: Ordered[Header], path: Path) -> tuple[Stack, ...]:
    """Split a series by b-value and order each part along the normal.

    The stacks of a multi-frame object must form one grid.

    Parameters
    ----------
    headers : sequence of Header
        Headers of one series that `radresp.io.dicom_checks.check_series` let pass.
    path : Path
        The folder, for messages.

    Returns
    -------
    tuple of Stack
        By rising b-value, all on one grid; one stack without b-value for anything but diffusion.

    Raises
    ------
    InputError
        ``DWI_BVALUE_MISSING``, ``DCM_DUP_POSITION``, ``DCM_COUNT``.
    GeometryError
        ``DCM_STACKS``, ``DCM_NO_GEOMETRY``, ``DCM_ORIENTATION``, ``DCM_MATRIX``, ``DCM_GAP``,
        ``DCM_SPACING``, ``DCM_SHEAR``.
    """
    sizes = Counter(header.stack for header in headers)
    try:
        return _arrange(headers, path)
    except GeometryError as error:
        if len(sizes) == 1:
            raise
        raise GeometryError(
            "DCM_STACKS",
            f"{len(sizes)} stacks of {', '.join(map(str, sizes.values()))} images that do not form "
            f"one grid ({error.found})",
            expected="one stack, or stacks that continue each other",
            action="export each stack as its own series",
            file=path,
        ) from None


def _arrange(headers: Ordered[Header], path: Path) -> tuple[Stack, ...]:
    check_same_plane(headers)
    kept, notes = _without_copies(headers)
    diffusion = kind_of(kept) in (Kind.DWI, Kind.CALCULATED_B)
    found: dict[float | None, tuple[tuple[Header, ...], ...]] = {}
    told: dict[float | None, tuple[Note, ...]] = {}
    for b, everything in _by_b_value(kept, path) if diffusion else [(None, kept)]:
        group, chosen = without_directions(everything)
        found[b], more = _places(group, path, repeats_allowed=diffusion)
        told[b] = chosen + more
    _check_counts(found, path)
    stacks = []
    for b, places in found.items():
        grid, odd = grid_of([place[0] for place in places])
        stacks.append(Stack(b, places, grid, told[b] + odd))
    _check_one_grid(stacks, path)
    stacks[0] = replace(stacks[0], notes=notes + stacks[0].notes)
    return tuple(stacks)


def _without_copies(headers: Ordered[Header]) -> tuple[list[Header], tuple[Note, ...]]:
    """Drop files that repeat an SOP instance with the same pixels."""
    first: dict[tuple[str, int | None], Header] = {}
    dropped = 0
    for header in headers:
        known = first.setdefault((header.sop_uid, header.frame), header)
        if known is header:
            continue
        if known.placement != header.placement or pixel_digest(known) != pixel_digest(header):
            raise _duplicate(known, header)
        dropped += 1
    return list(first.values()), _copy_notes(dropped)


def _by_b_value(headers: Ordered[Header], path: Path) -> list[tuple[float, list[Header]]]:
    groups: dict[float, list[Header]] = {}
    for header in headers:
        if header.b_s_per_mm2 is None:
            raise InputError(
                "DWI_BVALUE_MISSING",
                "a diffusion series with images that tell no b-value",
                expected="DiffusionBValue or the vendor's private tag in every image",
                action="export it with private attributes, or give NIfTI with a .bval file",
                file=header.path,
            )
        groups.setdefault(header.b_s_per_mm2, []).append(header)
    return sorted(groups.items())


def _places(
    headers: Ordered[Header], path: Path, *, repeats_allowed: bool
) -> tuple[tuple[tuple[Header, ...], ...], tuple[Note, ...]]:
    groups = positions(headers)
    dropped = 0
    usual, _ = Counter(map(len, groups)).most_common(1)[0]
    if not repeats_allowed or usual == 1:
        usual, kept = 1, [_only(group) for group in groups]
        dropped = len(headers) - len(kept)
        groups = [[header] for header in kept]
    odd = [group for group in groups if len(group) != usual]
    if odd:
        raise InputError(
            "DCM_COUNT",
            f"{len(odd)} slice positions with {len(odd[0])} images beside {usual} at the others",
            expected="the same number everywhere",
            action="export the missing images",
            file=path,
        )
    places = tuple(tuple(sorted(group, key=_acquisition)) for group in groups)
    return places, _copy_notes(dropped)


def _only(group: list[Header]) -> Header:
    """The one picture at a position; the same pixels twice count as one."""
    for other in group[1:]:
        if pixel_digest(group[0]) != pixel_digest(other):
            raise _duplicate(group[0], other)
    return group[0]


def _acquisition(header: Header) -> tuple[int, str]:
    return header.instance_number or 0, header.name


def _duplicate(one: Header, two: Header) -> GeometryError:
    return GeometryError(
        "DCM_DUP_POSITION",
        f"{one.name} and {two.name} are different pictures of one slice position",
        expected="one picture a position",
        action="keep one acquisition",
        file=two.path,
    )


def _copy_notes(dropped: int) -> tuple[Note, ...]:
    if not dropped:
        return ()
    note = Note(
        NoteKind.FIX,
        "DCM_DUPLICATE",
        f"{dropped} slices that repeat another one were dropped",
        expected="every slice once",
    )
    return (note,)


def _check_counts(found: Mapping[float | None, tuple[tuple[Header, ...], ...]], path: Path) -> None:
    (first, places), *others = found.items()
    for b, more in others:
        if len(more) != len(places):
            raise InputError(
                "DCM_COUNT",
                f"{len(places)} slices at b {first:g} but {len(more)} at b {b:g}",
                expected="the same slices at every b-value",
                action="export the missing slices",
                file=path,
            )


def _check_one_grid(stacks: Ordered[Stack], path: Path) -> None:
    first = stacks[0]
    for stack in stacks[1:]:
        if not stack.grid.same_as(first.grid, tol_mm=0.1 * min(first.grid.spacing_mm)):
            raise GeometryError(
                "DCM_COUNT",
                f"slices at b {stack.b_s_per_mm2:g} that lie elsewhere than those at "
                f"b {first.b_s_per_mm2:g}",
                expected="the same slices at every b-value",
                file=path,
            )
