"""Classifiers on tables of features with 0/1 targets, by this package's own nested evaluation.

    python scripts/bench/learning.py FOLDER [--method auto mrmr ...] [--permuted] [--jobs 2]
    python scripts/bench/learning.py --cost

FOLDER holds NAME.csv.gz (ID, features, Target), reference_auc_sklearn.csv (dataset, auc_mean:
16 features by ANOVA and plain logistic regression, 10 x 5 folds). Nothing is tuned to a table:
every method has its defaults, 3 x 5 outer and 5 inner folds. `auc` is the mean over repeats of the
AUC of the calibrated out-of-fold probabilities; `of mean` that of their mean over repeats, which
`radresp train` reports; the 95 % interval is a bootstrap over patients of the latter.
--permuted: labels shuffled once. --cost: seconds against patients and features.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from radresp import classify, evaluate

SEED = 17


def main() -> None:
    """Print a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path, nargs="?")
    arguments.add_argument("--method", nargs="+", default=["auto"])
    arguments.add_argument("--permuted", action="store_true")
    arguments.add_argument("--cost", action="store_true")
    arguments.add_argument("--jobs", type=int, default=2)
    chosen = arguments.parse_args()
    if chosen.cost:
        cost()
        return
    paths = sorted(chosen.folder.glob("*.csv.gz"))
    reference = plain(chosen.folder / "reference_auc_sklearn.csv")
    for method in chosen.method:
        job = partial(measure, method=method, permuted=chosen.permuted)
        with ProcessPoolExecutor(chosen.jobs) as pool:
            rows = list(pool.map(job, paths))
        report(method, rows, reference)


def plain(path: Path) -> dict[str, float]:
    """The reference by table."""
    with path.open() as file:
        lines = [line for line in file if not line.startswith("#")]
    return {row["dataset"]: float(row["auc_mean"]) for row in csv.DictReader(lines)}


def measure(path: Path, *, method: str, permuted: bool) -> dict[str, Any]:
    """One table."""
    with gzip.open(path, "rt") as file:
        frame = pd.read_csv(file)
    ids = pd.Index([f"case_{i:04d}" for i in range(len(frame))])
    x = frame.drop(columns=["ID", "Target"]).astype(float).set_axis(ids)
    target = frame["Target"].to_numpy()
    if permuted:
        target = np.random.default_rng(0).permutation(target)
    x = x.loc[~x.duplicated()]
    event = pd.Series(target, ids).loc[x.index] == 1
    y = event.map({True: "residual", False: "complete"})
    groups = pd.Series(x.index, x.index)
    settings = classify.METHODS[method].settings(min_per_class=4)
    start = time.perf_counter()
    found = classify.cross_validate(x, y, groups, settings, seed=SEED)
    truth = event.loc[found.p.index].to_numpy().astype(int)
    each = [evaluate.auc(truth, repeat["residual"].to_numpy()) for repeat in found.per_repeat]
    low, high = evaluate.auc_bootstrap(truth, found.p["residual"].to_numpy(), seed=SEED)
    slope, _ = evaluate.calibration_line(truth, found.p["residual"].to_numpy())
    return {
        "table": path.name.removesuffix(".csv.gz"),
        "n": len(x),
        "p": x.shape[1],
        "auc": float(np.mean(each)),
        "of_mean": evaluate.auc(truth, found.p["residual"].to_numpy()),
        "low": low,
        "high": high,
        "slope": slope,
        "seconds": time.perf_counter() - start,
    }


def report(method: str, rows: Iterable[dict[str, Any]], reference: dict[str, float]) -> None:
    """One line a table and the sums."""
    rows = list(rows)
    print(
        f"\n{method}\n| table | n | p | AUC | of mean | 95 % | plain | s |\n"
        "|---|---|---|---|---|---|---|---|"
    )
    for row in rows:
        around = f"{row['low']:.2f} to {row['high']:.2f}"
        cells = [row["table"], row["n"], row["p"], f"{row['auc']:.3f}", f"{row['of_mean']:.3f}"]
        cells += [around, f"{reference[row['table']]:.3f}", f"{row['seconds']:.0f}"]
        print("| " + " | ".join(map(str, cells)) + " |")
    gain = np.array([row["auc"] - reference[row["table"]] for row in rows])
    worse = sum(row["high"] < reference[row["table"]] for row in rows)
    mean = np.mean([row["auc"] for row in rows])
    of_mean = np.mean([row["of_mean"] for row in rows])
    slope = np.median([row["slope"] for row in rows])
    plain_mean = np.mean(list(reference.values()))
    print(f"mean {mean:.4f}, of mean predictions {of_mean:.4f}, plain {plain_mean:.4f}")
    print(
        f"better than plain on {int((gain > 0).sum())} of {len(rows)}, "
        f"significantly worse on {worse}"
    )
    print(f"median calibration slope {slope:.2f}")


def cost() -> None:
    """Seconds of a full nested evaluation and final model of the default method."""
    rng = np.random.default_rng(0)
    for n, p in ((100, 1000), (200, 250), (200, 500), (200, 1000), (200, 2000), (400, 1000)):
        ids = pd.Index([f"case_{i:04d}" for i in range(n)])
        x = pd.DataFrame(rng.normal(size=(n, p)), ids, [f"f{i}" for i in range(p)])
        event = x.iloc[:, :5].sum(axis=1) + 2 * rng.normal(size=n) > 0
        y = event.map({True: "residual", False: "complete"})
        groups = pd.Series(ids, ids)
        settings = classify.METHODS["auto"].settings()
        start = time.perf_counter()
        classify.cross_validate(x, y, groups, settings, seed=SEED)
        between = time.perf_counter()
        classify.fit(x, y, groups, settings, endpoint="bench", seed=SEED)
        end = time.perf_counter()
        print(f"n {n}, p {p}: evaluation {between - start:.1f} s, model {end - between:.1f} s")


if __name__ == "__main__":
    main()
