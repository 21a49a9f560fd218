"""The strip of a case and the page to flick through many."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from builders import ORIENTATIONS, make_grid, make_mask, make_region, make_volume
from PIL import Image

from radresp import report
from radresp.notice import INTENDED_USE
from radresp.report import Entry, Fit
from radresp.report.qc_entry import REFUSED, UNJUDGED, in_order, worst

NASTY = "<script>alert(1)</script>"
QUALITY: dict[str, Any] = {
    "alignments": {
        "post.t2<-pre.t2": {
            "verdict": "doubtful",
            "numbers": {"shift_mm": 12.34, "overlap_fraction": 0.871},
            "reasons": ["a quarter of the area is not shown by both"],
        },
        "post.t2<-post.dwi": {"verdict": "good", "numbers": {}},
    },
    "volume_ml": {"post.t2.bed": 4.217},
    "absent": {"post.adc.residual": "nobody drew one"},
}
ENTRY = Entry("p1", "good", ("post.t2 from pre.t2: good", "a line with $x_$"), "p1.png")


def pixels(data: bytes) -> np.ndarray:
    with Image.open(BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"), dtype=float)


def fit(orientation: str = "lps", shift_mm: float = 0.0, **masks: Any) -> Fit:
    image = make_volume(make_grid(orientation=orientation))
    mask = make_mask(image.grid)
    along_x = sitk.TranslationTransform(3, (shift_mm, 0.0, 0.0))
    return Fit(image, image, along_x, masks.get("fixed", mask), masks.get("moving", mask))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_strip_has_the_same_places_whatever_the_orientation(orientation: str) -> None:
    region = make_region(make_grid(orientation=orientation))
    found = pixels(report.strip_png(ENTRY, fit(orientation), [region]))
    assert found.shape == (769, 1160, 3)
    assert found[200:400].std() > 20


def test_the_same_case_gives_the_same_bytes() -> None:
    assert report.strip_png(ENTRY, fit(), []) == report.strip_png(ENTRY, fit(), [])


def test_another_fit_is_another_picture_and_another_outline_too() -> None:
    lies, off = (pixels(report.strip_png(ENTRY, fit(shift_mm=s), [])) for s in (0.0, 6.0))
    assert np.abs(lies - off)[160:440].mean() > 1
    smaller = fit(fixed=make_mask(radius=0.15))
    assert not np.array_equal(lies, pixels(report.strip_png(ENTRY, smaller, [])))


def test_where_outlines_agree_one_hides_the_other() -> None:
    """Orange of the image's own outline, pink dashes of the one carried over."""
    apart = fit(moving=make_mask(radius=0.15))
    pink = [np.abs(pixels(report.strip_png(ENTRY, f, [])) - (255, 110, 199)).sum(axis=2) < 60
            for f in (fit(moving=None), apart)]  # fmt: skip
    assert pink[0].sum() == 0
    assert pink[1].sum() > 50


def test_a_case_without_alignment_or_outline_has_a_strip() -> None:
    without = Entry("p2", UNJUDGED, tuple(f"line {k}" for k in range(9)))
    assert pixels(report.strip_png(without, None, [])).shape == (769, 1160, 3)
    bare = fit()
    report.strip_png(ENTRY, Fit(bare.fixed, bare.moving, bare.transform), [])


def test_an_entry_holds_the_numbers_of_the_records() -> None:
    status = {"severity": "finished", "warnings": [{"code": "ADC_NOISE", "found": "30 %"}]}
    entry = report.entry_of("p1", QUALITY, status, "p1.png")
    assert entry.verdict == "doubtful"
    assert entry.lines == (
        "post.t2 from pre.t2: doubtful, shift 12.3 mm, overlap 0.87",
        "because a quarter of the area is not shown by both",
        "post.t2 from post.dwi: good",
        "post.t2.bed 4.2 ml",
        "no post.adc.residual: nobody drew one",
        "warning ADC_NOISE: 30 %",
    )


def test_a_refused_case_says_its_code_whatever_an_earlier_run_left() -> None:
    status = {"severity": "error", "code": "DCM_CORRUPT", "found": "no pixels", "action": "resend"}
    entry = report.entry_of("p1", QUALITY, status)
    assert (entry.verdict, entry.lines) == (REFUSED, ("DCM_CORRUPT: no pixels", "resend"))


def test_the_worst_comes_first() -> None:
    verdicts = ["good", UNJUDGED, "doubtful", "failed", REFUSED]
    entries = [Entry(f"p{k}", verdict, ()) for k, verdict in enumerate(verdicts)]
    assert [entry.verdict for entry in in_order(entries)] == [
        REFUSED, "failed", "doubtful", UNJUDGED, "good"
    ]  # fmt: skip
    assert worst(["good", "failed"]) == "failed"


def test_the_index_loads_pictures_late_and_nothing_else() -> None:
    entries = [Entry(f"case {k}#%", "good", (), f"case {k}#%.png") for k in range(200)]
    page = report.qc_index(entries, "Cohort")
    pictures = re.findall(r"<img loading=\"lazy\".*?src=\"([^\"]+)\"", page)
    assert len(pictures) == 200
    assert pictures[0] == "case%200%23%25.png"
    assert "http" not in page
    assert INTENDED_USE in page
    assert len(page) < 300_000


def test_h05_text_of_a_case_stays_text() -> None:
    page = report.qc_index([Entry(NASTY, "failed", (NASTY,), f"{NASTY}.png")], NASTY)
    assert "<script>alert" not in page
    assert page.count("<script>") == 1
