"""The front door: cheap to open, typed, and one case by its path in one call."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders_cohort import GRID, picture
from builders_masks import save_nifti

import radresp
from radresp.errors import PlanError
from radresp.notice import INTENDED_USE
from radresp.pipeline.external import Judged
from radresp.pipeline.train import Trained

PLAN = """\
regions: [post.t2.bed]
registration: {method: rigid_mi}
registration_dwi: {method: header}
features:
  t2: {families: {volumetry: {}}, changes: {}}
  measures: {}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A table of two cases and a plan; no case folder knows of the other."""
    (tmp_path / "plan.yaml").write_text(PLAN)
    lines = ["case_id,post_t2,post_bed"]
    for number, radius in enumerate((6, 4)):
        case = tmp_path / f"c{number}"
        case.mkdir()
        z, y, x = np.indices(GRID.size[::-1]) - np.array([5, 17, 24]).reshape(3, 1, 1, 1)
        ball = (z / 3) ** 2 + (y / radius) ** 2 + (x / radius) ** 2 <= 1
        save_nifti(case / "t2.nii", (picture(number) + 80 * ball).astype(np.float32), GRID)
        save_nifti(case / "bed.nii", ball.astype(np.uint8), GRID)
        lines.append(f"c{number},c{number}/t2.nii,c{number}/bed.nii")
    (tmp_path / "cohort.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_importing_costs_no_library() -> None:
    heavy = "{'numpy', 'SimpleITK', 'pandas', 'pydantic', 'sklearn', 'torch'}"
    told = f"import sys, radresp; print(sorted(set(sys.modules) & {heavy}))"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_name_of_the_front_door_is_there_and_typed() -> None:
    stub = Path(radresp.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    typed: dict[str, str] = {}
    for node in ast.parse(stub).body:
        if isinstance(node, ast.ImportFrom):
            typed |= {str(name.asname): f"{node.module}.{name.name}" for name in node.names}
    assert sorted(typed) == radresp.__all__
    for name, place in typed.items():
        found = getattr(radresp, name)
        assert f"{found.__module__}.{found.__name__}" == place
        assert found.__doc__
    assert set(typed) < set(dir(radresp))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = radresp.no_such_name  # type: ignore[attr-defined]


def test_a_case_is_measured_by_table_and_name_or_by_itself(home: Path) -> None:
    by_name = radresp.extract(str(home / "cohort.csv"), home / "plan.yaml", case_id="c1")
    files = radresp.open_cases(home / "cohort.csv").cases[1]
    plan = radresp.load_plan(home / "plan.yaml")
    by_hand = radresp.extract_case(radresp.prepare_case(radresp.load_case(files, plan), plan), plan)
    assert by_name.values == radresp.extract(files, plan).values == by_hand.values
    assert by_name.values["post.t2.bed.volumetry.volume_ml"] > 0


def test_a_table_of_several_needs_a_choice(home: Path) -> None:
    with pytest.raises(PlanError) as caught:
        radresp.extract(home / "cohort.csv", home / "plan.yaml")
    assert caught.value.code == "CASE_CHOICE"


@pytest.mark.parametrize("kind", [Trained, Judged])
def test_an_evaluation_shows_its_lines_in_a_notebook(
    kind: type[Trained | Judged], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["12 cases of <script>, endpoint pCR", "- AUC 0.85 (0.73 to 0.94)"]
    monkeypatch.setattr(kind, "lines", lambda self: lines)
    html = kind.__new__(kind)._repr_html_()
    assert html.index(INTENDED_USE) < html.index("12 cases of &lt;script&gt;")
    assert "<li>AUC 0.85 (0.73 to 0.94)</li>" in html
