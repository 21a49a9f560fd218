"""Scanners of the digital pelvis: what each images with, and how it stores its pixels.

What: reads ``scanners.csv`` (shipped with the package): two reference scanners with the timing the
tissue table was computed for, and six that differ as vendors and sites do: voxels, gaps, timing,
b-values, noise, EPI bandwidth, typical stored values and pixel scaling.
Source: ranges in ``docs/reference/clinical.md`` 2.3 (ESGAR 2016, published examples); the single
values are plausible settings chosen for the phantom, not copies of any site's protocol.
When: imaging a synthetic patient, and writing the images as that vendor would.

Two ways of storing pixels are known. Without a scale factor the stored integers are the image.
With one, as Philips does, the largest value of a series fills the bits: the displayed value is
``stored * slope + intercept``, and a private scale slope (2005,100E) leads back to the scanner's
own float, ``displayed / (slope * scale_slope)``.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

HZ_PER_PPM_PER_T = 42.577
"""Protons, Hz per ppm and tesla."""

_COARSEST_SLICE_MM = 4.0
_SLOPE_DIGITS = 5

Size = tuple[int, int, int]
Spacing = tuple[float, float, float]


class Scaling(NamedTuple):
    """How stored integers become an image.

    Parameters
    ----------
    slope, intercept : float
        ``values * slope + intercept`` is the displayed image.
    scale_slope : float, optional
        Philips (2005,100E), a float32: ``displayed / (slope * scale_slope)`` is the scanner's own
        float. None where a vendor has no such thing.
    """

    slope: float
    intercept: float
    scale_slope: float | None


class Stored(NamedTuple):
    """Pixels of a series as its vendor stores them.

    Parameters
    ----------
    values : numpy.ndarray
        Integers, uint16 or int16, of the shape of the images.
    scaling : Scaling
        How to read them.
    """

    values: NDArray[np.uint16] | NDArray[np.int16]
    scaling: Scaling

    @property
    def image(self) -> NDArray[np.float32]:
        """The displayed image, of the shape of the values."""
        return self._shown().astype(np.float32)

    @property
    def precise(self) -> NDArray[np.float32]:
        """The image whose values compare between series (Chenevert 2014), as readers want it.

        The scanner's own float where the vendor keeps it, else the displayed image.
        """
        slope, _, scale_slope = self.scaling
        shown = self._shown()
        return (shown if scale_slope is None else shown / (slope * scale_slope)).astype(np.float32)

    def _shown(self) -> NDArray[np.float64]:
        return self.values * np.float64(self.scaling.slope) + self.scaling.intercept


@dataclass(frozen=True, slots=True)
class Protocol:
    """One scanner with its T2 and DWI sequence.

    Sizes and spacings are along x, y, z of the image; the distance of slices includes the gap.
    Phase is encoded along y, as is usual in the pelvis.

    Parameters
    ----------
    name, vendor, model, software : str
        What it is called; vendor, model and software as in its DICOM headers.
    dialect : str
        How its DICOM is written: ``siemens``, ``siemens_xa``, ``ge``, ``philips``,
        ``philips_enhanced``, ``uih``; ``none`` for the reference scanners.
    field_strength_t : float
        1.5 or 3.
    t2_size, t2_spacing_mm, t2_thickness_mm : tuple of int, tuple of float, float
        Voxels of the T2 and thickness of a slice without the gap, mm.
    t2_tr_ms, t2_te_ms, t2_echo_train, t2_snr : float, float, int, float
        Timing, length of the echo train, signal-to-noise ratio of tumour.
    dwi_size, dwi_spacing_mm, dwi_thickness_mm : tuple of int, tuple of float, float
        Voxels of the DWI.
    dwi_tr_ms, dwi_te_ms : float
        Timing.
    b_values_s_per_mm2, dwi_averages : tuple of float, tuple of int
        b-values, rising, and how many magnitudes of each are averaged.
    dwi_snr : float
        Signal-to-noise ratio of tumour at b 0, with the averages of the lowest b-value.
    echo_spacing_ms, acceleration, pe_steps, pe_pixel_mm : float, float, int, float
        EPI read-out: time between lines, parallel-imaging factor, phase-encode steps of the full
        field of view, and the pixel along phase encode that they make.
    pe_polarity : int
        1 when a higher frequency moves signal towards higher y (backwards), else -1.
    gain_t2, gain_dwi : float
        Typical value of muscle in the images (DWI: at b 0).
    bits_stored, signed : int, bool
        The stored integers.
    scale_factor : float
        0: integers are the image. Else the displayed value of 1 in the scanner's own float.
    """

    name: str
    vendor: str
    model: str
    software: str
    dialect: str
    field_strength_t: float
    t2_size: Size
    t2_spacing_mm: Spacing
    t2_thickness_mm: float
    t2_tr_ms: float
    t2_te_ms: float
    t2_echo_train: int
    t2_snr: float
    dwi_size: Size
    dwi_spacing_mm: Spacing
    dwi_thickness_mm: float
    dwi_tr_ms: float
    dwi_te_ms: float
    b_values_s_per_mm2: tuple[float, ...]
    dwi_averages: tuple[int, ...]
    dwi_snr: float
    echo_spacing_ms: float
    acceleration: float
    pe_steps: int
    pe_pixel_mm: float
    pe_polarity: int
    gain_t2: float
    gain_dwi: float
    bits_stored: int
    signed: bool
    scale_factor: float

    @property
    def readout_ms(self) -> float:
        """Duration of the EPI echo train."""
        return self.echo_spacing_ms * self.pe_steps / self.acceleration

    @property
    def hz_per_pixel(self) -> float:
        """Bandwidth along phase encode."""
        return 1000 / self.readout_ms

    @property
    def mm_per_hz(self) -> float:
        """How far EPI moves signal that is 1 Hz off resonance."""
        return self.pe_pixel_mm / self.hz_per_pixel

    @property
    def hz_per_ppm(self) -> float:
        """Frequency of one millionth of the field."""
        return HZ_PER_PPM_PER_T * self.field_strength_t

    @property
    def shift_mm_per_ppm(self) -> float:
        """Where EPI moves signal that is 1 ppm off resonance: mm along y, with its sign.

        Examples
        --------
        >>> round(protocols()["reference_3t"].shift_mm_per_ppm, 1)
        8.6
        """
        return self.pe_polarity * self.hz_per_ppm * self.mm_per_hz

    def coarse(self, factor: float, field_of_view: float) -> Protocol:
        """The same scanner with fewer voxels, for quick phantoms.

        Parameters
        ----------
        factor : float
            On the voxel edges of T2, at least 1; those of DWI, coarse already, grow by its square
            root, slices to at most 4 mm. Distortion, timing and noise stay.
        field_of_view : float
            On the field of view: of T2 in the plane, of DWI across the patient only, because
            phase is encoded from front to back. The height that is covered stays.

        Examples
        --------
        >>> quick = protocols()["reference_3t"].coarse(2.25, 0.75)
        >>> quick.t2_size, quick.t2_spacing_mm, quick.dwi_size
        ((107, 107, 26), (1.35, 1.35, 4.0), (90, 85, 27))
        """
        t2 = _coarser(self.t2_size, self.t2_spacing_mm, factor, (field_of_view, field_of_view))
        root = math.sqrt(factor)
        dwi = _coarser(self.dwi_size, self.dwi_spacing_mm, root, (field_of_view, 1.0))
        return replace(
            self,
            t2_size=t2[0],
            t2_spacing_mm=t2[1],
            t2_thickness_mm=round(self.t2_thickness_mm * t2[1][2] / self.t2_spacing_mm[2], 6),
            dwi_size=dwi[0],
            dwi_spacing_mm=dwi[1],
            dwi_thickness_mm=round(self.dwi_thickness_mm * dwi[1][2] / self.dwi_spacing_mm[2], 6),
        )

    @property
    def white(self) -> int:
        """The largest integer that is stored."""
        return int(2 ** (self.bits_stored - self.signed) - 1)

    def stored(self, images: NDArray[np.float32]) -> Stored:
        """The images of one series, all b-values together, as this vendor stores them.

        What was stored once is stored the same again: ``stored(stored(x).image)`` has the values
        and slopes of ``stored(x)``.

        Parameters
        ----------
        images : numpy.ndarray
            Not negative, any shape.

        Returns
        -------
        Stored
            Integers and how to read them.
        """
        slope, scale_slope = 1.0, None
        if self.scale_factor:
            slope = _slope(float(images.max()) / self.white)
            scale_slope = float(np.float32(self.scale_factor / slope))
        whole = np.rint(images if slope == 1 else images / np.float64(slope)).clip(0, self.white)
        values = whole.astype(np.int16) if self.signed else whole.astype(np.uint16)
        return Stored(values, Scaling(slope, 0.0, scale_slope))


@cache
def protocols() -> dict[str, Protocol]:
    """All scanners by name, in the order of the table."""
    text = resources.files("radresp.phantom").joinpath("scanners.csv").read_text("utf-8")
    return {row["name"]: _protocol(row) for row in csv.DictReader(text.splitlines())}


def reference_protocol(field_strength_t: float) -> Protocol:
    """The reference scanner of a field strength, 1.5 or 3 T."""
    return protocols()["reference_3t" if field_strength_t > 2 else "reference_1p5t"]


def _integers(text: str) -> tuple[int, ...]:
    return tuple(int(n) for n in text.split())


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(n) for n in text.split())


_READERS: Mapping[str, Callable[[str], Any]] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": "1".__eq__,
    "Size": _integers,
    "Spacing": _numbers,
    "tuple[int, ...]": _integers,
    "tuple[float, ...]": _numbers,
}


def _protocol(row: Mapping[str, str]) -> Protocol:
    """A row of the table; a column is read as the type of its field says."""
    return Protocol(**{f.name: _READERS[str(f.type)](row[f.name]) for f in fields(Protocol)})


def _coarser(
    size: Size, spacing_mm: Spacing, factor: float, share: tuple[float, float]
) -> tuple[Size, Spacing]:
    """Size and spacing with coarser voxels over a share of the field of view."""
    dx, dy, dz = spacing_mm
    slice_mm = max(dz, min(dz * factor, _COARSEST_SLICE_MM))
    columns, rows = (max(4, round(n * s / factor)) for n, s in zip(size[:2], share, strict=True))
    slices = math.ceil(size[2] * dz / slice_mm - 1e-6)
    return (columns, rows, slices), (round(dx * factor, 6), round(dy * factor, 6), slice_mm)


def _slope(least: float) -> float:
    """The smallest number of five digits that is not below a value."""
    if least <= 0:
        return 1.0
    unit = 10.0 ** (math.floor(math.log10(least)) + 1 - _SLOPE_DIGITS)
    # The margin keeps a slope that was found once, although float32 rounded the largest value up.
    return float(f"{math.ceil(least * (1 - 1e-6) / unit) * unit:.{_SLOPE_DIGITS}g}")


REFERENCE_SCANNERS = tuple(name for name, p in protocols().items() if p.dialect == "none")
"""Scanners with the timing that the tissue table was computed for; they write no DICOM."""
VENDOR_SCANNERS = tuple(name for name, p in protocols().items() if p.dialect != "none")
"""Scanners that differ as vendors and sites do, one for each DICOM dialect."""
