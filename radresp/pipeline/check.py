"""Every problem of every case, before any work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from radresp import io, masks
from radresp.core import (
    CaseFiles,
    Mask,
    Note,
    NoteKind,
    RegionKey,
    Roi,
    Sequence,
    Step,
    Timepoint,
    Volume,
    resample_mask,
)
from radresp.errors import ExitCode, RadrespError, relative_name
from radresp.pipeline.pair import check_pair
from radresp.pipeline.plan import Plan
from radresp.pipeline.read import load_outline, load_role, needed_sequences, needed_visits

LESIONS = (Roi.TUMOUR, Roi.BED, Roi.RESIDUAL)
ESGAR_SLICE_MM = 3.0
ESGAR_HIGH_B_S_PER_MM2 = 800.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about one case.

    Parameters
    ----------
    case_id : str
        Name of the case; empty for the table itself.
    role : str
        What it concerns, for example ``"post.t2"``; empty for the whole case.
    severity : str
        ``refused``, ``warning``, ``fix`` or ``info``.
    code, file, found, expected, action : str
        As in errors and notes.
    """

    case_id: str
    role: str
    severity: str
    code: str
    file: str
    found: str
    expected: str
    action: str

    def record(self) -> dict[str, str]:
        """The finding as a JSON-ready dictionary."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class CheckResult:
    """All findings of a cohort."""

    cases: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def refused(self) -> tuple[str, ...]:
        """Cases that would be refused."""
        found = {f.case_id for f in self.findings if f.severity == "refused"}
        return tuple(case for case in self.cases if case in found)

    @property
    def exit_code(self) -> ExitCode:
        """0 nothing refused, 4 some cases refused, 5 all."""
        if len(self.refused) == len(self.cases):
            return ExitCode.NONE_USABLE
        return ExitCode.SOME_REFUSED if self.refused else ExitCode.FINISHED


def check_cohort(
    cohort: io.Cohort, plan: Plan, *, progress: Callable[[int, int], None] | None = None
) -> CheckResult:
    """Read every image and mask of every case and list whatever is wrong or odd.

    Parameters
    ----------
    cohort : Cohort
        From the cohort table.
    plan : Plan
        Says which visits and sequences are needed, and the rules for masks.
    progress : callable, optional
        Called with (cases done, all).

    Returns
    -------
    CheckResult
        In the order of the table; refusals first within a case.
    """
    findings = [_of_note("", "", note) for note in cohort.notes]
    for done, files in enumerate(cohort.cases, start=1):
        found = list(check_case(files, plan))
        findings += sorted(found, key=lambda finding: finding.severity != "refused")
        if progress is not None:
            progress(done, len(cohort.cases))
    findings += _shared_masks(cohort.cases)
    return CheckResult(tuple(files.case_id for files in cohort.cases), tuple(findings))


def check_case(files: CaseFiles, plan: Plan) -> Iterator[Finding]:
    """Everything to know about one case."""
    yield from _tried(files, "", lambda: check_pair(files))
    volumes: dict[tuple[Timepoint, Sequence], tuple[Volume, ...]] = {}
    for timepoint in needed_visits(plan):
        for sequence in needed_sequences(plan, timepoint):
            yield from _check_image(files, timepoint, sequence, volumes)
    outlines: dict[RegionKey, Mask] = {}
    for key in files.masks:
        image = volumes.get((key.timepoint, key.sequence))
        if image:
            yield from _check_mask(files, key, image[0], plan, outlines)
    for (timepoint, sequence), found in volumes.items():
        for note in _protocol_notes(timepoint, sequence, found):
            yield _of_note(files.case_id, f"{timepoint}.{sequence}", note)
    yield from _coverage(files, volumes, outlines)


def _check_image(
    files: CaseFiles,
    timepoint: Timepoint,
    sequence: Sequence,
    volumes: dict[tuple[Timepoint, Sequence], tuple[Volume, ...]],
) -> Iterator[Finding]:
    role = f"{timepoint}.{sequence}"
    try:
        found, steps = load_role(files, timepoint, sequence)
    except RadrespError as error:
        yield _of_error(files, role, error)
        return
    volumes[timepoint, found[0].sequence] = found
    for step in steps:
        yield from (_of_note(files.case_id, role, note, files) for note in step.notes)


def _check_mask(
    files: CaseFiles,
    key: RegionKey,
    image: Volume,
    plan: Plan,
    outlines: dict[RegionKey, Mask],
) -> Iterator[Finding]:
    try:
        mask, step = load_outline(files, key, image, plan)
        notes = step.notes
        if not (key.roi is Roi.RESIDUAL and mask.is_empty):  # "no visible residual" is an answer
            notes += masks.check_mask(mask, image, plan.rules).notes
    except RadrespError as error:
        yield _of_error(files, str(key), error)
        return
    outlines[key] = mask
    for note in notes:
        yield _of_note(files.case_id, str(key), note, files)


def _protocol_notes(
    timepoint: Timepoint, sequence: Sequence, volumes: tuple[Volume, ...]
) -> Iterator[Note]:
    """What ESGAR asks of a rectal MRI and these images do not give (clinical.md 2.3)."""
    spacing = volumes[0].grid.spacing_mm
    if sequence is Sequence.T2 and spacing[2] > ESGAR_SLICE_MM * 1.05:
        yield Note(
            NoteKind.WARNING,
            "SLICE_THICKNESS",
            f"T2 slices every {spacing[2]:.2g} mm",
            expected=f"at most {ESGAR_SLICE_MM:g} mm (ESGAR)",
        )
    if sequence is not Sequence.DWI:
        return
    b_values = [volume.b_s_per_mm2 or 0.0 for volume in volumes]
    said = ", ".join(f"{b:g}" for b in b_values)
    if max(b_values) < ESGAR_HIGH_B_S_PER_MM2:
        yield Note(
            NoteKind.WARNING,
            "B_HIGH_LOW",
            f"b-values {said} s/mm2",
            expected=f"a high b of at least {ESGAR_HIGH_B_S_PER_MM2:g} (ESGAR)",
        )
    if min(b_values) > 0:
        yield Note(
            NoteKind.INFO,
            "NO_B0",
            f"b-values {said} s/mm2, none at 0",
            action="the lowest b-value stands in for S0 in the ADC fit",
        )


def _coverage(
    files: CaseFiles,
    volumes: Mapping[tuple[Timepoint, Sequence], tuple[Volume, ...]],
    outlines: Mapping[RegionKey, Mask],
) -> Iterator[Finding]:
    """Whether the diffusion images cover what was outlined on T2, and how coarse they are."""
    for key, mask in outlines.items():
        for sequence in (Sequence.DWI, Sequence.ADC):
            found = volumes.get((key.timepoint, sequence))
            drawn_on_t2 = key.sequence is Sequence.T2 and not mask.is_empty
            if key.roi not in LESIONS or not drawn_on_t2 or not found:
                continue
            carried = resample_mask(mask, found[0].grid)
            share = carried.volume_ml / mask.volume_ml
            coarse = found[0].grid.voxel_volume_ml / mask.grid.voxel_volume_ml
            note = Note(
                NoteKind.INFO if share > 0.9 else NoteKind.WARNING,
                "COVERAGE",
                f"on {sequence} the {key.roi} holds {carried.voxel_count} voxels, "
                f"{share:.0%} of its volume; one voxel is {coarse:.1f} T2 voxels",
                expected="the whole outline inside the diffusion field of view",
            )
            yield _of_note(files.case_id, f"{key.timepoint}.{sequence}", note)


def _shared_masks(cases: tuple[CaseFiles, ...]) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for files in cases:
        for key, path in files.masks.items():
            if not path.is_file():
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


def _tried(files: CaseFiles, role: str, task: Callable[[], Step]) -> Iterator[Finding]:
    try:
        step = task()
    except RadrespError as error:
        yield _of_error(files, role, error)
    else:
        yield from (_of_note(files.case_id, role, note, files) for note in step.notes)


def _of_error(files: CaseFiles, role: str, error: RadrespError) -> Finding:
    placed = error.located(case=files.case_id, root=files.root)
    return Finding(
        files.case_id,
        role,
        "refused",
        placed.code,
        placed.file or "",
        placed.found,
        placed.expected,
        placed.action,
    )


def _of_note(case_id: str, role: str, note: Note, files: CaseFiles | None = None) -> Finding:
    file = note.file
    return Finding(
        case_id, role, str(note.kind), note.code, file, note.found, note.expected, note.action
    )
