"""What is said on the command line wins over the plan, and the records say so."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from builders_cohort import GRID, picture
from builders_masks import save_nifti
from commands import radresp


def test_y09_an_option_wins_over_the_plan_and_stands_in_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = save_nifti(tmp_path / "t2.nii.gz", picture(1), GRID)
    plan, out = tmp_path / "plan.yaml", tmp_path / "out"
    plan.write_text("registration: {method: bspline_mi}\n")
    words = ["register", *map(str, (image, image, "-o", out, "--plan", plan))]
    words += ["--method", "rigid_mi"]
    monkeypatch.setattr(sys, "argv", ["radresp", *words])
    assert radresp(*words).code == 0
    assert json.loads((out / "quality.json").read_text())["step"]["method"] == "rigid_mi"
    said = json.loads((out / "run.json").read_text())["command"]
    assert said[-4:] == ["--plan", "plan.yaml", "--method", "rigid_mi"]
