"""From the values a reader should see to the integers a vendor stores, and never a value changed.

Siemens, GE and UIH store magnitudes as they are. Philips stores SV with RescaleSlope RS,
RescaleIntercept RI and a private scale slope SS: displayed value SV RS + RI, floating-point value
(SV RS + RI) / (RS SS) (Chenevert et al. 2014, https://pubmed.ncbi.nlm.nih.gov/24772209). A volume
whose values are not such numbers is refused: rounding belongs to the scanner, not to the file.
"""

from __future__ import annotations

from collections.abc import Sequence as Ordered
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.valuerep import format_number_as_ds

from radresp.core import Volume
from radresp.errors import InputError, PlanError
from radresp.io.dicom_out_study import DicomSeries, DicomStudy

ROUNDING = 4 * float(np.finfo(np.float32).eps)
"""Largest difference a volume may have from its stored numbers, as a share of its maximum."""

_WHOLE_NUMBERS_ONLY = ("siemens", "ge", "uih")
_SIGNED = ("ge",)


@dataclass(frozen=True, slots=True)
class Scaling:
    """How stored numbers become values; the numbers exactly as a header holds them."""

    slope: float = 1.0
    intercept: float = 0.0
    scale_slope: float | None = None

    @property
    def real_world(self) -> tuple[float, float]:
        """Slope and intercept from stored number to value, both rescalings in one."""
        divisor = self.slope * (self.scale_slope or 1 / self.slope)
        return self.slope / divisor, self.intercept / divisor

    def decode(self, stored: NDArray[np.integer]) -> NDArray[np.float64]:
        """The values of stored numbers."""
        slope, intercept = self.real_world
        return stored.astype(np.float64) * slope + intercept


@dataclass(frozen=True, slots=True)
class Stored:
    """The stored numbers of a series: one array (z, y, x) a volume, and how they are kept."""

    arrays: tuple[NDArray[np.integer], ...]
    bits: int
    signed: bool
    scaling: Scaling


def ds(value: float) -> str:
    """A number as a decimal string of at most 16 characters."""
    return format_number_as_ds(float(value))


def stored_numbers(volumes: Ordered[Volume], study: DicomStudy, series: DicomSeries) -> Stored:
    """The integers a scanner of this dialect would have stored for some volumes.

    Parameters
    ----------
    volumes : sequence of Volume
        Values as a reader should see them. Voxels without measurement become stored 0.
    study, series : DicomStudy, DicomSeries
        Dialect and scaling.

    Returns
    -------
    Stored
        12 bits where they suffice, else 16; GE always 16 and signed, as it does.

    Raises
    ------
    InputError
        ``DCM_RESCALE`` for values that are no such integers, ``DWI_OVERFLOW`` for values outside
        the range of 16 bits.
    PlanError
        ``USAGE`` for a rescaling in a dialect without one.
    """
    scaling = _scaling(study, series)
    signed = study.dialect in _SIGNED
    numbers = [_numbers(volume, scaling) for volume in volumes]
    lowest = min(int(array.min()) for array in numbers)
    highest = max(int(array.max()) for array in numbers)
    bits = 12 if highest < 2**12 and not signed else 16
    limit = 2 ** (bits - signed) - 1
    if lowest < 0 or highest > limit:
        raise InputError(
            "DWI_OVERFLOW",
            f"stored numbers from {lowest} to {highest}",
            expected=f"0 to {limit}",
            action="choose a smaller gain or another rescaling",
        )
    dtype = np.dtype("<i2") if signed else np.dtype("<u2")
    return Stored(tuple(array.astype(dtype) for array in numbers), bits, signed, scaling)


def display_window(stored: Stored) -> tuple[int, int]:
    """Centre and width of a window that shows a series, in displayed values."""
    top = max(float(np.percentile(array, 99.5)) for array in stored.arrays)
    shown = top * stored.scaling.slope + stored.scaling.intercept
    return round(shown / 2), max(1, round(shown))


def _scaling(study: DicomStudy, series: DicomSeries) -> Scaling:
    # The values as the header will hold them: decimal strings, and single precision for SS.
    scale = None if series.scale_slope is None else float(np.float32(series.scale_slope))
    found = Scaling(float(ds(series.slope)), float(ds(series.intercept)), scale)
    if study.dialect in _WHOLE_NUMBERS_ONLY and found != Scaling():
        raise PlanError(
            "USAGE",
            f"a rescaling in the dialect {study.dialect}",
            expected="slope 1, intercept 0 and no scale slope",
        )
    return found


def _numbers(volume: Volume, scaling: Scaling) -> NDArray[np.int64]:
    values = volume.array.astype(np.float64)
    slope, intercept = scaling.real_world
    measured = np.isfinite(values)
    values[~measured] = intercept
    numbers = np.rint((values - intercept) / slope).astype(np.int64)
    off = np.abs(scaling.decode(numbers) - values).max()
    if off > ROUNDING * max(np.abs(values).max(), slope):
        raise InputError(
            "DCM_RESCALE",
            f"values up to {off:.3g} away from what whole stored numbers decode to",
            expected=f"multiples of {slope:.6g} from {intercept:.6g}",
            action="round the values to the scanner's numbers before writing",
        )
    return numbers
