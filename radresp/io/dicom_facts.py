"""Facts about a visit that pair and order its images: whose, when, of what.

The patient is known only as a keyed hash under a key that dies with the run: two visits read in
one run can be compared, and nothing can be looked up.
"""

from __future__ import annotations

from pathlib import Path

from radresp.core import Note, NoteKind
from radresp.errors import InputError
from radresp.io.dicom_folder import Watcher, read_folder, unwatched
from radresp.io.dicom_nouns import VisitFacts
from radresp.io.input_file import check_file, is_folder
from radresp.io.series_choice import chosen_series


def read_visit_facts(
    path: Path, watch: Watcher = unwatched, choice: str | None = None
) -> VisitFacts:
    """Read whose and when an image is from its DICOM headers.

    Parameters
    ----------
    path : Path
        DICOM folder, DICOM file, or NIfTI file (which holds no such facts).
    watch : callable, optional
        Told of every file before it is read.
    choice : str, optional
        Which series of a folder of several, see `radresp.io.series_choice`.

    Returns
    -------
    VisitFacts
        None where the headers do not tell.

    Raises
    ------
    InputError
        ``MISSING_FILE`` and the other codes of `radresp.io.input_file.check_file`;
        ``DCM_MIXED_PATIENT`` when the files belong to several patients; ``SERIES_CHOICE``.
    """
    if not is_folder(path):
        check_file(path)
    headers = read_folder(path, watch).headers
    if not headers:
        return VisitFacts()
    headers = tuple(chosen_series(headers, choice, path))
    patients = {header.patient for header in headers if header.patient is not None}
    if len(patients) > 1:
        raise InputError(
            "DCM_MIXED_PATIENT",
            "patient attributes that differ between files",
            expected="one patient",
            file=path,
        )
    patient = next(iter(patients), None)
    acquired = min((h.acquired for h in headers if h.acquired is not None), default=None)
    missing = [
        name
        for name, value in (("patient id", patient), ("acquisition time", acquired))
        if value is None
    ]
    notes = tuple(
        Note(NoteKind.INFO, "VISIT_UNKNOWN", f"the headers tell no {name}", file=path.name)
        for name in missing
    )
    return VisitFacts(
        patient=patient,
        acquired=acquired,
        study_date=min((h.study_date for h in headers if h.study_date is not None), default=None),
        body_part=next((h.body_part for h in headers if h.body_part is not None), None),
        notes=notes,
    )
