"""Images from disk: one NIfTI file or one DICOM series in, checked volumes out.

`load_images` reads what is there; `load_volumes` and `load_adc_image` also make sure it is what it
was said to be: a diffusion series is not taken for a T2, nor an ADC map for a diffusion series.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from collections.abc import Sequence as Ordered
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radresp.core import Grid, Note, NoteKind, Sequence, Step, Unit, Volume
from radresp.core.volume import image_of
from radresp.errors import InputError
from radresp.io import dwi_repeats
from radresp.io.bval import read_b_values, read_directions
from radresp.io.dicom_guard import is_dicom, read_series
from radresp.io.dicom_nouns import Kind
from radresp.io.image_checks import check_not_constant, mend_nonfinite
from radresp.io.nifti import NiftiFile, read_nifti

_REFUSED = {
    Sequence.T2: (Kind.DWI, Kind.ADC, Kind.CALCULATED_B, Kind.LOCALIZER),
    Sequence.DWI: (Kind.T2, Kind.ADC, Kind.CALCULATED_B, Kind.LOCALIZER, Kind.OTHER),
    Sequence.ADC: (Kind.T2, Kind.DWI, Kind.CALCULATED_B, Kind.LOCALIZER),
}
"""Kinds of DICOM series that contradict a role. A NIfTI file does not tell its kind."""


@dataclass(frozen=True, slots=True)
class RawImage:
    """One image as stored, checked for integrity and geometry but not yet given a meaning.

    Parameters
    ----------
    image : SimpleITK.Image
        3-D, float32, finite, LPS mm.
    b_s_per_mm2 : float or None
        b-value, where known.
    attributes : mapping of str to str or float
        Acquisition attributes of the allow-list; never a patient attribute.
    notes : tuple of Note
        What was mended or looked odd.
    background : SimpleITK.Image or None
        1 where the file holds no number (NaN) and ``image`` therefore 0.
    """

    image: sitk.Image
    b_s_per_mm2: float | None
    attributes: Mapping[str, str | float]
    notes: tuple[Note, ...]
    background: sitk.Image | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "attributes", MappingProxyType(dict(self.attributes)))


def load_images(path: Path, series: str | None = None) -> tuple[RawImage, ...]:
    """Load a NIfTI file or the one DICOM series of a folder, split by b-value.

    Parameters
    ----------
    path : Path
        A 3-D NIfTI file, a 4-D one with an FSL ``.bval`` file beside it, or a DICOM folder.
    series : str, optional
        Which series of a DICOM folder of several: ``3``, or ``3/6`` for the third of six as
        `radresp series` lists them.

    Returns
    -------
    tuple of RawImage
        Sorted by b-value; all on one grid. Several directions of one b-value are combined.

    Raises
    ------
    InputError
        With the code of the first fault found; see `radresp.io.nifti.read_nifti` and
        `radresp.io.dicom_series.read_series`. ``NII_4D`` for several volumes without b-values.
    """
    return _load(path, series).images


def load_volumes(
    path: Path, sequence: Sequence, series: str | None = None
) -> tuple[tuple[Volume, ...], Step]:
    """Load the T2 volume, or the diffusion-weighted volumes, of one visit.

    Parameters
    ----------
    path : Path
        As for `load_images`.
    sequence : Sequence
        ``T2`` or ``DWI``. An ADC map has a unit to be found first: see `load_adc_image`.
    series : str, optional
        As for `load_images`.

    Returns
    -------
    tuple of Volume, Step
        One volume for T2; one a b-value for DWI, by rising b-value. The step holds acquisition
        attributes and the file name.

    Raises
    ------
    InputError
        ``ROLE_MISMATCH`` when the image is of another kind, ``DWI_BVALUE_MISSING`` when a DWI
        tells no b-value, and the codes of `load_images`.
    """
    start = time.perf_counter()
    if sequence is Sequence.ADC:
        raise InputError("ROLE_MISMATCH", "an ADC map asked for as a volume", file=path)
    source = _load(path, series)
    _check_role(source, sequence, path)
    volumes = tuple(
        Volume(image.image, sequence, Unit.ARBITRARY, image.b_s_per_mm2, image.background)
        for image in source.images
    )
    return volumes, _step("load_volumes", source, sequence, path, start)


def load_adc_image(path: Path, series: str | None = None) -> tuple[sitk.Image, Step]:
    """Load an ADC map as stored; its unit is not known yet.

    Parameters
    ----------
    path : Path
        A 3-D NIfTI file or a DICOM folder.
    series : str, optional
        As for `load_images`.

    Returns
    -------
    SimpleITK.Image, Step
        float32 image (LPS mm) after the file's own rescaling, NaN where the file holds no number,
        and how it was read.

    Raises
    ------
    InputError
        ``ROLE_MISMATCH`` for a T2 or a diffusion-weighted series, and the codes of `load_images`.
    """
    start = time.perf_counter()
    source = _load(path, series)
    _check_role(source, Sequence.ADC, path)
    first = source.images[0]
    image = first.image
    if first.background is not None:
        image = sitk.Mask(image, first.background == 0, float("nan"))
    return image, _step("load_adc_image", source, Sequence.ADC, path, start)


@dataclass(frozen=True, slots=True)
class _Source:
    """Images with what only this file needs: their kind, in words too, and counts by b-value."""

    images: tuple[RawImage, ...]
    kind: Kind | None
    description: str
    b_values: Mapping[str, int]


def _load(path: Path, choice: str | None) -> _Source:
    if is_dicom(path):
        return _from_dicom(path, choice)
    if choice:
        raise InputError(
            "SERIES_CHOICE",
            f"series {choice} of a file that is not DICOM",
            expected="no choice of series beside a NIfTI file",
            action="clear the series column",
            file=path,
        )
    return _from_nifti(path)


def _from_dicom(path: Path, choice: str | None) -> _Source:
    series = read_series(path, choice)
    attributes = {"kind": str(series.kind), **series.attributes}
    images = tuple(
        RawImage(
            image_of(volume.array, volume.grid),
            volume.b_s_per_mm2,
            attributes,
            series.notes + volume.notes,
        )
        for volume in series.volumes
    )
    counts = {
        f"{volume.b_s_per_mm2:g}": volume.image_count
        for volume in series.volumes
        if volume.b_s_per_mm2 is not None
    }
    return _Source(images, series.kind, series.description, counts)


def _from_nifti(path: Path) -> _Source:
    nifti = read_nifti(path)
    b_values = read_b_values(path)
    if b_values is None and len(nifti.arrays) > 1:
        raise InputError(
            "NII_4D",
            f"{len(nifti.arrays)} volumes in one file",
            expected="one volume, or a DWI with an FSL .bval file beside it",
            action="split the file or add its .bval file",
            file=path,
        )
    if b_values is None:
        array, mended = mend_nonfinite(nifti.arrays[0], path)
        check_not_constant(array, path)
        attributes = {"scaling": nifti.scaling}
        missing = _unmeasured(nifti.arrays, nifti.grid)
        notes = nifti.notes + mended
        image = RawImage(image_of(array, nifti.grid), None, attributes, notes, missing)
        return _Source((image,), None, "a NIfTI file", {})
    if len(b_values) != len(nifti.arrays):
        raise InputError(
            "DWI_BVALUE_MISSING",
            f"{len(b_values)} b-values for {len(nifti.arrays)} volumes",
            expected="one a volume",
            action="correct the .bval file",
            file=path,
        )
    return _diffusion(nifti, b_values, path)


def _diffusion(nifti: NiftiFile, b_values: tuple[float, ...], path: Path) -> _Source:
    directions = read_directions(path, len(b_values))
    images, counts = [], {}
    for b in sorted(set(b_values)):
        chosen = [index for index, value in enumerate(b_values) if value == b]
        repeats = [mend_nonfinite(nifti.arrays[index], path) for index in chosen]
        own = [directions[index] for index in chosen]
        array = dwi_repeats.combine([values for values, _ in repeats], own)
        check_not_constant(array, path)
        mended = tuple(note for _, notes in repeats for note in notes)
        notes = nifti.notes + mended + dwi_repeats.notes(b, own)
        stored = image_of(array, nifti.grid)
        missing = _unmeasured([nifti.arrays[index] for index in chosen], nifti.grid)
        images.append(RawImage(stored, b, {"scaling": nifti.scaling}, notes, missing))
        counts[f"{b:g}"] = len(chosen) * nifti.grid.size[2]
    return _Source(tuple(images), None, "a NIfTI file with b-values", counts)


def _unmeasured(arrays: Ordered[NDArray[np.float32]], grid: Grid) -> sitk.Image | None:
    """Where an array holds no number: 0 stands there now, which is no measurement."""
    missing = np.any([~np.isfinite(array) for array in arrays], axis=0)
    return image_of(missing.astype(np.uint8), grid) if missing.any() else None


def _check_role(source: _Source, sequence: Sequence, path: Path) -> None:
    unknown_b = source.images[0].b_s_per_mm2 is None
    if sequence is Sequence.DWI and unknown_b and source.kind in (None, Kind.OTHER):
        raise InputError(
            "DWI_BVALUE_MISSING",
            "a diffusion-weighted image without b-value",
            expected="b-values in the DICOM headers or in an FSL .bval file beside the NIfTI file",
            action="add the .bval file or export the private attributes",
            file=path,
        )
    contradicts = source.kind in _REFUSED[sequence]
    if contradicts or (sequence is not Sequence.DWI and not unknown_b):
        raise InputError(
            "ROLE_MISMATCH",
            f"an image given as {sequence} that is {source.description}",
            expected=f"a {sequence} image",
            action="check which file or folder was named",
            file=path,
        )


def _step(method: str, source: _Source, sequence: Sequence, path: Path, start: float) -> Step:
    first = source.images[0]
    grid = Grid.of(first.image)
    settings: dict[str, Any] = {
        "sequence": str(sequence),
        "file": path.name,
        "matrix": list(grid.size),
        "spacing_mm": [round(v, 6) for v in grid.spacing_mm],
        **first.attributes,
    }
    if source.b_values:
        settings["b_values"] = dict(source.b_values)
    notes = [note for image in source.images for note in image.notes]
    if source.kind is Kind.OTHER:
        notes.append(
            Note(
                NoteKind.WARNING,
                "ROLE_UNPROVEN",
                f"the headers do not show a {sequence}: {source.description}",
                expected=f"the attributes of a {sequence} series",
                file=path.name,
            )
        )
    seconds = time.perf_counter() - start
    return Step("io", method, settings, seconds, tuple(dict.fromkeys(notes)))
