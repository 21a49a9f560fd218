"""Whether a network's residual map is higher where synthetic tumour is, which nothing taught it.

    python scripts/residual_map_study.py MODEL COHORT [--cases 30]

COHORT is the cohort.csv of a phantom cohort the network has not met, with its folder ``truth``. Of
each case with viable tumour, the map inside the bed is held against the voxels that are tumour
(AUC over voxels), beside the high b-value and the inverse of ADC, which any reader has.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from radresp import cnn, evaluate, io
from radresp.core import Grid, Patch, Roi, Sequence, Timepoint, resample_mask
from radresp.pipeline import ScoringModel, open_cases, open_model
from radresp.pipeline.prepare import prepare_patch
from radresp.pipeline.read import load_case

ROWS = {"residual map": "map", "high b-value": "post.dwi", "low ADC": "post.adc"}
LEAST = 5
"""Voxels of tumour in the patch."""


def main() -> None:
    """Judge case by case, and print medians with their quartiles."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("model", type=Path)
    arguments.add_argument("cohort", type=Path)
    arguments.add_argument("--cases", type=int, default=30)
    asked = arguments.parse_args()
    scoring = open_model(asked.model)
    found: dict[str, list[float]] = {name: [] for name in ROWS}
    for files in open_cases(asked.cohort).cases:
        path = asked.cohort.parent / "truth" / files.case_id / "post_t2_viable.nii.gz"
        if len(found["low ADC"]) == asked.cases or not path.exists():
            continue
        case = load_case(files, scoring.plan)
        patch, _ = prepare_patch(case, scoring.plan)
        truth = tumour_in(patch, path, case.image(Timepoint.POST, Sequence.T2).grid)
        if truth is not None:
            judge(patch, truth, scoring, found)
            print(files.case_id, *(f"{name} {rows[-1]:.2f}" for name, rows in found.items()))
    for name, rows in found.items():
        low, middle, high = np.quantile(rows, (0.25, 0.5, 0.75))
        print(f"{name}: {middle:.2f} ({low:.2f} to {high:.2f}), n {len(rows)}")


def tumour_in(patch: Patch, path: Path, grid: Grid) -> NDArray[np.bool_] | None:
    """Which voxels of the patch's bed are tumour by half or more; None where they are too few."""
    truth, _ = io.load_mask(path, Roi.RESIDUAL, grid, choice=">=0.5")
    inside = resample_mask(truth, patch.grid).array
    inside &= patch.masks["bed"] > 0
    return inside if inside.sum() >= LEAST else None


def judge(
    patch: Patch, truth: NDArray[np.bool_], scoring: ScoringModel, found: dict[str, list[float]]
) -> None:
    """Add the AUC over the voxels of the bed of every row."""
    network = scoring.network
    if network is None:
        raise SystemExit("the model asks no network")
    bed = patch.masks["bed"] > 0
    values = {
        "map": cnn.map_residual(network.net, cnn.inputs_of(patch)),
        "post.dwi": patch.channels["post.dwi"],
        "post.adc": -patch.channels["post.adc"],
    }
    for name, source in ROWS.items():
        known = bed & np.isfinite(values[source])
        found[name].append(evaluate.auc(truth[known].astype(int), values[source][known]))


if __name__ == "__main__":
    main()
