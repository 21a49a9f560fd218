"""Print how many consensus values of the IBSI each way of computing features meets.

    python scripts/ibsi_study.py ../shared/data/ibsi1

Families `original` (pyradiomics' definitions, by pyradiomics itself and by the fast engine) and
`ibsi`, on the digital phantom and configurations A and C of the CT phantom. A value of `original`
counts where its definition is meant to be that of the IBSI (tests/golden/ibsi_digital_phantom.csv).
In configuration A `original` works within slices and merges them, the IBSI's 2.5D.
"""

from __future__ import annotations

import csv
import math
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radresp import features
from radresp.core import Mask, Region, RegionKey, Roi, Sequence, Timepoint, Volume

KEY = RegionKey(Timepoint.PRE, Sequence.T2, Roi.TUMOUR)
T2 = KEY.sequence
GOLDEN = Path(__file__).parents[1] / "tests/golden/ibsi_digital_phantom.csv"
ORIGINAL = {
    "digital_phantom": {"bin_width": {T2: 1}, "minimum_voxels": 8},
    "config_A": {"bin_width": {T2: 25}, "intensity_range": {T2: (-500, 400)}, "force_2d": True},
    "config_C": {
        "bin_width": {T2: 25},
        "intensity_range": {T2: (-1000, 400)},
        "resampled_spacing_mm": (2, 2, 2),
    },
}
IN_PLANE = ("2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb")
IN_SPACE = ("3D_avg", "3D_comb")
IBSI = {
    "digital_phantom": {
        "aggregations": IN_PLANE + IN_SPACE,
        "bin_width": {T2: 1},
        "ivh_width": {T2: 1},
        "minimum_voxels": 8,
    },
    "config_A": {
        "aggregations": IN_PLANE,
        "intensity_range": {T2: (-500, 400)},
        "bin_width": {T2: 25},
        "ivh_width": {T2: 1},
    },
    "config_C": {
        "aggregations": IN_SPACE,
        "resampled_spacing_mm": (2, 2, 2),
        "intensity_range": {T2: (-1000, 400)},
        "bin_width": {T2: 25},
        "ivh_width": {T2: 2.5},
    },
}


def main() -> None:
    """Print one table a configuration."""
    folder = Path(sys.argv[1])
    for name in ORIGINAL:
        region = read(folder / ("digital_phantom" if name == "digital_phantom" else "ct_phantom"))
        known = consensus(folder / f"reference_values_{name}.csv")
        print(
            f"\n{name}\n\n| class | pyradiomics | original, fast | family ibsi |\n|---|---|---|---|"
        )
        columns = [
            by_class(original(region, name, engine), known) for engine in ("reference", "fast")
        ]
        ours = features.Ibsi(round_intensities=True, **IBSI[name])
        exact = features.extract(region, {"ibsi": ours}).values
        tags = {tag: exact[f"{KEY}.ibsi.{tag}"] for tag in known}
        last = tally({tag: (tag.split("_")[0], value) for tag, value in tags.items()}, known)
        for group in dict.fromkeys([*columns[0], *last]):
            cells = [share(column.get(group)) for column in (*columns, last)]
            print(f"| {group} | {' | '.join(cells)} |")
        cells = [share(total(column)) for column in (*columns, last)]
        print(f"| all | {' | '.join(cells)} |")


def read(folder: Path) -> Region:
    """Phantom and outline."""
    image, mask = (sitk.ReadImage(str(folder / f"{n}.nii.gz")) for n in ("phantom", "mask"))
    volume = Volume(sitk.Cast(image, sitk.sitkFloat32), T2)
    volume = volume.with_array(np.rint(volume.array))
    inside = sitk.GetArrayFromImage(mask) > 0
    return Region(KEY, volume, Mask.from_array(inside, volume.grid, KEY.roi))


def consensus(path: Path) -> dict[str, tuple[float, float]]:
    """Value and tolerance of what is standardised, by tag."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return {
            row["tag"]: (float(row["reference value"]), float(row["tolerance"]))
            for row in csv.DictReader(file)
            if not row["family"].startswith("Diagnostics")
            and row["consensus"] != "not standardized"
        }


def original(region: Region, name: str, engine: str) -> dict[str, float]:
    """Values of the family original, by tag of the IBSI."""
    settings = features.Original(engine=engine, **ORIGINAL[name])
    found = features.extract(region, {"original": settings}).values
    with GOLDEN.open(newline="") as file:
        rows = [(row["feature"], row["source"].split()[2:]) for row in csv.DictReader(file)]
    place = "2_5D" if name == "config_A" else "3D"
    return {
        tag.replace("3D", place): found[f"{KEY}.original.{feature}"]
        for feature, (tag, *deviation) in rows
        if not deviation
    }


def by_class(
    found: dict[str, float], known: dict[str, tuple[float, float]]
) -> dict[str, tuple[int, int]]:
    """Values of `original` met and compared, class by class."""
    return tally({t: (t.split("_")[0], v) for t, v in found.items() if t in known}, known)


def tally(
    found: dict[str, tuple[str, float]], known: dict[str, tuple[float, float]]
) -> dict[str, tuple[int, int]]:
    """Met and compared, by group; a value may be off by the last figure that is printed."""
    groups: dict[str, tuple[int, int]] = {}
    for tag, (group, value) in found.items():
        expected, tolerance = known[tag]
        printed = 0.5 * 10.0 ** (math.floor(math.log10(abs(expected))) - 2) if expected else 0.0
        met = abs(value - expected) <= max(tolerance, printed) * (1 + 1e-9)
        a, b = groups.get(group, (0, 0))
        groups[group] = (a + met, b + 1)
    return groups


def total(groups: dict[str, tuple[int, int]]) -> tuple[int, int]:
    """All groups together."""
    return sum(a for a, _ in groups.values()), sum(b for _, b in groups.values())


def share(pair: tuple[int, int] | None) -> str:
    """As text."""
    return "" if pair is None else f"{pair[0]} / {pair[1]}"


if __name__ == "__main__":
    main()
