"""The images of a series that results refer to: one a slice, with its UID.

Read in the reader process (`radresp.io.dicom_guard`) by the rules of `radresp.io.dicom_series`, so
that slice k here is slice k of the volume that was measured. UIDs name nobody, but lead whoever
holds the archive back to the study: that is what a reference is for. Name, id, birth date, sex and
study of a patient leave that process only when their user asked to keep them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from radresp.errors import InputError
from radresp.io.dicom_dataset import read_dataset, text_of
from radresp.io.dicom_diffusion import assume_zero
from radresp.io.dicom_folder import Watcher, read_folder, unwatched
from radresp.io.dicom_nouns import IDENTITY, SourceImage, Sources, unusable_source
from radresp.io.dicom_out_study import stable_uid
from radresp.io.dicom_slice import Header
from radresp.io.dicom_stacks import arrange
from radresp.io.series_choice import chosen_series

_FORMS = {
    "PatientBirthDate": re.compile("[0-9]{8}"),
    "StudyDate": re.compile("[0-9]{8}"),
    "StudyTime": re.compile(r"[0-9]{2,6}(\.[0-9]{1,6})?"),
    "PatientSex": re.compile("[MFO]"),
}


def read_sources(
    path: Path, watch: Watcher = unwatched, choice: str | None = None, *, identity: bool = False
) -> Sources:
    """Read which images a series consists of.

    Parameters
    ----------
    path : Path
        A DICOM folder or file that `radresp.io.dicom_series.read_series` reads.
    watch : callable, optional
        Told of every file before it is read.
    choice : str, optional
        Which series of a folder of several, see `radresp.io.series_choice`.
    identity : bool, optional
        Whether whose they are is asked for.

    Raises
    ------
    InputError
        ``DICOM_SOURCE``, and the codes of `radresp.io.dicom_series.read_series`.
    """
    folder = read_folder(path, watch)
    if not folder.headers:
        raise unusable_source("no DICOM image", path)
    headers, _ = assume_zero(chosen_series(folder.headers, choice, path))
    stack = arrange(headers, path)[-1]
    chosen = [place[-1] for place in stack.places]
    watch(chosen[0].path)
    first = read_dataset(chosen[0].path)
    series = chosen[0].series_uid
    try:
        return Sources(
            stack.grid,
            tuple(map(_image, chosen)),
            text_of(first, "StudyInstanceUID"),
            series,
            # An anonymiser may have taken it: positions are then only known to fit this series.
            text_of(first, "FrameOfReferenceUID") or stable_uid("frame of reference", series),
            _identity(lambda keyword: text_of(first, keyword)) if identity else {},
        )
    except InputError as error:
        error.file = str(path)
        raise


def _image(header: Header) -> SourceImage:
    place = header.placement
    if place is None:  # `arrange` refuses such a series
        raise unusable_source("a slice without a position", header.path)
    frame = None if header.frame is None else header.frame + 1
    return SourceImage(header.sop_class, header.sop_uid, frame, place.position)


def _identity(value: Callable[[str], str]) -> dict[str, str]:
    """Every attribute; empty where the source has none, or a date or sex that is none."""
    found = {keyword: value(keyword) for keyword in IDENTITY}
    return {
        keyword: text if keyword not in _FORMS or _FORMS[keyword].fullmatch(text) else ""
        for keyword, text in found.items()
    }
