"""Write volumes and masks as NIfTI and transforms as ITK files.

NIfTI is written by nibabel with the orientation in both sform and qform (code 1, scanner), RAS as
the format wants it, millimetres, and no free text: ``descrip`` and ``aux_file`` stay empty and
there are no extensions, so nothing personal can ride along. The same volume gives the same bytes.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radresp.core import Grid, Mask, Volume
from radresp.errors import GeometryError, OutputError, PlanError
from radresp.io import atomic

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_TRANSFORM_SUFFIXES = (".tfm", ".h5")
_PROBES_MM = tuple(product((-120.0, 35.0), (-90.0, 60.0), (-150.0, 20.0)))
_READ_BACK_TOLERANCE = 1e-9


def save_volume(volume: Volume, path: Path) -> None:
    """Write a volume as NIfTI: int16 where that holds every value exactly, else float32.

    Parameters
    ----------
    volume : Volume
        What to write. Voxels without measurement (its background) are written as 0 when they are
        not finite.
    path : Path
        Ends in ``.nii`` or ``.nii.gz``.

    Raises
    ------
    PlanError
        ``OUTPUT_FORMAT`` for another suffix.
    OutputError
        When it cannot be written.
    """
    _save_nifti(_compact(_finite(volume)), volume.grid, path)


def save_mask(mask: Mask, path: Path) -> None:
    """Write a mask as uint8 NIfTI holding 0 and 1; arguments and errors as `save_volume`."""
    _save_nifti(mask.array.astype(np.uint8), mask.grid, path)


def save_map(values: NDArray[np.float32], grid: Grid, path: Path) -> None:
    """Write any map on a grid as float32 NIfTI, such as the truth of a synthetic patient.

    Parameters
    ----------
    values : numpy.ndarray
        Finite, ordered (z, y, x), of the grid's size.
    grid : Grid
        Where the voxels lie.
    path : Path
        As in `save_volume`, with its errors.

    Raises
    ------
    GeometryError
        ``GRID`` when the values have another shape than the grid.
    """
    if values.shape != grid.size[::-1]:
        raise GeometryError(
            "GRID", f"a map of shape {values.shape}", expected=f"shape {grid.size[::-1]}"
        )
    _save_nifti(values.astype(np.float32), grid, path)


def save_dwi(volumes: Sequence[Volume], path: Path) -> None:
    """Write diffusion-weighted volumes as one 4-D NIfTI with its b-values beside it.

    Parameters
    ----------
    volumes : sequence of Volume
        At least two, on one grid; written by rising b-value.
    path : Path
        Ends in ``.nii`` or ``.nii.gz``. The b-values go into the ``.bval`` file of the same name
        (FSL: one line, s/mm2, separated by blanks).

    Raises
    ------
    GeometryError
        ``GRID`` when the volumes lie on different grids.
    PlanError
        ``OUTPUT_FORMAT`` for another suffix, ``USAGE`` for less than two volumes.
    OutputError
        When a file cannot be written.
    """
    ordered = sorted(volumes, key=lambda volume: volume.b_s_per_mm2 or 0.0)
    if len(ordered) < 2:
        raise PlanError("USAGE", f"{len(ordered)} volumes", expected="at least two b-values")
    grid = ordered[0].grid
    if not all(volume.grid.same_as(grid) for volume in ordered):
        raise GeometryError("GRID", "the b-values lie on different grids", expected="one grid")
    _save_nifti(_compact(np.stack([_finite(volume) for volume in ordered])), grid, path)
    b_values = " ".join(f"{volume.b_s_per_mm2:g}" for volume in ordered)
    name = path.name.removesuffix(".gz").removesuffix(".nii")
    atomic.write_text(path.with_name(f"{name}.bval"), f"{b_values}\n")


def save_transform(transform: sitk.Transform, path: Path) -> None:
    """Write a transform (fixed to moving, LPS mm) and read it back before it counts.

    Parameters
    ----------
    transform : SimpleITK.Transform
        What to write; may be composite.
    path : Path
        Ends in ``.tfm`` (text) or ``.h5``.

    Raises
    ------
    PlanError
        ``OUTPUT_FORMAT`` for another suffix.
    OutputError
        ``WRITE_FAILED`` when the written file does not give the same transform back, which is how
        a full disk shows here; otherwise as `atomic.replacing`.
    """
    if path.suffix not in _TRANSFORM_SUFFIXES:
        raise _output_format(path, _TRANSFORM_SUFFIXES)
    with atomic.replacing(path) as temp:
        try:
            sitk.WriteTransform(transform, str(temp))
            same = _same_transform(transform, sitk.ReadTransform(str(temp)))
        except RuntimeError as error:
            raise _write_failed(path) from error
        if not same:
            raise _write_failed(path)


def load_transform(path: Path) -> sitk.Transform | None:
    """Read a transform that `save_transform` wrote, exactly as it was.

    Returns
    -------
    SimpleITK.Transform or None
        None where there is no such file, or it cannot be read.
    """
    try:
        return sitk.ReadTransform(str(path))
    except RuntimeError:
        return None


def transform_suffix(transform: sitk.Transform) -> str:
    """How a transform is best kept: ``.tfm``, text, or ``.h5`` where a field of voxels is in it.

    Examples
    --------
    >>> transform_suffix(sitk.Euler3DTransform())
    '.tfm'
    """
    simple = transform.Downcast()
    if isinstance(simple, sitk.CompositeTransform):
        inner = (simple.GetNthTransform(i) for i in range(simple.GetNumberOfTransforms()))
        return max(map(transform_suffix, inner), key=_TRANSFORM_SUFFIXES.index, default=".tfm")
    return ".h5" if isinstance(simple, sitk.DisplacementFieldTransform) else ".tfm"


def _finite(volume: Volume) -> NDArray[np.float32]:
    return np.nan_to_num(volume.array, nan=0.0, posinf=0.0, neginf=0.0)


def _compact(values: NDArray[np.float32]) -> NDArray[np.float32] | NDArray[np.int16]:
    """The values as int16 where nothing is lost: half the bytes, as scanners store them."""
    limits = np.iinfo(np.int16)
    fits = limits.min <= values.min() and values.max() <= limits.max
    whole = values.astype(np.int16) if fits else None
    return values if whole is None or (whole != values).any() else whole


def _save_nifti(array: NDArray[Any], grid: Grid, path: Path) -> None:
    if not path.name.endswith((".nii", ".nii.gz")):
        raise _output_format(path, (".nii", ".nii.gz"))
    affine = _LPS_TO_RAS @ grid.affine
    image = nib.Nifti1Image(np.transpose(array), affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    image.header.set_xyzt_units(xyz="mm")
    data = image.to_bytes()
    if path.suffix == ".gz":
        data = gzip.compress(data, compresslevel=1, mtime=0)
    atomic.write_bytes(path, data)


def _same_transform(written: sitk.Transform, read: sitk.Transform) -> bool:
    def close(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
        return len(a) == len(b) and np.allclose(a, b, rtol=1e-12, atol=_READ_BACK_TOLERANCE)

    return (
        close(written.GetParameters(), read.GetParameters())
        and close(written.GetFixedParameters(), read.GetFixedParameters())
        and all(close(written.TransformPoint(p), read.TransformPoint(p)) for p in _PROBES_MM)
    )


def _output_format(path: Path, suffixes: tuple[str, ...]) -> PlanError:
    return PlanError(
        "OUTPUT_FORMAT",
        f"the output is called {path.name}",
        expected=f"a name ending in {' or '.join(suffixes)}",
        file=path,
    )


def _write_failed(path: Path) -> OutputError:
    return OutputError(
        "WRITE_FAILED",
        f"the transform {path.name} was not written whole",
        expected="the same transform read back",
        action="free space or check the device and run again",
        file=path,
    )
