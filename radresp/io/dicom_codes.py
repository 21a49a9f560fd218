"""Codes of what is measured: of public schemes where they exist, else of radresp's own scheme.

Public codes are looked up by keyword in pydicom's dictionary, which is made from DICOM PS3.16, and
never typed. Our own are a fixed table: a code keeps its meaning for ever. A code value has at most
16 characters, for some readers show a longer one as empty, and a meaning at most 64.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pydicom.dataset import Dataset

from radresp.core import Decision, Timepoint
from radresp.io.dicom_out_header import item

SCHEME = "99RADRESP"
"""Designator of our own coding scheme; private ones start with 99."""

SCHEME_VERSION = "1"
IBSI_UID = "1.2.840.10008.2.16.13"


class Code(NamedTuple):
    """A coded concept, in the order code sequences have."""

    value: str
    scheme: str
    meaning: str


class Quantity(NamedTuple):
    """What a number is: concept, unit, and how it was derived from many voxels, where it was."""

    name: Code
    unit: Code
    derivation: Code | None = None


def public(scheme: str, keyword: str) -> Code:
    """A code of pydicom's dictionary.

    Examples
    --------
    >>> public("IBSI", "VolumeFromVoxelSummation")
    Code(value='YEKZ', scheme='IBSI', meaning='Volume from Voxel Summation')
    """
    # Not at the top: the dictionary takes a tenth of a second that only writers need.
    from pydicom.sr.codedict import codes

    found: Any = getattr(getattr(codes, scheme), keyword)
    return Code(found.value, found.scheme_designator, found.meaning)


def private(value: str, meaning: str) -> Code:
    """A code of our own scheme."""
    return Code(value, SCHEME, meaning)


UNITS: Mapping[str, str] = MappingProxyType(
    {
        "1": "NoUnits",
        "%": "Percent",
        "mm": "Millimeter",
        "mL": "CubicCentimeter",
        "um2/s": "SquareMicrometerPerSecond",
    }
)
"""Units by their name here: keywords of UCUM. A millilitre stands as a cubic centimetre."""

STATISTICS: Mapping[str, str] = MappingProxyType(
    {
        "mean": "Mean",
        "median": "Median",
        "sd": "StandardDeviation",
        "minimum": "Minimum",
        "maximum": "Maximum",
    }
)
"""Ways to make one number of many voxels: keywords of SNOMED CT, context group 7464."""

TIMEPOINTS: Mapping[Timepoint, tuple[str, str]] = MappingProxyType(
    {Timepoint.PRE: ("UMLS", "Pretreatment"), Timepoint.POST: ("DCM", "Posttreatment")}
)
"""Scheme and keyword of the type of each visit, context group 6146."""

PROBABILITIES: Mapping[str, str] = MappingProxyType(
    {
        "p_ccr": "Probability of complete response",
        "p_ccr_low": "Probability of complete response, lower end of interval",
        "p_ccr_high": "Probability of complete response, upper end of interval",
        "p_complete": "Probability of class complete response",
        "p_residual": "Probability of class residual tumour",
        "p_fibrosis": "Probability of class complete response with fibrosis",
        "p_inflammation": "Probability of class complete response with inflammation",
        "p_pseudo": "Probability of no tumour in what was read as residual tumour",
    }
)
DECISION = private("decision", "Decision")
DECISIONS: Mapping[Decision, Code] = MappingProxyType(
    {
        Decision.COMPLETE_RESPONSE: private("complete_resp", "Complete response"),
        Decision.RESIDUAL: private("residual", "Residual tumour"),
        Decision.INDETERMINATE: private("indeterminate", "Indeterminate"),
        Decision.ABSTAIN: private("abstain", "No answer given"),
    }
)
INTENDED_USE = private("intended_use", "Intended use")
ENDPOINT = private("endpoint", "Endpoint the probability is of")
REASON = private("reason", "Reason of the decision")
ADC_CHANGE = private("adc_diff", "Change of ADC by voxel, after treatment minus before")

MEASURES: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "bed_ml": ("bed_vol", "Volume of treated bed", "mL"),
        "log_bed_ml": ("log_bed_vol", "Logarithm of volume of treated bed in mL plus 0.01", "1"),
        "volume_reduction": ("vol_reduction", "Reduction of volume, tumour to treated bed", "1"),
        "residual_ml": ("residual_vol", "Volume of visible residual", "mL"),
        "residual_volume_reduction": (
            "residual_red",
            "Reduction of volume, tumour to visible residual",
            "1",
        ),
        "adc_p10": ("adc_p10", "10th percentile of ADC of treated bed", "um2/s"),
        "adc_p50": ("adc_p50", "Median ADC of treated bed", "um2/s"),
        "adc_p90": ("adc_p90", "90th percentile of ADC of treated bed", "um2/s"),
        "adc_ratio": ("adc_ratio", "Ratio of median ADC, after to before", "1"),
        "adc_change_percent": ("adc_change", "Relative change of median ADC", "%"),
        "adc_change_flag": ("adc_change_flag", "Change of ADC beyond repeatability: -1, 0, 1", "1"),
        "restricted_ml": ("restr_vol", "Volume of restricted diffusion", "mL"),
        "restricted_fraction": ("restr_fraction", "Share of bed of restricted diffusion", "1"),
        "restricted_largest_ml": ("restr_largest", "Largest piece of restricted diffusion", "mL"),
        "restricted_reduction": ("restr_reduction", "Reduction of restricted diffusion", "1"),
        "high_b_noise_fraction": ("high_b_noise", "Share of bed in noise at highest b-value", "1"),
        "scar_fraction": ("scar_fraction", "Share of bed as dark on T2 as scar", "1"),
        "intermediate_fraction": ("interm_fraction", "Share of bed intermediate on T2", "1"),
        "bright_fraction": ("bright_fraction", "Share of bed bright on T2", "1"),
        "t2_ratio_mean": ("t2_ratio_mean", "Mean T2 signal of bed over muscle", "1"),
        "t2_ratio_p10": ("t2_ratio_p10", "10th percentile of T2 signal of bed over muscle", "1"),
        "t2_ratio_p90": ("t2_ratio_p90", "90th percentile of T2 signal of bed over muscle", "1"),
        "t2_ratio_change": ("t2_ratio_change", "Change of mean T2 signal over muscle", "1"),
        "shine_fraction": ("shine_fraction", "Share of bed with T2 shine-through", "1"),
        "dark_through_fraction": ("dark_fraction", "Share of bed with T2 dark-through", "1"),
        "concordant_fraction": (
            "concord_fraction",
            "Share of bed restricted and intermediate on T2",
            "1",
        ),
        "axial_extent_mm": ("axial_extent", "Largest extent of bed in a slice", "mm"),
        "elongation": ("elongation", "Elongation of bed from moments", "1"),
        "flatness": ("flatness", "Flatness of bed from moments", "1"),
        "compactness": ("compactness", "Compactness of bed from moments", "1"),
        "mass_index": ("mass_index", "Thickness of bed over its extent", "1"),
        "circumferential_fraction": ("circumference", "Share of lumen border near the bed", "1"),
        "wall_thickness_max_mm": ("wall_max", "Largest wall thickness of bed", "mm"),
        "wall_thickness_mean_mm": ("wall_mean", "Mean wall thickness of bed", "mm"),
        "wall_thickness_asymmetry": ("wall_asymmetry", "Largest over mean thickness, less 1", "1"),
        "dark_layer_continuity": ("dark_layer", "Share of inner border with a dark layer", "1"),
        "focus_to_border_mm": ("focus_depth", "Distance of restricted focus from lumen", "mm"),
    }
)
"""Measures `response.*` by name: code, meaning and unit."""

_VOXELS = re.compile(r"adc_(?P<way>rose|stayed|fell)_(?P<threshold>[0-9.]+)")
_WAYS = {"rose": "rose by more than", "stayed": "changed by at most", "fell": "fell by more than"}


def unit(name: str) -> Code:
    """The code of a unit by its name here."""
    return public("UCUM", UNITS[name])


def measure(name: str) -> Quantity | None:
    """What a measure of the case is; None for one that has no code.

    Parameters
    ----------
    name : str
        As in the column ``response.NAME``.

    Examples
    --------
    >>> measure("adc_rose_300").name.meaning
    'Share of voxels whose ADC rose by more than 300 um2/s'
    """
    if name in MEASURES:
        value, meaning, unit_name = MEASURES[name]
        return Quantity(private(value, meaning), unit(unit_name))
    found = _VOXELS.fullmatch(name)
    if found is None or len(name) > 16:
        return None
    said = f"Share of voxels whose ADC {_WAYS[found['way']]} {found['threshold']} um2/s"
    return Quantity(private(name, said), unit("1"))


def probability(name: str) -> Quantity | None:
    """What a probability is; None for one of a class that has no code."""
    meaning = PROBABILITIES.get(name)
    return None if meaning is None else Quantity(private(name, meaning), unit("1"))


def volume() -> Quantity:
    """Volume of a region: its voxels times their volume."""
    return Quantity(public("IBSI", "VolumeFromVoxelSummation"), unit("mL"))


def adc(statistic: str) -> Quantity:
    """ADC of a region, as one of `STATISTICS`."""
    name = public("DCM", "ApparentDiffusionCoefficient")
    return Quantity(name, unit("um2/s"), public("SCT", STATISTICS[statistic]))


def private_codes() -> tuple[Code, ...]:
    """Every code of our own that is fixed; `adc_rose_T` and its like follow their thresholds."""
    named = {code: meaning for code, meaning, _ in MEASURES.values()} | dict(PROBABILITIES)
    fixed = (DECISION, *DECISIONS.values(), INTENDED_USE, ENDPOINT, REASON, ADC_CHANGE)
    return (*fixed, *(private(value, meaning) for value, meaning in named.items()))


def coded(code: Code) -> Any:
    """A code as highdicom takes it."""
    from highdicom.sr import CodedConcept

    return CodedConcept(code.value, code.scheme, code.meaning)


def coding_schemes() -> list[Dataset]:
    """What an object says of the schemes a reader may not know."""
    return [
        item(
            CodingSchemeDesignator=SCHEME,
            CodingSchemeName="radresp measures and decisions",
            CodingSchemeVersion=SCHEME_VERSION,
            CodingSchemeResponsibleOrganization="The radresp developers",
        ),
        item(
            CodingSchemeDesignator="IBSI",
            CodingSchemeUID=IBSI_UID,
            CodingSchemeName="Image Biomarker Standardisation Initiative",
        ),
    ]
