"""Deformable registration: a cubic B-spline fitted to local correlation, in seconds, unfolded.

What: after the rigid fit, a displacement ``T(x) = A(x + u(x))``, with u a cubic B-spline, is fitted
on copies from coarse to fine. In Gaussian windows all over the area the fixed image is explained as
``alpha * moving + beta``; the logarithm of what stays unexplained is minimised, which is local
normalised cross-correlation as a likelihood: windows that fit well count more, windows in which the
tissue itself has changed count little, and shading between the visits does not matter. Bending
energy keeps the displacement smooth where the images say nothing.

How: Gauss-Newton steps with the gradient written out, no automatic differentiation. The Hessian is
the one of a linearised moving image, gathered at the control points; a step is solved by conjugate
gradients, preconditioned by the exact inverse for an evenly textured image. All sums over windows
and splines are products with small matrices axis by axis, so CPU and GPU run the same code.

Source: the spline of Rueckert et al., IEEE Trans Med Imaging 1999;18:712-721; the local correlation
of Cachier et al., Comput Vis Image Underst 2003;89:272-298; its logarithm is the mutual information
of two locally Gaussian images.

When: soft tissue moved between two visits. Needs torch (``pip install 'radresp[registration]'``).
It cannot follow one surface sliding on another closer than about a control point's distance, nor
tissue that vanished: there it bends as little as it can.

The file is long because torch may be imported in one file of this room only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import Field

from radresp.core import Mask, Note, NoteKind, Volume, resample_mask
from radresp.errors import ResourceError
from radresp.registration.coarse import Area, area_around
from radresp.registration.control_grid import (
    ControlGrid,
    Matrices,
    fading,
    itk_transform,
)
from radresp.registration.quality import Found
from radresp.registration.rigid_mi import RigidMi
from radresp.registration.rigid_mi import find as find_rigid
from radresp.registration.sampling import (
    AffineMap,
    blur,
    resampler,
    root_of,
    smoothing,
    windows,
)

if TYPE_CHECKING:
    import torch

_LEVEL_RATIO = 1.5
_OVERSAMPLED = 1.5  # voxels of the moving copy per one of the fixed; it is read linearly
_AHEAD_MM = 30.0  # how far beyond the rigidly placed area the moving image is kept
_CONTRAST = 3.0  # the 1st to 99th percentile of both copies
_LEAST_VARIANCE = 1e-3
_RIDGE = 0.02  # of the mean curvature
_SOLVER_STEPS = 15
_SETTLED_MM = 0.01
_LEAST_DETERMINANT = 0.1
_UNFOLDING_ROUNDS = 60
_LEAST_GAIN = 0.002
"""Of squared local correlation; noise alone gained 0.0005 on still pictures."""
_LEAST_SHARED = 0.25


class BsplineLncc(RigidMi):
    """Settings of the deformable registration, after those of the rigid one it starts from."""

    area_mm: float = Field(
        40.0,
        ge=10,
        le=500,
        description="How far around the outline tissue may deform; farther off only the rigid "
        "motion is left. Everywhere without an outline, mm.",
    )
    deform_spacing_mm: float = Field(
        1.2,
        ge=0.4,
        le=5,
        description="Shortest voxel edge of the finest copies; longer edges are kept, mm.",
    )
    control_mm: float = Field(
        6.0,
        ge=2,
        le=100,
        description="Distance of control points at the finest level, and not below the voxel "
        "edge, mm.",
    )
    deform_levels: int = Field(
        5, ge=1, le=7, description="Coarse-to-fine levels, each 1.5 times finer. Count."
    )
    deform_iterations: int = Field(6, ge=1, le=100, description="Most steps at a level. Count.")
    stiffness: float = Field(
        50.0, gt=0, le=1e5, description="Weight of the bending energy, mm2 per unit of likelihood."
    )
    window_voxels: float = Field(
        2.0, ge=1, le=6, description="Gaussian sigma of the windows, in edges of the copies."
    )
    misfit: float = Field(
        0.1,
        ge=0.01,
        le=10,
        description="Unexplained share of a window's variance from which windows that fit still "
        "better count no more; large values give plain local correlation.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Where to compute; auto takes a CUDA device where there is one."
    )
    threads: int = Field(
        1,
        ge=1,
        le=64,
        description="CPU threads; cases in parallel use cores better than threads within one. "
        "Results repeat to the last bit for one number.",
    )


def find(
    fixed: Volume,
    moving: Volume,
    settings: BsplineLncc,
    *,
    fixed_mask: Mask | None = None,
    moving_mask: Mask | None = None,
) -> Found:
    """Find the deformation from fixed to moving millimetres.

    Parameters
    ----------
    fixed, moving : Volume
        The images, finite everywhere.
    settings : BsplineLncc
        How to search.
    fixed_mask, moving_mask : Mask, optional
        Outlines, not empty, each on its image's grid; for the rigid fit as in ``rigid_mi``. Tissue
        within ``area_mm`` of the fixed one (else of the moving one as carried over) may deform.

    Returns
    -------
    Found
        ``SimpleITK.CompositeTransform`` of a rigid and a B-spline transform; the latter is the
        identity outside its lattice and fades to it. The rigid transform alone, with a
        ``REG_NO_GAIN`` note, where deforming gains nothing measurable, and with a
        ``REG_WORSE_THAN_START`` note and a doubt where it fits worse.
        Numbers: ``local_correlation_before`` and ``_after`` (squared, 0 to 1), ``jacobian_min``
        and ``_max`` of the spline on a lattice twice as fine as the control points.

    Raises
    ------
    GeometryError, InputError
        As `rigid_mi.find`.
    ResourceError
        ``TIMEOUT``; ``DEVICE`` when a CUDA device is asked for and there is none.
    """
    import torch

    until = time.monotonic() + settings.time_limit_s
    device = _device(settings)
    masks = {"fixed_mask": fixed_mask, "moving_mask": moving_mask}
    start = find_rigid(fixed, moving, settings, **masks)
    outline = fixed_mask
    if outline is None and moving_mask is not None:
        outline = resample_mask(moving_mask, fixed.grid, start.transform)
        outline = None if outline.is_empty else outline
    area = area_around(fixed.grid, outline, settings.area_mm)
    with torch.inference_mode(), _threads(settings.threads):
        fit = _Fit(fixed, moving, area, start.transform, settings, device, until)
        lattice, coefficients, numbers = fit.coarse_to_fine()
    where = f"fitted on {device} with {settings.threads} CPU threads"
    notes = [*start.notes, Note(NoteKind.INFO, "REG_DEVICE", where)]
    numbers = {**start.numbers, **numbers}
    before, after = numbers["local_correlation_before"], numbers["local_correlation_after"]
    if after < before + _LEAST_GAIN:
        return _rigid_kept(Found(start.transform, tuple(notes), numbers, start.doubts))
    spline = itk_transform(lattice, coefficients, area.grid)
    both = sitk.CompositeTransform([start.transform, spline])
    return Found(both, tuple(notes), numbers, start.doubts)


def _rigid_kept(found: Found) -> Found:
    """The rigid start with the reason why it was not deformed."""
    before, after = (found.numbers[f"local_correlation_{when}"] for when in ("before", "after"))
    change = f"deforming took the squared local correlation from {before:.4f} to {after:.4f}"
    if after > before - _LEAST_GAIN:  # less is rounding, as for an image on itself
        note = Note(NoteKind.INFO, "REG_NO_GAIN", f"{change}: the rigid fit was kept")
        return replace(found, notes=(*found.notes, note))
    note = Note(
        NoteKind.WARNING,
        "REG_WORSE_THAN_START",
        f"{change}: the rigid fit was kept",
        expected="an optimum better than its start",
        action="look at the overlay, or outline the region on the fixed image",
    )
    return replace(found, notes=(*found.notes, note), doubts=(*found.doubts, note.found))


def _device(settings: BsplineLncc) -> str:
    import torch

    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ResourceError(
            "DEVICE",
            "device cuda for the registration, and torch finds no CUDA device",
            expected="a CUDA device and a torch built for it",
            action="set device: auto or cpu",
        )
    if settings.device != "auto":
        return settings.device
    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def _threads(count: int) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Fit:
    """The search on all levels. Tensors are float32, (z, y, x), with components x, y, z first."""

    def __init__(
        self,
        fixed: Volume,
        moving: Volume,
        area: Area,
        rigid: sitk.Transform,
        settings: BsplineLncc,
        device: str,
        until: float,
    ) -> None:
        self.fixed, self.moving, self.area = fixed, moving, area
        self.settings, self.device, self.until = settings, device, until
        self.map = AffineMap.between(area.grid, moving.grid, rigid)
        self.images = self.tensor(fixed.array), self.tensor(moving.array)

    def tensor(self, values: NDArray[np.floating]) -> torch.Tensor:
        import torch

        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(self.device)

    def matrices(self, values: Matrices) -> tuple[torch.Tensor, ...]:
        return tuple(self.tensor(value) for value in values)

    def coarse_to_fine(self) -> tuple[ControlGrid, NDArray[np.float64], dict[str, float]]:
        """The faded lattice, its coefficients in mm and the method's own figures."""
        import torch

        number = self.settings.deform_levels - 1
        lattice = self.lattice(number)
        found = torch.zeros((3, *lattice.count), device=self.device)
        while True:
            level = _Level(self, self.settings.deform_spacing_mm * _LEVEL_RATIO**number)
            found = _Solver(self, level, lattice).descend(found)
            found = _unfolded(self, lattice, found)
            if number == 0:
                break
            number -= 1
            finer = self.lattice(number)
            found = _apart(self.matrices(lattice.towards(finer)), found)
            lattice = finer
        wide, padded = fading(lattice, found.cpu().numpy())
        faded = _unfolded(self, wide, self.tensor(padded), clear=True)
        shift = _apart(self.matrices(wide.basis(level.places)), faded)
        determinants = _determinants(self, wide, faded)
        before, after = level.likeness(shift)
        numbers = {
            "local_correlation_before": before,
            "local_correlation_after": after,
            "jacobian_min": float(determinants.min()),
            "jacobian_max": float(determinants.max()),
        }
        return wide, faded.cpu().numpy().astype(np.float64), numbers

    def lattice(self, number: int) -> ControlGrid:
        """Control points of a level, 0 the finest, over the whole area."""
        depth, height, width = self.area.grid.size[::-1]
        z, y, x = self.area.grid.spacing_mm[::-1]
        low, high = (
            (-z / 2, -y / 2, -x / 2),
            ((depth - 0.5) * z, (height - 0.5) * y, (width - 0.5) * x),
        )
        step_mm = self.settings.control_mm * _LEVEL_RATIO**number
        return ControlGrid.over(low, high, step_mm, (z, y, x))

    def check_time(self) -> None:
        """Raise when the time is over."""
        if time.monotonic() > self.until:
            raise ResourceError(
                "TIMEOUT",
                f"the registration took longer than {self.settings.time_limit_s:g} s",
                action="raise time_limit_s, deform_spacing_mm or control_mm",
            )


class _Level:
    """Both images on copies of one voxel size, and the windows they are compared in."""

    def __init__(self, fit: _Fit, spacing_mm: float) -> None:
        area = fit.area.coarser(spacing_mm)
        grid, origin = area.grid, fit.area.grid
        first = (np.subtract(grid.origin_mm, origin.origin_mm) @ origin.axes)[::-1]
        self.edges = grid.spacing_mm[::-1]
        z, y, x = (
            f + s * np.arange(n) for f, s, n in zip(first, self.edges, grid.size[::-1], strict=True)
        )
        self.places: Matrices = (z, y, x)
        self.voxel_mm3 = float(np.prod(self.edges))
        self.inside = fit.tensor(area.inside.astype(np.float32))
        self.fixed = _even(self._fixed_copy(fit))
        moving, begin, step = self._moving_copy(fit, spacing_mm)
        self.moving = _even(moving)
        # grid_sample counts from -1 at the first voxel to 1 at the last.
        half = np.maximum(np.array(moving.shape[::-1]) - 1, 1) / 2
        # A voxel shows what lies within half its edge, also the outermost one.
        self.rim = fit.tensor(1 + 0.5 / (step * half))
        turn = fit.map.turn / (step * half)[:, None]
        start = (fit.map.start - begin) / (step * half) - 1
        corner = np.meshgrid(*self.places, indexing="ij")
        flat = np.stack([c.ravel() for c in reversed(corner)])
        self.turn, self.start = fit.tensor(turn), fit.tensor(turn @ flat + start[:, None])
        sums = [
            windows(p, e, fit.settings.window_voxels * spacing_mm)
            for p, e in zip(self.places, self.edges, strict=True)
        ]
        self.windows = fit.matrices((sums[0], sums[1], sums[2]))
        self.spread = tuple(m.T.contiguous() for m in self.windows)
        self.misfit = fit.settings.misfit

    def _fixed_copy(self, fit: _Fit) -> torch.Tensor:
        shift = np.subtract(fit.area.grid.origin_mm, fit.fixed.grid.origin_mm)
        first = (shift @ fit.fixed.grid.axes)[::-1]
        rows = []
        for axis, (places, edge) in enumerate(zip(self.places, self.edges, strict=True)):
            own = fit.fixed.grid.spacing_mm[2 - axis]
            at = (places + first[axis]) / own
            rows.append(resampler(fit.fixed.grid.size[2 - axis], at, blur(edge, own)))
        return _apart(fit.matrices((rows[0], rows[1], rows[2])), fit.images[0])

    def _moving_copy(
        self, fit: _Fit, spacing_mm: float
    ) -> tuple[torch.Tensor, NDArray[np.float64], NDArray[np.float64]]:
        """The part of the moving image near the area; its first voxel and steps (x, y, z)."""
        own = fit.moving.grid
        box = np.array([(p[0], p[-1]) for p in reversed(self.places)])
        corners = np.stack(np.meshgrid(*box, indexing="ij"), axis=-1).reshape(-1, 3)
        index = corners @ fit.map.turn.T + fit.map.start
        rows, begin, steps = [], np.zeros(3), np.ones(3)
        for axis in range(3):
            edge, count = own.spacing_mm[axis], own.size[axis]
            reach = _AHEAD_MM / edge
            low = float(np.clip(index[:, axis].min() - reach, 0, max(count - 2, 0)))
            high = float(np.clip(index[:, axis].max() + reach, low + min(1, count - 1), count - 1))
            parts = max(int(np.ceil((high - low) * edge / (spacing_mm / _OVERSAMPLED))), 1)
            parts = min(parts, int(np.ceil(3 * (high - low))) or 1)
            at = np.linspace(low, high, parts + 1)
            rows.append(resampler(count, at, blur(max(spacing_mm, edge), edge)))
            begin[axis], steps[axis] = low, max((high - low) / parts, 1e-6)
        copy = _apart(fit.matrices((rows[2], rows[1], rows[0])), fit.images[1])
        return copy, begin, steps

    def warped(self, shift: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The moving image at ``x + shift``, and 1 where that lies in it."""
        import torch
        from torch.nn.functional import grid_sample

        where = torch.addmm(self.start, self.turn, shift.reshape(3, -1)).T.contiguous()
        seen = (where.abs() <= self.rim).all(dim=1).to(where.dtype).view(self.fixed.shape)
        deep, high, wide = self.fixed.shape
        # One slice a sample of the batch: only over these does torch share out the work.
        slices = where.view(deep, 1, high, wide, 3)
        image = self.moving[None, None].expand(deep, 1, -1, -1, -1)
        read = grid_sample(image, slices, align_corners=True, padding_mode="border")
        return read.view(self.fixed.shape), seen

    def compare(self, moved: torch.Tensor, weight: torch.Tensor) -> _Windows:
        """Regress the fixed image on the moved one in every window."""
        import torch

        a, b = weight * self.fixed, weight * moved
        sums = torch.stack([weight, a, b, a * self.fixed, b * moved, a * moved])
        mass, f, m, ff, mm, fm = _apart(self.windows, sums)
        mass = mass.clamp(min=1e-4)
        f, m = f / mass, m / mass
        ff, mm = (ff / mass - f * f).clamp(min=0), (mm / mass - m * m).clamp(min=0)
        # A window in which one image is bright where the other is dark pulls nowhere.
        fm = (fm / mass - f * m).clamp(min=0)
        alpha = fm / (mm + _LEAST_VARIANCE)
        left = (ff - alpha * fm).clamp(min=0) + self.misfit * ff + _LEAST_VARIANCE
        explained = fm * fm / ((ff + _LEAST_VARIANCE) * (mm + _LEAST_VARIANCE))
        return _Windows(alpha, f - alpha * m, 1 / left, mass * ff, explained)

    def likeness(self, shift: torch.Tensor) -> tuple[float, float]:
        """Squared local correlation before and after a shift, where both show something.

        Windows count by the fixed image's variance; 0 after a shift out of the moving image.
        """
        import torch

        still, seen = self.warped(torch.zeros_like(shift))
        moved, still_seen = self.warped(shift)
        before, shared = self.inside * seen, self.inside * seen * still_seen
        if float(shared.sum()) < _LEAST_SHARED * float(before.sum()):
            return self.compare(still, before).likeness(), 0.0
        return self.compare(still, shared).likeness(), self.compare(moved, shared).likeness()


@dataclass(frozen=True)
class _Windows:
    """What the fixed image is on the moving one, window by window."""

    alpha: torch.Tensor
    beta: torch.Tensor
    weight: torch.Tensor
    contrast: torch.Tensor
    explained: torch.Tensor

    def likeness(self) -> float:
        """Squared local correlation over all windows."""
        return float((self.contrast * self.explained).sum() / self.contrast.sum())


class _Solver:
    """Gauss-Newton steps of the coefficients on one level."""

    def __init__(self, fit: _Fit, level: _Level, lattice: ControlGrid) -> None:
        import torch

        self.fit, self.level, self.cell = fit, level, lattice.cell_mm3
        basis = lattice.basis(level.places)
        self.basis = fit.matrices(basis)
        self.gather = tuple(m.T.contiguous() for m in self.basis)
        grams = [b.T @ b for b in basis]
        self.root = fit.matrices((root_of(grams[0]), root_of(grams[1]), root_of(grams[2])))
        self.support = _apart(self.gather, torch.ones_like(level.fixed)).clamp(min=1e-2)
        once, twice = lattice.stiffness()
        self.once, self.twice = fit.matrices(once), fit.matrices(twice)
        modes = [np.linalg.eigh(m) for m in once]
        self.modes = fit.matrices((modes[0][1], modes[1][1], modes[2][1]))
        self.to_modes = tuple(m.T.contiguous() for m in self.modes)
        z, y, x = (m[0].clip(min=0) for m in modes)
        bends = (z[:, None, None] + y[:, None] + x) ** 2
        self.bends = fit.tensor(fit.settings.stiffness * self.cell * bends)

    def descend(self, found: torch.Tensor) -> torch.Tensor:
        """Steps until they are short or their number is reached."""
        for _ in range(self.fit.settings.deform_iterations):
            self.fit.check_time()
            pull, curvature = self.linearised(found)
            step = self.solved(pull - self.bending(found), curvature)
            length = _apart(self.root, step).abs().amax() / self.support.amax().sqrt()
            limit = 4 * min(self.level.edges)
            found = found + step * (limit / length.clamp(min=limit))
            if float(length) < _SETTLED_MM:
                break
        return found

    def linearised(self, found: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pull of the images on the control points, and its mean curvature there (6 parts)."""
        import torch

        level = self.level
        moved, seen = level.warped(_apart(self.basis, found, inner_first=False))
        weight = level.inside * seen
        w = level.compare(moved, weight)
        a = w.weight * w.alpha
        one, two, three = _apart(level.spread, torch.stack([a, a * w.alpha, a * w.beta]))
        residual = weight * (level.fixed * one - moved * two - three)
        stiff = weight * two
        gx, gy, gz = (_difference(moved, axis, level.edges[axis]) for axis in (2, 1, 0))
        sx, sy, sz = stiff * gx, stiff * gy, stiff * gz
        products = [residual * gx, residual * gy, residual * gz]
        products += [sx * gx, sy * gy, sz * gz, sx * gy, sx * gz, sy * gz]
        gathered = _apart(self.gather, torch.stack(products)) * level.voxel_mm3
        return gathered[:3], gathered[3:] / self.support

    def bending(self, c: torch.Tensor) -> torch.Tensor:
        """Gradient of the bending energy."""
        z1, y1 = (_along(self.once[axis], c, axis) for axis in (0, 1))
        z2, y2, x2 = (_along(m, c, axis) for axis, m in enumerate(self.twice))
        mixed = _along(self.once[2], y1 + z1, 2) + _along(self.once[1], z1, 1)
        return self.fit.settings.stiffness * self.cell * (x2 + y2 + z2 + 2 * mixed)

    def solved(self, pull: torch.Tensor, curvature: torch.Tensor) -> torch.Tensor:
        """Conjugate gradients for the step."""
        import torch

        xx, yy, zz, xy, xz, yz = curvature
        mean = (xx + yy + zz).mean() / 3
        ridge = _RIDGE * mean + 1e-9
        xx, yy, zz = xx + ridge, yy + ridge, zz + ridge
        inverse = 1 / (self.bends + 0.3 * mean * self.support.amax() + 1e-6)

        def product(step: torch.Tensor) -> torch.Tensor:
            x, y, z = _apart(self.root, step)
            rows = [xx * x + xy * y + xz * z, xy * x + yy * y + yz * z, xz * x + yz * y + zz * z]
            return _apart(self.root, torch.stack(rows)) + self.bending(step) + 1e-6 * step

        def smoothed(rest: torch.Tensor) -> torch.Tensor:
            return _apart(self.modes, inverse * _apart(self.to_modes, rest))

        step, rest = torch.zeros_like(pull), pull.clone()
        towards = smoothed(rest)
        direction, size = towards, (rest * towards).sum()
        enough = 1e-4 * size
        for _ in range(_SOLVER_STEPS):
            bent = product(direction)
            length = size / (direction * bent).sum().clamp(min=1e-20)
            step = step + length * direction
            rest = rest - length * bent
            towards = smoothed(rest)
            before, size = size, (rest * towards).sum()
            if bool(size < enough):
                break
            direction = towards + (size / before.clamp(min=1e-20)) * direction
        return step


def _along(matrix: torch.Tensor, values: torch.Tensor, axis: int) -> torch.Tensor:
    """A matrix applied along an axis (0 z, 1 y, 2 x) of (..., z, y, x)."""
    if axis == 2:
        return values @ matrix.T
    if axis == 1:
        return matrix @ values
    *lead, deep, high, wide = values.shape
    flat = matrix @ values.reshape(*lead, deep, high * wide)
    return flat.view(*lead, matrix.shape[0], high, wide)


def _apart(
    matrices: tuple[torch.Tensor, ...], values: torch.Tensor, *, inner_first: bool = True
) -> torch.Tensor:
    """Matrices applied along all three axes; from x on where that makes the array smaller."""
    for axis in (2, 1, 0) if inner_first else (0, 1, 2):
        values = _along(matrices[axis], values, axis)
    return values


def _difference(values: torch.Tensor, axis: int, edge_mm: float) -> torch.Tensor:
    """Central differences along an axis, one-sided at its ends; 0 where it has one voxel."""
    import torch

    if values.shape[axis] < 2:
        return torch.zeros_like(values)
    return torch.gradient(values, spacing=float(edge_mm), dim=axis)[0]


def _determinants(fit: _Fit, lattice: ControlGrid, found: torch.Tensor) -> torch.Tensor:
    """Determinant of the Jacobian on a lattice twice as fine as the control points."""
    import torch

    at = lattice.lattice_mm(2)
    rows = torch.stack(
        [
            _apart(fit.matrices(lattice.basis(at, derived=axis)), found, inner_first=False)
            for axis in (2, 1, 0)
        ]
    )
    (a, d, g), (b, e, h), (c, f, i) = rows[0], rows[1], rows[2]
    a, e, i = a + 1, e + 1, i + 1
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def _unfolded(
    fit: _Fit, lattice: ControlGrid, found: torch.Tensor, *, clear: bool = False
) -> torch.Tensor:
    """Coefficients smoothed around every place where tissue would be crushed or turned inside out.

    ``clear`` keeps the three outermost layers at 0.
    """
    from torch.nn.functional import max_pool3d

    smooth = fit.matrices(tuple(smoothing(n) for n in lattice.count))  # type: ignore[arg-type]
    kept = found.new_ones(found.shape)
    if clear:
        kept.zero_()[:, 3:-3, 3:-3, 3:-3] = 1
    for _ in range(_UNFOLDING_ROUNDS):
        bad = (_determinants(fit, lattice, found) < _LEAST_DETERMINANT).to(found.dtype)
        if not bool(bad.any()):
            return found
        # Place 2 k of the fine lattice is control point k + 1.
        near = max_pool3d(bad[None], 5, stride=2, padding=2)
        near = max_pool3d(_framed(near), 3, stride=1, padding=1)
        found = kept * (found + near * (_apart(smooth, found) - found))
    while float(_determinants(fit, lattice, found).min()) < _LEAST_DETERMINANT:
        found = 0.9 * found
    return found


def _framed(values: torch.Tensor) -> torch.Tensor:
    from torch.nn.functional import pad

    return pad(values, (1, 1, 1, 1, 1, 1))


def _even(values: torch.Tensor) -> torch.Tensor:
    """Brightness shifted and scaled so that 98 % of it spans `_CONTRAST`."""
    flat = values.flatten()[:: max(values.numel() // 200_000, 1)].sort().values
    low, high = flat[int(0.01 * len(flat))], flat[int(0.99 * (len(flat) - 1))]
    return (values - values.mean()) * (_CONTRAST / (high - low).clamp(min=1e-20))
