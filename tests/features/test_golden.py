"""Values that must not move: a phantom of whole numbers, and the IBSI's digital phantom."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import make_grid, make_region

from radresp.core import Grid, Mask, Region, Roi, Sequence, Volume
from radresp.features import Original, Volumetry, extract

GOLDEN = Path(__file__).parents[1] / "golden"

# The IBSI digital phantom by Alex Zwanenburg, CC BY 4.0, github.com/theibsi/data_sets
# (ibsi_1_digital_phantom): 5 x 4 x 4 voxels of 2 mm, slice by slice, a dot outside the region.
IBSI_PHANTOM = """
    14411  14611  41641  44641
    14411  11611  .1311  44611
    144..  11111  11.11  11611
    144..  11111  11111  11611
"""


def golden(name: str) -> list[tuple[str, float, float]]:
    """Feature, value and absolute tolerance of a golden file."""
    with (GOLDEN / name).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert all(row["source"] for row in rows)
    return [(row["feature"], float(row["value"]), float(row["tolerance"])) for row in rows]


def phantom() -> Region:
    """An ellipsoid of whole numbers; their odd range keeps every value off the bin edges."""
    grid = make_grid(size=(26, 22, 14), spacing_mm=(0.8, 0.8, 3.0))
    z, y, x = np.indices((14, 22, 26))
    inside = ((x - 13) / 11) ** 2 + ((y - 10) / 8) ** 2 + ((z - 6) / 5) ** 2 <= 1
    values = 300 + 4 * x - 3 * y + 7 * z + (31 * x + 17 * y * y + 23 * z + x * y * z) % 131
    region = make_region(grid)
    return replace(
        region,
        volume=region.volume.with_array(values),
        mask=region.mask.with_array(inside),
    )


def ibsi_phantom() -> Region:
    slices = [line.split() for line in IBSI_PHANTOM.split("\n") if line.strip()]
    voxels = np.array([[list(row) for row in rows] for rows in slices])
    inside = voxels != "."
    values = np.where(inside, voxels, "9").astype(float)
    grid = Grid((5, 4, 4), (2, 2, 2))
    return Region(
        make_region().key,
        Volume.from_array(values, grid, Sequence.T2),
        Mask.from_array(inside, grid, Roi.TUMOUR),
    )


def test_the_phantom_keeps_its_values() -> None:
    region = phantom()
    spread = np.ptp(region.volume.values_in(region.mask))
    assert spread % 2 == 1
    found = extract(region, {"original": Original(), "volumetry": Volumetry()}).values
    expected = golden("original_phantom.csv")
    assert len(expected) == len(found) == 111
    for feature, value, tolerance in expected:
        assert found[f"{region.key}.{feature}"] == pytest.approx(value, rel=0, abs=tolerance), (
            feature
        )


def test_the_ibsi_phantom_has_the_consensus_values() -> None:
    region = ibsi_phantom()
    assert region.mask.voxel_count == 74
    found = extract(region, {"original": Original(bin_width={Sequence.T2: 1})}).values
    expected = golden("ibsi_digital_phantom.csv")
    assert len(expected) == 102
    for feature, value, tolerance in expected:
        name = f"{region.key}.original.{feature}"
        assert found[name] == pytest.approx(value, rel=0, abs=tolerance * (1 + 1e-9)), feature
