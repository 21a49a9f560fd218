"""Speed of the fast feature engine beside pyradiomics and flash-radiomics, with values compared.

    python scripts/bench/features.py one [--flash-python PYTHON] [--rounds 5]
    python scripts/bench/features.py growth
    python scripts/bench/features.py cohort [--cases 2] [--rounds 1]

one: a tumour of 30 mL on 1 mm voxels, original (107 features) and full (1,130: three LoG, eight
wavelet sub-bands), 32 bins, methods taking turns, one thread, without reading. growth: seconds
against voxels. cohort: cases of twelve regions (two visits; T2, DWI, ADC; tumour and mesorectum)
from disk, resampled to 1 mm, full set, two processes, beside pyradiomics' own batch command with
``--jobs 2``, as it is and with one thread for ITK.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from radresp import features
from radresp.core import Mask, Region, RegionKey, Roi, Sequence, Timepoint, Volume
from radresp.io import save_volume, write_text

WORKER = Path(__file__).with_name("features_worker.py")
KEY = RegionKey(Timepoint.PRE, Sequence.T2, Roi.TUMOUR)
PLAN: dict[str, features.Original] = {
    "original": features.Original(resampled_spacing_mm=(1, 1, 1)),
    "filtered": features.Filtered(resampled_spacing_mm=(1, 1, 1)),
}
PARAMETERS = """\
setting: {binCount: 32, resampledPixelSpacing: [1, 1, 1], interpolator: sitkLinear, label: 1}
imageType:
  Original: {}
  LoG: {sigma: [2.0, 3.0, 4.0]}
  Wavelet: {}
"""


def main() -> None:
    """Run one part."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("part", choices=("one", "growth", "cohort"), nargs="?", default="one")
    arguments.add_argument("--flash-python")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--cases", type=int, default=2)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        {"one": one, "growth": growth, "cohort": cohort}[chosen.part](chosen, Path(folder))


def ball(shape: tuple[int, ...], radii: tuple[float, ...]) -> NDArray[np.uint8]:
    """An ellipsoid in the middle of a box; radii in voxels."""
    middle = np.reshape(shape, (3, 1, 1, 1)) / 2
    off = (np.indices(shape) + 0.5 - middle) / np.reshape(radii, (3, 1, 1, 1))
    return (np.sum(off**2, axis=0) <= 1).astype(np.uint8)


def texture(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    """Smooth tissue with noise."""
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.standard_normal(shape, np.float32), 1.5)
    return np.float32(300 + 100 * smooth / smooth.std() + 20 * rng.standard_normal(shape))


def written(
    folder: Path, name: str, array: NDArray[np.generic], spacing: tuple[float, ...]
) -> Path:
    """The path of an image on disk."""
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    path = folder / f"{name}.nii.gz"
    save_volume(Volume(image, KEY.sequence), path)
    return path


def one(chosen: argparse.Namespace, folder: Path) -> None:
    """Methods taking turns on one tumour."""
    shape = (72, 64, 68)
    edges = (1.0, 1.0, 1.0)
    image = written(folder, "image", texture(shape, 1), edges)
    mask = written(folder, "mask", ball(shape, (26, 15.4, 17.7)), edges)
    pythons = {"radresp": sys.executable, "pyradiomics": sys.executable}
    if chosen.flash_python:
        pythons["flash"] = chosen.flash_python
    for wanted in ("original", "full"):
        told: dict[str, list[dict]] = {method: [] for method in pythons}
        for _ in range(chosen.rounds):
            for method, python in pythons.items():
                command = [python, str(WORKER), method, str(image), str(mask), wanted, "2"]
                single = {**os.environ, "OMP_NUM_THREADS": "1"}
                ended = subprocess.run(
                    command, check=True, capture_output=True, text=True, env=single
                )
                told[method].append(json.loads(ended.stdout.splitlines()[-1]))
        for method, rows in told.items():
            seconds = [one for row in rows for one in row["seconds"]]
            print(
                f"{wanted:9s} {method:12s} {1e3 * median(seconds):7.0f} ms "
                f"({1e3 * min(seconds):.0f}-{1e3 * max(seconds):.0f}), "
                f"{max(row['peak_mb'] for row in rows):.0f} MB; radresp is "
                f"{median(seconds) / median(s for r in told['radresp'] for s in r['seconds']):.2f} "
                f"times as fast; {difference(told['radresp'][0]['values'], rows[0]['values'])}",
                flush=True,
            )


def difference(ours: dict[str, float], theirs: dict[str, float]) -> str:
    """Largest relative difference, MCC apart, in words."""
    shared = [name for name in theirs if name in ours]
    apart = {
        name: abs(ours[name] - theirs[name]) / max(abs(theirs[name]), 1e-12) for name in shared
    }
    mcc = max((apart[name] for name in shared if name.endswith("MCC")), default=0.0)
    name = max((n for n in shared if not n.endswith("MCC")), key=lambda n: apart[n])
    return f"{len(shared)} shared values differ by up to {apart[name]:.1e} ({name}), MCC {mcc:.1e}"


def growth(_: argparse.Namespace, folder: Path) -> None:
    """Seconds of the original set against the number of voxels."""
    for radius in (10, 15, 21.5, 31, 46):
        shape = (int(2.2 * radius) + 2,) * 3
        mask = sitk.GetImageFromArray(ball(shape, (radius,) * 3))
        volume = Volume(sitk.GetImageFromArray(texture(shape, 2)), KEY.sequence)
        region = Region(KEY, volume, Mask(mask, KEY.roi))
        seconds = []
        for _turn in range(6):
            started = time.perf_counter()
            features.extract(region, {"original": features.Original()})
            seconds.append(time.perf_counter() - started)
        voxels = int(region.mask.array.sum())
        spent = median(seconds[1:])
        print(f"{voxels:8d} voxels {1e3 * spent:7.1f} ms {1e6 * spent / voxels:6.2f} us a voxel")


def cohort(chosen: argparse.Namespace, folder: Path) -> None:
    """A cohort from disk with two processes, beside pyradiomics' own batch command."""
    rows = [row for case in range(chosen.cases) for row in regions_of(folder, case)]
    table = folder / "batch.csv"
    write_text(table, "\n".join(",".join(row) for row in [("Image", "Mask"), *rows]) + "\n")
    write_text(folder / "parameters.yaml", PARAMETERS)
    batch = [str(Path(sys.executable).with_name("pyradiomics")), str(table)]
    batch += ["-o", str(folder / "theirs.csv"), "-f", "csv", "--jobs", "2"]
    batch += ["-p", str(folder / "parameters.yaml"), "--verbosity", "1"]
    single = {**os.environ, "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"}
    for _ in range(chosen.rounds):
        for name, environment in (("as it is", dict(os.environ)), ("one ITK thread", single)):
            (folder / "theirs.csv").unlink(missing_ok=True)
            started = time.perf_counter()
            subprocess.run(batch, check=True, env=environment, capture_output=True)
            theirs = time.perf_counter() - started
            started = time.perf_counter()
            found = ours(rows)
            spent = time.perf_counter() - started
            print(
                f"{len(rows)} regions: pyradiomics {name} {theirs:.1f} s, radresp {spent:.1f} s, "
                f"{theirs / spent:.2f} times as fast; {compared(folder / 'theirs.csv', found)}",
                flush=True,
            )


def regions_of(folder: Path, case: int) -> list[tuple[str, str]]:
    """Image and mask of every region of one case."""
    rows = []
    grids = {"t2": ((40, 320, 320), (0.6, 0.6, 3.0)), "dwi": ((40, 160, 160), (1.2, 1.2, 3.0))}
    grids["adc"] = grids["dwi"]
    for visit, tumour in (("pre", (26.0, 15.4, 17.7)), ("post", (16.0, 10.0, 11.5))):
        for number, (sequence, (shape, edges)) in enumerate(grids.items()):
            name = f"{case}_{visit}_{sequence}"
            seed = 100 * case + 10 * (visit == "post") + number
            image = written(folder, name, texture(shape, seed), edges)
            for roi, radii in (("tumour", tumour), ("mesorectum", (45.0, 35.0, 37.0))):
                voxels = tuple(mm / edge for mm, edge in zip(radii, edges[::-1], strict=True))
                mask = written(folder, f"{name}_{roi}", ball(shape, voxels), edges)
                rows.append((str(image), str(mask)))
    return rows


def ours(rows: list[tuple[str, str]]) -> list[dict[str, float]]:
    """The rows with two processes."""
    with ProcessPoolExecutor(2, initializer=one_thread) as pool:
        return list(pool.map(extract_row, rows))


def one_thread() -> None:
    """Two processes share two cores."""
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)


def extract_row(row: tuple[str, str]) -> dict[str, float]:
    """Features of one region on disk, under pyradiomics' names."""
    volume = Volume(sitk.ReadImage(row[0], sitk.sitkFloat32), KEY.sequence)
    region = Region(KEY, volume, Mask(sitk.ReadImage(row[1], sitk.sitkUInt8), KEY.roi))
    values = features.extract(region, PLAN).values
    short = (f"{KEY}.original.", f"{KEY}.filtered.")
    return {
        name.replace(short[0], "original_").replace(short[1], ""): value
        for name, value in values.items()
    }


def compared(path: Path, found: list[dict[str, float]]) -> str:
    """The largest difference to pyradiomics' table."""
    with path.open(newline="") as file:
        table = list(csv.DictReader(file))
    names = [name for name in found[0] if name in table[0]]
    worst = dict.fromkeys(("MCC", "others"), 0.0)
    for row, mine in zip(table, found, strict=True):
        for name in names:
            apart = abs(mine[name] - float(row[name])) / max(abs(float(row[name])), 1e-12)
            kind = "MCC" if name.endswith("MCC") else "others"
            worst[kind] = max(worst[kind], apart)
    return (
        f"{len(names)} columns, {len(names) * len(table)} values differ by up to "
        f"{worst['others']:.1e}, MCC {worst['MCC']:.1e}"
    )


if __name__ == "__main__":
    main()
