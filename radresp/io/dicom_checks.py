"""Checks on the headers of a folder: one series, one patient, one kind of MR picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence as Ordered
from datetime import datetime
from pathlib import Path

from radresp.core import Note, NoteKind
from radresp.errors import InputError
from radresp.io.dicom_frames import MULTI_FRAME_MR
from radresp.io.dicom_kind import MIN_SLICES, Kind, kind_of, position_count
from radresp.io.dicom_pixels import check_layout
from radresp.io.dicom_slice import Header
from radresp.io.image_checks import MAX_VOXELS

_MR_CLASSES = frozenset(("1.2.840.10008.5.1.4.1.1.4", *MULTI_FRAME_MR))
_COMPONENTS = frozenset(("ADC", "EADC", "FA", "P", "PHASE", "R", "REAL", "I", "IMAGINARY"))
_TRACE = frozenset(("TRACEW", "TRACE"))
_LAST = datetime.max


def series_groups(headers: Ordered[Header]) -> list[list[Header]]:
    """Headers grouped by series, in order of acquisition, series number and folder.

    The place in this list is a series' pseudonymous number less one.
    """
    groups: dict[str, list[Header]] = {}
    for header in headers:
        groups.setdefault(header.series_uid, []).append(header)

    def order(group: list[Header]) -> tuple[datetime, int, str]:
        acquired = min((h.acquired for h in group if h.acquired is not None), default=_LAST)
        return acquired, group[0].series_number or 0, str(group[0].path)

    return sorted(groups.values(), key=order)


def check_series(headers: Ordered[Header], path: Path) -> None:
    """Refuse headers that are not those of one complete MR series.

    Parameters
    ----------
    headers : sequence of Header
        All DICOM headers of a folder.
    path : Path
        The folder, for messages.

    Raises
    ------
    InputError
        ``DCM_INCOMPLETE``, ``DCM_MOSAIC``, ``DCM_MULTI_SERIES``, ``DCM_MODALITY``,
        ``DCM_BURNED_IN``, ``DCM_MIXED_PATIENT``, ``DCM_MIXED_TYPES``, ``DCM_COUNT``,
        ``IMG_TOO_LARGE`` and the codes of `radresp.io.dicom_pixels.check_layout`.
    """
    for header in headers:
        _check_identity(header)
    _check_one_series(headers, path)
    for header in headers:
        _check_modality(header)
        _check_mosaic(header)
        check_layout(header)
    _check_amount(headers, path)
    if len({header.person for header in headers}) > 1:
        raise InputError(
            "DCM_MIXED_PATIENT",
            "patient attributes that differ between files of one series",
            expected="one patient",
            action="export the series again",
            file=path,
        )
    _check_types(headers, path)
    _check_slices(headers, path)


def lossy_notes(headers: Ordered[Header]) -> tuple[Note, ...]:
    """A warning when pictures were compressed with loss, which changes texture."""
    lossy = sum(header.lossy for header in headers)
    if not lossy:
        return ()
    note = Note(
        NoteKind.WARNING,
        "DCM_LOSSY",
        f"{lossy} of {len(headers)} images were compressed with loss",
        expected="images as the scanner made them",
        action="export the series without lossy compression",
    )
    return (note,)


def _check_identity(header: Header) -> None:
    identity = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Modality")
    absent = [name for name in header.missing if name in identity]
    if absent:
        raise InputError(
            "DCM_INCOMPLETE",
            f"without a usable {', '.join(header.missing)}",
            expected="a complete header",
            action="copy or export the file again",
            file=header.path,
        )


def _check_one_series(headers: Ordered[Header], path: Path) -> None:
    groups = series_groups(headers)
    if len(groups) == 1:
        return
    table = "; ".join(
        f"#{number} {kind_of(group)}, {position_count(group)} slices, {len(group)} images"
        for number, group in enumerate(groups[:12], start=1)
    )
    more = f"; and {len(groups) - 12} more" if len(groups) > 12 else ""
    raise InputError(
        "DCM_MULTI_SERIES",
        f"{len(groups)} series in one folder ({table}{more})",
        expected="one series",
        action="name a folder that holds one series (`radresp series` lists them)",
        file=path,
    )


def _check_modality(header: Header) -> None:
    if header.burned_in:
        raise InputError(
            "DCM_BURNED_IN",
            "a secondary capture, an overlay or burned-in annotation",
            expected="measured pixels only",
            file=header.path,
        )
    if header.modality != "MR" or header.sop_class not in _MR_CLASSES:
        known = header.modality if header.modality.isalpha() and len(header.modality) < 9 else "?"
        raise InputError(
            "DCM_MODALITY",
            f"an object of modality {known}",
            expected="MR images",
            file=header.path,
        )


def _check_mosaic(header: Header) -> None:
    """Refuse Siemens mosaics: their slices lie in one picture and their geometry elsewhere."""
    if "MOSAIC" in header.image_type:
        raise InputError(
            "DCM_MOSAIC",
            "a mosaic: all slices of a volume as tiles of one picture",
            expected="one picture a slice",
            action="export the series without mosaic or as enhanced DICOM, or convert it with "
            "dcm2niix and give the NIfTI and .bval files",
            file=header.path,
        )


def _check_amount(headers: Ordered[Header], path: Path) -> None:
    voxels = sum(h.layout.rows * h.layout.columns for h in headers if h.layout is not None)
    if voxels > 4 * MAX_VOXELS:
        raise InputError(
            "IMG_TOO_LARGE",
            f"{voxels} pixels in {len(headers)} files",
            expected=f"at most {4 * MAX_VOXELS}",
            file=path,
        )


def _check_types(headers: Ordered[Header], path: Path) -> None:
    """One kind of picture: magnitude, a map, a trace image or single directions, not several."""
    parts = Counter(" ".join(sorted(_COMPONENTS & set(h.image_type))) or "plain" for h in headers)
    if len(parts) == 1:
        weighted = [h for h in headers if (h.b_s_per_mm2 or 0) > 0]
        parts = Counter("trace" if _TRACE & set(h.image_type) else "plain" for h in weighted)
    if len(parts) > 1:
        found = ", ".join(f"{count} {name}" for name, count in sorted(parts.items()))
        raise InputError(
            "DCM_MIXED_TYPES",
            f"pictures of several types in one series ({found})",
            expected="one type",
            action="put each type in its own folder",
            file=path,
        )


def _check_slices(headers: Ordered[Header], path: Path) -> None:
    places = position_count(headers) if all(h.placement for h in headers) else len(headers)
    if kind_of(headers) is Kind.LOCALIZER or places < MIN_SLICES:
        raise InputError(
            "DCM_MODALITY",
            f"a localizer or fragment of {places} slice positions",
            expected=f"an axial stack of at least {MIN_SLICES}",
            file=path,
        )
    declared = max((h.images_in_acquisition or 0 for h in headers), default=0)
    original = all("ORIGINAL" in h.image_type for h in headers)
    if original and declared > len(headers):
        raise InputError(
            "DCM_COUNT",
            f"{len(headers)} images",
            expected=f"{declared} by ImagesInAcquisition",
            action="export the missing images",
            file=path,
        )
