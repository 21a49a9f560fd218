"""Cohorts without images: classes, readers, references and empty cells against the presets."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

from phantom_report_parts.text import percent, table, with_interval
from radresp.evaluate import wilson_interval
from radresp.phantom import OUTCOMES, CohortPreset, PhantomSettings, draw_patient, presets

SEED = 11
CALLS = ("cCR", "nCR", "iCR", "not_assessed")
_MISSING = {
    "missing_blood": ("cea_pre_ng_per_ml", "cea_post_ng_per_ml"),
    "missing_ctdna": ("ctdna_pre",),  # ctdna_post is missing in the same patients
    "missing_reading": ("endoscopy", "dre", "mrTRG", "split_scar"),
    "missing_staging": ("mrf", "emvi", "dmmr", "cN"),
}


class Row(NamedTuple):
    """One patient: truth, cells of the cohort table, cells of the outcome table."""

    outcome: str
    cells: dict[str, str]
    reference: dict[str, str]


def draw(index: int, preset: str) -> Row:
    """Draw one patient; without images there is no gas score, on which no call depends."""
    drawn = draw_patient(index, SEED, PhantomSettings(preset=preset))
    read = drawn.read(0)
    return Row(drawn.outcome, {**drawn.clinical, **read}, drawn.refer(read["reader_call"]))


def cohorts(cases: int, workers: int) -> dict[str, list[Row]]:
    """Every preset's first patients."""
    with ProcessPoolExecutor(workers) as pool:
        return {
            name: list(pool.map(partial(draw, preset=name), range(cases), chunksize=10))
            for name in presets()
        }


def classes(drawn: dict[str, list[Row]]) -> str:
    """Class balance against the preset."""
    rows = []
    for name, cohort in drawn.items():
        counts = Counter(row.outcome for row in cohort)
        for outcome, share in zip(OUTCOMES, presets()[name].shares, strict=True):
            rows.append([name, outcome, percent(share), _share(counts[outcome], len(cohort))])
    return table(["preset", "outcome", "preset's share", "drawn (95 %)"], rows)


def confusion(drawn: dict[str, list[Row]]) -> str:
    """Truth by call."""
    rows = [
        [name, outcome, *(_count(cohort, outcome, call) for call in CALLS)]
        for name, cohort in drawn.items()
        for outcome in OUTCOMES
    ]
    return table(["preset", "truth", *CALLS], rows)


def rates(drawn: dict[str, list[Row]]) -> tuple[str, list[str]]:
    """The team's error rates against the preset, and which intervals miss their target."""
    rows, missed = [], []
    for name, cohort in drawn.items():
        preset = presets()[name]
        for what, target, hits, total in _rates(preset, cohort):
            low, high = wilson_interval(hits, total)
            rows.append([name, what, percent(target), _share(hits, total)])
            if not low <= target <= high:
                missed.append(f"{name}, {what}")
    return table(["preset", "rate", "target", "drawn (95 %)"], rows), missed


def _rates(preset: CohortPreset, cohort: list[Row]) -> list[tuple[str, float, int, int]]:
    assessed = [row for row in cohort if row.cells["reader_call"] != "not_assessed"]
    complete = [row for row in assessed if row.outcome != "residual"]
    residual = [row for row in assessed if row.outcome == "residual"]
    non_ccr = [row for row in assessed if row.cells["reader_call"] != "cCR"]
    known = [row for row in non_ccr if row.reference["outcome"]]

    def called(rows: list[Row]) -> int:
        return sum(row.cells["reader_call"] != "cCR" for row in rows)

    def benign(rows: list[Row]) -> int:
        return sum(row.outcome != "residual" for row in rows)

    pseudo = preset.pseudo_residual_share
    near = sum(row.cells["reader_call"] == "nCR" for row in non_ccr)
    return [
        ("pseudo-residual: complete given non-cCR", pseudo, benign(non_ccr), len(non_ccr)),
        ("the same where the reference settled it", pseudo, benign(known), len(known)),
        ("non-cCR given complete", preset.non_ccr_if_complete, called(complete), len(complete)),
        ("non-cCR given residual", preset.non_ccr_if_residual, called(residual), len(residual)),
        ("nCR given non-cCR", preset.ncr_share, near, len(non_ccr)),
    ]


def references(drawn: dict[str, list[Row]]) -> str:
    """How the truth was verified, by call."""
    kinds = ("follow_up", "local_excision", "surgery")
    rows = []
    for name, cohort in drawn.items():
        for call in CALLS:
            mine = [row.reference for row in cohort if row.cells["reader_call"] == call]
            counts = Counter(reference["reference_kind"] for reference in mine)
            settled = sum(bool(reference["outcome"]) for reference in mine)
            if mine:
                rows.append(
                    [name, call, *(counts[kind] for kind in kinds), _share(settled, len(mine))]
                )
    return table(["preset", "call", *kinds, "truth settled (95 %)"], rows)


def missingness(drawn: dict[str, list[Row]]) -> str:
    """Empty cells against the preset."""
    rows = []
    for name, cohort in drawn.items():
        for field, columns in _MISSING.items():
            empty = sum(not row.cells[column] for row in cohort for column in columns)
            share = _share(empty, len(cohort) * len(columns))
            target = percent(getattr(presets()[name], field))
            rows.append([name, ", ".join(columns), target, share])
    return table(["preset", "columns", "preset's share", "empty (95 %)"], rows)


def _count(cohort: list[Row], outcome: str, call: str) -> int:
    return sum(row.outcome == outcome and row.cells["reader_call"] == call for row in cohort)


def _share(hits: int, total: int) -> str:
    share = hits / total if total else float("nan")
    return f"{hits}/{total}, " + with_interval(100 * share, _hundredfold(hits, total), 1) + " %"


def _hundredfold(hits: int, total: int) -> tuple[float, float]:
    low, high = wilson_interval(hits, total)
    return 100 * low, 100 * high
