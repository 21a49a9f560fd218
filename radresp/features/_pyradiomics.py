"""The door to pyradiomics: the only module that imports it.

pyradiomics costs half a second to import, so families come through this door only when they
extract. Its feature classes run on SimpleITK images in memory; its file handling, its batch
mode and its process-wide geometry tolerance are never used. Its logger, which would print to
stderr, is silenced here: what goes wrong comes back as a value that is not finite.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import SimpleITK as sitk
from radiomics import (
    cMatrices,
    cShape,
    firstorder,
    glcm,
    gldm,
    glrlm,
    glszm,
    imageoperations,
    ngtdm,
    shape,
    shape2D,
)
from radiomics.featureextractor import RadiomicsFeatureExtractor

__all__ = [
    "CLASSES",
    "cMatrices",
    "cShape",
    "check_parameters",
    "compute",
    "compute_maps",
    "execute",
    "flat_shape_features",
    "glcm",
    "gldm",
    "glrlm",
    "glszm",
    "imageoperations",
    "ngtdm",
    "resample",
    "shape",
]

logging.getLogger("radiomics").setLevel(logging.CRITICAL + 1)

CLASSES = {
    "shape": shape.RadiomicsShape,
    "firstorder": firstorder.RadiomicsFirstOrder,
    "glcm": glcm.RadiomicsGLCM,
    "glrlm": glrlm.RadiomicsGLRLM,
    "glszm": glszm.RadiomicsGLSZM,
    "gldm": gldm.RadiomicsGLDM,
    "ngtdm": ngtdm.RadiomicsNGTDM,
}


def compute(
    image: sitk.Image, mask: sitk.Image, classes: Iterable[str], options: dict[str, Any]
) -> dict[str, float]:
    """All features of some classes, by names such as ``glcm_Contrast``.

    Parameters
    ----------
    image, mask : SimpleITK.Image
        One grid; the region is where the mask is 1.
    classes : iterable of str
        Keys of ``CLASSES``.
    options : dict
        pyradiomics settings, for example ``{"binCount": 32}``.

    Returns
    -------
    dict of str to float
        Not finite where pyradiomics failed.
    """
    values = {}
    # nanmean warns through `warnings`, the divisions through the floating-point state.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        for name in classes:
            found = CLASSES[name](image, mask, **options).execute()
            values.update({f"{name}_{feature}": float(found[feature]) for feature in found})
    return values


def compute_maps(
    image: sitk.Image,
    mask: sitk.Image,
    name: str,
    features: Iterable[str],
    options: dict[str, Any],
    watch: Callable[[int], None],
) -> dict[str, sitk.Image]:
    """Features of one class around every voxel of the region; NaN where there is none.

    Parameters
    ----------
    image, mask : SimpleITK.Image
        One grid; the region is where the mask is 1.
    name : str
        Key of ``CLASSES``.
    features : iterable of str
        Of that class.
    options : dict
        pyradiomics settings, among them ``voxelBatch``.
    watch : callable
        Called with the number of voxels done, after every batch.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        made = CLASSES[name](image, mask, voxelBased=True, initValue=np.nan, **options)
        made.progressReporter = partial(_Progress, watch, options["voxelBatch"])
        for feature in features:
            made.enableFeatureByName(feature)
        found: dict[str, sitk.Image] = made.execute()
    return found


class _Progress:
    """What pyradiomics reports progress to: a context that is updated once a batch."""

    def __init__(self, watch: Callable[[int], None], batch: int, **_: object) -> None:
        self._watch, self._batch, self._done = watch, batch, 0

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def update(self, batches: int) -> None:
        self._done += batches * self._batch
        self._watch(self._done)


def resample(
    image: sitk.Image, mask: sitk.Image, spacing_mm: tuple[float, ...], interpolator: int
) -> tuple[sitk.Image, sitk.Image]:
    """Image and mask on a new spacing (0 keeps an axis), cropped around the region with a margin.

    Parameters
    ----------
    image, mask : SimpleITK.Image
        One grid; the mask is carried by nearest neighbour.
    spacing_mm : tuple of float
        New spacing along x, y, z, mm.
    interpolator : int
        A SimpleITK interpolator for the image.
    """
    moved: tuple[sitk.Image, sitk.Image] = imageoperations.resampleImage(
        image, mask, resampledPixelSpacing=spacing_mm, interpolator=interpolator, label=1
    )
    return moved


class _Extractor(RadiomicsFeatureExtractor):
    def _setTolerance(self) -> None:  # noqa: N802
        """Leave the geometry tolerance of the process alone; grids were compared before."""


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Refuse parameters that pyradiomics' own schema, or one of its classes, does not know.

    Raises
    ------
    ValueError
        With what is wrong, in pyradiomics' words.
    """
    logging.getLogger("pykwalify").setLevel(logging.CRITICAL + 1)
    try:
        made = _Extractor(dict(parameters), additionalInfo=False)
    except Exception as error:  # noqa: BLE001 - pykwalify's errors share no narrower base
        raise ValueError(" ".join(str(error).split())) from None
    for name, features in made.enabledFeatures.items():
        known = {**CLASSES, "shape2D": shape2D.RadiomicsShape2D}[name].getFeatureNames()
        unknown = [feature for feature in features or () if feature not in known]
        if unknown:
            raise ValueError(f"{name} has no feature {unknown[0]}")


def execute(
    image: sitk.Image, mask: sitk.Image, parameters: Mapping[str, Any]
) -> tuple[dict[str, float], str]:
    """Features by pyradiomics' full names, and why those that are missing are.

    Parameters
    ----------
    image, mask : SimpleITK.Image
        One grid; the region is where the mask is 1.
    parameters : mapping
        The content of a parameter file that ``check_parameters`` has passed.
    """
    # The label is ours: the region is 1, whatever number it had in the user's files.
    made = _Extractor(dict(parameters), additionalInfo=False, label=1)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            found = made.execute(image, mask)
        except ValueError as refusal:
            return {}, f"pyradiomics refused: {refusal}"
    values = {name: float(value) for name, value in found.items()}
    return values, "pyradiomics gives no finite value"


def flat_shape_features() -> list[str]:
    """Names of pyradiomics' features of the shape within one slice."""
    known = shape2D.RadiomicsShape2D.getFeatureNames()
    return [name for name, deprecated in known.items() if not deprecated]
