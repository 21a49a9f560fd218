"""Results of one small case on DICOM images, as a score would hand them to the writer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from builders import make_mask
from builders_dicom_out import make_settings, make_study, make_volumes

from radresp.core import (
    ChangeMap,
    Decision,
    Grid,
    Mask,
    RegionKey,
    Roi,
    Sequence,
    Timepoint,
    Unit,
    Volume,
)
from radresp.core.volume import image_of
from radresp.io import Findings, Number, Results, dicom_codes, read_sources, save_dicom_series

PRE, POST = Timepoint
KINDS = {Sequence.T2: "t2", Sequence.ADC: "dwi"}
TUMOUR = RegionKey(PRE, Sequence.T2, Roi.TUMOUR)
BED = RegionKey(POST, Sequence.ADC, Roi.BED)
REASONS = ("the interval holds both answers", "Grüße <script>alert(1)</script>")


def write_visits(root: Path, dialect: str = "siemens", seed: str = "a") -> dict[tuple, Path]:
    """T2 and DWI of two visits as one vendor writes them; folders by role."""
    folders = {}
    for visit in Timepoint:
        study = make_study(dialect, seed=f"{seed}/{visit}")
        for sequence, kind in KINDS.items():
            folders[visit, sequence] = folder = root / visit / kind
            settings = make_settings(dialect, kind)
            save_dicom_series(make_volumes(dialect, kind), folder, study, settings)
    return folders


def make_change(grid: Grid) -> ChangeMap:
    """A change on a cut of a grid, with one voxel that holds no measurement."""
    size = (9, 8, 3)
    cut = Grid(size, grid.spacing_mm, grid.to_mm((2.0, 3.0, 1.0)), grid.direction)
    values = np.linspace(-400, 900, np.prod(size), dtype=np.float32).reshape(size[::-1])
    unknown = np.zeros(size[::-1], np.uint8)
    unknown[0, 0, 0] = 1
    volume = Volume.from_array(
        values, cut, Sequence.ADC, Unit.UM2_PER_S, background=image_of(unknown, cut)
    )
    return ChangeMap(volume, make_mask(cut, Roi.BED), {})


def make_findings(**changes: object) -> Findings:
    told: dict[str, object] = {
        "model_id": "radresp-0123456789ab",
        "decision": Decision.INDETERMINATE,
        "endpoint": "pCR",
        "reasons": REASONS,
        "case": (
            Number(dicom_codes.probability("p_ccr"), 0.625),
            Number(dicom_codes.measure("bed_ml"), 4.25),
            Number(dicom_codes.measure("adc_rose_300"), 0.5),
            Number(dicom_codes.measure("wall_thickness_max_mm"), 7.125),
        ),
        "regions": {
            TUMOUR: (Number(dicom_codes.volume(), 12.5),),
            BED: (
                Number(dicom_codes.volume(), 4.25),
                Number(dicom_codes.adc("mean"), 1234.5),
                Number(dicom_codes.adc("sd"), 1 / 3),
            ),
        },
    }
    return Findings(**{**told, **changes})


def make_results(
    folders: dict[tuple, Path], case_id: str = "case-7", *, keep: bool = False, **changes: object
) -> Results:
    """A tumour before, a bed and a lumen inside it after, and a map of change."""
    sources = {role: read_sources(path, identity=keep) for role, path in folders.items()}
    grids = {role: found.grid for role, found in sources.items()}
    masks: dict[RegionKey, Mask] = {TUMOUR: make_mask(grids[TUMOUR[:2]], Roi.TUMOUR)}
    masks[BED] = make_mask(grids[BED[:2]], Roi.BED, radius=0.35)
    lumen = RegionKey(POST, Sequence.ADC, Roi.LUMEN)
    masks[lumen] = make_mask(grids[BED[:2]], Roi.LUMEN, radius=0.2)
    change = make_change(grids[POST, Sequence.ADC])
    return Results(case_id, sources, masks, change, make_findings(**changes))
