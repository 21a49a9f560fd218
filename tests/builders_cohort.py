"""A small sound cohort of NIfTI files for tests of what a table says, not of what images show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from builders_masks import save_nifti
from commands import Shown, radresp

from radresp.core import Grid

GRID = Grid((40, 36, 12), (3.0, 3.0, 4.0), (-60.0, -50.0, -20.0))
PLAN = 'regions: ["pre.t2.tumour"]\n'


def picture(seed: int) -> np.ndarray:
    """Tissue beside air, ordered (z, y, x)."""
    rng = np.random.default_rng(seed)
    values = rng.normal(300, 20, GRID.size[::-1])
    values[:, :, :8] = rng.uniform(0, 4, (*GRID.size[:0:-1], 8))
    return values.astype(np.float32)


def make_images(folder: Path, *names: str) -> Path:
    """Write a T2 of its own under each name, and a plan that asks for nothing else."""
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save_nifti(folder / name, picture(seed), GRID)
    (folder / "plan.yaml").write_text(PLAN)
    return folder


def check(folder: Path, table: str | bytes | None = None, *more: str | Path) -> Shown:
    """``radresp check`` on a table given as text, as JSON."""
    path = folder / "cohort.csv"
    if table is not None:
        path.write_bytes(table if isinstance(table, bytes) else table.encode())
    return radresp(
        "check", path, "--plan", folder / "plan.yaml", "--json", "--progress", "none", *more
    )  # fmt: skip


def told(shown: Shown) -> list[dict[str, Any]]:
    """The findings, or the one error that stopped the command."""
    if "error" in shown.json:
        return [shown.json["error"] | {"severity": "refused", "case_id": ""}]
    return list(shown.json["findings"])
