from __future__ import annotations

from io import BytesIO
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from builders import ORIENTATIONS, make_grid, make_mask, make_volume

from radresp import report
from radresp.notice import INTENDED_USE

SCORE: dict[str, Any] = {
    "intended_use": INTENDED_USE,
    "case_id": "c1",
    "endpoint": "pCR",
    "p_ccr": 0.71,
    "interval": [0.5, 0.9],
    "classes": {"complete": 0.71, "residual": 0.29},
    "decision": "indeterminate",
    "reasons": ["between the thresholds"],
    "drivers": [{"name": "f", "value": 1.0, "contribution": -0.2, "training_median": 2.0}],
    "qc": {"alignments": {}, "volume_ml": {"post.t2.bed": 5.0}, "absent": {}},
    "model": {"id": "m", "sha256": "0" * 64, "training_data": "synthetic", "cases": 50},
    "versions": {"radresp": "0"},
    "fixes": [],
    "warnings": [],
    "trail": [{"room": "io", "method": "load", "seconds": 0.1}],
}


def test_the_page_says_the_answer_and_its_limits() -> None:
    page = report.case_page(SCORE)
    for words in (INTENDED_USE, "Indeterminate", "0.71", "0.50 to 0.90", "No warning"):
        assert words in page


def test_an_abstention_shows_no_number() -> None:
    abstained = SCORE | {"p_ccr": None, "interval": None, "classes": {}, "decision": "abstain"}
    page = report.case_page(abstained)
    assert "No probability is given" in page
    assert "0.71" not in page


LEVELS = {"complete": 0.1, "residual": 0.05}


@pytest.mark.parametrize(
    ("fit", "said", "unsaid"),
    [
        (
            {"complete": 0.6, "residual": 0.02},
            (
                "Residual tumour is ruled out: 2.0 % of those",
                "A complete response is not ruled out",
            ),
            ("tumour is not", "response is ruled"),
        ),
        (
            {"complete": 0.1, "residual": 0.31},
            (
                "Residual tumour is not ruled out: 31.0 %",
                "A complete response is ruled out: 10.0 %",
            ),
            ("response is not", "tumour is ruled"),
        ),
        (
            {"complete": 0.4, "residual": 0.3},
            ("Residual tumour is not ruled out", "(5 % or less rules it out)"),
            ("tumour is ruled", "response is ruled"),
        ),
    ],
    ids=["complete", "residual", "both"],
)
def test_the_page_says_which_outcome_is_ruled_out(
    fit: dict[str, float], said: tuple[str, ...], unsaid: tuple[str, ...]
) -> None:
    page = report.case_page(SCORE | {"fit": fit, "ruled_out_up_to": LEVELS})
    assert "What is ruled out" in page
    assert all(words in page for words in said)
    assert not [words for words in unsaid if words in page]


def test_the_page_says_what_the_model_adds_to_a_reader_who_saw_something() -> None:
    read = {"reader_call": "nCR", "p_pseudo_residual_given_non_ccr": 0.414}
    page = report.case_page(SCORE | read)
    assert "Given that the team read nCR: probability that this is no tumour 0.41" in page
    for less in (read | {"reader_call": None}, read | {"p_pseudo_residual_given_non_ccr": None}):
        assert "Given that the team" not in report.case_page(SCORE | less)


def test_a_record_without_them_is_shown_as_before() -> None:
    page = report.case_page(SCORE)
    assert "ruled out" not in page
    assert "Given that the team" not in page


def test_an_abstention_rules_nothing_out() -> None:
    """Whatever else a record holds: numbers beside an abstention would be taken for an answer."""
    more = {"fit": {"complete": 0.6, "residual": 0.02}, "ruled_out_up_to": LEVELS}
    more |= {"reader_call": "nCR", "p_pseudo_residual_given_non_ccr": 0.41}
    abstained = SCORE | {"p_ccr": None, "interval": None, "classes": {}, "decision": "abstain"}
    page = report.case_page(abstained | more)
    assert "Abstained" in page
    assert "ruled out" not in page
    assert "Given that the team" not in page


@pytest.mark.parametrize("place", ["case_id", "endpoint"])
def test_h05_text_from_outside_is_escaped(place: str) -> None:
    page = report.case_page(SCORE | {place: "<script>alert(1)</script>"})
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_h05_a_reader_call_from_outside_is_escaped() -> None:
    call = {"reader_call": "<script>alert(1)</script>", "p_pseudo_residual_given_non_ccr": 0.4}
    assert "<script>" not in report.case_page(SCORE | call)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_pictures_decode_and_look_the_same_whatever_the_stored_axes(orientation: str) -> None:
    grid = make_grid(orientation=orientation)
    picture = report.contour_png(make_volume(grid), make_mask(grid), "post.t2.bed")
    pixels = matplotlib.image.imread(BytesIO(picture))
    assert pixels.ndim == 3
    assert pixels.std() > 0.05


def test_a_picture_without_an_outline_is_drawn_too() -> None:
    assert report.contour_png(make_volume(), None, "t2").startswith(b"\x89PNG")


def test_patient_right_is_on_the_left_and_front_is_up() -> None:
    """A bright block at the patient's right and front, in a file stored the other way round."""
    grid = make_grid(size=(40, 40, 6), spacing_mm=(1, 1, 3), orientation="ras")
    array = np.full(grid.size[::-1], 10.0)
    array[:, 25:, 25:] = 200  # RAS storage: the last columns are the patient's left ... of -x
    left, front = grid.to_mm((39, 39, 0))[:2]
    at_left, at_front = left > grid.centre_mm[0], front < grid.centre_mm[1]
    volume = make_volume(grid).with_array(array)
    png = report.contour_png(volume, None, "t2")
    pixels = matplotlib.image.imread(BytesIO(png))[..., :3].mean(axis=2)
    rows, columns = np.nonzero(pixels[40:, : pixels.shape[1] // 3] > 0.9)
    block_left_of_centre = np.median(columns) < pixels.shape[1] / 6
    block_above_centre = np.median(rows) < (pixels.shape[0] - 40) / 2
    assert (block_left_of_centre, block_above_centre) == (not at_left, at_front)
