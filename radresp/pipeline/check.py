"""Every problem of every case, before any work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from radresp import io
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
from radresp.errors import ExitCode, RadrespError
from radresp.pipeline.cross_check import shared_masks, shared_patients
from radresp.pipeline.findings import Finding, of_error, of_note, of_table
from radresp.pipeline.labels_check import check_labels
from radresp.pipeline.outline import check_outline
from radresp.pipeline.pair import VisitFactsByTime, check_pair, visit_facts
from radresp.pipeline.plan import Plan
from radresp.pipeline.protocol import position_notes, protocol_notes, role_notes
from radresp.pipeline.read import load_outline, load_role, needed_sequences, needed_visits

LESIONS = (Roi.TUMOUR, Roi.BED, Roi.RESIDUAL)
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class CheckResult:
    """All findings of a cohort; ``stopped`` when a fault of a table would stop every command."""

    cases: tuple[str, ...]
    findings: tuple[Finding, ...]
    stopped: bool = False

    @property
    def refused(self) -> tuple[str, ...]:
        """Cases that would be refused."""
        found = {f.case_id for f in self.findings if f.severity == "refused"}
        return tuple(case for case in self.cases if case in found)

    @property
    def exit_code(self) -> ExitCode:
        """0 nothing refused, 2 a table is, 4 some cases are, 5 all."""
        if self.stopped:
            return ExitCode.USAGE
        if len(self.refused) == len(self.cases):
            return ExitCode.NONE_USABLE
        return ExitCode.SOME_REFUSED if self.refused else ExitCode.FINISHED


def check_table(
    path: Path,
    plan: Plan,
    *,
    root: Path | None = None,
    outcomes: Path | None = None,
    endpoint: str | None = None,
    started: Callable[[int], Progress | None] | None = None,
) -> CheckResult:
    """Check a cohort table, or the folder of one case, with everything it names.

    Parameters
    ----------
    path : Path
        CSV table or case folder.
    plan : Plan
        Says which visits and sequences are needed, and the rules for masks.
    root : Path, optional
        Data root.
    outcomes : Path, optional
        Outcome table to hold against the cohort, as for training.
    endpoint : str, optional
        Which references count, as for training.
    started : callable, optional
        Called with the number of cases; returns what to tell of progress.

    Returns
    -------
    CheckResult
        Every fault of the tables first, then the cases in their order.

    Raises
    ------
    PlanError
        When the table as a whole cannot be read.
    CohortError
        ``NO_CASES``.
    """
    faults: tuple[io.CellError, ...] = ()
    if path.is_dir():
        files = io.find_case(path, root)
        cohort = io.Cohort((files,), (), files.root)
    else:
        cohort, faults = io.read_cohort(path, root)
    findings = [of_table(fault, path.name) for fault in faults]
    stopped = bool(findings)
    if outcomes is not None:
        said = check_labels(cohort, outcomes, endpoint)
        findings += said
        stopped |= any(finding.severity == "refused" for finding in said)
    progress = None if started is None else started(len(cohort.cases))
    missing = frozenset((fault.case or "", fault.column) for fault in faults)
    result = check_cohort(
        cohort, plan, progress=progress, training=outcomes is not None, missing=missing
    )
    stopped |= any(
        f.code == "PATIENT_DUPLICATE" and f.severity == "refused" for f in result.findings
    )
    named = dict.fromkeys([*result.cases, *(fault.case for fault in faults if fault.case)])
    return CheckResult(tuple(named), (*findings, *result.findings), stopped)


def check_cohort(
    cohort: io.Cohort,
    plan: Plan,
    *,
    progress: Progress | None = None,
    training: bool = False,
    missing: frozenset[tuple[str, str]] = frozenset(),
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
    training : bool, optional
        One patient under two ids refuses a training run; otherwise it is a warning.
    missing : frozenset of (str, str), optional
        Case and column of cells that are at fault already: an image not read because of them is
        not missing.

    Returns
    -------
    CheckResult
        In the order of the table; refusals first within a case.
    """
    findings = [of_note("", "", note) for note in cohort.notes]
    facts: dict[str, VisitFactsByTime] = {}
    for done, files in enumerate(cohort.cases, start=1):
        facts[files.case_id] = _facts(files)
        found = [
            finding
            for finding in check_case(files, plan, facts[files.case_id])
            if finding.code != "MISSING_INPUT"
            or (files.case_id, finding.role.replace(".", "_")) not in missing
        ]
        findings += sorted(found, key=lambda finding: finding.severity != "refused")
        if progress is not None:
            progress(done, len(cohort.cases))
    findings += shared_masks(cohort.cases)
    findings += shared_patients(cohort.cases, facts, refuse=training)
    return CheckResult(tuple(files.case_id for files in cohort.cases), tuple(findings))


def _facts(files: CaseFiles) -> VisitFactsByTime:
    """Who and when by the headers; what cannot be read is said when its image is read."""
    try:
        return visit_facts(files)
    except RadrespError:
        return {}


def check_case(
    files: CaseFiles, plan: Plan, facts: VisitFactsByTime | None = None
) -> Iterator[Finding]:
    """Everything to know about one case; facts of its visits are read when not given."""
    yield from _tried(files, "", lambda: check_pair(files, facts))
    volumes: dict[tuple[Timepoint, Sequence], tuple[Volume, ...]] = {}
    positions: dict[Timepoint, str] = {}
    for timepoint in needed_visits(plan):
        for sequence in needed_sequences(plan, timepoint):
            yield from _check_image(files, timepoint, sequence, volumes, positions)
    for note in position_notes(positions):
        yield of_note(files.case_id, "", note)
    outlines: dict[RegionKey, Mask] = {}
    for key in files.masks:
        image = volumes.get((key.timepoint, key.sequence))
        if image:
            yield from _check_mask(files, key, image[0], plan, outlines)
    for (timepoint, sequence), found in volumes.items():
        for note in protocol_notes(timepoint, sequence, found):
            yield of_note(files.case_id, f"{timepoint}.{sequence}", note)
    for role, note in role_notes(volumes):
        yield of_note(files.case_id, role, note)
    yield from _coverage(files, volumes, outlines)


def _check_image(
    files: CaseFiles,
    timepoint: Timepoint,
    sequence: Sequence,
    volumes: dict[tuple[Timepoint, Sequence], tuple[Volume, ...]],
    positions: dict[Timepoint, str],
) -> Iterator[Finding]:
    role = f"{timepoint}.{sequence}"
    try:
        found, steps = load_role(files, timepoint, sequence)
    except RadrespError as error:
        yield of_error(files, role, error)
        return
    volumes[timepoint, found[0].sequence] = found
    positions.setdefault(timepoint, str(steps[0].settings.get("patient_position", "")))
    for step in steps:
        yield from (of_note(files.case_id, role, note) for note in step.notes)


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
            notes += check_outline(mask, image, key, plan.rules).notes
    except RadrespError as error:
        yield of_error(files, str(key), error)
        return
    outlines[key] = mask
    for note in notes:
        yield of_note(files.case_id, str(key), note)


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
            yield of_note(files.case_id, f"{key.timepoint}.{sequence}", note)


def _tried(files: CaseFiles, role: str, task: Callable[[], Step]) -> Iterator[Finding]:
    try:
        step = task()
    except RadrespError as error:
        yield of_error(files, role, error)
    else:
        yield from (of_note(files.case_id, role, note) for note in step.notes)
