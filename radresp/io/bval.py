"""FSL sidecar files of a diffusion-weighted NIfTI file: ``.bval`` and ``.bvec``.

Format: whitespace-separated numbers; one b-value (s/mm2) a volume, and three rows of one
direction component a volume. https://fsl.fmrib.ox.ac.uk/fsl/docs/#/diffusion/eddy/users_guide
"""

from __future__ import annotations

import math
from pathlib import Path

from radresp.errors import InputError
from radresp.io.dicom_bvalue import HIGHEST_B_S_PER_MM2
from radresp.io.dwi_repeats import Direction
from radresp.io.input_file import check_file, is_there

_LARGEST_BYTES = 2**18


def read_b_values(image: Path) -> tuple[float, ...] | None:
    """The b-values beside a NIfTI file, or None when there is no ``.bval`` file.

    Parameters
    ----------
    image : Path
        The NIfTI file.

    Raises
    ------
    InputError
        ``DWI_BVALUE_MISSING`` when the file holds anything but b-values.
    """
    path = _beside(image, ".bval")
    if not is_there(path):
        return None
    rows = _rows(path)
    found = tuple(round(value, 1) for row in rows for value in row)
    if not found or not all(0 <= b <= HIGHEST_B_S_PER_MM2 for b in found):
        raise _bad(path, f"b-values from 0 to {HIGHEST_B_S_PER_MM2:g} s/mm2")
    return found


def read_directions(image: Path, count: int) -> tuple[Direction | None, ...]:
    """The gradient directions beside a NIfTI file; None each when there is no ``.bvec`` file.

    Parameters
    ----------
    image : Path
        The NIfTI file.
    count : int
        Number of volumes.

    Raises
    ------
    InputError
        ``DWI_BVALUE_MISSING`` when the file does not hold three rows of ``count`` numbers.
    """
    path = _beside(image, ".bvec")
    if not is_there(path):
        return (None,) * count
    rows = _rows(path)
    if len(rows) != 3 or any(len(row) != count for row in rows):
        raise _bad(path, f"three rows of {count} numbers")
    return tuple(_unit(vector) for vector in zip(*rows, strict=True))


def _beside(image: Path, ending: str) -> Path:
    name = image.name
    for known in (".nii.gz", ".nii"):
        if name.lower().endswith(known):
            name = name[: -len(known)]
            break
    return image.with_name(name + ending)


def _rows(path: Path) -> list[list[float]]:
    if check_file(path).st_size > _LARGEST_BYTES:
        raise _bad(path, "a short text file")
    try:
        lines = path.read_text("ascii").splitlines()
        rows = [[float(word) for word in line.split()] for line in lines if line.strip()]
    except (OSError, ValueError):
        raise _bad(path, "numbers separated by blanks") from None
    if not all(math.isfinite(value) for row in rows for value in row):
        raise _bad(path, "finite numbers")
    return rows


def _unit(vector: tuple[float, ...]) -> Direction | None:
    length = math.sqrt(sum(v * v for v in vector))
    if length == 0:
        return None
    x, y, z = (v / length for v in vector)
    return (x, y, z)


def _bad(path: Path, expected: str) -> InputError:
    return InputError(
        "DWI_BVALUE_MISSING", "an unreadable sidecar file", expected=expected, file=path
    )
