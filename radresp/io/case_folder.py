"""Find the images and masks of one case in its folder. Addresses only; no image is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from radresp.core import CaseFiles, RegionKey, Sequence, Timepoint
from radresp.errors import InputError, PlanError
from radresp.io.bids import BIDS_LAYOUT, SESSIONS, SUBJECT, find_bids_files
from radresp.io.case_roles import (
    IMAGES,
    MASK_ENDINGS,
    MASKS,
    NIFTI,
    ImageKey,
    ambiguous,
    check_inside,
)
from radresp.io.identifiers import check_case_id
from radresp.io.text_table import nearest

LAYOUT = (
    "CASE/pre/ and CASE/post/, each with t2, dwi, adc as NAME.nii.gz, NAME.nii or a folder NAME "
    "of DICOM files, and masks such as pre/tumour.nii.gz, post/bed.nrrd or post/residual.dcm "
    "(post/adc_bed.nii.gz when drawn on the ADC)"
)


def find_case(
    folder: Path, root: Path | None = None, *, sessions: Mapping[Timepoint, str] = SESSIONS
) -> CaseFiles:
    """Find the images and masks of one case in a folder laid out as `LAYOUT` says, or as BIDS.

    Parameters
    ----------
    folder : Path
        The case folder; its name is the case id. One called ``sub-...`` with ``ses-...`` in it is
        read as BIDS, see `radresp.io.bids`.
    root : Path, optional
        Data root that links in the folder may lead to but not leave; the folder itself when not
        given.
    sessions : mapping of Timepoint to str, optional
        What BIDS session each visit is, without ``ses-``.

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
    is_bids = home.name.startswith(SUBJECT) and any(home.glob("ses-*"))
    images, masks = find_bids_files(home, root, sessions) if is_bids else _plain_files(home, root)
    if not images:
        raise InputError(
            "MISSING_INPUT",
            "no image was found in the case folder",
            expected=BIDS_LAYOUT if is_bids else LAYOUT,
            action="rename the files, or list them in a cohort table",
            case=home.name,
            file=home,
        )
    return CaseFiles(home.name, home.name, root, images, masks)


def _plain_files(home: Path, root: Path) -> tuple[dict[ImageKey, Path], dict[RegionKey, Path]]:
    images: dict[ImageKey, Path] = {}
    masks: dict[RegionKey, Path] = {}
    for timepoint in Timepoint:
        visit = home / timepoint
        if visit.is_dir():
            _check_spelling(visit)
            images |= {
                (timepoint, sequence): found
                for sequence in Sequence
                if (found := _one_of(visit, sequence, root, (*NIFTI, "")))
            }
            masks |= _masks_of_visit(visit, timepoint, root)
    return images, masks


def _masks_of_visit(visit: Path, timepoint: Timepoint, root: Path) -> dict[RegionKey, Path]:
    found: dict[RegionKey, Path] = {}
    for column, key in MASKS.items():
        if key.timepoint is not timepoint:
            continue
        path = _one_of(visit, column.removeprefix(f"{timepoint}_"), root, MASK_ENDINGS)
        if path is not None and key in found:
            raise ambiguous(found[key], path, root)
        if path is not None:
            found[key] = path
    return found


def _one_of(visit: Path, name: str, root: Path, endings: tuple[str, ...]) -> Path | None:
    found = [visit / f"{name}{end}" for end in endings if (visit / f"{name}{end}").exists()]
    if len(found) > 1:
        raise ambiguous(found[0], found[1], root)
    for path in found:
        check_inside(str(path), root, where=f"{visit.name}/{path.name}", file=root)
    return found[0] if found else None


def _check_spelling(visit: Path) -> None:
    names = {column.split("_", 1)[1] for column in (*IMAGES, *MASKS)}
    for path in sorted(visit.iterdir()):
        suffix = next((s for s in MASK_ENDINGS if path.name.endswith(s)), None)
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
