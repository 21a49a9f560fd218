"""Bin widths from a training table: what they give, and what has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import radresp
from ruamel.yaml import YAML

from radresp import io
from radresp.core import FeatureRow, Sequence
from radresp.errors import PlanError
from radresp.pipeline import parse_plan, suggest_bins


def table(folder: Path, spans: np.ndarray, name: str = "post.adc.bed") -> Path:
    rows = [
        FeatureRow(f"c{i}", {f"{name}.original.firstorder_Range": x, "other": x / 3 + i})
        for i, x in enumerate(spans)
    ]
    return io.save_features(rows, folder)[1]


def test_the_median_region_gets_the_default_number_of_levels(tmp_path: Path) -> None:
    spans = np.random.default_rng(0).lognormal(np.log(1600), 0.3, 60)
    (found,) = suggest_bins(table(tmp_path, spans))
    assert found.sequence is Sequence.ADC
    assert found.width == pytest.approx(np.median(spans) / 32, rel=0.05)
    assert found.levels[1] == pytest.approx(32, rel=0.05)
    assert found.usual > 0.95


def test_the_printed_lines_are_a_plan(tmp_path: Path) -> None:
    shown = radresp("bins", table(tmp_path, np.linspace(900, 2300, 30)))
    assert shown.code == 0, shown.err
    plan = parse_plan(YAML(typ="safe").load(shown.out))
    width = plan.features[Sequence.ADC].families["original"].bin_width[Sequence.ADC]
    assert width == 50.0
    assert not plan.features[Sequence.ADC].families["original"].shape  # as by default


def test_a_table_without_ranges_is_refused(tmp_path: Path) -> None:
    rows = [
        FeatureRow(f"c{i}", {"post.adc.bed.original.firstorder_Mean": 1.5 + i}) for i in range(3)
    ]
    with pytest.raises(PlanError, match="family original"):
        suggest_bins(io.save_features(rows, tmp_path)[1])
