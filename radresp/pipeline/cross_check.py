"""What no case shows by itself: masks, images and patients that occur in two cases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from radresp import io
from radresp.core import CaseFiles
from radresp.errors import RadrespError, relative_name
from radresp.pipeline.findings import Finding
from radresp.pipeline.pair import VisitFactsByTime
from radresp.pipeline.records import image_hashes


def shared_masks(cases: Iterable[CaseFiles]) -> Iterator[Finding]:
    """The same mask bytes in two cases."""
    seen: dict[str, str] = {}
    for files in cases:
        for key, path in files.masks.items():
            if not (io.is_there(path) and path.is_file()):
                continue
            digest = io.sha256_of(path)
            other = seen.setdefault(digest, files.case_id)
            if other != files.case_id:
                yield Finding(
                    files.case_id,
                    str(key),
                    "refused",
                    "MASK_DUPLICATE",
                    relative_name(path, files.root),
                    f"the same mask as in case {other}",
                    "an outline of its own for each case",
                    "check the paths of both cases",
                )


def shared_patients(
    cases: Iterable[CaseFiles], facts: Mapping[str, VisitFactsByTime], *, refuse: bool
) -> Iterator[Finding]:
    """One patient under two ids, by image content or by a keyed hash of the header's patient.

    Parameters
    ----------
    cases : iterable of CaseFiles
        The cohort.
    facts : mapping of str to mapping
        Facts of each visit by case id.
    refuse : bool
        Whether this stops a run: folds of a training would share the patient.
    """
    first: dict[str, CaseFiles] = {}
    for files in cases:
        told = {
            fact.patient: "the same patient in the headers as"
            for fact in facts.get(files.case_id, {}).values()
            if fact.patient
        }
        told |= dict.fromkeys(_hashes(files), "the same image as")
        others: dict[str, str] = {}
        for mark, words in told.items():
            other = first.setdefault(mark, files)
            if other.patient_key != files.patient_key:
                others[other.case_id] = words
        for other_id, words in others.items():
            yield Finding(
                files.case_id,
                "",
                "refused" if refuse else "warning",
                "PATIENT_DUPLICATE",
                "",
                f"{words} in case {other_id}, under another patient id",
                "one patient_id for one patient",
                "give both cases the same patient_id, or remove one",
            )


def _hashes(files: CaseFiles) -> tuple[str, ...]:
    try:
        return tuple(digest for digest in image_hashes(files).values() if digest)
    except RadrespError:  # said when the image is read
        return ()
