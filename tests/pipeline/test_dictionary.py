"""The dictionary of columns: every column once, in order, with its unit and how it was made."""

from __future__ import annotations

import pytest

from radresp.pipeline import feature_names, parse_plan
from radresp.pipeline.dictionary import describe_columns

PLAN = parse_plan(
    {
        "regions": ["pre.t2.tumour", "post.t2.bed", "pre.adc.tumour", "post.adc.bed"],
        "features": {
            "adc": {
                "families": {
                    "original": {"bin_width": {"adc": 50}, "resampled_spacing_mm": [1, 1, 0]},
                    "filtered": {"others": ["gradient"], "force_2d": True},
                },
                "changes": {"delta": {"kinds": ["difference", "relative", "per_week"]}},
            },
            "measures": {"response": {}, "habitat": {}},
        },
    }
)
ROWS = {row["column"]: row for row in describe_columns(PLAN)}


def test_every_column_has_one_row_in_the_order_of_the_table() -> None:
    assert tuple(ROWS) == feature_names(PLAN)
    assert len({tuple(row) for row in ROWS.values()}) == 1
    assert all(row["unit"] for row in ROWS.values())


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        ("pre.t2.tumour.volumetry.volume_ml", "mL"),
        ("post.t2.bed.original.shape_SurfaceVolumeRatio", "1/mm"),
        ("post.t2.bed.original.shape_Sphericity", "1"),
        ("post.t2.bed.original.firstorder_Mean", "image"),
        ("post.adc.bed.original.firstorder_Mean", "um2/s"),
        ("post.adc.bed.original.firstorder_Variance", "(um2/s)^2"),
        ("post.adc.bed.original.firstorder_Skewness", "1"),
        ("post.adc.bed.original.glcm_Contrast", "1"),
        ("post.adc.bed.filtered.wavelet-LLH_firstorder_Mean", "um2/s"),
        ("post.adc.bed.filtered.gradient_firstorder_Mean", "filtered image"),
        ("delta.adc.tumour_to_bed.difference.original.firstorder_Mean", "um2/s"),
        ("delta.adc.tumour_to_bed.per_week.original.firstorder_Mean", "um2/s / week"),
        ("delta.adc.tumour_to_bed.relative.original.firstorder_Mean", "1"),
        ("response.adc_p50", "um2/s"),
        ("response.adc_change_percent", "%"),
        ("habitat.post_scar_ml", "mL"),
    ],
)
def test_units(column: str, unit: str) -> None:
    assert ROWS[column]["unit"] == unit


def test_how_texture_was_made_stands_with_it() -> None:
    row = ROWS["post.adc.bed.original.glcm_Contrast"]
    assert (row["grey_levels"], row["voxels"]) == ("bin_width 50", "1x1x0 mm")
    row = ROWS["post.adc.bed.filtered.gradient_glcm_Contrast"]
    assert (row["grey_levels"], row["voxels"]) == ("bin_count 32", "as acquired, 2-D")
    change = ROWS["delta.adc.tumour_to_bed.relative.original.firstorder_Mean"]
    assert (change["visit"], change["roi"], change["change"]) == (
        "both",
        "tumour_to_bed",
        "relative",
    )
    assert not ROWS["response.adc_p50"]["grey_levels"]
