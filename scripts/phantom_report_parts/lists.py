"""The lists of the page that are read from the package itself: no run is needed for them."""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from phantom_report_parts.text import table
from radresp.phantom import protocols

ROOM = Path(__file__).resolve().parents[2] / "radresp" / "phantom"
# Modules that compute and choose nothing.
_PLAIN = {"__init__", "geometry", "heights", "oracle", "presets", "sampling", "settings", "spline"}
_WORDS = re.compile(r"\bassum", re.IGNORECASE)
_LONGEST = 400


_TISSUES = """\
From `radresp/phantom/tissue_mri.csv`. *Textbook, not re-verified* and *assumption* are no published
measurements."""
_NUMBERS = """\
Every named number of the modules that choose something, with the comment beside it. Without a
source in the comment or in the module's docstring it is an assumption or a matter of computing, and
so are the ranges of the random draws of the anatomy (`draw_*` of `organs`, `mesorectum`,
`mesorectum_contents`, `rectum`, `surroundings`)."""


def lists() -> str:
    """Scanners, tissues, cohorts, regimens and assumptions as Markdown."""
    presets = _basis("presets.csv", "preset", ("field", "value", "kind", "source"))
    regimens = _basis("regimens.csv", "regimen", ("complete", "inflamed", "basis"))
    parts = {
        "Scanners": (
            "From `radresp/phantom/scanners.csv`; plausible settings, no site's protocol.",
            scanners(),
        ),
        "What the tissue values rest on": (
            _TISSUES,
            _basis("tissue_mri.csv", "tissue", ("basis",)),
        ),
        "What the cohort presets rest on": ("From `radresp/phantom/presets.csv`.", presets),
        "What the regimens rest on": ("From `radresp/phantom/regimens.csv`.", regimens),
        "Assumptions in the source": (
            "Every sentence of `radresp/phantom/` that says so.",
            table(["module", "assumption"], _sentences()),
        ),
        "Numbers in the source": (_NUMBERS, table(["module", "number", "comment"], _numbers())),
    }
    return "\n\n".join(f"## {head}\n\n{text}\n\n{rows}" for head, (text, rows) in parts.items())


def scanners() -> str:
    """What differs between the scanners."""
    rows = [
        [
            name,
            f"{p.vendor} {p.model}",
            f"{p.field_strength_t:g}",
            _times(p.t2_spacing_mm),
            f"{p.t2_tr_ms:g}/{p.t2_te_ms:g}",
            f"{p.t2_snr:g}",
            _times(p.dwi_spacing_mm),
            f"{p.dwi_tr_ms:g}/{p.dwi_te_ms:g}",
            " ".join(f"{b:g}" for b in p.b_values_s_per_mm2),
            " ".join(str(n) for n in p.dwi_averages),
            f"{p.dwi_snr:g}",
            f"{p.shift_mm_per_ppm:+.1f}",
            f"{p.bits_stored}{' signed' if p.signed else ''}",
            f"{p.scale_factor:g}" if p.scale_factor else "none",
        ]
        for name, p in protocols().items()
    ]
    head = [
        "scanner", "what", "T", "T2 voxel, mm", "T2 TR/TE, ms", "T2 SNR", "DWI voxel, mm",
        "DWI TR/TE, ms", "b, s/mm2", "averages", "DWI SNR", "EPI shift, mm per ppm", "bits",
        "scale factor",
    ]  # fmt: skip
    return table(head, rows)


def _times(spacing_mm: tuple[float, ...]) -> str:
    return " x ".join(f"{mm:g}" for mm in spacing_mm)


def _basis(name: str, key: str, columns: tuple[str, ...]) -> str:
    text = resources.files("radresp.phantom").joinpath(name).read_text("utf-8")
    rows = [[row[c] for c in (key, *columns)] for row in csv.DictReader(text.splitlines())]
    return table([key, *columns], rows)


def _sentences() -> Iterator[tuple[str, str]]:
    """Sentences of docstrings and comments that speak of an assumption."""
    for path in sorted(ROOM.glob("*.py")):
        if path.stem in _PLAIN:
            continue
        source = path.read_text(encoding="utf-8")
        texts = [
            node.value.value
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ]
        texts += re.findall(r"(?:^[ ]*#.*\n)+", source, flags=re.MULTILINE)
        for text in texts:
            yield from ((path.stem, said) for said in _said(text))


def _said(text: str) -> Iterator[str]:
    """What a text assumes: the sentence, or the paragraph that begins with the word."""
    for paragraph in re.split(r"\n\s*\n", re.sub(r"^\s*# ?", "", text, flags=re.MULTILINE)):
        whole = " ".join(paragraph.split())
        if whole.startswith("Assumptions."):
            yield whole.removeprefix("Assumptions. ")
            continue
        for sentence in re.split(r"(?<=[.;:]) (?=[A-Z])", whole):
            if _WORDS.search(sentence):
                yield sentence


def _numbers() -> Iterator[tuple[str, str, str]]:
    """Named numbers of the modules: constants that hold a number, and their comments."""
    for path in sorted(ROOM.glob("*.py")):
        if path.stem in _PLAIN:
            continue
        source = path.read_text(encoding="utf-8")
        lines, body = source.splitlines(), ast.parse(source).body
        for node, after in zip(body, [*body[1:], None], strict=True):
            if not isinstance(node, ast.Assign) or not _holds_number(node.value):
                continue
            text = _code(lines[node.lineno - 1 : node.end_lineno])
            if len(text) > _LONGEST:
                text = text[: _LONGEST - 3] + "..."
            yield path.stem, f"`{text}`", _comment(lines, node, after)


def _holds_number(value: ast.expr) -> bool:
    return any(
        isinstance(part, ast.Constant) and type(part.value) in (int, float)
        for part in ast.walk(value)
    )


def _code(lines: list[str]) -> str:
    """Lines of source without their comments, as one."""
    code = " ".join(line.split("  # ", 1)[0].strip() for line in lines)
    return code.replace("( ", "(").replace(", )", ")").replace("{ ", "{").replace(", }", "}")


def _comment(lines: list[str], node: ast.Assign, after: ast.stmt | None) -> str:
    """The comment above or beside a constant, or the docstring below it."""
    above: list[str] = []
    row = node.lineno - 2
    while row >= 0 and lines[row].startswith("#"):
        above.insert(0, lines[row].removeprefix("#").strip())
        row -= 1
    beside = [
        line.split("  # ", 1)[1]
        for line in lines[node.lineno - 1 : node.end_lineno]
        if "  # " in line
    ]
    below = []
    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
        below = str(after.value.value).split()
    return " ".join((*above, *beside, *below)).replace("fmt: skip", "").strip()
