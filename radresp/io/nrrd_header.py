"""The header of an NRRD mask: type, size, place in the patient and Slicer's segments, checked.

Field names and meanings: http://teem.sourceforge.net/nrrd/format.html; segments:
https://slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radresp.core import Grid, Note, NoteKind
from radresp.errors import GeometryError, InputError
from radresp.io.image_checks import without_dust
from radresp.io.nifti_geometry import CORNER_TOLERANCE_VOXELS, right_angled

MAX_LAYERS = 256

_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("longlong", "long long", "int64", "int64_t"), "i8"),
    **dict.fromkeys(("ulonglong", "unsigned long long", "uint64", "uint64_t"), "u8"),
    "float": "f4",
    "double": "f8",
}
_TO_LPS = {
    **dict.fromkeys(("left-posterior-superior", "lps"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("right-anterior-superior", "ras"), (-1.0, -1.0, 1.0)),
    **dict.fromkeys(("left-anterior-superior", "las"), (1.0, -1.0, 1.0)),
}
_VECTOR = re.compile(r"none|\(([^()]*)\)")
_SEGMENT = re.compile(r"Segment([0-9]{1,4})_([A-Za-z]+):=")
_ENCODINGS = {"raw": "raw", "gzip": "gzip", "gz": "gzip"}


@dataclass(frozen=True, slots=True)
class Segment:
    """One of Slicer's segments: where it is stored and what it is called."""

    name: str
    label: int
    layer: int
    meanings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NrrdHeader:
    """What a checked header says; ``layers`` is the length of the list axis, 1 without one."""

    grid: Grid
    layers: int
    dtype: np.dtype[Any]
    encoding: str
    segments: tuple[Segment, ...]
    notes: tuple[Note, ...]

    @property
    def data_bytes(self) -> int:
        """Number of bytes all layers take, uncompressed."""
        return math.prod(self.grid.size) * self.layers * self.dtype.itemsize


def parse_nrrd_header(fields: Mapping[str, str], path: Path) -> NrrdHeader:
    """Check the fields of a header.

    Parameters
    ----------
    fields : mapping of str to str
        Field, in lower case, to value; keys of ``key:=value`` lines end in ``:=``.
    path : Path
        File, for messages.

    Raises
    ------
    InputError
        ``NRRD_HEADER``, ``NRRD_DETACHED``, ``NRRD_ENCODING``, ``NRRD_TYPE``, ``NRRD_DIM``.
    GeometryError
        ``NRRD_NO_ORIENTATION``, ``NRRD_AFFINE``, ``NRRD_SHEAR``.
    """
    if {"data file", "datafile"} & fields.keys():
        raise InputError(
            "NRRD_DETACHED",
            "an NRRD header whose voxels lie in another file",
            expected="voxels in the same file",
            action="save it as one .nrrd file",
            file=path,
        )
    dtype, encoding = _storage(fields, path)
    sizes = _sizes(fields, path)
    vectors = _vectors(fields, len(sizes), path)
    layers, size, columns = _without_list_axis(sizes, vectors, path)
    grid, notes = _grid(size, columns, fields, path)
    return NrrdHeader(grid, layers, dtype, encoding, _segments(fields, layers, path), notes)


def _storage(fields: Mapping[str, str], path: Path) -> tuple[np.dtype[Any], str]:
    kind = _TYPES.get(fields.get("type", "").lower())
    order = {"big": ">", "little": "<"}.get(fields.get("endian", "").lower())
    if kind is None or (order is None and kind[1] != "1"):
        raise InputError(
            "NRRD_TYPE",
            "a type or byte order that is missing or unknown",
            expected="whole numbers of 8 to 64 bits or floats, with 'endian' from 16 bits on",
            file=path,
        )
    encoding = _ENCODINGS.get(fields.get("encoding", "").lower())
    skips = [fields.get(name, "0") for name in ("line skip", "lineskip", "byte skip", "byteskip")]
    if encoding is None or any(skip != "0" for skip in skips):
        raise InputError(
            "NRRD_ENCODING",
            "an encoding that is not read here, or skipped lines or bytes",
            expected="raw or gzip, right behind the header",
            action="save the mask again, compressed or raw",
            file=path,
        )
    return np.dtype((order or "<") + kind), encoding


def _sizes(fields: Mapping[str, str], path: Path) -> tuple[int, ...]:
    words = fields.get("sizes", "").split()
    sizes = tuple(int(word) for word in words if word.isascii() and word.isdecimal())
    dimension = fields.get("dimension", "")
    if len(sizes) != len(words) or dimension != str(len(sizes)) or len(sizes) not in (3, 4):
        raise _bad_dimensions("sizes that do not fit the dimension", path)
    if min(sizes) < 1 or max(sizes) >= 2**31:
        raise _bad_dimensions(f"sizes {'x'.join(map(str, sizes))}", path)
    return sizes


def _vectors(
    fields: Mapping[str, str], count: int, path: Path
) -> tuple[tuple[float, ...] | None, ...]:
    """The space direction of each axis, None for an axis outside space."""
    text = fields.get("space directions")
    if text is None or "space origin" not in fields:
        raise GeometryError(
            "NRRD_NO_ORIENTATION",
            "an NRRD file without space directions and origin",
            expected="where its voxels lie in the patient",
            action="export the mask with its geometry",
            file=path,
        )
    found = tuple(_numbers(match[1], path) for match in _VECTOR.finditer(text))
    if len(found) != count:
        raise _bad_dimensions(f"{len(found)} space directions for {count} axes", path)
    return found


def _numbers(text: str | None, path: Path) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        found = tuple(float(word) for word in text.split(","))
    except ValueError:
        found = ()
    if len(found) != 3 or not np.all(np.isfinite(found)) or np.abs(found).max() > 1e6:
        raise GeometryError(
            "NRRD_AFFINE", "a vector that is not three finite numbers", expected="mm", file=path
        )
    return found


def _without_list_axis(
    sizes: tuple[int, ...], vectors: tuple[tuple[float, ...] | None, ...], path: Path
) -> tuple[int, tuple[int, int, int], NDArray[np.float64]]:
    if None not in vectors and len(sizes) == 3:
        layers, first = 1, 0
    elif len(sizes) == 4 and vectors[0] is None and None not in vectors[1:]:
        layers, first = sizes[0], 1
    else:
        raise _bad_dimensions(
            f"{len(sizes)} axes, {vectors.count(None)} of them not in space", path
        )
    if layers > MAX_LAYERS:
        raise _bad_dimensions(f"{layers} layers", path)
    x, y, z = sizes[first:]
    return layers, (x, y, z), np.array(vectors[first:], dtype=float).T


def _grid(
    size: tuple[int, int, int],
    columns: NDArray[np.float64],
    fields: Mapping[str, str],
    path: Path,
) -> tuple[Grid, tuple[Note, ...]]:
    signs = _TO_LPS.get(fields.get("space", "").lower())
    origin = _VECTOR.fullmatch(fields["space origin"])
    if signs is None or origin is None or origin[1] is None:
        raise GeometryError(
            "NRRD_NO_ORIENTATION",
            "an unknown space or an unreadable origin",
            expected="left-posterior-superior or right-anterior-superior, and an origin in mm",
            file=path,
        )
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = columns, _numbers(origin[1], path)
    affine = np.diag([*signs, 1.0]) @ affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if spacing.min() < 1e-6 or abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-3:
        raise GeometryError(
            "NRRD_AFFINE", "space directions that are no three axes", expected="mm", file=path
        )
    straight, moved = right_angled(affine, size)
    if moved > CORNER_TOLERANCE_VOXELS * spacing.min():
        raise GeometryError(
            "NRRD_SHEAR",
            f"sheared axes; right angles would move a corner by {moved:.3g} mm",
            expected=f"less than {CORNER_TOLERANCE_VOXELS:g} voxel",
            action="resample the mask to a grid with right angles",
            file=path,
        )
    axes = without_dust(straight[:3, :3] / spacing)
    grid = Grid(size, tuple(spacing), tuple(straight[:3, 3]), axes)
    if moved <= 1e-3:
        return grid, ()
    found = f"axes made right-angled; the furthest corner moved {moved:.2g} mm"
    return grid, (Note(NoteKind.FIX, "NRRD_SHEAR", found, file=path.name),)


def _segments(fields: Mapping[str, str], layers: int, path: Path) -> tuple[Segment, ...]:
    """Slicer's segments; files of before 2020 have one layer, holding ones, for each."""
    found: dict[int, dict[str, str]] = {}
    for key, value in fields.items():
        if match := _SEGMENT.fullmatch(key):
            found.setdefault(int(match[1]), {})[match[2]] = value
    segments = []
    for number, values in sorted(found.items()):
        label = values.get("LabelValue", "1")
        layer = values.get("Layer", str(number) if layers > 1 else "0")
        if not (label.isdecimal() and layer.isdecimal() and int(layer) < layers):
            raise InputError(
                "NRRD_HEADER",
                f"segment {number} without a usable label or layer",
                expected=f"whole numbers, the layer below {layers}",
                file=path,
            )
        meanings = _meanings(values.get("Tags", ""))
        segments.append(Segment(values.get("Name", ""), int(label), int(layer), meanings))
    return tuple(segments)


def _meanings(tags: str) -> tuple[str, ...]:
    """Code and meaning of the segmented type in Slicer's terminology entry.

    ``TerminologyEntry:context~category~type~modifier~...``, each code as ``scheme^value^meaning``.
    """
    entry = tags.partition("TerminologyEntry:")[2].partition("|")[0].split("~")
    parts = entry[2].split("^") if len(entry) > 2 else []
    if len(parts) != 3 or not all(parts):
        return ()
    return (parts[2], f"{parts[0]}:{parts[1]}")


def _bad_dimensions(found: str, path: Path) -> InputError:
    return InputError(
        "NRRD_DIM", found, expected="three axes in space, and at most a list of layers", file=path
    )
