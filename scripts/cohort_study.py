"""What a model of synthetic patients is worth on fresh ones whose truth is known.

    radresp phantom -o A --cases 300 --seed 101 --fast --scanner ...      (and B, seed 202)
    radresp extract A/cohort.csv -o FA --plan PLAN                        (and B)
    python scripts/cohort_study.py A FA B FB OUT [--plan PLAN] [--into docs/reference/learning.md]

Trains on A (default classifier, with and without clinical values), scores B once, and prints:
discrimination beside the phantom's oracle, calibration, coverage of the conformal sets by outcome
with the limits a binomial allows, how many cases are abstained from, and how many patients with a
pseudo-residual (complete, but read as nCR or iCR) are released at no more than 5 % of the residual
tumours read so, against volume, mean ADC and the reader. Nothing is chosen by looking at B.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from radresp import evaluate, io, pipeline
from radresp.pipeline.external import judge
from radresp.pipeline.learning_table import TrainingTable, join_outcomes

MISSED = 0.05
MARKS = ("<!-- cohort:begin -->", "<!-- cohort:end -->")
VOLUME = "post.t2.bed.volumetry.volume_ml"
MEAN_ADC = "post.adc.bed.original.firstorder_Mean"


def main() -> None:
    """Train, judge, print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    for name in ("cohort", "features", "new_cohort", "new_features", "out"):
        arguments.add_argument(name, type=Path)
    arguments.add_argument("--plan", type=Path)
    arguments.add_argument("--into", type=Path, help="page whose table is replaced")
    asked = arguments.parse_args()
    plan = pipeline.load_plan(asked.plan)
    table = read(asked.cohort, asked.features)
    new = read(asked.new_cohort, asked.new_features)
    oracle = oracle_of(asked.new_cohort, new)
    protocol = io.read_json(asked.features / "acquisition.json")
    lines = [f"{len(table.x)} training cases, {len(new.x)} fresh ones, {table.x.shape[1]} features"]
    found = {}
    for name, fuse in (("images", False), ("images and clinical values", True)):
        folder = asked.out / ("fused" if fuse else "imaging")
        if not folder.exists():
            trained = pipeline.train_model(table, plan, fuse=fuse)
            pipeline.save_model(trained, plan, folder, protocol=protocol, training_data="synthetic")
        scoring = pipeline.open_model(folder)
        doubts = pipeline.doubts_of(new.x.index, asked.new_features, scoring)
        rules = plan.evaluation.model_copy(update={"minimum_events": 10})
        found[name] = judge(new, scoring, doubts, rules)
    lines += quality(found, new, oracle)
    lines += released(found, new)
    text = "\n".join(lines)
    print(text)
    if asked.into:
        replace(asked.into, text)


def read(cohort: Path, features: Path) -> TrainingTable:
    """Features, outcomes and clinical values of a cohort."""
    return join_outcomes(
        io.load_features(features / "features.parquet"),
        io.load_outcomes(cohort / "outcomes.csv"),
        io.load_clinical(cohort / "cohort.csv"),
    )


def oracle_of(cohort: Path, table: TrainingTable) -> np.ndarray:
    """Probability of a complete response by whoever knows all that images could show."""
    truth = pd.read_csv(cohort / "truth" / "truth.csv", index_col="case_id")
    return 1 - truth.loc[table.x.index, "oracle_p_residual"].to_numpy()


def quality(found: Mapping[str, Any], new: TrainingTable, oracle: np.ndarray) -> list[str]:
    """Discrimination, calibration, coverage and abstention."""
    y = new.complete.to_numpy()
    best = evaluate.auc(y, oracle)
    columns = (
        *("model", "AUC", "share of the oracle's", "calibration slope", "O:E"),
        *("coverage complete", "coverage residual", "abstained"),
    )
    lines = ["", "| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for name, judged in found.items():
        figures, decisions = judged.evaluation["complete_response"], judged.evaluation["decisions"]
        auc = figures["auc_delong"]
        cells = [
            name,
            f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})",
            f"{auc['value'] / best:.0%} of {best:.3f}",
            *(around(figures[key]) for key in ("calibration_slope", "observed_expected")),
            *(
                covered(decisions["coverage"][side], 1 - decisions[f"missed_{side}_level"])
                for side in ("complete", "residual")
            ),
            share(decisions["rates"]["share"]["abstain"]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def around(figure: Mapping[str, Any]) -> str:
    """A value with its interval."""
    return f"{figure['value']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"


def covered(rate: Mapping[str, Any], level: float) -> str:
    """Coverage, and the 95 % limits of a binomial at the level promised."""
    whole = int(rate["whole"])
    low, high = binom.ppf((0.025, 0.975), whole, level) / whole
    return f"{rate['value']:.3f} (promised {level:.2f}, by chance {low:.3f} to {high:.3f})"


def share(rate: Mapping[str, Any]) -> str:
    """Part of a whole in words."""
    return f"{rate['part']:.0f} of {rate['whole']:.0f}"


def released(found: Mapping[str, Any], new: TrainingTable) -> list[str]:
    """Pseudo-residual patients released, among those read as nCR or iCR."""
    doubted = new.doubted.to_numpy()
    y = new.complete.to_numpy()[doubted]
    read = f"Read as nCR or iCR: {int(doubted.sum())}, of them {int(y.sum())} without tumour"
    lines = [
        "",
        f"{read}; the reader releases none.",
        "",
        "| by | pseudo-residual released | residual missed |",
        "|---|---|---|",
    ]
    for name, judged in found.items():
        said = judged.predictions["decision"].to_numpy()[doubted]
        rates = evaluate.decision_rates(y, said.tolist())
        lines.append(
            f"| {name}, its own decisions | {share(rates['released'])} | "
            f"{share(rates['missed_residual'])} |"
        )
    scores = {name: judged.predictions["p_ccr"] for name, judged in found.items()}
    scores["volume only"] = -new.x[VOLUME]
    scores["mean ADC only"] = new.x[MEAN_ADC]
    for name, score in scores.items():
        values = score.to_numpy(float)[doubted]
        # A case without the number cannot be released by it.
        at = evaluate.released_at_missed(y, np.nan_to_num(values, nan=-1e9), MISSED)
        lines.append(
            f"| {name}, best threshold at most {MISSED:.0%} | {share(at.released._asdict())} | "
            f"{share(at.missed._asdict())} |"
        )
    return lines


def replace(page: Path, text: str) -> None:
    """Put a text between the marks of a page."""
    before, _, rest = page.read_text().partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    io.write_text(page, f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}")


if __name__ == "__main__":
    main()
