"""Pyradiomics: a user's own pyradiomics parameter file, run by pyradiomics itself.

What: whatever image types, feature classes and settings the file names, normalisation and
resegmentation included, under pyradiomics' names (``original_glcm_Contrast``). For a group whose
published signature rests on such a file. ``original`` and ``filtered`` give the same numbers
faster, and refuse what pyradiomics answers with nonsense; here only what no setting can make right
is refused before (``ROI_NONFINITE``, ``ROI_CONSTANT``).

Not accepted: ``LBP2D`` (needs scikit-image) and ``LBP3D`` (needs a function that SciPy removed),
which pyradiomics would leave out with a line in its log, and ``voxelSetting``.

Source: van Griethuysen et al., Cancer Res 2017; the file's schema is pyradiomics' own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from time import perf_counter
from typing import Any

import SimpleITK as sitk
from pydantic import Field, field_validator

from radresp.core import Region, Settings, Step
from radresp.features.checks import check_values
from radresp.features.family import Extracted
from radresp.features.original import FEATURES
from radresp.features.voxels import finite

POINTWISE = {
    "Original": "original",
    "Square": "square",
    "SquareRoot": "squareroot",
    "Logarithm": "logarithm",
    "Exponential": "exponential",
    "Gradient": "gradient",
}
SECTIONS = ("imageType", "featureClass", "setting")


class Pyradiomics(Settings):
    """The content of a pyradiomics parameter file."""

    parameters: dict[str, Any] = Field(
        default_factory=dict,
        description="imageType, featureClass and setting, as in the file; empty for pyradiomics' "
        "defaults (original image, all classes, bin width 25).",
    )

    @field_validator("parameters")
    @classmethod
    def _known(cls, given: dict[str, Any]) -> dict[str, Any]:
        unknown = [name for name in given if name not in SECTIONS]
        unknown += [
            t for t in given.get("imageType") or {} if t not in (*POINTWISE, "LoG", "Wavelet")
        ]
        if unknown:
            known = ", ".join((*SECTIONS, *POINTWISE, "LoG", "Wavelet"))
            raise ValueError(f"{unknown[0]} is not accepted; known here: {known}")
        if given:
            from radresp.features import _pyradiomics

            _pyradiomics.check_parameters(given)
        return given


def names(settings: Pyradiomics) -> tuple[str, ...]:
    """Feature names: shape once, then every image type with every feature.

    Examples
    --------
    >>> asked = {"imageType": {"LoG": {"sigma": [2.0]}}, "featureClass": {"ngtdm": ["Contrast"]}}
    >>> names(Pyradiomics(parameters=asked))
    ('log-sigma-2-0-mm-3D_ngtdm_Contrast',)
    """
    classes = _classes(settings.parameters)
    shapes = {name: classes.pop(name) for name in ("shape", "shape2D") if name in classes}
    return (
        *(f"original_{name}_{feature}" for name in shapes for feature in shapes[name]),
        *(
            f"{image}_{name}_{feature}"
            for image in _image_names(settings.parameters)
            for name, features in classes.items()
            for feature in features
        ),
    )


def extract(region: Region, settings: Pyradiomics) -> Extracted:
    """Run pyradiomics with the user's parameters.

    Parameters
    ----------
    region : Region
        Image and outline on one grid. What is not a number outside the outline counts as 0.
    settings : Pyradiomics
        The content of the file.

    Returns
    -------
    Extracted
        Exactly ``names(settings)``; NaN, with the reason, for what pyradiomics does not give.

    Raises
    ------
    InputError
        ``ROI_NONFINITE`` and ``ROI_CONSTANT``.
    """
    from radresp.features import _pyradiomics

    started = perf_counter()
    check_values(region)
    image, mask = finite(region.volume).image, sitk.Cast(region.mask.image != 0, sitk.sitkUInt8)
    asked = {**settings.parameters, "featureClass": _classes(settings.parameters)}
    found, reason = _pyradiomics.execute(image, mask, asked)
    values = {name: found.get(name, math.nan) for name in names(settings)}
    absent = {name: reason for name, value in values.items() if not math.isfinite(value)}
    values |= dict.fromkeys(absent, math.nan)
    seconds = perf_counter() - started
    step = Step("features", "pyradiomics", settings.model_dump(mode="json"), seconds)
    return Extracted(values, absent, step)


def _classes(parameters: dict[str, Any]) -> dict[str, list[str]]:
    """Features by class; a class without a list means all that are not deprecated."""
    asked = parameters.get("featureClass") or dict.fromkeys(FEATURES)
    return {
        name: list(listed or FEATURES.get(name, "").split()) or _flat_shape()
        for name, listed in asked.items()
    }


def _flat_shape() -> list[str]:
    from radresp.features import _pyradiomics

    return _pyradiomics.flat_shape_features()


def _image_names(parameters: dict[str, Any]) -> Iterator[str]:
    """Names of the filtered images, in the file's order."""
    for kind, custom in (parameters.get("imageType") or {"Original": {}}).items():
        options = {**(parameters.get("setting") or {}), **(custom or {})}
        if kind in POINTWISE:
            yield POINTWISE[kind]
        elif kind == "LoG":
            for sigma in options.get("sigma", []):
                yield f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D"
        else:
            yield from _wavelets(options)


def _wavelets(options: dict[str, Any]) -> Iterator[str]:
    axes = 2 if options.get("force2D", False) else 3
    levels = options.get("level", 1)
    for level in range(1, levels + 1):
        number = "" if level == 1 else str(level)
        bands = ("".join(letters) for letters in itertools.product("LH", repeat=axes))
        for letters in bands:
            if "H" in letters or level == levels:
                yield f"wavelet{number}-{letters}"
