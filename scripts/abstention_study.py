"""How often a model abstains from cases it must not judge, and from those it may.

    python scripts/abstention_study.py MODEL COHORT.csv [--cases 30] [--into PAGE]

COHORT holds synthetic cases of the kind the model was trained on, none of them among its training
cases. Each is scored as it is, and spoilt in ways that leave a readable case: noise in place of the
images, muscle in place of the bed, wrong units, a misread header, swapped visits, mirrored. A
mirrored patient is plausible; whoever counts on abstention to find one should see the figure.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from radresp import io, pipeline
from radresp.core import Case, Decision, Grid, Mask, RegionKey, Roi, Sequence, Timepoint, Volume
from radresp.errors import RadrespError

MARKS = ("<!-- abstention:begin -->", "<!-- abstention:end -->")
OTHER = {Timepoint.PRE: Timepoint.POST, Timepoint.POST: Timepoint.PRE}
CORE = {Timepoint.PRE: Roi.TUMOUR, Timepoint.POST: Roi.BED}


def main() -> None:
    """Score every case as it is and spoilt, and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("model", type=Path)
    arguments.add_argument("cohort", type=Path)
    arguments.add_argument("--cases", type=int, default=30)
    arguments.add_argument("--into", type=Path, help="page whose table is replaced")
    asked = arguments.parse_args()
    scoring = pipeline.open_model(asked.model)
    found = {name: Counter[str]() for name in SPOILT}
    for files in io.load_cohort(asked.cohort).cases[: asked.cases]:
        case = pipeline.load_case(files, scoring.plan)
        for name, spoil in SPOILT.items():
            try:
                scored = pipeline.score_loaded(files, spoil(case), scoring)
                abstained = scored.score.decision is Decision.ABSTAIN
                found[name]["abstained" if abstained else "judged"] += 1
            except RadrespError:
                found[name]["refused"] += 1
    lines = ["| case | abstained | refused | judged |", "|---|---|---|---|"]
    for name, counts in found.items():
        cells = (name, *(str(counts[word]) for word in ("abstained", "refused", "judged")))
        lines.append("| " + " | ".join(cells) + " |")
    text = "\n".join(lines)
    print(text)
    if asked.into:
        before, _, rest = asked.into.read_text().partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        io.write_text(asked.into, f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}")


def with_images(case: Case, change: Callable[[Volume], Volume]) -> Case:
    """The case with every image changed."""
    return replace(case, volumes={key: change(v) for key, v in case.volumes.items()})


def noise(case: Case) -> Case:
    """Noise with the mean and SD of each image."""
    rng = np.random.default_rng(0)

    def change(volume: Volume) -> Volume:
        values = volume.array
        return volume.with_array(np.abs(rng.normal(values.mean(), values.std(), values.shape)))

    return with_images(case, change)


def other_tissue(case: Case) -> Case:
    """Muscle in place of tumour and bed."""
    masks = dict(case.masks)
    for visit, roi in CORE.items():
        muscle = masks[RegionKey(visit, Sequence.T2, Roi.MUSCLE)]
        masks[RegionKey(visit, Sequence.T2, roi)] = muscle.named(roi)
    return replace(case, masks=masks)


def doubled_adc(case: Case) -> Case:
    """Diffusion weighting twice as strong as the b-values say."""
    first = {
        visit: np.maximum(case.dwi(visit)[0].array, 1e-3) for visit in Timepoint if case.dwi(visit)
    }
    volumes = dict(case.volumes)
    for key, volume in volumes.items():
        if key.sequence is Sequence.DWI:
            signal = first[key.timepoint]
            weighted = signal * (np.maximum(volume.array, 1e-3) / signal) ** 2
            volumes[key] = volume.with_array(weighted)
    return replace(case, volumes=volumes)


def larger_voxels(case: Case) -> Case:
    """Voxel edges of images and outlines read twice too large."""

    def grid(old: Grid) -> Grid:
        x, y, z = old.spacing_mm
        return replace(old, spacing_mm=(2 * x, 2 * y, 2 * z))

    def image(volume: Volume) -> Volume:
        b = volume.b_s_per_mm2
        return Volume.from_array(volume.array, grid(volume.grid), volume.sequence, volume.unit, b)

    masks = {k: Mask.from_array(m.array, grid(m.grid), m.roi) for k, m in case.masks.items()}
    volumes = {key: image(volume) for key, volume in case.volumes.items()}
    return replace(case, volumes=volumes, masks=masks)


def swapped(case: Case) -> Case:
    """The visit after treatment passed off as the one before, and the other way round."""
    renamed = {Roi.TUMOUR: Roi.BED, Roi.BED: Roi.TUMOUR}
    masks: dict[RegionKey, Any] = {}
    for key, mask in case.masks.items():
        roi = renamed.get(key.roi, key.roi)
        masks[RegionKey(OTHER[key.timepoint], key.sequence, roi)] = mask.named(roi)
    volumes = {k._replace(timepoint=OTHER[k.timepoint]): v for k, v in case.volumes.items()}
    return replace(case, volumes=volumes, masks=masks)


def mirrored(case: Case) -> Case:
    """Voxels mirrored left to right, with their outlines."""
    masks = {k: m.with_array(m.array[..., ::-1]) for k, m in case.masks.items()}
    turned = with_images(case, lambda v: v.with_array(v.array[..., ::-1]))
    return replace(turned, masks=masks)


SPOILT: dict[str, Callable[[Case], Case]] = {
    "as it is": lambda case: case,
    "noise": noise,
    "muscle in place of the bed": other_tissue,
    "ADC doubled": doubled_adc,
    "voxel edges doubled": larger_voxels,
    "visits swapped": swapped,
    "mirrored": mirrored,
}


if __name__ == "__main__":
    main()
