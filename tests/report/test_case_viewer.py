"""The viewer's data: slices that belong together, outlines that are the masks, whole sheets."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from builders import ORIENTATIONS, make_grid, make_volume
from builders_case import SLICE_MM, make_prepared
from PIL import Image

from radresp import report
from radresp.core import Verdict
from radresp.pipeline.case_view import view_case
from radresp.report import sheets
from radresp.report.planes import borders
from radresp.report.viewer import _panels


def data_of(**options: Any) -> dict[str, Any]:
    return report.viewer_data(view_case(make_prepared(**options)))


def view(data: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in data["views"] if one["name"] == name)


def opened(url: str) -> Image.Image:
    kind, _, coded = url.partition("base64,")
    assert kind == "data:image/webp;"
    picture = Image.open(BytesIO(b64decode(coded)))
    picture.load()
    return picture


def inside(runs: list[int], size: list[int]) -> np.ndarray:
    """The voxels within a border: an odd number of pieces along y lies to their left."""
    crossed = np.zeros((size[1], size[0] + 1), int)
    for axis, place, start, end in np.reshape(runs, (-1, 4)):
        if axis == 1:
            crossed[start:end, place] += 1
    return np.cumsum(crossed, axis=1)[:, :-1] % 2 == 1


@pytest.mark.parametrize("orientation", ["lps", "oblique"])
def test_slices_are_linked_by_the_alignment(orientation: str) -> None:
    """Two images of one place; the alignment alone says that the anatomy lies two slices higher."""
    seen = view_case(make_prepared(orientation=orientation, shift_mm=0))
    post, pre = seen.pictures[0], next(p for p in seen.pictures if p.name == "pre.t2")
    up = (post.volume.grid.axes[:, 2] * 2 * SLICE_MM).tolist()
    moved = replace(pre, route=sitk.TranslationTransform(3, up))
    for picture, slices in ((pre, 0), (moved, 2)):
        panels, _ = _panels((post, picture))
        apart = {
            b + panels[1].cut.first[2] - a - panels[0].cut.first[2]
            for a, b in zip(panels[0].link, panels[1].link, strict=True)
            if a is not None and b is not None
        }
        assert apart == {slices}


def test_what_an_image_does_not_reach_is_not_linked() -> None:
    prepared = make_prepared(shift_mm=6)
    seen = view_case(prepared)
    short = make_volume(make_grid((64, 60, 4), (1, 1, 3.0), seen.pictures[0].volume.grid.origin_mm))
    pictures = (
        seen.pictures[0],
        report.Picture("short", "short", short, {}, seen.pictures[0].route),
    )
    link = report.viewer_data(report.CaseView(pictures))["views"][1]["link"]
    assert None in link
    assert [z for z in link if z is not None] == sorted(z for z in link if z is not None)


def test_visits_that_could_not_be_aligned_are_linked_by_their_outlines_and_not_laid_over() -> None:
    data = data_of(verdict=Verdict.FAILED)
    assert not view(data, "pre.t2")["aligned"]
    assert view(data, "pre.t2")["link"] == view(data, "post.t2")["link"]
    assert [one["name"] for one in data["pictures"]] == ["post.dwi", "post.adc"]
    assert data["maps"] == []


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_outlines_are_the_masks_whatever_the_stored_axes(orientation: str) -> None:
    data = data_of(orientation=orientation)
    for one in data["views"]:
        roi = "tumour" if one["name"].startswith("pre") else "bed"
        drawn = [inside(runs, one["size"]).sum() for runs in one["outlines"][roi]]
        assert max(drawn) > 0
        assert drawn[data["start"]] > 0 or orientation == "coronal"


def test_a_border_holds_exactly_its_voxels() -> None:
    drawn = np.random.default_rng(3).random((9, 7)) < 0.4
    np.testing.assert_array_equal(inside(borders(drawn), [7, 9]), drawn)
    assert borders(np.zeros((4, 4), bool)) == []


def test_every_sheet_decodes_and_holds_every_slice() -> None:
    data = data_of()
    assert [one["name"] for one in data["maps"]] == ["change.t2"]
    for one in (*data["views"], *data["pictures"], *data["maps"]):
        picture = opened(one["sheet"])
        width, height = one["tile"]
        used = max((z for z in one.get("link", [data["count"] - 1]) if z is not None), default=0)
        assert picture.width == width * min(sheets.COLUMNS, used + 1)
        assert picture.height >= height * (used // sheets.COLUMNS + 1)
    assert opened(data["mosaic"]).width == 180 * len(data["views"])
    assert json.loads(json.dumps(data)) == data


def test_sheets_keep_to_their_size_by_losing_quality() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (3, 160, 160), np.uint8)
    fine, best = sheets.encode_within({"a": list(noise)}, 10_000_000)
    coarse, worse = sheets.encode_within({"a": list(noise)}, len(fine["a"].data) // 2)
    assert worse < best
    assert len(coarse["a"].data) <= len(fine["a"].data) // 2


def test_a_large_slice_is_made_smaller() -> None:
    sheet = sheets.encode([np.zeros((600, 480), np.uint8)], 80, 240)
    assert (sheet.width, sheet.height) == (192, 240)


def test_colours_tell_rise_from_fall_and_leave_nothing_where_nothing_is() -> None:
    shown = sheets.coloured(np.array([[[-1.0, 0.0, 1.0, np.nan]]], np.float32), 1.0)[0, 0]
    assert shown[0, 2] > shown[0, 0]
    assert shown[2, 0] > shown[2, 2]
    assert shown[:, 3].tolist() == [255, 0, 255, 0]


def test_a_small_probability_looks_small_and_says_its_scale() -> None:
    t2 = view_case(make_prepared()).pictures[0].volume
    small = t2.with_array(np.full(t2.array.shape, 0.02))

    def drawn(full: float | None) -> tuple[float, int]:
        one = report.Map("m", "m", "m", small, full=full)
        data = report.viewer_data(view_case(make_prepared(), (one,)))
        found = next(entry for entry in data["maps"] if entry["name"] == "m")
        picture = np.asarray(opened(found["sheet"]).convert("RGBA"))
        return found["most"], int(picture[..., 3].max())

    (scale, faint), (own, strong) = drawn(1.0), drawn(None)
    assert (scale, own) == (1.0, pytest.approx(0.02))
    assert faint < strong / 4


def test_a_case_without_images_has_reasons_alone() -> None:
    data = report.viewer_data(report.CaseView(absent={"T2 after": "no such image"}))
    assert data == {"views": [], "absent": {"T2 after": "no such image"}}
