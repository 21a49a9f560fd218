"""Plain names: what a column of features is, in words a radiologist uses.

Names keep their exact form in ``score.json``; a page shows both.
"""

from __future__ import annotations

import re

WHEN = {"pre": "before treatment", "post": "after treatment"}
IMAGE = {"t2": "T2", "adc": "ADC", "dwi": "high b-value"}
PLACE = {
    "tumour": "tumour",
    "bed": "treated bed",
    "ring": "tissue around",
    "residual": "visible residual",
    "muscle": "muscle",
    "normal_wall": "normal wall",
    "lumen": "lumen",
}
KINDS = {
    "shape": "shape",
    "firstorder": "brightness",
    "glcm": "texture of neighbouring grey levels, GLCM",
    "glrlm": "texture of runs, GLRLM",
    "glszm": "texture of patches, GLSZM",
    "gldm": "texture of alike neighbours, GLDM",
    "ngtdm": "texture of contrast to neighbours, NGTDM",
}
CHANGES = {
    "log_ratio": "logarithm of after / before",
    "difference": "after minus before",
    "relative": "relative change",
    "per_week": "change a week",
}
MEASURES = {
    "bed_ml": "volume of the treated bed, mL",
    "log_bed_ml": "volume of the treated bed, logarithm of mL",
    "volume_reduction": "reduction of volume, tumour to bed",
    "residual_ml": "volume of visible residual, mL",
    "residual_volume_reduction": "reduction of volume, tumour to visible residual",
    "adc_ratio": "median ADC, after / before",
    "adc_change_percent": "change of median ADC, %",
    "adc_change_flag": "change of median ADC beyond repeatability",
    "restricted_ml": "volume of restricted tissue, mL",
    "restricted_fraction": "share of restricted tissue in the bed",
    "restricted_largest_ml": "largest restricted piece, mL",
    "restricted_reduction": "reduction of restricted volume",
    "high_b_noise_fraction": "share of the bed in the noise at the high b-value",
    "scar_fraction": "share of dark scar on T2",
    "intermediate_fraction": "share of intermediate T2",
    "bright_fraction": "share of bright T2",
    "t2_ratio_mean": "T2 over muscle, mean",
    "t2_ratio_change": "T2 over muscle, after minus before",
    "shine_fraction": "share of T2 shine-through",
    "dark_through_fraction": "share of T2 dark-through",
    "concordant_fraction": "share restricted and of intermediate T2",
    "axial_extent_mm": "largest extent in a slice, mm",
    "mass_index": "thickness over extent of the bed",
    "circumferential_fraction": "share of the lumen's border along the bed",
    "wall_thickness_max_mm": "largest thickness of the wall, mm",
    "wall_thickness_mean_mm": "mean thickness of the wall, mm",
    "wall_thickness_asymmetry": "asymmetry of the wall's thickness",
    "dark_layer_continuity": "continuity of the dark inner layer (split scar)",
    "focus_to_border_mm": "largest restricted piece to the lumen, mm",
}


def plain_name(column: str) -> str:
    """What a column is, in words.

    Examples
    --------
    >>> plain_name("post.t2.bed.original.glcm_JointEntropy")
    'T2 after treatment, treated bed: joint entropy (texture of neighbouring grey levels, GLCM)'
    >>> plain_name("delta.adc.tumour_to_bed.log_ratio.original.firstorder_10Percentile")
    'Change of ADC, tumour to treated bed: 10 percentile (brightness), logarithm of after / before'
    >>> plain_name("response.wall_thickness_max_mm")
    'Largest thickness of the wall, mm'
    >>> plain_name("cT")
    'cT'
    """
    parts = column.split(".")
    if parts[0] == "delta" and len(parts) > 4:
        return _change(parts)
    if parts[0] in WHEN and len(parts) > 3:
        visit, image, roi = parts[:3]
        place = f"{IMAGE.get(image, image)} {WHEN[visit]}, {_place(roi)}"
        return f"{place}: {_feature(parts[-1])}"
    if parts[0] in ("response", "habitat") and len(parts) == 2:
        return sentence_case(MEASURES.get(parts[1]) or _measure(parts[1]))
    return column


def plain_region(key: str) -> str:
    """An outline on an image, in words.

    Examples
    --------
    >>> plain_region("pre.t2.tumour")
    'tumour, T2 before treatment'
    """
    visit, image, roi = key.split(".")
    return f"{_place(roi)}, {IMAGE.get(image, image)} {WHEN.get(visit, visit)}"


def sentence_case(said: str) -> str:
    """A sentence with a capital letter at its start; a name or code keeps its own.

    Examples
    --------
    >>> [sentence_case(said) for said in ("no bed was drawn", "pH is low", "post.t2: shift")]
    ['No bed was drawn', 'pH is low', 'post.t2: shift']
    """
    first = said.split(" ", 1)[0].rstrip(",:;")
    return said[:1].upper() + said[1:] if first.isalpha() and first.islower() else said


def _place(roi: str) -> str:
    return PLACE.get(roi, roi.replace("_", " "))


def _change(parts: list[str]) -> str:
    before, _, after = parts[2].partition("_to_")
    kind = CHANGES.get(parts[3], parts[3].replace("_", " "))
    where = f"{_place(before)} to {_place(after)}"
    return f"Change of {IMAGE.get(parts[1], parts[1])}, {where}: {_feature(parts[-1])}, {kind}"


def _feature(name: str) -> str:
    """A feature as ``class_Name``, with the filter before the class where there is one."""
    kind, _, plain = name.rpartition("_")
    words = re.sub(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[0-9])(?=[A-Z])", " ", plain)
    words = " ".join(w if w.isupper() else w.lower() for w in words.split())
    image, _, last = kind.rpartition("_")
    said = KINDS.get(last, last.replace("_", " "))
    return f"{words} ({said}{f', filter {image}' if image else ''})" if said else words


def _measure(name: str) -> str:
    """A measure without a name of its own: its visit, and its words."""
    if percentile := re.fullmatch(r"(adc|t2_ratio)_p(\d+)", name):
        what = "ADC" if percentile[1] == "adc" else "T2 over muscle"
        return f"{what} of the treated bed, percentile {percentile[2]}"
    visit, _, rest = name.partition("_")
    if visit in WHEN:
        return f"{rest.replace('_', ' ')}, {WHEN[visit]}"
    return name.replace("_", " ")
