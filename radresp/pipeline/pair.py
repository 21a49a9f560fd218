"""Do two visits belong together: one patient, the right order, images and masks of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from itertools import combinations
from pathlib import Path

from radresp import io
from radresp.core import CaseFiles, Note, NoteKind, Sequence, Step, Timepoint, Trail
from radresp.errors import InputError

SHORTEST_COURSE_DAYS = 14
"""No treatment with a response to judge is shorter than this."""

DAYS = "days_between_visits"

PELVIC_PARTS = frozenset({"RECTUM", "PELVIS", "COLON", "ABDOMENPELVIS", "ABDOMEN"})


VisitFactsByTime = Mapping[Timepoint, io.VisitFacts]


def visit_facts(files: CaseFiles) -> VisitFactsByTime:
    """Whose and when each visit's T2 is, by its headers."""
    paths = {t: files.images.get((t, Sequence.T2)) for t in Timepoint}
    return {
        t: io.read_visit_facts(p, files.series.get((t, Sequence.T2)))
        for t, p in paths.items()
        if p is not None and io.is_there(p)
    }


def check_pair(files: CaseFiles, facts: VisitFactsByTime | None = None) -> Step:
    """Check that the two visits of a case are one patient's, in order.

    Parameters
    ----------
    files : CaseFiles
        Addresses. Dates in the table win over dates in DICOM headers.
    facts : mapping of Timepoint to VisitFacts, optional
        Of `visit_facts`; read here when not given or empty.

    Returns
    -------
    Step
        With warnings for what is odd but possible.

    Raises
    ------
    InputError
        ``PAIR_PATIENT_MISMATCH``, ``PAIR_ORDER``, ``MASK_REUSED``, ``ROLE_MISMATCH``.

    Notes
    -----
    Patient attributes are compared as keyed hashes in memory and written nowhere; the interval is
    given in days, never as dates.
    """
    _check_masks_differ(files)
    _check_roles_differ(files)
    facts = facts or visit_facts(files)
    notes = list(_reused_images(files))
    pre, post = facts.get(Timepoint.PRE), facts.get(Timepoint.POST)
    if pre and post and pre.patient and post.patient and pre.patient != post.patient:
        raise InputError(
            "PAIR_PATIENT_MISMATCH",
            "the headers of the two visits name different patients",
            expected="one patient",
            action="check which study belongs to this case",
        )
    for timepoint, fact in facts.items():
        notes += _body_part_notes(timepoint, fact.body_part)
    times = _visit_time(files, pre, "pre_date"), _visit_time(files, post, "post_date")
    notes += _order_notes(*times)
    return Step("pipeline", "check_pair", _interval(*times), notes=tuple(notes))


def days_between(trail: Trail) -> int | None:
    """Days from the earlier visit to the later one, as a trail says; None if unknown."""
    found = (s.settings.get(DAYS) for s in trail if s.method == "check_pair")
    return next((int(days) for days in found if days is not None), None)


def _interval(pre: datetime | None, post: datetime | None) -> dict[str, int]:
    return {DAYS: (post.date() - pre.date()).days} if pre and post else {}


def _visit_time(files: CaseFiles, facts: io.VisitFacts | None, column: str) -> datetime | None:
    said = files.clinical.get(column, "")
    if said not in io.MISSING:
        return datetime.combine(date.fromisoformat(said), datetime.min.time())
    return facts.acquired if facts else None


def _order_notes(pre: datetime | None, post: datetime | None) -> Iterator[Note]:
    if pre is None or post is None:
        return
    days = (post.date() - pre.date()).days
    if post <= pre:
        raise InputError(
            "PAIR_ORDER",
            f"the post visit lies {-days} days before the pre visit"
            if days
            else "the post visit does not lie after the pre visit",
            expected="post after pre",
            action="swap the visits, or correct pre_date and post_date",
        )
    if days < SHORTEST_COURSE_DAYS:
        yield Note(
            NoteKind.WARNING,
            "PAIR_INTERVAL",
            f"{days} days between the visits",
            expected=f"at least {SHORTEST_COURSE_DAYS} days of treatment and waiting",
            action="check that these are visits before and after treatment",
        )


def _body_part_notes(timepoint: Timepoint, body_part: str | None) -> Iterator[Note]:
    if body_part and body_part not in PELVIC_PARTS:
        yield Note(
            NoteKind.WARNING,
            "BODY_PART",
            f"the {timepoint} visit's header says body part {body_part}",
            expected="a study of the rectum or pelvis",
            action="check that this is a rectal MRI",
        )


def _reused_images(files: CaseFiles) -> Iterator[Note]:
    for sequence in Sequence:
        pre = files.images.get((Timepoint.PRE, sequence))
        post = files.images.get((Timepoint.POST, sequence))
        chosen = {files.series.get((timepoint, sequence)) for timepoint in Timepoint}
        if pre and post and len(chosen) == 1 and _same_content(pre, post):
            yield Note(
                NoteKind.WARNING,
                "IMAGE_REUSED",
                f"the pre and the post {sequence} are the same images",
                expected="one acquisition for each visit",
                action="check the paths of this case",
            )


def _check_roles_differ(files: CaseFiles) -> None:
    """Refuse one image given for two roles of a visit."""
    for timepoint in Timepoint:
        given = [s for s in Sequence if (timepoint, s) in files.images]
        for one, two in combinations(given, 2):
            first, second = (timepoint, one), (timepoint, two)
            chosen = files.series.get(first) == files.series.get(second)
            if chosen and _same_content(files.images[first], files.images[second]):
                raise InputError(
                    "ROLE_MISMATCH",
                    f"the {timepoint} {one} and the {timepoint} {two} are the same images",
                    expected="an image of its own for each sequence",
                    action="check the paths of this case",
                )


def _check_masks_differ(files: CaseFiles) -> None:
    pre = [key for key in files.masks if key.timepoint is Timepoint.PRE]
    post = [key for key in files.masks if key.timepoint is Timepoint.POST]
    # One RTSTRUCT or label map may hold the outlines of both visits under several names.
    same = (
        _same_content(files.masks[one], files.masks[two])
        for one in pre
        for two in post
        if files.choices.get(one) == files.choices.get(two)
    )
    if any(same):
        raise InputError(
            "MASK_REUSED",
            "a mask of the pre visit and a mask of the post visit are the same file content",
            expected="an outline drawn for each visit",
            action="draw the bed on the post images, or leave it out to have it carried over",
        )


def _same_content(one: Path, other: Path) -> bool:
    if not (io.is_there(one) and io.is_there(other)):
        return False
    if one.resolve() == other.resolve():
        return True
    return _bytes_in(one) == _bytes_in(other) and io.sha256_of(one) == io.sha256_of(other)


def _bytes_in(path: Path) -> int:
    """Size of a file, or of all files of a folder: what differs in size need not be hashed."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
