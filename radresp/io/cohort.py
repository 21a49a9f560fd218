"""Find cases: a cohort table, or one case folder. Addresses only; no image is opened.

A cohort table is comma-separated text: ``case_id``, optionally ``patient_id``, image columns such
as ``pre_t2`` and ``post_dwi``, mask columns such as ``pre_tumour`` (drawn on the T2) or
``post_adc_bed`` (drawn on the ADC), and clinical columns. Paths are relative to the table's
folder, the data root, and never leave it. A path that does not exist is no fault of the table:
that case alone is refused later.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from radresp.core import CaseFiles, Note, RegionKey, Roi, Sequence, Timepoint
from radresp.errors import InputError, PlanError
from radresp.io.clinical_columns import CLINICAL, OWN_PREFIX
from radresp.io.identifiers import (
    check_case_id,
    check_distinct,
    check_patients,
    privacy_notes,
    shown,
)
from radresp.io.text_table import TextTable, load_text_table, nearest

ImageKey = tuple[Timepoint, Sequence]
IMAGES: dict[str, ImageKey] = {f"{t}_{s}": (t, s) for t, s in product(Timepoint, Sequence)}
"""Image column to what it addresses."""
MASKS: dict[str, RegionKey] = {
    f"{t}_{s}_{roi}": RegionKey(t, s, roi) for t, s, roi in product(Timepoint, Sequence, Roi)
} | {f"{t}_{roi}": RegionKey(t, Sequence.T2, roi) for t, roi in product(Timepoint, Roi)}
"""Mask column to what it addresses; without a sequence the mask was drawn on the T2."""
LAYOUT = (
    "CASE/pre/ and CASE/post/, each with t2, dwi, adc as NAME.nii.gz, NAME.nii or a folder NAME "
    "of DICOM files, and masks such as pre/tumour.nii.gz and post/bed.nii.gz "
    "(post/adc_bed.nii.gz when drawn on the ADC)"
)
_NIFTI = (".nii.gz", ".nii")


@dataclass(frozen=True, slots=True)
class Cohort:
    """The cases of a table.

    Parameters
    ----------
    cases : tuple of CaseFiles
        In the order of the table; at least one.
    notes : tuple of Note
        What was noticed about the table as a whole.
    root : Path
        Data root: the folder of the table, with symbolic links resolved.
    """

    cases: tuple[CaseFiles, ...]
    notes: tuple[Note, ...]
    root: Path


def load_cohort(path: Path, root: Path | None = None) -> Cohort:
    """Read a cohort table.

    Parameters
    ----------
    path : Path
        Comma-separated UTF-8 table.
    root : Path, optional
        Data root the table's paths are relative to and may not leave; the table's own folder
        when not given.

    Returns
    -------
    Cohort
        One `CaseFiles` per row. An empty cell means absent.

    Raises
    ------
    PlanError
        ``CSV_FORMAT``, ``CSV_TOO_LARGE``, ``MISSING_FILE``, ``NOT_A_FILE``, ``CASE_ID``,
        ``CASE_DUPLICATE``, ``PATIENT_DUPLICATE``, ``PATH_OUTSIDE_ROOT``, ``CLINICAL_RANGE``.
    CohortError
        ``NO_CASES`` for an empty table.
    """
    table = load_text_table(path)
    table.check_has_rows()
    _check_columns(table)
    root = Path(os.path.realpath(table.file.parent if root is None else root))
    cases = tuple(_case(table, line, cells, root) for line, cells in table.records())
    ids = [case.case_id for case in cases]
    check_distinct(ids, table.lines, column="case_id", code="CASE_DUPLICATE", file=table.file)
    _check_patients(table)
    notes = privacy_notes(ids, table.lines, column="case_id")
    if "patient_id" in table.columns:
        notes += privacy_notes(table.column("patient_id"), table.lines, column="patient_id")
    return Cohort(cases, notes, root)


def find_case(folder: Path, root: Path | None = None) -> CaseFiles:
    """Find the images and masks of one case in a folder laid out as `LAYOUT` says.

    Parameters
    ----------
    folder : Path
        The case folder; its name is the case id.
    root : Path, optional
        Data root that links in the folder may lead to but not leave; the folder itself when not
        given.

    Returns
    -------
    CaseFiles
        With symbolic links in the data root's own path resolved.

    Raises
    ------
    PlanError
        ``MISSING_FILE`` when there is no such folder, ``CASE_ID`` when its name cannot be one,
        ``PATH_OUTSIDE_ROOT`` when a link leads out of it.
    InputError
        ``MISSING_INPUT`` when it holds no image, ``AMBIGUOUS_INPUT`` when one name stands twice,
        ``UNKNOWN_NAME`` for a NIfTI file whose name is a misspelling of a known one.
    """
    home = Path(os.path.realpath(folder))
    root = home if root is None else Path(os.path.realpath(root))
    if not home.is_dir():
        raise PlanError(
            "MISSING_FILE", "there is no such case folder", expected=LAYOUT, file=folder
        )
    check_case_id(home.name, where="folder name", file=home)
    images: dict[ImageKey, Path] = {}
    masks: dict[RegionKey, Path] = {}
    for timepoint in Timepoint:
        visit = home / timepoint
        if visit.is_dir():
            _check_spelling(visit)
            images |= {
                (timepoint, sequence): found
                for sequence in Sequence
                if (found := _one_of(visit, sequence, root, folders=True))
            }
            masks |= _masks_of_visit(visit, timepoint, root)
    if not images:
        raise InputError(
            "MISSING_INPUT",
            "no image was found in the case folder",
            expected=LAYOUT,
            action="rename the files, or list them in a cohort table",
            case=home.name,
            file=home,
        )
    return CaseFiles(home.name, home.name, root, images, masks)


def _check_columns(table: TextTable) -> None:
    table.check_has("case_id")
    known = ("case_id", "patient_id", *IMAGES, *MASKS, *CLINICAL)
    for place, name in enumerate(table.columns, start=1):
        if name not in known and not name.startswith(OWN_PREFIX):
            raise table.fault(
                f"line 1, column {place}: unknown column {shown(name)}{nearest(name, known)}",
                expected="a column of the cohort table",
                action=f"correct it, or call it {OWN_PREFIX}... to carry it along; outcomes stand "
                "in a table of their own",
            )
    if not IMAGES.keys() & set(table.columns):
        raise table.fault(
            "line 1: no image column", expected=f"at least one of {', '.join(IMAGES)}"
        )
    meaning: dict[RegionKey, str] = {}
    for name in table.columns:
        if name in MASKS and meaning.setdefault(MASKS[name], name) != name:
            raise table.fault(
                f"line 1: columns {meaning[MASKS[name]]!r} and {name!r} mean the same mask",
                expected="one column for a mask",
            )


def _check_patients(table: TextTable) -> None:
    if "patient_id" in table.columns:
        check_patients(table.column("patient_id"), table.lines, file=table.file)


def _case(table: TextTable, line: int, cells: Mapping[str, str], root: Path) -> CaseFiles:
    check_case_id(cells["case_id"], where=f"line {line}", file=table.file)
    paths: dict[str, Path] = {}
    clinical: dict[str, str] = {}
    for name, text in cells.items():
        if name in IMAGES or name in MASKS:
            if text:
                check_inside(text, root, where=f"line {line}, column {name!r}", file=table.file)
                paths[name] = root / text
        elif name not in ("case_id", "patient_id"):
            _check_clinical(table, line, name, text)
            clinical[name] = text
    return CaseFiles(
        case_id=cells["case_id"],
        patient_key=cells.get("patient_id") or cells["case_id"],
        root=root,
        images={IMAGES[name]: path for name, path in paths.items() if name in IMAGES},
        masks={MASKS[name]: path for name, path in paths.items() if name in MASKS},
        clinical=clinical,
    )


def check_inside(text: str, root: Path, *, where: str, file: Path) -> None:
    """Refuse a path that leaves the data root, also by way of a symbolic link.

    Raises
    ------
    PlanError
        ``PATH_OUTSIDE_ROOT``.
    """
    resolved = Path(os.path.realpath(root / text))
    if not resolved.is_relative_to(root):
        raise PlanError(
            "PATH_OUTSIDE_ROOT",
            f"{where}: {shown(text, 120)} leads to {shown(str(resolved), 120)}",
            expected="a path inside the data root, by default the folder of the table or case",
            action="move the data, or name the folder that holds it with --root",
            file=file,
        )


def _check_clinical(table: TextTable, line: int, name: str, text: str) -> None:
    fault = CLINICAL[name].fault(text) if name in CLINICAL else None
    if fault is None:
        return
    code, expected = fault
    if code == "CSV_FORMAT":
        raise table.cell_fault(line, name, text, expected=expected)
    raise PlanError(
        code,
        f"line {line}, column {name!r}: {shown(text)}",
        expected=expected,
        action="correct the cell, or leave it empty when not known",
        file=table.file,
    )


def _masks_of_visit(visit: Path, timepoint: Timepoint, root: Path) -> dict[RegionKey, Path]:
    found: dict[RegionKey, Path] = {}
    for column, key in MASKS.items():
        if key.timepoint is not timepoint:
            continue
        path = _one_of(visit, column.removeprefix(f"{timepoint}_"), root, folders=False)
        if path is not None and key in found:
            raise _ambiguous(found[key], path, root)
        if path is not None:
            found[key] = path
    return found


def _one_of(visit: Path, name: str, root: Path, *, folders: bool) -> Path | None:
    suffixes = (*_NIFTI, "") if folders else _NIFTI
    found = [
        visit / f"{name}{suffix}" for suffix in suffixes if (visit / f"{name}{suffix}").exists()
    ]
    if len(found) > 1:
        raise _ambiguous(found[0], found[1], root)
    for path in found:
        check_inside(str(path), root, where=f"{visit.name}/{path.name}", file=root)
    return found[0] if found else None


def _ambiguous(first: Path, second: Path, root: Path) -> InputError:
    return InputError(
        "AMBIGUOUS_INPUT",
        f"{first.relative_to(root)} and {second.relative_to(root)} stand for the same thing",
        expected="one of them",
        action="move one away",
        case=root.name,
        file=root,
    )


def _check_spelling(visit: Path) -> None:
    names = {column.split("_", 1)[1] for column in (*IMAGES, *MASKS)}
    for path in sorted(visit.iterdir()):
        suffix = next((s for s in _NIFTI if path.name.endswith(s)), None)
        if suffix is None or path.name.removesuffix(suffix) in names:
            continue
        hint = nearest(path.name.removesuffix(suffix), names, cutoff=0.8)
        if hint:
            raise InputError(
                "UNKNOWN_NAME",
                f"{visit.name}/{path.name} has an unknown name{hint}",
                expected=LAYOUT,
                action="rename it",
                case=visit.parent.name,
                file=path,
            )
