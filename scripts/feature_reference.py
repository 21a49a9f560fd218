"""Print docs/reference/feature-list.md: every feature with its IBSI name, code, unit and formula.

    python scripts/feature_reference.py > docs/reference/feature-list.md

Names and units are the package's; IBSI names and formulae stand in feature_formulae.csv. A test
holds the page to this output, the list to what the package computes, which feature is which to the
golden values, and the codes to the DICOM dictionary.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from reference_tables import code, table

from radresp import features
from radresp.core import Sequence
from radresp.features.units import unit_of, unit_of_measure
from radresp.features.volumetry import NAMES

SOURCE = Path(__file__).with_name("feature_formulae.csv")
INTRODUCTION = """\
# Every feature

A column is called `post.t2.bed.original.glcm_Contrast`: visit, sequence, outline, family,
feature; a change `delta.adc.tumour_to_bed.log_ratio.original.firstorder_Mean`; a measure of the
whole case `response.restricted_ml`. `radresp extract` writes `columns.csv` with the unit and
settings of each column. What the families are, how they were tested and where pyradiomics and the
IBSI differ: [features](features.md).

`filtered` has the features of `original` but for shape, with the filter before:
`log-sigma-2-mm-3D_glcm_Contrast`. Texture of `ibsi` carries its aggregation at the end:
`cm_contrast_3D_comb`. Codes are those of DICOM PS3.16; a feature without one has no code there.
The unit `image` is that of the image, which two scanners do not share; of ADC it is um2/s (1e-6
mm2/s).

In the formulae x are intensities of the N voxels; i, j rows and columns of a matrix of grey
levels, which start at 1; p its entries over their sum; p(i) a margin; G the number of grey
levels.
Made by scripts/feature_reference.py.
"""
TITLES = {
    "shape": "Shape",
    "local": "Local intensity",
    "firstorder": "First order: intensities",
    "histogram": "Intensity histogram: grey levels",
    "ivh": "Intensity-volume histogram",
    "glcm": "GLCM: pairs of neighbours",
    "glrlm": "GLRLM: runs",
    "glszm": "GLSZM: zones",
    "gldzm": "GLDZM: zones by distance",
    "ngtdm": "NGTDM: difference from the neighbours",
    "gldm": "GLDM, in the IBSI NGLDM: neighbours of the same level",
}
HEAD = ("`original`", "`ibsi`", "IBSI name, code", "unit", "formula")


class Formula(NamedTuple):
    """One feature: under which names, and how it is made."""

    group: str
    feature: str
    tag: str
    name: str
    code: str
    formula: str


def formulae() -> list[Formula]:
    """The rows of feature_formulae.csv."""
    with SOURCE.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter=";")
        next(rows)
        return [Formula(*row) for row in rows]


def page() -> str:
    """The whole page."""
    lines = [INTRODUCTION]
    for group, rows in groupby(formulae(), key=lambda row: row.group):
        lines += [f"## {TITLES[group]}", "", *table(HEAD, map(_cells, rows)), ""]
    lines += ["## Volumetry", "", *_units((f"volumetry.{name}", name) for name in NAMES)]
    for measure, entry in features.MEASURES.items():
        names = [(f"{measure}.{name}", name) for name in entry.names(entry.settings())]
        lines += [f"## Measure `{measure}`", "", _summary(entry.settings), "", *_units(names)]
    return "\n".join(lines).rstrip() + "\n"


def _cells(row: Formula) -> tuple[str, ...]:
    full = f"{row.group}_{row.feature}" if row.feature else ""
    unit = unit_of("original", full, Sequence.T2) if full else ""
    named = ", ".join(part for part in (row.name, row.code) if part)
    return code(full), code(row.tag), named, unit, row.formula


def _units(names: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield from table(("name", "unit"), ((code(full), unit_of_measure(n)) for full, n in names))
    yield ""


def _summary(settings: type) -> str:
    """The first sentence of a measure's own documentation."""
    said = sys.modules[settings.__module__].__doc__ or ""
    sentence = said.split("\n")[0].partition(": ")[2]
    return sentence[:1].upper() + sentence[1:]


if __name__ == "__main__":
    print(page(), end="")
