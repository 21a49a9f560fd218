"""Statistics, histogram, intensity-volume histogram and local intensity by the IBSI manual.

Source: Zwanenburg et al., Radiology 2020; reference manual arXiv:1612.07003, sections 3.2 to 3.5.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[np.float64]

SPREAD = "mean var skew kurt median min p10 p90 max iqr range mad rmad medad cov qcod"
STATISTICS = f"{SPREAD} energy rms"
HISTOGRAM = f"{SPREAD} mode entropy uniformity max_grad max_grad_g min_grad min_grad_g"
VOLUMES = "v10 v90 i10 i90 diff_v10_v90 diff_i10_i90"
PEAKS = "peak_loc peak_glob"
PEAK_MM = (3 / (4 * np.pi)) ** (1 / 3) * 10
"""Radius of a ball of 1 mL, mm."""


def statistics(x: Array) -> dict[str, float]:
    """Features of the intensities as they are (IBSI 3.3), or of grey levels (3.4)."""
    p10, p25, p50, p75, p90 = np.percentile(x, (10, 25, 50, 75, 90))
    mean = x.mean()
    off = x - mean
    var = np.mean(off**2)
    core = x[(x >= p10) & (x <= p90)]
    return {
        "mean": mean,
        "var": var,
        "skew": np.mean(off**3) / var**1.5 if var > 0 else 0.0,
        "kurt": np.mean(off**4) / var**2 - 3 if var > 0 else 0.0,
        "median": p50,
        "min": x.min(),
        "p10": p10,
        "p90": p90,
        "max": x.max(),
        "iqr": p75 - p25,
        "range": np.ptp(x),
        "mad": np.mean(np.abs(off)),
        "rmad": np.mean(np.abs(core - core.mean())),
        "medad": np.mean(np.abs(x - p50)),
        "cov": np.divide(np.sqrt(var), mean),
        "qcod": np.divide(p75 - p25, p75 + p25),
        "energy": np.sum(x**2),
        "rms": np.sqrt(np.mean(x**2)),
    }


def histogram(levels: NDArray[np.int_]) -> dict[str, float]:
    """Features of the histogram of grey levels (IBSI 3.4)."""
    counts = np.bincount(levels)[1:].astype(float)
    share = counts[counts > 0] / counts.sum()
    grey = np.arange(1, len(counts) + 1)
    most = grey[counts == counts.max()]
    slope = np.gradient(counts) if len(counts) > 1 else np.zeros(1)
    found = statistics(levels.astype(float))
    return {name: found[name] for name in SPREAD.split()} | {
        "mode": most[np.argmin(np.abs(most - found["mean"]))],
        "entropy": -np.sum(share * np.log2(share)),
        "uniformity": np.sum(share**2),
        "max_grad": slope.max(),
        "max_grad_g": grey[slope.argmax()],
        "min_grad": slope.min(),
        "min_grad_g": grey[slope.argmin()],
    }


def volume_histogram(x: Array, grid: Array) -> dict[str, float]:
    """Fractions of the volume above an intensity and the reverse (IBSI 3.5).

    Parameters
    ----------
    x : numpy.ndarray
        Intensities, on values of ``grid``.
    grid : numpy.ndarray
        Every intensity that is possible, ascending and evenly spaced.
    """
    above = np.array([np.mean(x >= g) for g in grid])
    share = (grid - grid[0]) / (grid[-1] - grid[0])

    def at_least(fraction: float) -> float:
        return float(above[share >= fraction - 1e-9].max())

    def intensity(fraction: float) -> float:
        within = grid[above <= fraction + 1e-9]
        return float(within.min()) if len(within) else float(grid[-1])

    v10, v90, i10, i90 = at_least(0.1), at_least(0.9), intensity(0.1), intensity(0.9)
    return {
        "v10": v10,
        "v90": v90,
        "i10": i10,
        "i90": i90,
        "diff_v10_v90": v10 - v90,
        "diff_i10_i90": i10 - i90,
    }


def local_peaks(
    image: Array, inside: NDArray[np.bool_], spacing_mm: tuple[float, ...]
) -> dict[str, float]:
    """Mean of the ball of 1 mL around the brightest voxel, and the largest such mean (IBSI 3.2).

    Parameters
    ----------
    image : numpy.ndarray
        The whole image, slice-row-column: the ball may reach beyond the region.
    inside : numpy.ndarray of bool
        The region.
    spacing_mm : tuple of float
        Voxel edges along the axes of the array, mm.
    """
    reach = [int(PEAK_MM // edge) for edge in spacing_mm]
    offsets = np.stack(np.meshgrid(*[np.arange(-r, r + 1) for r in reach], indexing="ij"), -1)
    ball = (np.sum((offsets * spacing_mm) ** 2, -1) <= PEAK_MM**2).astype(float)
    where = np.argwhere(inside)
    box = tuple(
        slice(max(0, low - r), high + r + 1)
        for low, high, r in zip(where.min(0), where.max(0), reach, strict=True)
    )
    part, region = image[box].astype(float), inside[box]
    total = ndimage.convolve(part, ball, mode="constant")
    means = total / ndimage.convolve(np.ones_like(part), ball, mode="constant")
    brightest = region & (part == part[region].max())
    return {"peak_loc": means[brightest].max(), "peak_glob": means[region].max()}
