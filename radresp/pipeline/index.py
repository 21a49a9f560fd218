"""From a folder of anything to a cohort table: who, which visits, which series, and why.

Whatever is not clear stays an empty cell with the reason in column ``x_index``; every series of
every patient stands in the log with the rule that took it or left it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Sequence as Ordered
from dataclasses import dataclass
from pathlib import Path

from radresp import io
from radresp.core import Sequence, Timepoint
from radresp.errors import CohortError, ExitCode, OutputError
from radresp.pipeline.index_cases import case_rows
from radresp.pipeline.index_request import COMPLETE, Cells, IndexRequest, empty_cells
from radresp.pipeline.select import Selection, Verdict, candidates, first_failure, select
from radresp.pipeline.visits import Treatment, Visits, find_visits

LOG_NAME = "index_log.csv"


@dataclass(frozen=True, slots=True)
class Index:
    """A cohort table and the log of how it came about."""

    rows: tuple[Cells, ...]
    log: tuple[Cells, ...]
    files: int
    kept_folders: int

    @property
    def open(self) -> tuple[str, ...]:
        """Cases a person has to complete."""
        return tuple(row["case_id"] for row in self.rows if row["x_index"] != COMPLETE)

    @property
    def exit_code(self) -> ExitCode:
        """0 every row is complete, 4 some are, 5 none."""
        if len(self.open) == len(self.rows):
            return ExitCode.NONE_USABLE
        return ExitCode.SOME_REFUSED if self.open else ExitCode.FINISHED


def index_folder(
    request: IndexRequest,
    *,
    cache: Path | None = None,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Index:
    """Find the cases below a folder.

    Parameters
    ----------
    request : IndexRequest
        What to index and how.
    cache : Path, optional
        Where to remember folders.
    workers : int, optional
        Reader processes.
    progress : callable, optional
        Called with (folders done, all).

    Raises
    ------
    CohortError
        ``NO_CASES`` when there is neither a DICOM series nor a case folder.
    """
    found = io.find_series(
        request.root,
        request.key,
        request.rules.words,
        cache=cache,
        workers=workers,
        progress=progress,
    )
    rows: list[Cells] = []
    log: list[Cells] = []
    for patient, series in _patients(found.series, request).items():
        row, entries = _patient(io.case_name(patient), series, request)
        rows.append(row)
        log += entries
    rows += case_rows(found.cases, request, {row["case_id"] for row in rows})
    if not rows:
        raise CohortError(
            "NO_CASES",
            f"no MR series and no case folder among {found.files} files",
            expected="DICOM files, BIDS subjects or CASE/pre and CASE/post folders",
            action="check the folder; its layout is described in docs/concepts/data-model.md",
        )
    log += [
        _entry("", "", one.name, one.code, f"a DICOM file that cannot be used: {one.found}")
        for one in found.damaged
    ]
    return Index(
        tuple(sorted(rows, key=lambda row: row["case_id"])),
        tuple(sorted(log, key=lambda entry: (entry["case_id"], entry["weeks"], entry["folder"]))),
        found.files,
        found.kept,
    )


def save_index(index: Index, table: Path, *, force: bool = False) -> tuple[Path, ...]:
    """Write the cohort table and, beside it, the log.

    Raises
    ------
    OutputError
        ``OUTPUT_EXISTS`` when the table exists with other content: a person may have edited it.
    """
    text = io.table_text(index.rows)
    if table.exists() and not force and table.read_bytes() != text.encode():
        raise OutputError(
            "OUTPUT_EXISTS",
            "the table exists with other content, perhaps edited by hand",
            expected="a new name",
            action="choose another name with -o, or replace it with --force",
            file=table,
        )
    log = table.with_name(LOG_NAME)
    io.write_text(table, text)
    io.write_table(log, index.log)
    return table, log


def _patients(
    series: Ordered[io.FoundSeries], request: IndexRequest
) -> dict[str, list[io.FoundSeries]]:
    """The MR series of each patient, by keyed hash; other objects tell nothing about visits."""
    found: dict[str, list[io.FoundSeries]] = {}
    for one in series:
        patient = "" if request.by_folder else one.facts.patient
        patient = patient or io.keyed_hash(request.key, "folder", one.group)
        found.setdefault(patient, []).append(one)
    return {
        patient: told
        for patient, told in found.items()
        if any(one.facts.facts.get("modality") == "MR" for one in told)
    }


def _patient(
    case_id: str, series: list[io.FoundSeries], request: IndexRequest
) -> tuple[Cells, list[Cells]]:
    """The row of one patient and the log of all the patient's series."""
    visits = _visits(case_id, series, request)
    chosen = {Timepoint.PRE: visits.pre, Timepoint.POST: visits.post}
    days = [one.facts.day for one in series if one.facts.day is not None]
    first = min(days, default=0)
    row: Cells = {"case_id": case_id, **empty_cells()}
    reasons = [f"{visits.code}: {visits.reason}"] if visits.code else []
    log: list[Cells] = []
    for timepoint, study in chosen.items():
        picked = select(candidates(s for s in series if s.facts.day in study), request.rules)
        row |= _cells(timepoint, picked, request)
        reasons += [] if not study else _gaps(timepoint, picked)
        log += [_logged(case_id, str(timepoint), one, first) for one in picked.verdicts]
    rest = [
        s for s in series if s.facts.day is None or s.facts.day not in (*visits.pre, *visits.post)
    ]
    log += [_left_out(case_id, one, visits, first, request) for one in rest]
    if visits.pre and visits.post:
        row["x_weeks_between"] = f"{(visits.post[0] - visits.pre[-1]) / 7:.0f}"
    row["x_index"] = "; ".join(reasons) or COMPLETE
    return row, log


def _visits(case_id: str, series: list[io.FoundSeries], request: IndexRequest) -> Visits:
    if len({one.facts.person for one in series}) > 1:
        return Visits(
            code="INDEX_PATIENT",
            reason="patient id, birth date or sex differ between these series: who is it?",
        )
    usable = [
        one.series.facts.day
        for one in candidates(series)
        if one.series.facts.day is not None
        and not first_failure(one, Sequence.T2, request.rules)[2]
    ]
    treatment = None
    if case_id in request.treatment:
        days = io.hidden_shift(request.key, series[0].facts.patient)[0]
        start, end = (
            None if day is None else day.toordinal() + days for day in request.treatment[case_id]
        )
        treatment = Treatment(start, end)
    return find_visits(usable, request.rules.visits, treatment)


def _cells(timepoint: Timepoint, picked: Selection, request: IndexRequest) -> Cells:
    cells: Cells = {}
    for sequence, series in picked.taken.items():
        path = (request.root / series.folder).relative_to(request.base).as_posix()
        cells |= {
            f"{timepoint}_{sequence}": path,
            f"{timepoint}_{sequence}_series": series.choice,
        }
    return cells


def _gaps(timepoint: Timepoint, picked: Selection) -> Iterator[str]:
    """What a person has to fill: a T2, and a DWI or an ADC map."""
    if Sequence.T2 in picked.open:
        yield f"{timepoint}_t2: {picked.open[Sequence.T2]}"
    if {Sequence.DWI, Sequence.ADC} <= picked.open.keys():
        yield f"{timepoint}_dwi: {picked.open[Sequence.DWI]}"


def _left_out(
    case_id: str, series: io.FoundSeries, visits: Visits, first: int, request: IndexRequest
) -> Cells:
    """The log entry of a series of no visit: what it is not, or else why there is no visit."""
    (candidate,) = candidates([series])
    failures = {role: first_failure(candidate, role, request.rules) for role in Sequence}
    fits = [str(role) for role, failure in failures.items() if not failure[2]]
    if series.facts.day is None:
        rule, reason = "study_date", "the headers tell no study date"
    elif fits:
        rule = visits.code or "visits"
        reason = f"a {' or '.join(fits)}; {visits.reason or 'its study is neither visit'}"
    else:
        _, rule, reason = max(failures.values(), key=lambda failure: failure[0])
        rule = "kind" if rule.endswith(".kind") else rule
    return _logged(case_id, "", Verdict(series, None, rule, reason), first)


def _logged(case_id: str, visit: str, verdict: Verdict, first: int) -> Cells:
    series, facts = verdict.series, verdict.series.facts
    entry = _entry(case_id, visit, series.folder, verdict.rule, verdict.reason)
    slices = facts.facts.get("slices", "")
    return entry | {
        "weeks": "" if facts.day is None else f"{(facts.day - first) / 7:.0f}",
        "series": f"{facts.number}/{series.total}",
        "kind": str(facts.facts.get("kind", "")),
        "slices": f"{slices:g}" if isinstance(slices, float) else "",
        "taken_as": "" if verdict.role is None else str(verdict.role),
        "warnings": " ".join(facts.warnings),
    }


def _entry(case_id: str, visit: str, folder: str, rule: str, reason: str) -> Cells:
    return {
        "case_id": case_id,
        "visit": visit,
        "weeks": "",
        "folder": folder,
        "series": "",
        "kind": "",
        "slices": "",
        "taken_as": "",
        "rule": rule,
        "reason": reason,
        "warnings": "",
    }
