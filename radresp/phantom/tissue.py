"""Tissues of the digital pelvis: relaxation times, proton density and diffusion.

What: reads ``tissue_mri.csv`` (shipped with the package; every row says what its values rest on)
and lays the properties out by label, so that a painted label map turns into signal by one look-up.
Source: ``docs/reference/clinical.md`` section 2. The values are phantom settings, not citations:
no relaxometry of radiotherapy scar or oedema is published, those rows are assumptions.
When: whenever the phantom needs to know how a tissue looks.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from enum import IntEnum, auto
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray


class Label(IntEnum):
    """What a point of the phantom is made of. Lesion labels come last, from ``TUMOUR`` on."""

    AIR = 0
    CORTEX = auto()
    VESSEL = auto()
    FAT = auto()
    SKIN = auto()
    MUSCLE = auto()
    MARROW = auto()
    URINE = auto()
    BLADDER_WALL = auto()
    PERIPHERAL_ZONE = auto()
    TRANSITION_ZONE = auto()
    MYOMETRIUM = auto()
    ENDOMETRIUM = auto()
    FASCIA = auto()
    MUSCULARIS = auto()
    SUBMUCOSA = auto()
    MUCOSA = auto()
    NODE = auto()
    GEL = auto()
    GAS = auto()
    TUMOUR = auto()
    TUMOUR_MUCINOUS = auto()
    BED_FIBROSIS = auto()
    BED_MICROSCOPIC = auto()
    BED_INFLAMMATION = auto()
    BED_GRANULATION = auto()
    BED_VIABLE = auto()
    BED_MUCIN = auto()
    BED_MUCINOUS_CARCINOMA = auto()
    BED_MUSCULARIS = auto()
    BED_SUBMUCOSA = auto()
    BED_MUCOSA = auto()


ROWS = {
    Label.AIR: "lumen_gas",
    Label.CORTEX: "lumen_gas",
    Label.VESSEL: "lumen_gas",
    Label.FAT: "mesorectal_fat",
    Label.SKIN: "fibrosis_scar",
    Label.MUSCLE: "skeletal_muscle",
    Label.MARROW: "bone_marrow",
    Label.URINE: "bladder_urine",
    Label.BLADDER_WALL: "rectal_wall_muscularis",
    Label.PERIPHERAL_ZONE: "prostate_PZ",
    Label.TRANSITION_ZONE: "prostate_TZ",
    Label.MYOMETRIUM: "uterus_myometrium",
    Label.ENDOMETRIUM: "uterus_endometrium",
    Label.FASCIA: "fibrosis_scar",
    Label.MUSCULARIS: "rectal_wall_muscularis",
    Label.SUBMUCOSA: "rectal_wall_submucosa",
    Label.MUCOSA: "rectal_wall_mucosa",
    Label.NODE: "lymph_node",
    Label.GEL: "lumen_gel",
    Label.GAS: "lumen_gas",
    Label.TUMOUR: "rectal_tumour_untreated",
    Label.TUMOUR_MUCINOUS: "mucinous_carcinoma",
    Label.BED_FIBROSIS: "fibrosis_scar",
    Label.BED_MICROSCOPIC: "fibrosis_scar",
    Label.BED_INFLAMMATION: "inflammation_oedema",
    Label.BED_GRANULATION: "granulation_tissue",
    Label.BED_VIABLE: "treated_residual_tumour",
    Label.BED_MUCIN: "mucin_acellular_pool",
    Label.BED_MUCINOUS_CARCINOMA: "mucinous_carcinoma",
    Label.BED_MUSCULARIS: "rectal_wall_muscularis_treated",
    Label.BED_SUBMUCOSA: "rectal_wall_submucosa",
    Label.BED_MUCOSA: "rectal_wall_mucosa",
}
"""Which row of the table a label takes its properties from. Flowing blood, cortical bone and air
give no signal, as gas does."""

BED_PARTS = {
    "fibrosis": (Label.BED_FIBROSIS,),
    "microscopic": (Label.BED_MICROSCOPIC,),
    "inflammation": (Label.BED_INFLAMMATION,),
    "granulation": (Label.BED_GRANULATION,),
    "viable": (Label.BED_VIABLE,),
    "mucin": (Label.BED_MUCIN,),
    "mucinous_carcinoma": (Label.BED_MUCINOUS_CARCINOMA,),
    "wall": (Label.BED_MUSCULARIS, Label.BED_SUBMUCOSA, Label.BED_MUCOSA),
}
"""What a treated bed is made of, by the names of the truth table."""

# Fluid is homogeneous and fat nearly so; tumour and treated tissue are the most uneven.
_TEXTURE = {
    Label.URINE: 0.0,
    Label.GEL: 0.0,
    Label.FAT: 0.4,
    Label.TUMOUR: 1.4,
    Label.TUMOUR_MUCINOUS: 1.4,
    Label.BED_FIBROSIS: 1.4,
    Label.BED_MICROSCOPIC: 1.4,
    Label.BED_GRANULATION: 1.4,
    Label.BED_INFLAMMATION: 1.4,
    Label.BED_VIABLE: 1.4,
}
_RELAXATION_SD = 0.05  # relative; the table states an SD for ADC only


@dataclass(frozen=True, slots=True)
class Properties:
    """Properties by label at one field strength, each of shape (number of labels,).

    Parameters
    ----------
    t1_ms, t2_ms : numpy.ndarray
        Relaxation times, ms.
    proton_density : numpy.ndarray
        0 to 1.
    adc_um2_per_s, adc_sd_um2_per_s : numpy.ndarray
        Diffusion and its spread between patients, 1e-6 mm2/s.
    visible_fraction : numpy.ndarray
        Share of the signal that fat suppression leaves, 0 to 1.
    texture : numpy.ndarray
        Strength of the pattern within the tissue; 0 for fluid, 1 for most tissue.
    """

    t1_ms: NDArray[np.float64]
    t2_ms: NDArray[np.float64]
    proton_density: NDArray[np.float64]
    adc_um2_per_s: NDArray[np.float64]
    adc_sd_um2_per_s: NDArray[np.float64]
    visible_fraction: NDArray[np.float64]
    texture: NDArray[np.float64]


@cache
def tissue_table() -> dict[str, dict[str, float]]:
    """The tissue table by tissue name, then by column, in the units of the column names."""
    text = resources.files("radresp.phantom").joinpath("tissue_mri.csv").read_text("utf-8")
    return {
        row["tissue"]: {k: float(v) for k, v in row.items() if k not in ("tissue", "basis")}
        for row in csv.DictReader(text.splitlines())
    }


def properties(field_strength_t: float) -> Properties:
    """Mean properties of every label at 1.5 or 3 T.

    Examples
    --------
    >>> float(properties(3.0).t2_ms[Label.TUMOUR])
    67.0
    """
    field = "3T" if field_strength_t > 2 else "1p5T"
    table = tissue_table()

    def column(name: str) -> NDArray[np.float64]:
        return np.array([table[ROWS[label]][name] for label in Label])

    return Properties(
        t1_ms=column(f"T1_{field}_ms"),
        t2_ms=column(f"T2_{field}_ms"),
        proton_density=column("proton_density"),
        adc_um2_per_s=column("ADC_1e-3_mm2_s") * 1000,
        adc_sd_um2_per_s=column("ADC_sd") * 1000,
        visible_fraction=column("fatsat_fraction"),
        texture=np.array([_TEXTURE.get(label, 1.0) for label in Label]),
    )


def vary(mean: Properties, rng: np.random.Generator, amount: float) -> Properties:
    """Properties of one patient: drawn around the mean, equal for labels of one tissue.

    Parameters
    ----------
    mean : Properties
        Mean properties.
    rng : numpy.random.Generator
        Where the draw comes from.
    amount : float
        1 for the table's spread of ADC and 5 % of relaxation times, 0 for none.
    """
    tissues = sorted(set(ROWS.values()))
    draws = rng.standard_normal((3, len(tissues))).clip(-2.5, 2.5) * amount
    t1, t2, adc = draws[:, [tissues.index(ROWS[label]) for label in Label]]
    return replace(
        mean,
        t1_ms=mean.t1_ms * (1 + _RELAXATION_SD * t1),
        t2_ms=mean.t2_ms * (1 + _RELAXATION_SD * t2),
        adc_um2_per_s=np.maximum(mean.adc_um2_per_s + adc * mean.adc_sd_um2_per_s, 0),
    )
