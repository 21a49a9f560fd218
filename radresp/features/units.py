"""The unit of a feature, from its name: for the dictionary of columns.

Texture, and every shape or share without a dimension, has the unit ``1``. An intensity has the unit
of its image: ADC um2/s (1e-6 mm2/s), others none that two scanners share (``image``).
"""

from __future__ import annotations

from radresp.core import Sequence, Unit

ONE = "1"
SUFFIXES = {"_ml": "mL", "_mm": "mm", "_percent": "%", "_slices": "slices"}
SHAPE = {
    "MeshVolume": "mm3",
    "VoxelVolume": "mm3",
    "SurfaceArea": "mm2",
    "SurfaceVolumeRatio": "1/mm",
    "LeastAxisLength": "mm",
    "MinorAxisLength": "mm",
    "MajorAxisLength": "mm",
    "Maximum2DDiameterColumn": "mm",
    "Maximum2DDiameterRow": "mm",
    "Maximum2DDiameterSlice": "mm",
    "Maximum3DDiameter": "mm",
}
INTENSITY = {
    "10Percentile",
    "90Percentile",
    "InterquartileRange",
    "Maximum",
    "Mean",
    "MeanAbsoluteDeviation",
    "Median",
    "Minimum",
    "Range",
    "RobustMeanAbsoluteDeviation",
    "RootMeanSquared",
}
SQUARED = {"Energy": "", "Variance": "", "TotalEnergy": " mm3"}
KEEPING = ("wavelet-", "square", "logarithm", "exponential")
"""Filters of pyradiomics that leave intensities in the unit of the image."""


def unit_of(family: str, feature: str, sequence: Sequence) -> str:
    """The unit of one feature of a region.

    Parameters
    ----------
    family, feature : str
        As in a full name, for example ``original`` and ``firstorder_Mean``.
    sequence : Sequence
        Of the image.

    Returns
    -------
    str
        Empty where the family is a user's own and its units are not known.

    Examples
    --------
    >>> unit_of("original", "firstorder_Variance", Sequence.ADC)
    '(um2/s)^2'
    >>> unit_of("original", "shape_MeshVolume", Sequence.T2)
    'mm3'
    """
    if family in ("pyradiomics", "ibsi"):
        return ""
    if family not in ("original", "filtered"):
        return unit_of_measure(feature)
    kind, _, plain = feature.rpartition("_")
    if kind == "shape":
        return SHAPE.get(plain, ONE)
    if not kind.endswith("firstorder"):
        return ONE
    of_image = str(Unit.UM2_PER_S) if sequence is Sequence.ADC else "image"
    unit = of_image if kind == "firstorder" or kind.startswith(KEEPING) else "filtered image"
    if plain in INTENSITY:
        return unit
    return f"({unit})^2{SQUARED[plain]}" if plain in SQUARED else ONE


def unit_of_measure(feature: str) -> str:
    """The unit of a measure of the whole case, which its name says.

    Examples
    --------
    >>> unit_of_measure("wall_thickness_max_mm"), unit_of_measure("adc_p50")
    ('mm', 'um2/s')
    >>> unit_of_measure("bed_ml"), unit_of_measure("log_bed_ml") == ONE
    ('mL', True)
    """
    if feature.startswith("log_"):
        return ONE
    if feature.startswith("adc_p") and feature.removeprefix("adc_p").isdigit():
        return str(Unit.UM2_PER_S)
    return next((unit for end, unit in SUFFIXES.items() if feature.endswith(end)), ONE)
