"""Training on a table radresp did not make."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from commands import radresp

QUICK = "classifier:\n  settings: {outer_folds: 3, repeats: 1, inner_folds: 3, ensemble: 10}\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Forty patients; one feature tells, seven do not."""
    rng = np.random.default_rng(4)
    target = np.arange(40) % 2
    values = rng.normal(size=(40, 8))
    values[:, 3] += 3.0 * target
    path = tmp_path / "table.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ID", *(f"f{n}" for n in range(8)), "scanner", "Target"])
        for n in range(40):
            writer.writerow([f"p{n:02d}", *values[n], n % 3, target[n]])
    (tmp_path / "plan.yaml").write_text(QUICK)
    return path


def words(table: Path, *more: str) -> tuple[str | Path, ...]:
    return (
        "train", table, "--id-column", "ID", "--outcome-column", "Target", "-o",
        table.parent / "model", "--plan", table.parent / "plan.yaml", "--progress", "none",
        "--json", *more,
    )  # fmt: skip


def test_any_table_trains_with_its_own_columns_and_words(table: Path) -> None:
    shown = radresp(
        *words(table, "--map", "1=residual", "--map", "0=complete", "--drop", "scanner")
    )
    assert shown.code == 0, shown.out
    found = shown.json["evaluation"]
    assert found["class_counts"] == {"complete": 20, "residual": 20}
    assert found["complete_response"]["auc"]["value"] > 0.8
    card = (table.parent / "model/README.md").read_text()
    assert "Research use only" in card
    assert "8 features were looked at in 40 patients" in card
    assert found["sample_size"]["patients_needed"] > 40
    assert "External validation: none" in card
    manifest = json.loads((table.parent / "model/model.json").read_text())
    assert manifest["manifest"]["training_data"] == "not stated"


def test_words_that_are_not_classes_need_a_meaning(table: Path) -> None:
    shown = radresp(*words(table))
    assert (shown.code, shown.json["error"]["code"]) == (2, "LABEL_UNKNOWN")
    assert not (table.parent / "model").exists()
    wrong = radresp(*words(table, "--map", "1:residual"))
    assert (wrong.code, wrong.json["error"]["code"]) == (2, "USAGE")


def test_a_model_is_not_replaced_unasked(table: Path) -> None:
    more = ("--map", "1=residual", "--map", "0=complete")
    assert radresp(*words(table, *more)).code == 0
    again = radresp(*words(table, *more))
    assert (again.code, again.json["error"]["code"]) == (6, "OUTPUT_EXISTS")
    assert radresp(*words(table, *more, "--overwrite")).code == 0


def test_a_model_of_another_table_cannot_score_images(table: Path, tmp_path: Path) -> None:
    radresp(*words(table, "--map", "1=residual", "--map", "0=complete"))
    case = Path(__file__).resolve().parents[2] / "sample_data/phantom_0000"
    shown = radresp(
        "score", case, "--model", table.parent / "model", "-o", tmp_path / "out", "--json"
    )
    assert (shown.code, shown.json["error"]["code"]) == (7, "FEATURE_SCHEMA")


def test_one_class_alone_teaches_nothing(table: Path) -> None:
    shown = radresp(*words(table, "--map", "1=residual", "--map", "0=residual"))
    assert (shown.code, shown.json["error"]["code"]) == (5, "ONE_CLASS")


def stability(folder: Path, lows: dict[str, str]) -> Path:
    path = folder / "stability.csv"
    path.write_text("feature,icc_1_1_low\n" + "".join(f"{n},{low}\n" for n, low in lows.items()))
    return path


def test_features_that_do_not_hold_still_are_left_out(table: Path) -> None:
    lows = {f"f{n}": "0.9" for n in range(6)} | {"f6": "0.4", "f7": ""}
    shown = radresp(
        *words(table, "--map", "1=residual", "--map", "0=complete", "--drop", "scanner"),
        "--stability", stability(table.parent, lows),
    )  # fmt: skip
    assert shown.code == 0, shown.out
    (note,) = [n for n in shown.json["evaluation"]["notes"] if n["code"] == "FEATURE_UNSTABLE"]
    assert note["found"].startswith("2 of 8 features")
    model = json.loads((table.parent / "model/classifier_model.json").read_text())
    assert model["columns"] == [f"f{n}" for n in range(6)]


def test_a_stability_table_of_other_features_is_refused(table: Path) -> None:
    shown = radresp(
        *words(table, "--map", "1=residual", "--map", "0=complete", "--drop", "scanner"),
        "--stability", stability(table.parent, {"elsewhere": "0.9"}),
    )  # fmt: skip
    assert shown.code == 2
    assert shown.json["error"]["code"] == "FEATURE_SCHEMA"
