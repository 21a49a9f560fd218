"""What the slice viewer of a case page draws: pictures, outlines, and how their slices belong.

Every image keeps its own voxels. Scrolling moves all of them together: for each slice of the
reference image, the later T2, the alignment says which slice of another image shows the same place.
What is laid over the reference, images and maps, is carried onto its grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radresp.core import Mask, Sequence, Unit, Volume, resample_mask, resample_volume
from radresp.report import sheets
from radresp.report.planes import (
    Cut,
    Extent,
    axial,
    axial_mask,
    borders,
    extent_of,
    index_of,
)

MARGIN_MM, LEAST_MM, MOST_MM = 25.0, 40.0, 75.0
"""Around the outlines in the plane, and the bounds of half a panel's edge."""
ABOVE_MM = 12.0
"""Beyond the outlines along the slices."""
MOST_SLICES = 48
SHEET_BYTES = 1_250_000
"""Of all sheets together: a third more in a page, which stays below 2 MB."""
ADC_WINDOW = (0.0, 2500.0)
FOCUS = ("tumour", "bed", "residual")
"""Outlines the panels are cut around; others are tissue to compare with, and lie all over."""
_OUTLINE = np.array([255, 176, 0], np.uint8)


@dataclass(frozen=True, slots=True)
class Picture:
    """An image of the case with its outlines.

    Parameters
    ----------
    name, title : str
        For example ``"pre.t2"`` and ``"T2 before"``.
    volume : Volume
        The image.
    outlines : mapping of str to Mask
        On its grid.
    route : SimpleITK.Transform, optional
        Maps a point of the reference image to this one, LPS mm; None where no alignment says how.
    """

    name: str
    title: str
    volume: Volume
    outlines: Mapping[str, Mask] = field(default_factory=dict)
    route: sitk.Transform | None = None


@dataclass(frozen=True, slots=True)
class Map:
    """Signed values to lay over the reference image; 0 is not drawn.

    Parameters
    ----------
    name, title, about : str
        About says what the colours mean.
    volume : Volume
        The values.
    route : SimpleITK.Transform, optional
        Maps a point of the reference image to the map's, LPS mm; identity when absent.
    unit : str
        Of the values; empty without one.
    full : float, optional
        The value drawn in full colour, so that a small probability looks small; the 98th percentile
        of what is drawn when not given.
    """

    name: str
    title: str
    about: str
    volume: Volume
    route: sitk.Transform | None = None
    unit: str = ""
    full: float | None = None


@dataclass(frozen=True, slots=True)
class CaseView:
    """All there is to look at of a case.

    Parameters
    ----------
    pictures : tuple of Picture
        The reference image first, with the identity as its route.
    maps : tuple of Map
        To lay over it.
    absent : mapping of str to str
        Why a picture or a map is not there.
    """

    pictures: tuple[Picture, ...] = ()
    maps: tuple[Map, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Panel:
    """A picture as it is cut: its voxels, and which slice goes with each of the reference."""

    picture: Picture
    volume: Volume
    outlines: Mapping[str, NDArray[np.bool_]]
    cut: Cut
    link: tuple[int | None, ...]

    @property
    def array(self) -> NDArray[np.float32]:
        return self.volume.array[self.cut.box]


def viewer_data(view: CaseView) -> dict[str, Any]:
    """Everything the viewer's script needs, JSON-ready.

    Parameters
    ----------
    view : CaseView
        What there is.

    Returns
    -------
    dict
        ``views``, ``pictures`` and ``maps`` with their sheets, ``count`` and ``start`` of the
        reference's slices, ``field_mm`` of a panel, ``mosaic`` for readers without scripts,
        ``quality`` of the sheets and ``absent``. Without pictures only the last.
    """
    if not view.pictures:
        return {"views": [], "absent": dict(view.absent)}
    panels, half_mm = _panels(view.pictures)
    reference = panels[0]
    stacks: dict[str, list[sheets.Bytes]] = {}
    views = [_describe(panel, stacks) for panel in panels]
    laid = [
        _lay(panel, reference, stacks) for panel in panels[1:] if panel.picture.route is not None
    ]
    maps = [_lay_map(one, reference, stacks) for one in view.maps]
    encoded, quality = sheets.encode_within(stacks, SHEET_BYTES)
    for entry in (*views, *laid, *maps):
        sheet = encoded[entry["sheet"]]
        entry |= {"sheet": sheet.url, "tile": [sheet.width, sheet.height]}
    count = len(reference.link)
    return {
        "views": views,
        "pictures": laid,
        "maps": maps,
        "rois": sorted({name for panel in panels for name in panel.outlines}),
        "count": count,
        "start": _start(reference),
        "field_mm": round(2 * half_mm, 1),
        "slice_mm": reference.cut.grid.spacing_mm[2],
        "mosaic": _mosaic(panels),
        "quality": quality,
        "absent": dict(view.absent),
    }


def _panels(pictures: tuple[Picture, ...]) -> tuple[list[_Panel], float]:
    """All pictures cut around the same place, and half a panel's edge in mm."""
    volumes = [axial(picture.volume) for picture in pictures]
    masks = [{n: axial_mask(m) for n, m in picture.outlines.items()} for picture in pictures]
    focus = [[drawn[name] for name in FOCUS if name in drawn] for drawn in masks]
    extents = [extent_of(near, v.grid) for v, near in zip(volumes, focus, strict=True)]
    outlined = [
        extent.reach_mm(volume.grid) + MARGIN_MM
        for extent, volume, near in zip(extents, volumes, focus, strict=True)
        if near
    ]
    half_mm = float(np.clip(max(outlined, default=MOST_MM), LEAST_MM, MOST_MM))
    grid, extent = volumes[0].grid, extents[0]
    centre = np.asarray(grid.to_mm(extent.middle))
    slices = _slices(extent, grid.spacing_mm[2], grid.size[2], bool(focus[0]))
    panels = []
    for picture, volume, drawn, own in zip(pictures, volumes, masks, extents, strict=True):
        points = [_on_slice(grid, extent.middle, k) for k in range(slices[0], slices[1] + 1)]
        if picture.route is None:
            where, there = _by_outline(own, volume, points, centre)
        else:
            there = np.asarray(picture.route.TransformPoint(centre.tolist()))
            moved = (np.asarray(picture.route.TransformPoint(p.tolist())) for p in points)
            where = [float(index_of(volume.grid, p)[2]) for p in moved]
        panels.append(_panel(picture, volume, drawn, there, half_mm, where))
    return panels, half_mm


def _slices(extent: Extent, slice_mm: float, count: int, outlined: bool) -> tuple[int, int]:
    """First and last slice of the reference to show."""
    more = int(np.ceil(ABOVE_MM / slice_mm)) if outlined else 0
    first = max(int(extent.first[2]) - more, 0)
    last = min(int(extent.last[2]) + more, count - 1)
    spare = max(last - first + 1 - MOST_SLICES, 0)
    return first + spare // 2, last - (spare - spare // 2)


def _on_slice(grid: Any, middle: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    return np.asarray(grid.to_mm((float(middle[0]), float(middle[1]), float(k))))


def _by_outline(
    own: Extent, volume: Volume, points: list[NDArray[np.float64]], centre: NDArray[np.float64]
) -> tuple[list[float], NDArray[np.float64]]:
    """Without an alignment: as far from the middle of the outline as in the reference."""
    step = volume.grid.spacing_mm[2]
    along = points[-1] - points[0]
    axis = along / max(float(np.linalg.norm(along)), 1e-9)
    where = [float(own.middle[2]) + float((p - centre) @ axis) / step for p in points]
    return where, np.asarray(volume.grid.to_mm(own.middle))


def _panel(
    picture: Picture,
    volume: Volume,
    drawn: Mapping[str, Mask],
    centre_mm: NDArray[np.float64],
    half_mm: float,
    where: list[float],
) -> _Panel:
    nearest = [round(z) for z in where]
    inside = [z for z in nearest if 0 <= z < volume.grid.size[2]]
    slices = (min(inside, default=0), max(inside, default=0))
    cut = Cut.around(volume.grid, centre_mm, half_mm, slices)
    link = tuple(z - slices[0] if 0 <= z < volume.grid.size[2] else None for z in nearest)
    outlines = {name: mask.array[cut.box] for name, mask in drawn.items()}
    return _Panel(picture, volume, outlines, cut, link)


def _describe(panel: _Panel, stacks: dict[str, list[sheets.Bytes]]) -> dict[str, Any]:
    picture, array = panel.picture, panel.array
    low, high = _window(panel)
    stacks[picture.name] = list(sheets.grey(array, low, high))
    return {
        "name": picture.name,
        "title": picture.title,
        "sheet": picture.name,
        "place": [round(v, 3) for v in panel.cut.place_mm],
        "size": list(panel.cut.cut_grid.size[:2]),
        "link": list(panel.link),
        "aligned": picture.route is not None,
        "window": [round(low, 4), round(high, 4)],
        "outlines": {
            name: [borders(one) for one in inside] for name, inside in panel.outlines.items()
        },
    }


def _window(panel: _Panel) -> tuple[float, float]:
    if panel.volume.sequence is Sequence.ADC and panel.volume.unit is Unit.UM2_PER_S:
        return ADC_WINDOW
    low, high = np.percentile(panel.array, (1, 99.5))
    return float(low), float(high)


def _lay(panel: _Panel, reference: _Panel, stacks: dict[str, list[sheets.Bytes]]) -> dict[str, Any]:
    """Another image and its outlines on the grid of the reference."""
    picture, grid = panel.picture, reference.cut.cut_grid
    moved = resample_volume(panel.volume, grid, picture.route)
    name = f"laid:{picture.name}"
    stacks[name] = list(sheets.grey(moved.array, *_window(panel)))
    carried = {
        roi: resample_mask(mask, grid, picture.route).array
        for roi, mask in picture.outlines.items()
        if roi in FOCUS
    }
    return {
        "name": picture.name,
        "title": picture.title,
        "sheet": name,
        "outlines": {roi: [borders(one) for one in inside] for roi, inside in carried.items()},
    }


def _lay_map(one: Map, reference: _Panel, stacks: dict[str, list[sheets.Bytes]]) -> dict[str, Any]:
    name = f"map:{one.name}"
    moved = resample_volume(one.volume, reference.cut.cut_grid, one.route)
    array = moved.array
    most = one.full or _strong(array)
    stacks[name] = list(sheets.coloured(array, most))
    said = {"name": one.name, "title": one.title, "about": one.about, "unit": one.unit}
    return said | {"sheet": name, "most": float(f"{most:.3g}"), "signed": bool((array < 0).any())}


def _strong(array: NDArray[Any]) -> float:
    seen = np.abs(array[np.isfinite(array) & (array != 0)])
    return float(np.percentile(seen, 98)) if seen.size else 1.0


def _start(reference: _Panel) -> int:
    """The slice with the largest outline; the middle without one."""
    areas = sum(
        (drawn.sum(axis=(1, 2)) for n, drawn in reference.outlines.items() if n in FOCUS),
        start=np.zeros(len(reference.link), int),
    )
    return int(areas.argmax()) if areas.any() else len(reference.link) // 2


def _mosaic(panels: list[_Panel]) -> str:
    """The slice shown first of every picture, with its outlines."""
    k = _start(panels[0])
    shown = []
    for panel in panels:
        z = panel.link[k]
        if z is None:
            continue
        picture = sheets.grey(panel.array[z], *_window(panel))
        colour = np.repeat(picture[..., None], 3, axis=-1)
        for inside in (panel.outlines[name] for name in FOCUS if name in panel.outlines):
            padded = np.pad(inside[z], 1)
            across = [np.roll(padded, step, 0) & np.roll(padded, step, 1) for step in (1, -1)]
            deep = (across[0] & across[1])[1:-1, 1:-1]
            colour[inside[z] & ~deep] = _OUTLINE
        shown.append(colour)
    return sheets.mosaic(shown)
