"""Measure the muscle and the gas found by themselves against the truth of the digital pelvis.

    python scripts/bench/reference_tissue.py [--patients 24]

Each patient is another anatomy, the six vendors' scanners in turn; the second visit's T2 is used.
Precision is the share of the found outline that is muscle by the label in the middle of the voxel.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import ndimage, stats

from radresp.core import RegionKey, Roi, Sequence, Timepoint, VolumeKey
from radresp.intensity import find_gas, find_muscle
from radresp.phantom import VENDOR_SCANNERS, PhantomSettings, make_patient
from radresp.phantom.draw import draw_patient
from radresp.phantom.sampling import Sampler
from radresp.phantom.tissue import Label

POST_T2 = (Timepoint.POST, Sequence.T2)
SEED = 51


def measure(index: int) -> tuple[float, ...]:
    """Numbers of one patient, as the table's columns."""
    scanner = VENDOR_SCANNERS[index % len(VENDOR_SCANNERS)]
    settings = PhantomSettings(scanners=(scanner,), other_scanner=0.0)
    patient = make_patient(index, SEED, settings)
    drawn = draw_patient(index, SEED, settings)
    volume = patient.case.image(*POST_T2)
    thickness_mm = patient.protocols[Timepoint.POST].t2_thickness_mm
    sampler = Sampler(drawn.subjects[Timepoint.POST], volume.grid, 1, 1, thickness_mm)
    labels = np.stack(sampler.middles())
    muscle = find_muscle(volume)
    inside = muscle.mask.array
    by_reader = patient.case.masks[RegionKey(*POST_T2, Roi.MUSCLE)]
    ratio = np.median(volume.values_in(muscle.mask)) / np.median(volume.values_in(by_reader))
    all_muscle = np.median(volume.array[labels == Label.MUSCLE])
    bed = patient.case.masks[RegionKey(*POST_T2, Roi.BED)]
    gas = find_gas(volume, bed, muscle.mask)
    away = ndimage.distance_transform_edt(~bed.array, sampling=volume.grid.spacing_mm[::-1])
    true_ml = np.count_nonzero((labels == Label.GAS) & (away <= 10)) * volume.grid.voxel_volume_ml
    on_dwi = np.abs(patient.maps[VolumeKey(Timepoint.POST, Sequence.DWI)]["shift_mm"])
    numbers = (
        float(np.mean(labels[inside] == Label.MUSCLE)),
        float(ratio),
        float(np.median(volume.array[inside]) / all_muscle),
        muscle.mask.volume_ml,
        muscle.confidence,
        muscle.step.seconds,
        true_ml,
        gas.volume_ml,
        float(gas.score),
        float(patient.clinical["gas_score"]),
        float(np.percentile(on_dwi, 99)),
    )
    print(f"| {index} {scanner} | " + " | ".join(f"{n:.3g}" for n in numbers) + " |", flush=True)
    return numbers


def main() -> None:
    """Print a row for each patient and what they come to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=24)
    chosen = parser.parse_args()
    print(
        "| patient | precision | median to reader's | to all muscle's | mL | confidence | seconds "
        "| gas, true mL | found mL | score | score from shift | EPI shift, mm |"
    )
    table = np.array([measure(index) for index in range(chosen.patients)])
    print("precision, least:", table[:, 0].min())
    print("median to the reader's, range:", table[:, 1].min(), table[:, 1].max())
    print("seconds, median:", np.median(table[:, 5]))
    rank = stats.spearmanr(table[:, 6:10]).statistic
    print("rank correlation of found gas with true gas:", round(rank[0, 1], 2))
    print("rank correlation of score with the score from EPI shift:", round(rank[2, 3], 2))


if __name__ == "__main__":
    main()
