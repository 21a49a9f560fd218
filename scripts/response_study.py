"""What the radiologist's measures are worth on synthetic patients whose truth is known.

    python scripts/response_study.py OUT [--seed 31] [--cases 40] [--full]
        [--into docs/reference/response.md]

Each measure is held against what the phantom drew (Theil-Sen slope, median absolute error, rank
correlation), and asked to tell residual from complete response (AUC with a bootstrap interval),
beside volume and mean ADC. Fast phantom cases by default; ``--full`` takes fine voxels, which the
thin dark layer needs. One file a case is kept in OUT, so a stopped study goes on where it was. No
boundary was changed after looking at these figures.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from radresp import evaluate, io, phantom
from radresp.features import MEASURES
from radresp.pipeline import parse_plan, phantom_settings, prepare_case

BASELINES = ("response.bed_ml", "response.volume_reduction", "mean_adc", "oracle")
SHOWN = 12
MARKS = ("<!-- study:begin -->", "<!-- study:end -->")
PLAN = parse_plan(
    {
        "registration": {"method": "rigid_mi", "settings": {"mirror": False}},
        "registration_dwi": {"method": "header"},
        "features": {"measures": {"response": {}, "habitat": {}}},
    }
)
TRUTHS = {
    "response.bed_ml": "bed_ml",
    "response.volume_reduction": "reduction",
    "response.restricted_ml": "focus_ml",
    "response.restricted_fraction": "focus_share",
    "response.scar_fraction": "scar_share",
    "response.bright_fraction": "bright_share",
    "response.dark_layer_continuity": "split",
    "habitat.post_cellular_ml": "focus_ml",
    "habitat.post_scar_fraction": "scar_share",
}


def main() -> None:
    """Measure the cases that were not measured yet and print the tables."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("out", type=Path)
    arguments.add_argument("--seed", type=int, default=31)
    arguments.add_argument("--cases", type=int, default=40)
    arguments.add_argument("--full", action="store_true")
    arguments.add_argument("--into", type=Path, help="page whose table is replaced")
    asked = arguments.parse_args()
    kind = "full" if asked.full else "fast"
    for index in range(asked.cases):
        path = asked.out / f"{kind}_{asked.seed}" / f"{index:04d}.json"
        if not path.exists():
            io.write_json(path, measure_case(index, asked.seed, fast=not asked.full))
    texts = []
    for folder in sorted(path for path in asked.out.iterdir() if path.is_dir()):
        records = [io.read_json(path) for path in sorted(folder.glob("[0-9]*.json"))]
        texts.append(table(folder.name, records))
    text = "\n\n".join(texts)
    print(text)
    if asked.into:
        begin, end = MARKS
        page = asked.into.read_text(encoding="utf-8")
        before, after = page.split(begin)[0], page.split(end)[1]
        io.write_text(asked.into, f"{before}{begin}\n{text}\n{end}{after}")


def measure_case(index: int, seed: int, *, fast: bool) -> dict[str, Any]:
    """One patient through the pipeline's own preparation, with the truth beside the measures."""
    settings = phantom_settings(scanners=phantom.VENDOR_SCANNERS, fast=fast)
    patient = phantom.make_patient(index, seed, settings)
    prepared = prepare_case(patient.case, PLAN)
    found: dict[str, float | None] = {}
    for name, rules in PLAN.measures.items():
        values = MEASURES[name].extract(prepared, rules).values
        found |= {f"{name}.{k}": None if math.isnan(v) else v for k, v in values.items()}
    bed = next(r for k, r in prepared.regions.items() if str(k) == "post.adc.bed")
    found["mean_adc"] = float(bed.volume.values_in(bed.mask).mean())
    return {"outcome": patient.outcome, "truth": truth_of(patient), "found": found}


def truth_of(patient: phantom.PhantomPatient) -> dict[str, float]:
    """What the phantom drew, in the words of the measures."""
    drawn = {k: float(v) for k, v in patient.truth.items() if not isinstance(v, str)}
    focus = drawn["viable_share"] + drawn["granulation_share"]
    pools = drawn["mucin_share"] + drawn["mucinous_carcinoma_share"]
    return {
        "bed_ml": drawn["bed_ml"],
        "reduction": 1 - drawn["shrinkage"],
        "focus_ml": focus * drawn["bed_ml"],
        "focus_share": focus,
        "scar_share": drawn["fibrosis_share"] + drawn["microscopic_share"],
        "bright_share": drawn["inflammation_share"] + pools,
        "split": drawn["split_scar_truth"],
        "oracle": drawn["oracle_p_residual"],
    }


def table(name: str, records: list[dict[str, Any]]) -> str:
    """The tables of one study, as Markdown."""
    kind, seed = name.split("_")
    residual = np.array([record["outcome"] == "residual" for record in records])
    voxels = "fine voxels" if kind == "full" else "fast phantom, voxels 1.8 times coarser"
    lines = [
        f"{len(records)} patients (seed {seed}, {voxels}, rigid), {int(residual.sum())} residual.",
        "",
        "| measure | truth | n | slope | median abs. error | Spearman |",
        "|---|---|---|---|---|---|",
    ]
    for measure, truth in TRUTHS.items():
        pairs = [(r["truth"].get(truth), r["found"].get(measure)) for r in records]
        known = np.array([pair for pair in pairs if None not in pair], dtype=float)
        if len(known) >= 10:
            lines.append(f"| `{measure}` | {truth} | {len(known)} | {against(known)} |")
    rows = sorted(separations(records, residual), key=lambda row: -abs(row[2] - 0.5))
    shown = [row for place, row in enumerate(rows) if place < SHOWN or row[0] in BASELINES]
    lines += [
        "",
        "| measure | n | AUC, residual above complete | 95 % interval |",
        "|---|---|---|---|",
        *(
            f"| `{m}` | {n} | {auc:.2f} | {low:.2f} to {high:.2f} |"
            for m, n, auc, low, high in shown
        ),
        "",
        f"The other {len(rows) - len(shown)} of {len(rows)} measures lie nearer to 0.5.",
    ]
    return "\n".join(lines)


def against(known: np.ndarray) -> str:
    """Slope, error and rank correlation of measured on true."""
    truth, found = known.T
    slope = stats.theilslopes(found, truth).slope if np.ptp(truth) else math.nan
    rank = stats.spearmanr(truth, found).statistic
    return f"{slope:.2f} | {np.median(np.abs(found - truth)):.3g} | {rank:.2f}"


def separations(
    records: list[dict[str, Any]], residual: np.ndarray
) -> list[tuple[str, int, float, float, float]]:
    """AUC of every measure most patients have, with a bootstrap interval."""
    rows = []
    for measure in (*records[0]["found"], "oracle"):
        values = np.array([(r["found"] | r["truth"])[measure] for r in records], dtype=float)
        known = np.isfinite(values)
        y, x = residual[known], values[known]
        if known.mean() < 0.7 or min(y.sum(), (~y).sum()) < 5:
            continue
        low, high = evaluate.auc_bootstrap(y, x, seed=17)
        rows.append((measure, int(known.sum()), float(evaluate.auc(y, x)), low, high))
    return rows


if __name__ == "__main__":
    main()
