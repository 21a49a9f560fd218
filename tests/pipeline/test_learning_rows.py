"""The rows of the fault catalogue on learning (L), through `radresp train`.

Each row spoils a small table of features and outcomes and shows exit code, code and words; where
training is refused, no model folder is left behind. What training noticed stands in
``evaluation.json``, which `--json` prints.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from builders_cohort import GRID, make_images
from builders_masks import save_nifti
from builders_tables import QUICK, Table, make_table
from commands import Shown, radresp, tree
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from radresp.classify import cross_validate

PLAN = """\
classifier:
  method: elastic_net
  settings:
    {{outer_folds: 2, inner_folds: 2, repeats: 1, ensemble: 10, features: [4], strengths: [0.3],
     l1_ratios: [0.1]{}}}
"""
FEW = ", allow_few: true"
ELSEWHERE = {"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "2"}
COMMAND = "from radresp.cli import main; main()"


def table(**choices: Any) -> Table:
    """Forty patients, ten columns, 24 complete responses."""
    return make_table(**{"n": 40, "p": 10, **choices})


def words(folder: Path, made: Table, more: str = "") -> tuple[str | Path, ...]:
    """Write features, outcomes and plan, and say how they are learned from."""
    folder.mkdir(exist_ok=True)
    made.x.to_csv(folder / "features.csv", index_label="case_id")
    said = pd.DataFrame({"outcome": made.y, "patient_id": made.groups, "endpoint": "pCR"})
    said.to_csv(folder / "outcomes.csv", index_label="case_id")
    (folder / "plan.yaml").write_text(PLAN.format(more))
    return (
        "train", folder / "features.csv", "--outcomes", folder / "outcomes.csv",
        "--plan", folder / "plan.yaml", "-o", folder / "model", "--progress", "none",
    )  # fmt: skip


def train(folder: Path, made: Table, more: str = "") -> Shown:
    return radresp(*words(folder, made, more), "--json")


def learned(folder: Path, made: Table, more: str = "") -> tuple[dict[str, Any], list[Any]]:
    """Evaluation and notes of a table that is accepted."""
    shown = train(folder, made, more)
    assert shown.code == 0, shown.out
    evaluation = shown.json["evaluation"]
    assert json.loads((folder / "model/evaluation.json").read_text()) == evaluation
    return evaluation, evaluation["notes"]


def note(notes: list[Any], code: str, words: str = "") -> dict[str, str]:
    """The one note with a code that holds these words."""
    (found,) = [n for n in notes if n["code"] == code and words in n["found"]]
    return dict(found)


# ---------------------------------------------------------------------------------- refusals

Spoil = Callable[[Table], Table]


def with_x(edit: Callable[[pd.DataFrame], object]) -> Spoil:
    def spoil(made: Table) -> Table:
        x = made.x.copy()
        edit(x)
        return made._replace(x=x)

    return spoil


def put(row: int, column: int, value: Any) -> Spoil:
    return with_x(
        lambda x: x.isetitem(column, x.iloc[:, column].where(x.index != x.index[row], value))
    )


def copied(x: pd.DataFrame) -> None:
    x.iloc[7] = x.iloc[3]


def one_outcome(made: Table) -> Table:
    return made._replace(y=made.y.map(lambda _: "residual"))


def few(made: Table) -> Table:
    return table(n=30, residual=0.3)


class Row(NamedTuple):
    """A table that is refused: code, exit code, what is done to it, words of the error."""

    code: str
    exit: int
    spoil: Spoil
    words: tuple[str, ...]


ROWS = {
    "L04": Row("ONE_CLASS", 5, one_outcome, ("residual 40",)),
    "L06": Row("TOO_FEW", 5, few, ("9 patients with", "21 without")),
    "L13": Row("ROW_DUPLICATE", 2, with_x(copied), ("lines 5 and 9",)),
    "L15 infinite": Row("FEATURE_INFINITE", 2, put(4, 2, np.inf), ("line 6", "f0002")),
    "L15 minus": Row("FEATURE_INFINITE", 2, put(4, 2, -np.inf), ("line 6", "f0002")),
    "L15 word": Row("CSV_FORMAT", 2, put(4, 2, "#NUM!"), ("line 6", "f0002")),
}


@pytest.mark.parametrize("name", ROWS)
def test_each_refused_row_of_the_catalogue(tmp_path: Path, name: str) -> None:
    row = ROWS[name]
    shown = train(tmp_path / "study", row.spoil(table()))
    assert (shown.code, shown.json["error"]["code"]) == (row.exit, row.code), shown.out
    assert all(said in shown.json["error"]["found"] for said in row.words)
    assert shown.json["error"]["expected"]
    assert not (tmp_path / "study/model").exists()
    assert str(tmp_path) not in shown.out


# ---------------------------------------------------------------------------------- folds


def test_l01_one_image_under_two_patients_is_a_leak(tmp_path: Path) -> None:
    """Another outline makes other numbers: only the image itself shows that it is one patient."""
    names = ["a/t2.nii", "b/t2.nii", "c/t2.nii", "d/t2.nii"]
    home = make_images(tmp_path / "data", *names)
    (home / "d/t2.nii").write_bytes((home / "b/t2.nii").read_bytes())
    rows = []
    for number, name in enumerate(names):
        case = name[0]
        z, y, x = np.indices(GRID.size[::-1])
        ball = (z - 6) ** 2 + ((y - 17) / 2) ** 2 + ((x - 22 - number) / 2) ** 2 <= 9
        save_nifti(home / case / "tumour.nii", ball.astype(np.uint8), GRID)
        rows.append(f"{case},{name},{case}/tumour.nii")
    (home / "cohort.csv").write_text("\n".join(["case_id,pre_t2,pre_tumour", *rows]) + "\n")
    (home / "outcomes.csv").write_text(
        "case_id,outcome\na,complete\nb,residual\nc,complete\nd,residual\n"
    )
    done = radresp(
        "extract", home / "cohort.csv", "-o", tmp_path / "features", "--plan", home / "plan.yaml",
        "--progress", "none",
    )  # fmt: skip
    assert (tmp_path / "features/features.csv").exists(), done.err
    shown = radresp(
        "train", tmp_path / "features", "--outcomes", home / "outcomes.csv",
        "-o", tmp_path / "model", "--json",
    )  # fmt: skip
    assert (shown.code, shown.json["error"]["code"]) == (2, "LEAKAGE"), shown.out
    assert "cases b and d" in shown.json["error"]["found"]
    assert not (tmp_path / "model").exists()


MANY = table(n=20, visits=3)


@settings(max_examples=5, deadline=None)
@given(st.permutations(list(MANY.x.index)), st.integers(0, 1000))
def test_l02_folds_keep_patients_whole_however_ids_are_dealt(ids: list[str], seed: int) -> None:
    x, y, groups = (part.set_axis(ids, axis=0) for part in MANY)
    quick = QUICK.model_copy(update={"outer_folds": 2, "inner_folds": 2, "min_per_class": 5})
    found = cross_validate(x, y, groups, quick, seed=seed)
    assert set(found.folds.index) == set(ids)
    assert (found.folds.groupby(groups).nunique() == 1).all(axis=None)


def noise(seed: int) -> Table:
    """Random outcomes of 60 patients on 1,000 columns that know nothing of them."""
    rng = np.random.default_rng(seed)
    ids = [f"c{i:03d}" for i in range(60)]
    x = pd.DataFrame(rng.normal(size=(60, 1000)), ids, [f"f{j:04d}" for j in range(1000)])
    y = pd.Series(rng.permutation(np.where(np.arange(60) < 24, "residual", "complete")), ids)
    return Table(x, y, pd.Series(ids, ids))


def test_l03_canary_random_outcomes_end_at_one_half(tmp_path: Path) -> None:
    evaluation, _ = learned(tmp_path, noise(seed=1))
    found = evaluation["complete_response"]["auc"]
    assert found["low"] <= 0.5 <= found["high"]
    assert found["high"] - found["low"] < 0.4


def test_l05_every_fold_holds_both_outcomes_or_there_are_fewer_folds(tmp_path: Path) -> None:
    made = table(n=30, residual=0.15)
    quick = QUICK.model_copy(update={"outer_folds": 8, "allow_few": True})
    found = cross_validate(*made, quick, seed=1)
    per_fold = made.y.groupby(found.folds["repeat_1"]).nunique()
    assert (per_fold == 2).all()
    assert len(per_fold) == (made.y == "residual").sum() == 4
    assert "FOLDS_REDUCED" in {note.code for note in found.step.notes}


def test_l06_few_by_choice_is_trained_and_noted(tmp_path: Path) -> None:
    _, notes = learned(tmp_path, few(table()), FEW)
    assert "not usable" in note(notes, "TOO_FEW")["action"]


def test_l06_few_by_choice_is_called_not_usable_wherever_the_model_is_described(
    tmp_path: Path,
) -> None:
    shown = radresp(*words(tmp_path, few(table()), FEW))
    assert shown.code == 0, shown.err
    said = "not usable beyond a trial run: 9 patients with and 21 without residual tumour"
    assert said in shown.out
    card = (tmp_path / "model/README.md").read_text()
    assert card.index(said) < card.index("Use: research")
    assert card.count(said) == 1
    assert "not usable beyond a trial run" in (tmp_path / "model/evaluation.html").read_text()


def test_l06_enough_patients_are_not_called_too_few(tmp_path: Path) -> None:
    shown = radresp(*words(tmp_path, table(), FEW))
    assert shown.code == 0, shown.err
    assert "not usable" not in shown.out + (tmp_path / "model/README.md").read_text()


# ---------------------------------------------------------------------------------- columns


def test_l07_and_l08_columns_that_say_nothing_are_dropped_by_name(tmp_path: Path) -> None:
    made = table()
    once = pd.Series(0.0, made.x.index).where(made.x.index != "c0005", 1.0)
    x = made.x.assign(empty=np.nan, flat=3.0, once=once)
    _, notes = learned(tmp_path, made._replace(x=x))
    assert "empty" in note(notes, "FEATURE_ALL_MISSING")["found"]
    assert "flat" in note(notes, "FEATURE_CONSTANT", "are constant")["found"]
    assert "once" in note(notes, "FEATURE_CONSTANT", "in some fold")["found"]
    record = json.loads((tmp_path / "model/classifier_model.json").read_text())
    assert sorted(record["columns"]) == sorted(x.columns)
    assert not {"empty", "flat", "once"} & set(record["heads"]["residual"]["columns"])


def test_l09_more_columns_than_cases_that_separate_them_are_warned_of(tmp_path: Path) -> None:
    made = table(p=200)
    apart = np.where(made.y == "residual", 2.0, 0.0)
    x = made.x.assign(a=apart + np.linspace(0, 1, 40), b=apart + np.linspace(1, 0, 40))
    evaluation, notes = learned(tmp_path, made._replace(x=x))
    assert note(notes, "SEPARATION")["severity"] == "warning"
    assert evaluation["complete_response"]["brier"]["value"] > 0


def test_l10_a_rare_outcome_is_judged_by_more_than_accuracy(tmp_path: Path) -> None:
    evaluation, _ = learned(tmp_path, table(n=200, residual=0.05))
    found = evaluation["complete_response"]
    assert found["prevalence"] == pytest.approx(0.95)
    assert evaluation["class_counts"] == {"complete": 190, "residual": 10}
    assert found["average_precision"]["low"] < found["average_precision"]["value"]
    assert found["sensitivity_at_specificity"]["specificity"] == pytest.approx(0.9)
    assert found["sensitivity_at_specificity"]["whole"] == 190
    assert "accuracy" not in (tmp_path / "model/README.md").read_text()


def is_label(made: Table) -> pd.Series:
    return (made.y == "residual").astype(float)


LEAKS = {
    "label": is_label,
    "label turned round": lambda made: 7 - 3 * is_label(made),
    "place in the file": lambda made: is_label(made).rank(method="first"),
    "scanner": lambda made: is_label(made) * 10 + np.arange(len(made.y)) % 3,
    "label with a gap": lambda made: is_label(made).where(made.y.index != "c0005"),
}


@pytest.mark.parametrize("name", LEAKS)
def test_l11_a_column_that_is_the_outcome_is_suspected(tmp_path: Path, name: str) -> None:
    made = table()
    _, notes = learned(tmp_path, made._replace(x=made.x.assign(leak=LEAKS[name](made))))
    found = note(notes, "SUSPECT_FEATURE")
    assert found["severity"] == "warning"
    assert "leak" in found["found"]
    assert "f0" not in found["found"]


def clinical(folder: Path, made: Table, site: pd.Series) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "clinical.csv"
    pd.DataFrame({"site": site}).to_csv(path, index_label="case_id")
    return path


@pytest.mark.parametrize("column", ["site", "scanner"])
def test_l12_a_site_that_goes_with_the_outcome_is_warned_of_with_counts(
    tmp_path: Path, column: str
) -> None:
    made = table()
    at = pd.Series(np.where(made.y == "residual", "north", "south"), made.y.index)
    at.iloc[[2, 9]] = ["south", "north"]
    path = clinical(tmp_path, made, at)
    path.write_text(path.read_text().replace("site", column))
    shown = radresp(*words(tmp_path, made), "--clinical", path, "--json")
    assert shown.code == 0, shown.out
    found = note(shown.json["evaluation"]["notes"], "CONFOUNDED")
    assert found["severity"] == "warning"
    for name in ("north", "south"):
        here = made.y[at == name]
        counted = f"{name} {(here == 'complete').sum()} of {len(here)}"
        assert counted in found["found"]
    assert found["found"].startswith(f"complete responses by {column}: ")
    assert "CONFOUNDED" in (tmp_path / "model/evaluation.html").read_text()


def test_l12_a_site_that_does_not_is_not(tmp_path: Path) -> None:
    made = table()
    at = pd.Series(np.where(np.arange(40) % 2, "north", "south"), made.y.index)
    path = clinical(tmp_path, made, at)
    shown = radresp(*words(tmp_path, made), "--clinical", path, "--json")
    assert shown.code == 0, shown.out
    assert "CONFOUNDED" not in {n["code"] for n in shown.json["evaluation"]["notes"]}


def test_l15_gaps_are_named_and_never_filled_unsaid(tmp_path: Path) -> None:
    made = table()
    x = made.x.copy()
    x.iloc[:2, 0] = np.nan
    x.iloc[:20, 1] = np.nan
    _, notes = learned(tmp_path, made._replace(x=x))
    assert "f0000" in note(notes, "FEATURE_IMPUTED", "have some missing values")["found"]
    assert "f0001" in note(notes, "FEATURE_MISSING")["found"]


# ---------------------------------------------------------------------------------- looks


def look(folder: Path, made: Table, out: str, *more: str) -> Shown:
    """Judge the model of a folder on other cases."""
    held = folder / "held"
    held.mkdir(exist_ok=True)
    made.x.to_csv(held / "features.csv", index_label="case_id")
    said = pd.DataFrame({"outcome": made.y, "patient_id": made.groups, "endpoint": "pCR"})
    said.to_csv(held / "outcomes.csv", index_label="case_id")
    return radresp(
        "evaluate", folder / "model", held / "features.csv", "--outcomes", held / "outcomes.csv",
        "-o", folder / out, "--progress", "none", *more,
    )  # fmt: skip


def held_out(seed: int) -> Table:
    """Other patients than those of `table`."""
    made = table(seed=seed)
    ids = [f"h{seed}_{name}" for name in made.x.index]
    x, y, groups = (part.set_axis(ids, axis=0) for part in made)
    return Table(x, y, f"h{seed}_" + groups)


def test_l14_every_look_at_held_out_cases_is_counted_and_printed(tmp_path: Path) -> None:
    learned(tmp_path, table())
    before = tree(tmp_path / "model")
    for time in (1, 2):
        shown = look(tmp_path, held_out(5), f"out_{time}")
        assert shown.code == 0, shown.err
        assert f"looks at these cases with this model: {time}\n" in shown.out
    evaluation = json.loads((tmp_path / "out_2/evaluation.json").read_text())
    assert evaluation["looks"] == 2
    others = look(tmp_path, held_out(6), "out_3", "--json")
    assert others.json["evaluation"]["looks"] == 1
    after = tree(tmp_path / "model")
    assert len(after.pop("looks.jsonl").splitlines()) == 3
    assert after == before


def test_l14_a_look_that_cannot_be_written_is_said_not_to_be_counted(tmp_path: Path) -> None:
    learned(tmp_path, table())
    (tmp_path / "model/looks.jsonl").mkdir()
    shown = look(tmp_path, held_out(5), "out")
    assert shown.code == 0, shown.err
    assert "looks at these cases with this model: could not be counted" in shown.out
    assert json.loads((tmp_path / "out/evaluation.json").read_text())["looks"] is None


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_l14_a_model_that_may_only_be_read_is_judged_uncounted(tmp_path: Path) -> None:
    learned(tmp_path, table())
    model = tmp_path / "model"
    held = look(tmp_path, held_out(5), "first")
    assert held.code == 0, held.err
    # Mounted read-only in a name space of its own, for root may write anywhere else.
    mount = f"mount --bind {model} {model} && mount -o remount,ro,bind {model}"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f'{mount} || exit 99; exec "$0" "$@"', sys.executable, "-c",
         COMMAND, "evaluate", model, tmp_path / "held/features.csv", "--outcomes",
         tmp_path / "held/outcomes.csv", "-o", tmp_path / "out", "--progress", "none"],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode == 99 or done.stderr.startswith("unshare"):
        pytest.skip(f"nothing can be mounted here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    assert "looks at these cases with this model: could not be counted" in done.stdout
    assert len((model / "looks.jsonl").read_text().splitlines()) == 1


# ---------------------------------------------------------------------------------- repeats


@pytest.mark.slow
def test_l16_one_seed_gives_the_same_bytes_whatever_the_machine_does(tmp_path: Path) -> None:
    """Other threads, another hash seed, another state of numpy's own generator."""
    made = table()
    with threadpool_limits(1):
        np.random.seed(1)  # noqa: NPY002
        learned(tmp_path / "one", made)
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *words(tmp_path / "two", made)],
        env={**os.environ, **ELSEWHERE},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    other = words(tmp_path / "three", made)
    with (tmp_path / "three/plan.yaml").open("a") as plan:
        plan.write("seed: 18\n")
    assert radresp(*other).code == 0
    one, two, three = (tree(tmp_path / name / "model") for name in ("one", "two", "three"))
    assert {name for name in one if one[name] != two[name]} == {"run.json"}
    assert one["out_of_fold.csv"] != three["out_of_fold.csv"]
