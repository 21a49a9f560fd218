"""Folders below a root: which hold files to look into, and which are laid out as cases."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from radresp.core import Sequence, Timepoint
from radresp.errors import InputError
from radresp.io.bids import SUBJECT
from radresp.io.case_roles import NIFTI
from radresp.io.dicom_survey import FolderSurvey
from radresp.io.input_file import is_folder

_NEVER = ("DICOMDIR",)
_OTHER_ENDINGS = (*NIFTI, ".json", ".bval", ".bvec", ".csv", ".tsv", ".nrrd", ".txt", ".pdf")
"""Files that are looked at by other readers or by nobody; they need no DICOM reader."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Files that are surveyed together.

    Parameters
    ----------
    folder : Path
        Where they lie.
    names : tuple of str
        Their paths relative to it.
    stamp : str
        Digest of names, sizes and modification times.
    """

    folder: Path
    names: tuple[str, ...] = field(repr=False)
    stamp: str = field(repr=False)
    states: tuple[str, ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Tree:
    """What there is to look at below a root."""

    units: tuple[Unit, ...]
    cases: tuple[Path, ...]


def walk(root: Path) -> Tree:
    """Find the folders with files, and the case folders, which are not looked into.

    Raises
    ------
    InputError
        ``MISSING_FILE`` or ``NOT_A_FOLDER`` for the root.
    """
    if not is_folder(root):
        raise InputError("NOT_A_FOLDER", "not a folder", expected="a folder", file=root)
    units: list[Unit] = []
    cases: list[Path] = []
    todo = [root]
    while todo:
        folder = todo.pop()
        entries = _entries(folder)
        below = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        if folder != root and is_case_folder(folder, below):
            cases.append(folder)
            continue
        todo += [folder / name for name in reversed(below)]
        if (unit := _unit(folder, entries, root)) is not None:
            units.append(unit)
    return Tree(tuple(units), tuple(cases))


def is_case_folder(folder: Path, below: list[str]) -> bool:
    """Whether a folder is laid out as `radresp.io.case_folder` reads it: plain or BIDS."""
    if folder.name.startswith(SUBJECT) and any(name.startswith("ses-") for name in below):
        return True
    endings = (*NIFTI, "")
    return any(
        (folder / visit / f"{sequence}{ending}").exists()
        for visit in Timepoint
        if str(visit) in below
        for sequence in Sequence
        for ending in endings
    )


def united(
    found: Mapping[Unit, FolderSurvey],
) -> tuple[tuple[Unit, ...], set[tuple[Path, str]]]:
    """Units to be surveyed as one, since a table cell could not tell their series apart.

    These are folders that hold one series in parts, and folders that hold series themselves and in
    folders below. Where the whole would mix patients it is left as it is and named instead.

    Returns
    -------
    tuple of Unit, set of (Path, str)
        The whole folders to survey, outermost only, and folder and UID hash of series that cannot
        be addressed.
    """
    parts: dict[str, dict[str, Path]] = {}
    patients: dict[Path, set[str]] = {}
    for unit, told in found.items():
        for facts in told.series:
            parts.setdefault(facts.uid, {}).setdefault(facts.content, unit.folder)
            patients.setdefault(unit.folder, set()).add(facts.patient)
    wanted: dict[Path, set[tuple[Path, str]]] = {}
    for uid, places in parts.items():
        if len(places) > 1:
            whole = Path(os.path.commonpath(list(places.values())))
            wanted.setdefault(whole, set()).update((folder, uid) for folder in places.values())
    above = {over for folder in patients for over in folder.parents}
    for unit, told in found.items():
        if told.series and unit.folder in above:
            series = {(unit.folder, facts.uid) for facts in told.series}
            wanted.setdefault(unit.folder, set()).update(series)
    mixed = {
        folder
        for folder, inside in _below(wanted, list(patients)).items()
        if len(set().union(*(patients[other] for other in inside))) > 1
    }
    shared = set().union(*(wanted[folder] for folder in mixed)) if mixed else set()
    wholes = {f for f in wanted.keys() - mixed if not (wanted.keys() - mixed) & set(f.parents)}
    inside = _below(dict.fromkeys(wholes), [unit.folder for unit in found])
    units = {unit.folder: unit for unit in found}
    return tuple(_whole(f, [units[i] for i in inside[f]]) for f in sorted(wholes)), shared


def _below(wanted: Mapping[Path, object], folders: list[Path]) -> dict[Path, list[Path]]:
    """The folders that are or lie below each of the wanted ones."""
    found: dict[Path, list[Path]] = {folder: [] for folder in wanted}
    for folder in folders:
        for over in (folder, *folder.parents):
            if over in found:
                found[over].append(folder)
    return found


def _whole(folder: Path, units: list[Unit]) -> Unit:
    states = sorted(
        ((unit.folder / name).relative_to(folder).as_posix(), state)
        for unit in units
        for name, state in zip(unit.names, unit.states, strict=True)
    )
    names, marks = tuple(name for name, _ in states), tuple(state for _, state in states)
    return Unit(folder, names, _digest(("whole", *names, *marks)), marks)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listed:
            visible = [entry for entry in listed if not entry.name.startswith(".")]
    except OSError:  # a folder that may not be read holds nothing for us
        return []
    return sorted(visible, key=lambda entry: entry.name)


def _unit(folder: Path, entries: list[os.DirEntry[str]], root: Path) -> Unit | None:
    names, states = [], []
    for entry in entries:
        if entry.name.upper() in _NEVER or entry.name.lower().endswith(_OTHER_ENDINGS):
            continue
        try:
            if entry.is_symlink() and not _stays(entry, root):
                continue
            if not entry.is_file():
                continue
            state = entry.stat()
        except OSError:
            continue
        names.append(entry.name)
        states.append(f"{state.st_size} {state.st_mtime_ns}")
    if not names:
        return None
    return Unit(folder, tuple(names), _digest((*names, *states)), tuple(states))


def _stays(entry: os.DirEntry[str], root: Path) -> bool:
    return Path(os.path.realpath(entry.path)).is_relative_to(root)


def _digest(parts: tuple[str, ...]) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
