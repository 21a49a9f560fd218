"""Where things lie: shifts of echo-planar imaging, and the deformation between the visits."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor

import numpy as np
from numpy.typing import NDArray

from phantom_report_parts.blocks import centred
from phantom_report_parts.text import table
from radresp.phantom import PhantomSettings, draw_patient, protocols
from radresp.phantom.deformation import Deformation
from radresp.phantom.epi import EchoTrain
from radresp.phantom.offresonance import FieldMap

CASES, POINTS, SEED = 20, 2_000, 11
_HZ = 100.0
_BOX_MM = ((-85.0, -85.0, -80.0), (85.0, 95.0, 90.0))
"""A box around everything that moves."""
_PUBLISHED = {"reference_1p5t": "8.8", "reference_3t": "6.7"}


def epi_shift() -> str:
    """Shift of a bar of signal in a field 100 Hz off, pushed through the echo train."""
    rows = []
    for name, protocol in protocols().items():
        readout_s = protocol.echo_spacing_ms / 1000 * protocol.pe_steps / protocol.acceleration
        formula = protocol.pe_polarity * _HZ * readout_s * protocol.pe_pixel_mm
        rows.append(
            [
                name,
                f"{1 / readout_s:.1f}",
                _PUBLISHED.get(name, "-"),
                f"{formula:+.3f}",
                f"{_found_mm(name):+.3f}",
            ]
        )
    head = ["scanner", "Hz per pixel", "clinical.md, mm", "formula, mm", "phantom, mm"]
    return table(head, rows)


def _found_mm(name: str) -> float:
    protocol = protocols()[name]
    grid = centred((8, 96, 3), protocol.dwi_spacing_mm)
    # A linear shim along the slices is an even field within each of them.
    shim = np.zeros(8)
    shim[2] = _HZ / protocol.hz_per_ppm
    reach_mm = 150.0
    field = FieldMap(np.zeros((6, 6, 6)), (0, 0, 0), 3.0, shim, (0.0, 0.0, -reach_mm))
    train = EchoTrain(protocol, field, grid, 1.0)
    bar = np.zeros((1, 96, 8), np.float32)
    bar[:, 40:56] = 1
    moved = train.move(0.0, (slice(0, 96), slice(0, 8)), bar, 1)
    rows = np.arange(96)
    shift = float((moved[0].sum(axis=1) * rows).sum() / moved.sum() - 47.5)
    return shift * grid.spacing_mm[1]


def deformation(workers: int) -> str:
    """How well the saved inverse undoes the saved transform, and how much volumes change."""
    with ProcessPoolExecutor(workers) as pool:
        errors, jacobians, reach = zip(*pool.map(_one, range(CASES)), strict=True)
    error, jacobian = np.concatenate(errors), np.concatenate(jacobians)
    return table(
        ["quantity", "value"],
        [
            ["patients, points in each", f"{CASES}, {POINTS}"],
            ["error of transform(inverse(point)), mean", f"{error.mean():.4f} mm"],
            ["99th percentile", f"{np.quantile(error, 0.99):.4f} mm"],
            ["largest", f"{error.max():.4f} mm"],
            [
                "largest displacement of a patient, median (range)",
                f"{np.median(reach):.1f} ({min(reach):.1f}-{max(reach):.1f}) mm",
            ],
            ["Jacobian determinant, range", f"{jacobian.min():.2f} to {jacobian.max():.2f}"],
            [
                "Jacobian determinant, 1st to 99th percentile",
                f"{np.quantile(jacobian, 0.01):.2f} to {np.quantile(jacobian, 0.99):.2f}",
            ],
        ],
    )


def _one(index: int) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Errors (mm), determinants, and the largest displacement (mm) of one patient."""
    drawn = draw_patient(index, SEED, PhantomSettings())
    there, back = drawn.transform(), drawn.inverse()
    points = np.random.default_rng([SEED, index]).uniform(*_BOX_MM, (POINTS, 3))
    found = np.array([there.TransformPoint(back.TransformPoint(p)) for p in points.tolist()])
    away = np.sqrt(((found - points) ** 2).sum(axis=1))
    places = tuple(points.T)
    moved = np.stack(drawn.warp.shift(places))
    return (
        away,
        _determinants(drawn.warp, places),
        float(np.sqrt((moved**2).sum(axis=0)).max()),
    )


def _determinants(
    warp: Deformation, places: tuple[NDArray[np.float64], ...]
) -> NDArray[np.float64]:
    """Determinants of the gradient by differences over 0.02 mm."""
    columns = []
    for axis in range(3):
        ahead, behind = list(places), list(places)
        ahead[axis], behind[axis] = places[axis] + 0.01, places[axis] - 0.01
        ends = zip(warp.moved(ahead), warp.moved(behind), strict=True)
        columns.append([(a - b) / 0.02 for a, b in ends])
    return np.linalg.det(np.array(columns).transpose(2, 0, 1))
