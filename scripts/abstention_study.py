"""How often a model abstains from cases it must not judge, and from those it may.

    python scripts/abstention_study.py MODEL COHORT [--cases 30] [--into docs/reference/learning.md]

COHORT is a folder of synthetic cases of the kind the model was trained on, none of them among its
training cases. Each is scored as it is, and spoilt in ways that leave a readable case: noise in
place of the images, muscle in place of the bed, wrong units, a misread header, swapped visits,
mirrored. The last two are plausible; whoever counts on abstention to find them should see the
figure.
"""

from __future__ import annotations

import argparse
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import SimpleITK as sitk

from radresp import io, pipeline
from radresp.core import Decision
from radresp.errors import RadrespError

MARKS = ("<!-- abstention:begin -->", "<!-- abstention:end -->")
IMAGES = ("pre/t2", "pre/dwi", "post/t2", "post/dwi")


def main() -> None:
    """Score every case as it is and spoilt, and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("model", type=Path)
    arguments.add_argument("cohort", type=Path)
    arguments.add_argument("--cases", type=int, default=30)
    arguments.add_argument("--into", type=Path, help="page whose table is replaced")
    asked = arguments.parse_args()
    scoring = pipeline.open_model(asked.model)
    folders = sorted(path for path in asked.cohort.iterdir() if (path / "post").is_dir())
    found = {name: Counter[str]() for name in SPOILT}
    for folder in folders[: asked.cases]:
        for name, spoil in SPOILT.items():
            with TemporaryDirectory() as place:
                copy = Path(place) / folder.name
                shutil.copytree(folder, copy)
                spoil(copy)
                found[name][judged(copy, scoring)] += 1
    lines = ["| case | abstained | refused | judged |", "|---|---|---|---|"]
    for name, counts in found.items():
        lines.append(
            f"| {name} | {counts['abstained']} | {counts['refused']} | {counts['judged']} |"
        )
    text = "\n".join(lines)
    print(text)
    if asked.into:
        before, _, rest = asked.into.read_text().partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        asked.into.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}")


def judged(folder: Path, scoring: pipeline.ScoringModel) -> str:
    """Whether a case is judged, abstained from or refused."""
    try:
        scored = pipeline.score_case(io.find_case(folder), scoring)
    except RadrespError:
        return "refused"
    return "abstained" if scored.score.decision is Decision.ABSTAIN else "judged"


def changed(
    folder: Path, names: tuple[str, ...], change: Callable[[np.ndarray], np.ndarray]
) -> None:
    """Change the voxels of images, geometry as it was."""
    for name in names:
        path = folder / f"{name}.nii.gz"
        image = sitk.ReadImage(str(path))
        values = change(sitk.GetArrayFromImage(image).astype(np.float32))
        new = sitk.GetImageFromArray(values, isVector=False)
        new.CopyInformation(image)
        sitk.WriteImage(new, str(path))


def noise(folder: Path) -> None:
    """Noise with the mean and SD of each image."""
    rng = np.random.default_rng(0)

    def change(values: np.ndarray) -> np.ndarray:
        drawn = rng.normal(values.mean(), values.std(), values.shape)
        return np.abs(drawn).astype(np.float32)

    changed(folder, IMAGES, change)


def other_tissue(folder: Path) -> None:
    """Muscle in place of tumour and bed."""
    for visit, outline in (("pre", "tumour"), ("post", "bed")):
        shutil.copy(folder / visit / "muscle.nii.gz", folder / visit / f"{outline}.nii.gz")


def weaker_b(folder: Path) -> None:
    """Diffusion weighting twice as strong as the b-values say: ADC doubled."""

    def change(values: np.ndarray) -> np.ndarray:
        first = np.maximum(values[:1], 1e-3)
        return np.asarray(first * (np.maximum(values, 1e-3) / first) ** 2, dtype=np.float32)

    changed(folder, ("pre/dwi", "post/dwi"), change)


def larger_voxels(folder: Path) -> None:
    """Voxel edges of images and outlines read twice too large."""
    for path in folder.rglob("*.nii.gz"):
        image = sitk.ReadImage(str(path))
        image.SetSpacing([2 * s for s in image.GetSpacing()[:3]] + list(image.GetSpacing()[3:]))
        sitk.WriteImage(image, str(path))


def swapped(folder: Path) -> None:
    """The visit after treatment passed off as the one before, and the other way round."""
    (folder / "pre").rename(folder / "other")
    (folder / "post").rename(folder / "pre")
    (folder / "other").rename(folder / "post")
    (folder / "pre" / "bed.nii.gz").rename(folder / "pre" / "tumour.nii.gz")
    (folder / "post" / "tumour.nii.gz").rename(folder / "post" / "bed.nii.gz")


def mirrored(folder: Path) -> None:
    """Voxels mirrored left to right, with their outlines."""
    changed(
        folder,
        tuple(str(p.relative_to(folder)).removesuffix(".nii.gz") for p in folder.rglob("*.nii.gz")),
        lambda values: np.ascontiguousarray(values[..., ::-1]),
    )


SPOILT: dict[str, Callable[[Path], None]] = {
    "as it is": lambda folder: None,
    "noise": noise,
    "muscle in place of the bed": other_tissue,
    "ADC doubled": weaker_b,
    "voxel edges doubled": larger_voxels,
    "visits swapped": swapped,
    "mirrored": mirrored,
}


if __name__ == "__main__":
    main()
