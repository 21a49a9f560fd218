"""How wide a grey level should be, from what the regions of a training table span."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor, log10
from pathlib import Path

import numpy as np
import pandas as pd

from radresp import io
from radresp.core import Sequence
from radresp.errors import PlanError
from radresp.features.checks import USUAL_LEVELS
from radresp.features.original import Original
from radresp.pipeline.plan import DEFAULT_FEATURES

RANGE = ".original.firstorder_Range"


@dataclass(frozen=True, slots=True)
class BinWidth:
    """A width of grey levels for one sequence.

    Parameters
    ----------
    sequence : Sequence
        Whose images.
    width : float
        In the image's unit, two significant digits.
    regions : int
        Regions it was taken from, all cases together.
    levels : tuple of float
        Grey levels it gives: 5th percentile, median and 95th percentile of the regions.
    usual : float
        Share of regions with a usual number of levels, 16 to 128.
    """

    sequence: Sequence
    width: float
    regions: int
    levels: tuple[float, float, float]
    usual: float


def suggest_bins(path: Path) -> tuple[BinWidth, ...]:
    """Suggest ``bin_width`` for every sequence of a feature table.

    The width gives the median region as many levels as the default ``bin_count``. Take it from
    training cases only: a width that saw the test cases is a leak, if a small one.

    Parameters
    ----------
    path : Path
        ``features.csv`` or ``.parquet`` with the family ``original``.

    Raises
    ------
    PlanError
        ``FEATURE_SCHEMA`` when the table has no ``firstorder_Range`` of an unfiltered image.
    """
    table = io.load_features(path)
    found = []
    for sequence in DEFAULT_FEATURES:
        names = [n for n in table.columns if n.endswith(RANGE) and n.split(".")[1] == sequence]
        if names:
            found.append(_suggest(sequence, table[names]))
    if not found:
        raise PlanError(
            "FEATURE_SCHEMA",
            f"no column ends in {RANGE}",
            expected="a table of `radresp extract` with the family original",
            file=path,
        )
    return tuple(found)


def bins_plan(found: Iterable[BinWidth]) -> str:
    """The lines of a plan that set these widths, the rest of each family as by default."""
    features = {}
    for bins in found:
        families = {
            name: dict(s) for name, s in DEFAULT_FEATURES[bins.sequence]["families"].items()
        }
        families["original"]["bin_width"] = {str(bins.sequence): bins.width}
        features[str(bins.sequence)] = {"families": families}
    return io.dump_mapping({"features": features})


def _suggest(sequence: Sequence, ranges: pd.DataFrame) -> BinWidth:
    spans = ranges.to_numpy(dtype=float).ravel()
    spans = spans[np.isfinite(spans) & (spans > 0)]
    count = Original.model_fields["bin_count"].default
    width = _rounded(float(np.median(spans)) / count)
    levels = spans / width
    low, middle, high = (float(x) for x in np.percentile(levels, (5, 50, 95)))
    usual = float(np.mean((levels >= USUAL_LEVELS[0]) & (levels <= USUAL_LEVELS[1])))
    return BinWidth(sequence, width, len(spans), (low, middle, high), usual)


def _rounded(value: float) -> float:
    """Two significant digits."""
    return round(value, 1 - floor(log10(value)))
