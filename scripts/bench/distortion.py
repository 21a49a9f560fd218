"""What aligning diffusion with T2 gains: error in mm by headers, rigidly, and along phase encode.

    python scripts/bench/distortion.py [--visits 12] [--seed 905]

Synthetic visits of every vendor's scanner with a known EPI distortion. The error is the mean
distance, over the tumour or the bed, between where a method says the diffusion image shows a place
and where it does. One line a visit, then the means.
"""

from __future__ import annotations

import argparse
from time import perf_counter

import numpy as np

from radresp import phantom
from radresp.core import (
    RegionKey,
    Roi,
    Sequence,
    Timepoint,
    Volume,
    VolumeKey,
    resample_volume,
)
from radresp.pipeline import phantom_settings
from radresp.registration import align

METHODS = ("rigid_mi", "epi_mi")
SETTINGS = phantom_settings(scanners=phantom.VENDOR_SCANNERS, fast=True)


def main() -> None:
    """Print the errors of every visit and their means."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--visits", type=int, default=12)
    arguments.add_argument("--seed", type=int, default=905)
    asked = arguments.parse_args()
    rows = []
    print("visit  headers  " + "  ".join(f"{name} mm / s" for name in METHODS))
    for index in range(asked.visits):
        row = errors_mm(index, asked.seed)
        rows.append(row)
        print(f"{index:5d}  " + "  ".join(f"{value:.2f}" for value in row), flush=True)
    print(" mean  " + "  ".join(f"{value:.2f}" for value in np.mean(rows, axis=0)))


def errors_mm(index: int, seed: int) -> list[float]:
    """Error by the headers, then error and seconds of every method."""
    patient = phantom.make_patient(index, seed, SETTINGS)
    visit = (Timepoint.PRE, Timepoint.POST)[index % 2]
    outline = patient.case.masks[
        RegionKey(visit, Sequence.T2, Roi.TUMOUR if visit is Timepoint.PRE else Roi.BED)
    ]
    t2, dwi = patient.case.image(visit, Sequence.T2), patient.case.dwi(visit)[0]
    shift = patient.maps[VolumeKey(visit, Sequence.DWI)]["shift_mm"]
    on_t2 = resample_volume(Volume.from_array(shift, dwi.grid, Sequence.T2), t2.grid).array
    drawn = np.argwhere(outline.array)
    drawn = drawn[:: max(len(drawn) // 200, 1)]
    along = np.array([on_t2[tuple(place)] for place in drawn])
    places = np.array([t2.grid.to_mm(place[::-1]) for place in drawn])
    truth = places + along[:, None] * dwi.grid.axes[:, 1]
    found = [float(np.abs(along).mean())]
    for method in METHODS:
        started = perf_counter()
        transform = align(t2, dwi, fixed_mask=outline, method=method).transform
        seconds = perf_counter() - started
        ends = np.array([transform.TransformPoint(place) for place in places.tolist()])
        found += [float(np.linalg.norm(ends - truth, axis=1).mean()), seconds]
    return found


if __name__ == "__main__":
    main()
