"""Which features hold still: every case perturbed many times, or read by several readers.

One case's perturbed features are one record, so that a run goes on where it was stopped; the table
of agreement is made of all records at the end.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from radresp import evaluate, io
from radresp.core import Case, CaseFiles, Note, NoteKind, Timepoint, Trail
from radresp.errors import CohortError, PlanError
from radresp.features.perturb import draw
from radresp.pipeline.batch import WHOLE, Batch, Watcher, claimed, work_through
from radresp.pipeline.case_work import Job, Place
from radresp.pipeline.extract import extract_case, feature_names
from radresp.pipeline.kept_fits import NONE_KEPT, KeptFits
from radresp.pipeline.perturbed import perturb_prepared
from radresp.pipeline.plan import EXTRACTION, Plan
from radresp.pipeline.prepare import prepare_case
from radresp.pipeline.read import load_case
from radresp.pipeline.records import record_path, save_record
from radresp.pipeline.results import CohortResult

REFUSALS = ("MASK_TOO_SMALL", "ROI_NONFINITE", "ROI_CONSTANT", "BINS")
"""What a perturbed region may be refused for without the case being lost."""
TABLE = "stability.csv"


def measure_stability(
    cases: Sequence[CaseFiles],
    plan: Plan,
    folder: Path,
    batch: Batch = WHOLE,
    *,
    watch: Watcher | None = None,
) -> CohortResult:
    """Perturb every case of a cohort and tell how well its features agree, resuming what is there.

    Parameters
    ----------
    cases : sequence of CaseFiles
        The cohort; an agreement needs two cases or more.
    plan : Plan
        What to compute, and how to perturb (``stability``).
    folder : Path
        Gets ``stability.csv``, ``plan.yaml``, ``status.jsonl`` and a record a case.
    batch : Batch, optional
        Where and how; by default all of it in this process.
    watch : callable, optional
        Called with every result as it arrives.

    Raises
    ------
    OutputError
        ``CONFIG_CHANGED`` when the folder holds results of another plan; ``LOCKED``; or any
        failure to write.
    CohortError
        ``NO_CASES`` when the cohort is empty.
    """
    with claimed(STABILITY, cases, plan, folder, batch):
        outcome = work_through(STABILITY, cases, plan, folder, batch, watch)
        if outcome.finished and batch.is_whole:
            ratings = np.array([_repeats(case.case_id, folder) for case in outcome.finished])
            save_agreement(feature_names(plan), ratings, folder, "perturbation")
    return outcome


def compare_tables(paths: Sequence[Path], folder: Path) -> tuple[int, int]:
    """Tell how well features agree between readers, or between two scans of the same patients.

    Parameters
    ----------
    paths : sequence of Path
        Two or more feature tables, one a reader or a scan. Cases and features that are not in all
        of them are left out.
    folder : Path
        Gets ``stability.csv``.

    Returns
    -------
    tuple of int
        How many cases and features were compared.

    Raises
    ------
    CohortError
        ``NO_CASES`` for fewer than two cases in common.
    PlanError
        ``USAGE`` for fewer than two tables; ``FEATURE_SCHEMA`` for no feature in common.
    """
    if len(paths) < 2:
        raise PlanError("USAGE", f"{len(paths)} table", expected="two or more, one a reader")
    tables = [io.load_features(path) for path in paths]
    ids = [case for case in tables[0].index if all(case in table.index for table in tables[1:])]
    names = [name for name in tables[0].columns if all(name in t.columns for t in tables[1:])]
    if len(ids) < 2:
        raise CohortError("NO_CASES", f"{len(ids)} cases in all tables", expected="two or more")
    if not names:
        raise PlanError("FEATURE_SCHEMA", "no feature is in all tables", expected="one or more")
    ratings = np.stack([_values(table, ids, names) for table in tables], axis=1)
    save_agreement(names, ratings, folder, "tables")
    return len(ids), len(names)


def save_agreement(
    names: Sequence[str], ratings: NDArray[np.float64], folder: Path, source: str
) -> Path:
    """Write ``stability.csv``, a row a feature, from ratings (cases, repeats, features)."""
    found = evaluate.agreement(ratings)
    rows = []
    for i, name in enumerate(names):
        row = {
            "feature": name,
            "source": source,
            "cases": str(found.cases[i]),
            "repeats": str(ratings.shape[1]),
        }
        for form, values in found.icc.items():
            for end, value in zip(("", "_low", "_high"), values[:, i], strict=True):
                row[form + end] = _cell(value)
        row |= {"within_sd": _cell(found.within_sd[i]), "between_sd": _cell(found.between_sd[i])}
        rows.append(row)
    io.write_table(folder / TABLE, rows)
    return folder / TABLE


def summarise_stability(folder: Path) -> dict[str, Any]:
    """How many features of ``stability.csv`` are how stable, by the lower end of ICC(1,1)."""
    table = io.load_text_table(folder / TABLE)
    low = np.array([float(cell or "nan") for cell in table.column("icc_1_1_low")])
    return {
        "features": len(low),
        "unknown": int(np.isnan(low).sum()),
        "icc_low_at_least_0.90": int((low >= 0.9).sum()),
        "icc_low_at_least_0.75": int((low >= 0.75).sum()),
        "icc_low_at_least_0.50": int((low >= 0.5).sum()),
    }


def keep_stable(x: pd.DataFrame, path: Path, minimum: float) -> tuple[pd.DataFrame, Note]:
    """The columns of a feature table that hold still.

    Parameters
    ----------
    x : DataFrame
        Features by column.
    path : Path
        A ``stability.csv``. It knows no outcome, so that cases it was made from may be trained on.
    minimum : float
        Lowest lower end of the interval of ICC(1,1), -1 to 1. A feature without one is left out,
        one that the table does not list stays.

    Returns
    -------
    DataFrame, Note
        What is kept, and how many were left out.

    Raises
    ------
    PlanError
        ``FEATURE_SCHEMA`` when the table lists none of the columns or leaves none; table faults.
    """
    table = io.load_text_table(path)
    for name in ("feature", "icc_1_1_low"):
        table.check_has(name)
    pairs = zip(table.column("feature"), table.column("icc_1_1_low"), strict=True)
    low = {name: float(cell) if cell not in io.MISSING else -np.inf for name, cell in pairs}
    known = [name for name in x.columns if name in low]
    kept = [name for name in x.columns if low.get(name, np.inf) >= minimum]
    if not known or not kept:
        raise PlanError(
            "FEATURE_SCHEMA",
            f"{len(known)} of {x.shape[1]} features are listed, {len(kept)} are stable enough",
            expected="the stability of these features, and at least one to keep",
            action="make the table with the plan of these features, or lower --minimum-icc",
            file=path,
        )
    gone = x.shape[1] - len(kept)
    found = f"{gone} of {len(known)} features listed are below ICC {minimum:g} and left out"
    return x[kept], Note(NoteKind.FIX, "FEATURE_UNSTABLE", found)


def repeatability(path: Path) -> dict[str, dict[str, float | None]]:
    """ICC(1,1) of every feature of a ``stability.csv``, with its interval; None where unknown."""
    table = io.load_text_table(path)
    ends = {"value": "icc_1_1", "low": "icc_1_1_low", "high": "icc_1_1_high"}
    columns = {end: table.column(name) for end, name in ends.items() if name in table.columns}
    return {
        feature: {
            end: None if cells[i] in io.MISSING else float(cells[i])
            for end, cells in columns.items()
        }
        for i, feature in enumerate(table.column("feature"))
    }


def perturb_case(
    case: Case, plan: Plan, kept: KeptFits = NONE_KEPT
) -> Iterator[Mapping[str, float]]:
    """Features of every perturbation of a case; the same seed and case give the same."""
    prepared = prepare_case(case, plan, kept)
    rng = np.random.default_rng([plan.seed, zlib.crc32(case.case_id.encode())])
    drawn_on = frozenset(key for key, mask in case.masks.items() if not mask.is_empty)
    for _ in range(plan.stability.count):
        draws = {timepoint: draw(plan.stability, rng) for timepoint in Timepoint}
        perturbed = perturb_prepared(prepared, plan, draws, drawn_on)
        yield extract_case(perturbed, plan, absent_on=REFUSALS).values


def _perturb_one(files: CaseFiles, plan: Plan, place: Place) -> Trail:
    """Perturbed features of one case, from its files to its record."""
    case = load_case(files, plan)
    rows = [list(values.values()) for values in perturb_case(case, plan, KeptFits.at(place))]
    body = {"values": [[None if v != v else v for v in row] for row in rows]}
    save_record(STABILITY.stage, files, plan.sha256(*STABILITY.sections), place.folder, body)
    return case.trail


STABILITY = Job("stability", _perturb_one, (*EXTRACTION, "seed", "stability"))


def _repeats(case_id: str, folder: Path) -> NDArray[np.float64]:
    """The perturbed features of one case, shape (repeats, features)."""
    return np.array(
        io.read_json(record_path(STABILITY.stage, case_id, folder))["body"]["values"], dtype=float
    )


def _values(table: Any, ids: Sequence[str], names: Sequence[str]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = table.loc[ids, names].to_numpy(dtype=float)
    return values


def _cell(value: float) -> str:
    return repr(float(value)) if np.isfinite(value) else ""
