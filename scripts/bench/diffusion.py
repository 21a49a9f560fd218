"""Measure the diffusion fits on simulated signals: bias, spread and seconds for a million voxels.

    python scripts/bench/diffusion.py [--voxels 20000] [--million]

Signals of known D, f, D*, K or ADC with Rician noise at a given signal-to-noise ratio at b = 0.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from numpy.typing import NDArray

from radresp.core import Grid, Sequence, Volume
from radresp.intensity import (
    FitAdc,
    FitIvim,
    FitKurtosis,
    fit_adc,
    fit_ivim,
    fit_kurtosis,
)

IVIM_B = (0, 10, 20, 40, 60, 80, 100, 150, 200, 400, 600, 800)
FEW_IVIM_B = (0, 50, 100, 200, 400, 800)
KURTOSIS_B = (0, 500, 1000, 1500, 2000)
S0 = 1000.0
Decay = Callable[[float], float]


def series(
    decay: Decay, b_values: tuple[float, ...], snr: float, voxels: int
) -> tuple[Volume, ...]:
    """A body of equal voxels between two strips of air, with Rician noise."""
    rng = np.random.default_rng(7)
    edge = int(np.ceil(np.sqrt(voxels / 10)))
    grid = Grid((edge, edge + 32, 10), (2.0, 2.0, 4.0))
    body = np.zeros(grid.size[::-1])
    body[:, 16:-16] = S0
    volumes = []
    for b in b_values:
        real, imaginary = rng.normal(0, S0 / snr, (2, *body.shape)) if snr else (0.0, 0.0)
        noisy = np.hypot(body * decay(b) + real, imaginary)
        volumes.append(Volume.from_array(noisy, grid, Sequence.DWI, b_s_per_mm2=float(b)))
    return tuple(volumes)


def line(name: str, snr: float, values: NDArray[np.float32], truth: float) -> str:
    """A table row: bias and spread in the middle of the body."""
    inside = values[:, 20:-20].astype(float)
    return (
        f"| {name} | {snr:g} | {truth:g} | {inside.mean() - truth:+.3g} | {inside.std():.3g} "
        f"| {np.median(inside) - truth:+.3g} |"
    )


def adc(voxels: int) -> None:
    """Every combination of method and noise, for tumour and fast tissue, at five noise levels."""
    for truth in (900.0, 1500.0):
        for b_values in ((0, 1000), (0, 400, 800, 1000)):
            for snr in (10, 20, 30):
                dwi = series(lambda b, d=truth: np.exp(-b * d * 1e-6), b_values, snr, voxels)
                for noise in ("keep", "exclude", "correct"):
                    for method in ("linear", "weighted"):
                        fit = fit_adc(dwi, FitAdc(method=method, noise=noise))
                        name = f"ADC b {b_values} {method} {noise}"
                        print(line(name, snr, fit.adc.array, truth))


def ivim(voxels: int) -> None:
    """Both ways, with many and with few b-values."""
    d, f, d_star = 1.0e-3, 0.10, 20e-3
    for b_values in (IVIM_B, FEW_IVIM_B):
        for snr in (30, 100):
            dwi = series(
                lambda b: (1 - f) * np.exp(-b * d) + f * np.exp(-b * d_star), b_values, snr, voxels
            )
            for method in ("segmented", "bounded"):
                fit = fit_ivim(dwi, FitIvim(method=method))
                name = f"IVIM {len(b_values)} b {method}"
                print(line(f"{name} D", snr, fit.d.array, d * 1e6))
                print(line(f"{name} f", snr, fit.f, f))
                print(line(f"{name} D*", snr, fit.d_star.array, d_star * 1e6))


def kurtosis(voxels: int) -> None:
    """With and without the noise floor."""
    d, k = 1.2, 0.9
    for snr in (30, 100):
        dwi = series(
            lambda b: np.exp(-b * 1e-3 * d + (b * 1e-3 * d) ** 2 * k / 6), KURTOSIS_B, snr, voxels
        )
        for correct in (False, True):
            fit = fit_kurtosis(dwi, FitKurtosis(correct_noise=correct))
            name = f"kurtosis {'corrected' if correct else 'as it is'}"
            print(line(f"{name} D", snr, fit.d.array, d * 1000))
            print(line(f"{name} K", snr, fit.k, k))


def million() -> None:
    """Seconds for a million voxels of body at SNR 30, medians of three."""
    perfused = series(
        lambda b: 0.9 * np.exp(-b * 1e-3) + 0.1 * np.exp(-b * 0.02), IVIM_B, 30, 1_000_000
    )
    bent = series(
        lambda b: np.exp(-1.2e-3 * b + (1.2e-3 * b) ** 2 * 0.15), KURTOSIS_B, 30, 1_000_000
    )
    plain = perfused[0], perfused[9], perfused[11]
    work: dict[str, Callable[[], object]] = {
        "ADC linear, 3 b": lambda: fit_adc(plain, FitAdc()),
        "ADC weighted, 3 b": lambda: fit_adc(plain, FitAdc(method="weighted")),
        "IVIM segmented, 12 b": lambda: fit_ivim(perfused, FitIvim(method="segmented")),
        "IVIM bounded, 12 b": lambda: fit_ivim(perfused, FitIvim(method="bounded")),
        "kurtosis, 5 b": lambda: fit_kurtosis(bent),
    }
    for name, fit in work.items():
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            fit()
            seconds.append(time.perf_counter() - started)
        print(f"| {name} | {median(seconds):.2f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--voxels", type=int, default=20_000)
    parser.add_argument("--million", action="store_true", help="time a million voxels instead")
    chosen = parser.parse_args()
    if chosen.million:
        million()
        return
    print("| fit | SNR at b 0 | truth | bias | SD | bias of the median |")
    for table in (adc, ivim, kurtosis):
        table(chosen.voxels)


if __name__ == "__main__":
    main()
