"""The fast engine: pyradiomics' features without its detours.

The formulae are pyradiomics' own: its classes are given grey levels that were binned once and
matrices that were counted once, instead of images. Written anew are only the steps that cost time
and not the numbers: the sums over diagonals of the co-occurrence matrix, its maximal correlation
coefficient, first order from one sorting, and the mesh of :mod:`radresp.features.mesh`.

Values equal pyradiomics' to 1e-9 relative (most to the last bit), with one exception that can be
switched off: ``MCC``. pyradiomics adds 2.2e-16 to a product of probabilities that can be as small,
and takes eigenvalues of a matrix that is not symmetric; the symmetric form has neither flaw and
differs by up to about 1e-5.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radresp.features import matrices, mesh
from radresp.features._pyradiomics import glcm, gldm, glrlm, glszm, imageoperations, ngtdm, shape
from radresp.features.matrices import Matrices

EPS = np.spacing(1)
EXACT_MCC = glcm.RadiomicsGLCM.getMCCFeatureValue


@dataclass(frozen=True, slots=True)
class _Binned:
    """A region with its grey levels, and the matrices of all levels that occur."""

    levels: NDArray[np.int_]
    counted: Matrices


class _Prepared:
    """Stands in front of a class of pyradiomics and takes counted matrices in place of images."""

    symmetricalGLCM = True  # noqa: N815
    logger = logging.getLogger("radiomics")

    def __init__(self, binned: _Binned):
        self.binned = binned
        self.coefficients: dict[str, Any] = {
            "grayLevels": binned.levels,
            "Ng": int(binned.levels[-1]),
        }
        self._initCalculation(None)  # type: ignore[attr-defined]


class _Glcm(_Prepared, glcm.RadiomicsGLCM):
    def _calculateMatrix(self, _: None) -> NDArray[np.float64]:  # noqa: N802
        counted = self.binned.counted.glcm
        both = counted + counted.transpose(1, 0, 2)
        pairs = both.sum(axis=(0, 1))
        if len(pairs) > 1:
            both, pairs = both[:, :, pairs > 0], pairs[pairs > 0]
        return (both / np.where(pairs > 0, pairs, np.nan))[None]

    def _calculateCoefficients(self) -> None:  # noqa: N802
        levels = self.binned.levels.astype(float)
        grey, i, j = self.coefficients["Ng"], levels[:, None], levels[None, :]
        share = self.P_glcm[0]
        self.coefficients |= {
            "eps": EPS,
            "i": i,
            "j": j,
            "kValuesSum": np.arange(2.0, 2 * grey + 1),
            "kValuesDiff": np.arange(0.0, grey),
            "px": share.sum(1, keepdims=True)[None],
            "py": share.sum(0, keepdims=True)[None],
            "ux": np.sum(i[..., None] * share, (0, 1), keepdims=True)[None],
            "uy": np.sum(j[..., None] * share, (0, 1), keepdims=True)[None],
            "pxAddy": _gathered(share, i + j - 2, 2 * grey - 1),
            "pxSuby": _gathered(share, abs(i - j), grey),
            "HXY": -np.sum(share * np.log2(share + EPS), (0, 1))[None],
        }

    def getMCCFeatureValue(self) -> NDArray[np.float64] | float:  # noqa: N802
        """Second largest singular value of the matrix scaled by the roots of its margins."""
        share = np.moveaxis(self.P_glcm[0], 2, 0)
        if share.shape[1] < 2:
            return 1.0
        margin = share.sum(axis=2)
        scale = np.divide(1, np.sqrt(margin), out=np.zeros_like(margin), where=margin > 0)
        values = np.linalg.eigvalsh(scale[:, :, None] * share * scale[:, None, :])
        return np.mean(np.sort(np.abs(values), axis=1)[:, -2], keepdims=True)


class _ExactGlcm(_Glcm):
    getMCCFeatureValue = EXACT_MCC  # noqa: N815


class _Glrlm(_Prepared, glrlm.RadiomicsGLRLM):
    def _calculateMatrix(self, _: None) -> NDArray[np.float64]:  # noqa: N802
        runs = self.binned.counted.glrlm
        total = runs.sum(axis=(0, 1))
        if len(total) > 1:
            runs, total = runs[:, :, total > 0], total[total > 0]
        self.coefficients["Nr"] = np.where(total > 0, total, np.nan)[None]
        return runs[None]


class _Glszm(_Prepared, glszm.RadiomicsGLSZM):
    def _initCalculation(self, _: None) -> None:  # noqa: N802
        zones, sizes = self.binned.counted.glszm, self.binned.counted.zone_sizes
        self.P_glszm = zones[None]
        self.coefficients |= {
            "Nz": zones.sum(keepdims=True)[0],
            "Np": np.array([zones.sum(axis=0) @ sizes]),
            "ps": zones.sum(axis=0)[None],
            "pg": zones.sum(axis=1)[None],
            "ivector": self.binned.levels.astype(float),
            "jvector": sizes,
        }


class _Gldm(_Prepared, gldm.RadiomicsGLDM):
    def _initCalculation(self, _: None) -> None:  # noqa: N802
        table = self.binned.counted.gldm
        occur = np.flatnonzero(table.any(axis=0))
        table = table[:, occur]
        self.P_gldm = table[None]
        self.coefficients |= {
            "Nz": table.sum(keepdims=True)[0],
            "pd": table.sum(axis=0)[None],
            "pg": table.sum(axis=1)[None],
            "ivector": self.binned.levels.astype(float),
            "jvector": occur + 1.0,
        }


class _Ngtdm(_Prepared, ngtdm.RadiomicsNGTDM):
    def _calculateMatrix(self, _: None) -> NDArray[np.float64]:  # noqa: N802
        table = self.binned.counted.ngtdm
        return np.column_stack([table, self.binned.levels.astype(float)])[None]


class _Shape(shape.RadiomicsShape):
    def __init__(self, inside: NDArray[np.bool_], spacing_mm: tuple[float, float, float]):
        padded = np.pad(inside, 1)
        found = mesh.measure(padded, spacing_mm)
        self.logger = _Prepared.logger
        self.pixelSpacing = np.array(spacing_mm)
        self.labelledVoxelCoordinates = np.where(padded)
        self.SurfaceArea, self.Volume = found.area_mm2, found.volume_mm3
        self.diameters = found.diameters_mm
        places = np.argwhere(padded) * self.pixelSpacing
        places = (places - places.mean(axis=0)) / np.sqrt(len(places))
        # The matrix is symmetric, so no rounding error can make a negative value of a zero.
        self.eigenValues = np.maximum(np.linalg.eigvalsh(places.T @ places), 0.0)


TEXTURE = {"glcm": _Glcm, "glrlm": _Glrlm, "glszm": _Glszm, "gldm": _Gldm, "ngtdm": _Ngtdm}


def compute(
    image: sitk.Image,
    mask: sitk.Image,
    wanted: Mapping[str, Iterable[str]],
    options: dict[str, Any],
    *,
    exact_mcc: bool = False,
) -> dict[str, float]:
    """Features of a region, by names such as ``glcm_Contrast``.

    Parameters
    ----------
    image, mask : SimpleITK.Image
        One grid, cut to the bounding box of the region; the region is where the mask is 1.
    wanted : dict
        Class to its features, in order.
    options : dict
        pyradiomics settings, for example ``{"binCount": 32}``.
    exact_mcc : bool
        Compute MCC as pyradiomics does, rounding included.

    Returns
    -------
    dict of str to float
        Not finite where pyradiomics' formula is not.
    """
    inside = sitk.GetArrayViewFromImage(mask) == 1
    intensities = sitk.GetArrayViewFromImage(image)
    spacing = image.GetSpacing()[::-1]
    values: dict[str, float] = {}
    texture = {**TEXTURE, "glcm": _ExactGlcm} if exact_mcc else TEXTURE
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        if any(name != "shape" for name in wanted):
            levels, _ = imageoperations.binImage(intensities, inside, **options)
        if texture.keys() & wanted.keys():
            binned = _binned(levels, inside, options)
        for name, features in wanted.items():
            if name == "firstorder":
                found = _first_order(intensities[inside], levels[inside], float(np.prod(spacing)))
                values.update({f"{name}_{feature}": found[feature] for feature in features})
                continue
            room = _Shape(inside, spacing) if name == "shape" else texture[name](binned)
            for feature in features:
                value = getattr(room, f"get{feature}FeatureValue")()
                values[f"{name}_{feature}"] = float(np.squeeze(value))
    return values


def _binned(
    levels: NDArray[np.int_], inside: NDArray[np.bool_], options: dict[str, Any]
) -> _Binned:
    found = matrices.count(
        levels.astype(np.int32),
        inside,
        tuple(options.get("distances", (1,))),
        force_2d=options.get("force2D", False),
    )
    occur = np.flatnonzero(found.gldm.any(axis=1))
    return _Binned(
        occur + 1,
        Matrices(
            found.glcm[occur][:, occur],
            found.glrlm[occur],
            found.glszm[occur],
            found.zone_sizes,
            found.gldm[occur],
            found.ngtdm[occur],
        ),
    )


def _gathered(
    share: NDArray[np.float64], place: NDArray[np.float64], length: int
) -> NDArray[np.float64]:
    """Sums of the matrix over cells with one value of ``place``, by direction."""
    number = share.shape[2]
    index = place.astype(int)[..., None] * number + np.arange(number)
    sums = np.bincount(index.ravel(), share.ravel(), length * number).astype(float)
    return sums.reshape(1, length, number)


def _first_order(
    intensities: NDArray[np.floating], levels: NDArray[np.int_], voxel_mm3: float
) -> dict[str, float]:
    """The eighteen features of pyradiomics' ``firstorder``."""
    x = np.sort(intensities).astype(float)  # half the time of sorting float64
    p10, p25, p50, p75, p90 = (_percentile(x, level) for level in (10, 25, 50, 75, 90))
    mean, energy = x.mean(), float(x @ x)
    off = x - mean
    square = off * off
    m2, m3, m4 = square.mean(), (square * off).mean(), (square * square).mean()
    scale = m2 if m2 > 0 else 1.0
    core = x[np.searchsorted(x, p10) : np.searchsorted(x, p90, side="right")]
    counts = np.bincount(levels)
    share = counts[counts > 0] / len(levels)
    found = {
        "10Percentile": p10,
        "90Percentile": p90,
        "Energy": energy,
        "Entropy": -np.sum(share * np.log2(share + EPS)),
        "InterquartileRange": p75 - p25,
        "Kurtosis": m4 / scale**2,
        "Maximum": x[-1],
        "Mean": mean,
        "MeanAbsoluteDeviation": np.abs(off).mean(),
        "Median": p50,
        "Minimum": x[0],
        "Range": x[-1] - x[0],
        "RobustMeanAbsoluteDeviation": np.abs(core - core.mean()).mean(),
        "RootMeanSquared": np.sqrt(energy / len(x)),
        "Skewness": m3 / scale**1.5,
        "TotalEnergy": energy * voxel_mm3,
        "Uniformity": share @ share,
        "Variance": m2,
    }
    return {name: float(value) for name, value in found.items()}


def _percentile(ascending: NDArray[np.float64], level: float) -> float:
    """A percentile by linear interpolation, as NumPy's, of values that are sorted already."""
    place = level / 100 * (len(ascending) - 1)
    low = int(place)
    part = place - low
    first, second = ascending[low], ascending[min(low + 1, len(ascending) - 1)]
    return float(first + (second - first) * part)
