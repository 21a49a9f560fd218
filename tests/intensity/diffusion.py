"""Signals of known diffusion for the tests of the fits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from radresp.core import Grid, Sequence, Volume

S0 = 1000.0


def series(
    decay: Callable[[float], float | np.ndarray],
    b_values: tuple[float, ...],
    snr: float = 0.0,
    edge: int = 40,
) -> tuple[Volume, ...]:
    """A body of one tissue between strips of air, with Rician noise where an SNR is given."""
    grid = Grid((edge, edge + 32, 6), (2.0, 2.0, 4.0))
    body = np.zeros(grid.size[::-1])
    body[:, 16:-16] = S0
    rng = np.random.default_rng(3)
    volumes = []
    for b in b_values:
        real, imaginary = rng.normal(0, S0 / snr, (2, *body.shape)) if snr else (0.0, 0.0)
        image = np.hypot(body * decay(b) + real, imaginary)
        volumes.append(Volume.from_array(image, grid, Sequence.DWI, b_s_per_mm2=float(b)))
    return tuple(volumes)


def middle(values: np.ndarray) -> np.ndarray:
    """What lies well inside the body."""
    return values[:, 20:-20].astype(float)
