"""External validation through the command line."""

from __future__ import annotations

import csv
import json
import os
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders_tables import make_table
from commands import Shown, radresp, tree

PLAN = """\
classifier:
  method: elastic_net
  settings: {outer_folds: 3, repeats: 1, inner_folds: 3, features: [6], strengths: [0.3],
             l1_ratios: [0.1], ensemble: 10, min_per_class: 8}
evaluation: {permutations: 0, bootstrap: 200}
"""


def write(folder: Path, *, n: int, seed: int, endpoint: str = "pCR", first: int = 0) -> Path:
    """A feature table, outcomes and a clinical table."""
    folder.mkdir(exist_ok=True)
    x, y, _ = make_table(n=n, seed=seed)
    ids = [f"case_{i + first:04d}" for i in range(n)]
    rng = np.random.default_rng(seed)
    x.set_axis(ids).to_csv(folder / "features.csv", index_label="case_id")
    pd.DataFrame({"case_id": ids, "outcome": y.to_numpy(), "endpoint": endpoint}).to_csv(
        folder / "outcomes.csv", index=False
    )
    pd.DataFrame(
        {
            "case_id": ids,
            "site": rng.choice(["s1", "s2"], n),
            "reader_call": np.where((y == "residual") ^ (rng.random(n) < 0.2), "iCR", "cCR"),
        }
    ).to_csv(folder / "clinical.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and cases it never met."""
    folder = tmp_path_factory.mktemp("evaluate")
    (folder / "plan.yaml").write_text(PLAN)
    train, _ = write(folder / "train", n=80, seed=0), write(folder / "new", n=60, seed=9, first=900)
    shown = radresp(
        "train", train / "features.csv", "--outcomes", train / "outcomes.csv",
        "--clinical", train / "clinical.csv", "-o", folder / "model",
        "--plan", folder / "plan.yaml", "--progress", "none",
    )  # fmt: skip
    assert shown.code == 0, shown.err
    return folder


def judge(home: Path, cases: Path, out: Path, *more: str | Path) -> Shown:
    return radresp(
        "evaluate", home / "model", cases / "features.csv", "--outcomes", cases / "outcomes.csv",
        "--clinical", cases / "clinical.csv", "-o", out, "--progress", "none", *more,
    )  # fmt: skip


def test_new_cases_are_judged_by_what_was_learned_alone(home: Path, tmp_path: Path) -> None:
    shown = judge(home, home / "new", tmp_path / "out", "--json")
    assert shown.code == 0, shown.err
    found = shown.json["evaluation"]
    assert "Research use only" in found["intended_use"]
    assert found["complete_response"]["n"] == found["cases"] == 60
    assert found["complete_response"]["auc"]["value"] > 0.75
    assert found["complete_response"]["auc_delong"]["low"] is not None
    assert found["baselines"]["reader call"]["n"] == 60
    assert found["baselines"]["volume only"] == {"reason": "no such column in the tables"}
    assert {row["value"] for row in found["subgroups"]["site"]} == {"s1", "s2"}
    assert found["pseudo_residual"]["read"] > 0
    assert found["external_validation"] == "this evaluation"
    rows = list(csv.DictReader((tmp_path / "out/predictions.csv").open()))
    assert len(rows) == 60
    assert {"p_ccr", "low", "high", "fit_residual", "decision", "outcome"} <= set(rows[0])
    assert json.loads((tmp_path / "out/evaluation.json").read_text()) == found
    page = (tmp_path / "out/evaluation.html").read_text()
    assert "Research use only" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_every_look_at_the_same_cases_is_counted(home: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", n=40, seed=33, first=500)
    before = tree(home / "model")
    counts = [
        judge(home, cases, tmp_path / f"out{i}", "--json").json["evaluation"]["looks"]
        for i, cases in enumerate((other, other, write(tmp_path / "third", n=40, seed=34), other))
    ]
    assert counts == [1, 2, 1, 3]
    after = tree(home / "model")
    assert {name for name in after if before.get(name) != after[name]} == {"looks.jsonl"}
    shown = judge(home, other, tmp_path / "last")
    assert "looks at these cases with this model: 4" in shown.out


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_model_that_cannot_be_written_is_judged_uncounted(home: Path, tmp_path: Path) -> None:
    model = home / "model"
    mode = model.stat().st_mode
    model.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        shown = judge(home, home / "new", tmp_path / "out")
    finally:
        model.chmod(mode)
    assert shown.code == 0, shown.err
    assert "could not be counted" in shown.out


def test_few_events_give_no_auc_but_the_counts(home: Path, tmp_path: Path) -> None:
    cases = write(tmp_path / "few", n=12, seed=4)
    found = judge(home, cases, tmp_path / "out", "--json").json["evaluation"]
    figures = found["complete_response"]
    for name in ("auc", "auc_delong", "average_precision"):
        assert figures[name]["value"] is None
        assert "10" in figures[name]["reason"]
    assert figures["brier"]["value"] is not None
    assert found["decisions"]["rates"]["missed_residual"]["whole"] == 5
    more = judge(home, cases, tmp_path / "more", "--minimum-events", "3", "--json")
    assert more.json["evaluation"]["complete_response"]["auc"]["value"] is not None


def test_another_endpoint_is_refused(home: Path, tmp_path: Path) -> None:
    cases = write(tmp_path / "other", n=40, seed=5, endpoint="sustained_cCR_24m")
    before = tree(home / "model")
    shown = judge(home, cases, tmp_path / "out", "--json")
    assert (shown.code, shown.json["error"]["code"]) == (2, "ENDPOINT_MIXED")
    assert "pCR" in shown.json["error"]["found"]
    assert tree(home / "model") == before  # nothing was seen, so it was no look


def test_missing_columns_are_refused_by_name(home: Path, tmp_path: Path) -> None:
    cases = write(tmp_path / "short", n=30, seed=6)
    path = cases / "features.csv"
    frame = pd.read_csv(path)
    frame.drop(columns=frame.columns[3]).to_csv(path, index=False)
    shown = judge(home, cases, tmp_path / "out", "--json")
    assert (shown.code, shown.json["error"]["code"]) == (7, "FEATURE_SCHEMA")
    assert frame.columns[3] in shown.json["error"]["found"]


def test_training_cases_are_noticed_by_name(home: Path, tmp_path: Path) -> None:
    found = judge(home, home / "train", tmp_path / "out", "--json").json["evaluation"]
    assert "IN_TRAINING_SET" in {note["code"] for note in found["notes"]}
    found = judge(home, home / "new", tmp_path / "new", "--json").json["evaluation"]
    assert "IN_TRAINING_SET" not in {note["code"] for note in found["notes"]}


def test_cases_without_features_are_counted_not_forgotten(home: Path, tmp_path: Path) -> None:
    cases = write(tmp_path / "gone", n=40, seed=8, first=700)
    path = cases / "features.csv"
    frame = pd.read_csv(path)
    frame.iloc[3:].to_csv(path, index=False)
    found = judge(home, cases, tmp_path / "out", "--json").json["evaluation"]
    assert found["cases"] == 37
    (note,) = [note for note in found["notes"] if note["code"] == "WITHOUT_FEATURES"]
    assert note["found"].startswith("3 of 40")
    assert "case_0700" in note["found"]
