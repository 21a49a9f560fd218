"""The clinical columns a cohort table may have: one closed list with units, words and ranges.

Reader call and reference truth are separate axes, so that what the team saw can never be taken
for what was later found (ESGAR 2016 and MSK/OPRA terms; ranges are limits of the possible, not of
the usual). Any column starting with ``x_`` is carried along unchecked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from radresp.errors import PlanError
from radresp.io.identifiers import shown
from radresp.io.text_table import TextTable

MISSING = frozenset({"", "NA"})
"""The declared codes for "not known"."""
OWN_PREFIX = "x_"
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CALL = ("cCR", "nCR", "iCR", "not_assessed")
_YES_NO = ("0", "1")


@dataclass(frozen=True, slots=True)
class ClinicalColumn:
    """One column: a number in a range, one of some words, a date, or a short text.

    Parameters
    ----------
    name : str
        Column name, unit included.
    axis : str
        ``"covariate"`` (known beforehand), ``"reader"`` (what the team saw) or ``"reference"``
        (what was later found; never a feature).
    meaning : str
        What it holds, in words.
    low, high : float, optional
        Range of a number, both ends allowed.
    words : tuple of str
        Allowed words.
    is_date : bool
        ISO date, not in the future.
    """

    name: str
    axis: str
    meaning: str
    low: float | None = None
    high: float | None = None
    words: tuple[str, ...] = ()
    is_date: bool = False

    def fault(self, text: str) -> tuple[str, str] | None:
        """Catalogue code and what was expected, when a cell is wrong; None when it is right."""
        if text in MISSING:
            return None
        if self.is_date:
            return _date_fault(text)
        if self.words:
            wrong = text not in self.words
            return ("CLINICAL_RANGE", f"one of {', '.join(self.words)}") if wrong else None
        if self.low is not None and self.high is not None:
            return self._number_fault(text, self.low, self.high)
        too_long = len(text) > 64 or not text.isprintable()
        return ("CSV_FORMAT", "at most 64 printable characters") if too_long else None

    @staticmethod
    def _number_fault(text: str, low: float, high: float) -> tuple[str, str] | None:
        expected = f"a number from {low:g} to {high:g}, or an empty cell"
        if not _NUMBER.fullmatch(text):
            return "CSV_FORMAT", expected
        return None if low <= float(text) <= high else ("CLINICAL_RANGE", expected)


def _date_fault(text: str) -> tuple[str, str] | None:
    expected = "a date as YYYY-MM-DD"
    if not _ISO_DATE.fullmatch(text):
        return "CSV_FORMAT", expected
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return "CLINICAL_RANGE", f"{expected} that exists"
    inside = date(1980, 1, 1) <= day <= date.today()
    return None if inside else ("CLINICAL_RANGE", "a date from 1980-01-01 to today")


def _columns(*columns: ClinicalColumn) -> dict[str, ClinicalColumn]:
    return {column.name: column for column in columns}


C = ClinicalColumn
CLINICAL = _columns(
    C("pre_date", "covariate", "day of the visit before treatment", is_date=True),
    C("post_date", "covariate", "day of the visit after treatment", is_date=True),
    C("age_years", "covariate", "age at the first visit, years", 0, 120),
    C("sex", "covariate", "sex", words=("F", "M", "O")),
    C("site", "covariate", "hospital, as a pseudonym"),
    C("scanner", "covariate", "scanner model"),
    C("field_strength_t", "covariate", "field strength, tesla", 0.05, 12),
    C("b_values", "covariate", "b-values of the DWI, s/mm2, separated by blanks"),
    C("regimen", "covariate", "treatment arm (long or short course, immunotherapy, sequence)"),
    C("io_cycles", "covariate", "immunotherapy cycles before the second visit", 0, 60),
    C("weeks_rt_to_mri", "covariate", "end of radiotherapy to second visit, weeks", 0, 260),
    C("days_mri_to_reference", "covariate", "second visit to reference, days", 0, 7300),
    C(
        "cT",
        "covariate",
        "clinical T",
        words=("1", "2", "3", "3a", "3b", "3c", "3d", "4", "4a", "4b"),
    ),
    C("cN", "covariate", "clinical N", words=("0", "1", "1a", "1b", "1c", "2", "2a", "2b")),
    C("distance_from_verge_mm", "covariate", "lower tumour edge to anal verge, mm", 0, 300),
    C("mrf", "covariate", "mesorectal fascia involved", words=_YES_NO),
    C("emvi", "covariate", "extramural vascular invasion", words=_YES_NO),
    C("dmmr", "covariate", "mismatch-repair deficient", words=_YES_NO),
    C("cea_pre_ng_per_ml", "covariate", "CEA before treatment, ng/mL", 0, 100_000),
    C("cea_post_ng_per_ml", "covariate", "CEA after treatment, ng/mL", 0, 100_000),
    C("ctdna_pre", "covariate", "circulating tumour DNA found before treatment", words=_YES_NO),
    C("ctdna_post", "covariate", "circulating tumour DNA found after treatment", words=_YES_NO),
    C("ctdna_c1", "covariate", "circulating tumour DNA (MRD) found after cycle 1", words=_YES_NO),
    C("ctdna_c2", "covariate", "circulating tumour DNA (MRD) found after cycle 2", words=_YES_NO),
    C("ctdna_c3", "covariate", "circulating tumour DNA (MRD) found after cycle 3", words=_YES_NO),
    C("ctdna_c4", "covariate", "circulating tumour DNA (MRD) found after cycle 4", words=_YES_NO),
    C("pdl1_cps", "covariate", "PD-L1 combined positive score", 0, 100),
    C("pdl1_tps_percent", "covariate", "PD-L1 tumour proportion score, percent", 0, 100),
    C("reader_call", "reader", "overall call of the team", words=_CALL),
    C("endoscopy", "reader", "endoscopic call", words=_CALL),
    C("dre", "reader", "call at digital rectal examination", words=_CALL),
    C("mrTRG", "reader", "MR tumour regression grade", words=("1", "2", "3", "4", "5")),
    C("split_scar", "reader", "split scar sign", words=_YES_NO),
    C("gas_score", "reader", "gas artefact on DWI", words=("0", "1", "2", "3", "4", "5")),
    C("mucinous", "reader", "mucin-rich tumour", words=_YES_NO),
    C(
        "reference",
        "reference",
        "truth",
        words=(
            "pCR_TME",
            "pCR_LE",
            "sustained_cCR_24m",
            "cCR_12_24m",
            "cCR_lt12m",
            "regrowth",
            "residual_path",
            "ypT0N+",
            "died_or_lost",
        ),
    ),
    C("reference_kind", "reference", "how", words=("surgery", "local_excision", "follow_up")),
    C("ypT", "reference", "pathological T", words=("0", "is", "1", "2", "3", "4", "4a", "4b")),
    C(
        "ypN",
        "reference",
        "pathological N",
        words=("x", "0", "1", "1a", "1b", "1c", "2", "2a", "2b"),
    ),
    C(
        "trg_system",
        "reference",
        "regression grading",
        words=("Mandard", "Dworak", "AJCC", "other"),
    ),
    C("trg_value", "reference", "regression grade", 0, 5),
    C(
        "residual_fraction",
        "reference",
        "share of the treated bed that pathology found to be tumour",
        0,
        1,
    ),
    C("months_followup", "reference", "follow-up, months", 0, 600),
    C("months_to_regrowth", "reference", "time to regrowth, months", 0, 600),
    C(
        "pseudo_residual_type",
        "reference",
        "what pathology found where no tumour was left",
        words=("fibrosis", "inflammation", "mucin", "mixed", "unknown"),
    ),
)
"""Every clinical column by name."""


def check_clinical(table: TextTable, line: int, name: str, text: str) -> None:
    """Refuse a wrong cell of a clinical column; any other column is not looked at.

    Parameters
    ----------
    table : TextTable
        Where it stands.
    line : int
        Line of the row.
    name, text : str
        Column and cell.

    Raises
    ------
    PlanError
        ``CSV_FORMAT`` or ``CLINICAL_RANGE``, with line and column.
    """
    fault = CLINICAL[name].fault(text) if name in CLINICAL else None
    if fault is None:
        return
    code, expected = fault
    if code == "CSV_FORMAT":
        raise table.cell_fault(line, name, text, expected=expected)
    raise PlanError(
        code,
        f"line {line}, column {name!r}: {shown(text)}",
        expected=expected,
        action="correct the cell, or leave it empty when not known",
        file=table.file,
    )
