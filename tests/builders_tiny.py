"""Cohorts as small as the readers allow: a T2 and an outline a case, worked on in 0.1 s."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from builders_cohort import GRID, picture
from builders_masks import save_nifti

PLAN = """\
regions: ["pre.t2.tumour"]
features: {t2: {families: {volumetry: {}}}, measures: {}}
"""
"""Reads, checks, cleans and measures one outline."""
HEAD = "case_id,pre_t2,pre_tumour"


def outline(seed: int, shape: tuple[int, int, int] = GRID.size) -> np.ndarray:
    """An ellipsoid inside the body, with one voxel more at a place of its own for every seed."""
    z, y, x = np.indices(shape[::-1], dtype=float)
    nx, ny, nz = shape
    along = ((x - 0.6 * nx) / (0.15 * nx)) ** 2 + ((y - ny / 2) / (0.17 * ny)) ** 2
    far = along + ((z - nz / 2) / (0.35 * nz)) ** 2
    ball = (far <= 1).astype(np.uint8)
    outside = np.argsort(far, axis=None)[int(ball.sum()) + seed]
    ball.flat[outside] = 1
    return ball


def make_tiny(folder: Path, cases: int) -> Path:
    """Sound cases of 17,280 voxels with one outline each; gives the table."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [HEAD]
    for number in range(cases):
        name = f"c{number:03d}"
        save_nifti(folder / f"{name}_t2.nii.gz", picture(number), GRID)
        save_nifti(folder / f"{name}_mask.nii.gz", outline(number), GRID)
        rows.append(f"{name},{name}_t2.nii.gz,{name}_mask.nii.gz")
    return save_table(folder, rows)


def save_table(folder: Path, rows: list[str]) -> Path:
    """Write a cohort table."""
    path = folder / "cohort.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def save_plan(folder: Path, text: str = PLAN) -> Path:
    """Write a plan."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "plan.yaml"
    path.write_text(text)
    return path
