"""The page of an evaluation: what a model can do, for whom, and how far to believe it.

Source: TRIPOD+AI (BMJ 2024;385:e078378): discrimination, calibration and utility together, with
intervals, subgroups and limits. What was not computed is said, with its reason, in its place. Cases
that failed come first; figures stand in the page and beside it as files, with their data.
"""

from __future__ import annotations

import csv
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from typing import Any

from radresp.report import drawing, tables, tables_cohort, tables_limits
from radresp.report.checklist import GUIDELINES, checklist_rows, counts_line
from radresp.report.gallery import Plot, plots
from radresp.report.manuscript import methods_text
from radresp.report.page import render
from radresp.report.tables import Table
from radresp.report.wording import dig, figure, number, rows_of

WARNS = frozenset({"warning", "abstain"})
PAGE, METHODS, CHECKLIST, FIGURES = "evaluation.html", "methods.md", "checklist.csv", "figures"
_TYPES = {"svg": "image/svg+xml", "png": "image/png", "csv": "text/csv", "md": "text/markdown"}
_CHECKED = ("guideline", "item", "section", "text", "status", "answer")


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure as SVG for the page, with its words and its files; or why there is none.

    Parameters
    ----------
    plot : Plot
        Title, caption and reason.
    drawn : str
        SVG; empty where there is nothing to draw.
    files : mapping of str to bytes
        Its forms by the ending of their names.
    """

    plot: Plot
    drawn: str
    files: Mapping[str, bytes]

    @property
    def links(self) -> list[tuple[str, str, str]]:
        """Ending, file name and content of each form, as addresses a page holds itself."""
        name = self.plot.name
        return [(kind, f"{name}.{kind}", address(kind, of)) for kind, of in self.files.items()]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with a table before all else, figures, and tables after them."""

    name: str
    title: str
    pictures: tuple[Picture, ...]
    tables: tuple[Table, ...]
    lead: str = ""
    first: Table | None = None


def evaluation_page(
    evaluation: Mapping[str, Any],
    *,
    title: str,
    facts: Mapping[str, Any] | None = None,
    plan: Mapping[str, Any] | None = None,
) -> str:
    """One self-contained HTML page for a model's evaluation.

    Parameters
    ----------
    evaluation : mapping
        The content of ``evaluation.json``. ``intended_use``, ``endpoint``, ``cases``, ``patients``
        and ``class_counts`` must be there; any other part may be absent or None, and the page says
        so.
    title : str
        Heading, for example the name of the model or of the cohort it was tried on.
    facts, plan : mapping, optional
        What is known of the model, and its plan, for the checklists and the methods text.

    Returns
    -------
    str
        HTML; every text is escaped, nothing is loaded from elsewhere. The same evaluation gives
        the same page.

    Examples
    --------
    >>> page = evaluation_page(
    ...     {
    ...         "intended_use": "Research use only.",
    ...         "endpoint": "pCR",
    ...         "cases": 40,
    ...         "patients": 40,
    ...         "class_counts": {"complete": 12, "residual": 28},
    ...     },
    ...     title="A model",
    ... )
    >>> "12 complete, 28 residual" in page, "not computed in this run" in page
    (True, True)
    """
    return evaluation_files(evaluation, title=title, facts=facts, plan=plan)[PAGE].decode()


def evaluation_files(
    evaluation: Mapping[str, Any],
    *,
    title: str,
    facts: Mapping[str, Any] | None = None,
    plan: Mapping[str, Any] | None = None,
) -> dict[str, bytes]:
    """The page with everything that stands beside it, by file name.

    Parameters are those of :func:`evaluation_page`.

    Returns
    -------
    dict of str to bytes
        ``evaluation.html``; each figure as ``figures/<name>.svg``, ``.png`` and ``.csv``;
        ``methods.md``; ``checklist.csv``.
    """
    facts, plan = facts or {}, plan or {}
    pictures = {name: _picture(plot) for name, plot in plots(evaluation).items()}
    answers = checklist_rows(evaluation, facts)
    methods, checked = methods_text(evaluation, facts, plan), _answers_csv(answers)
    counts = ", ".join(f"{n} {name}" for name, n in evaluation["class_counts"].items())
    page = render(
        PAGE,
        title=title,
        evaluation=evaluation,
        counts=counts,
        auc=figure(dig(evaluation, "complete_response", "auc")),
        limits=limits(evaluation),
        sections=_sections(evaluation, pictures),
        checklists=[_checklist(name, answers) for name in GUIDELINES],
        checklist_file=address("csv", checked.encode()),
        methods=methods,
        methods_file=address("md", methods.encode()),
        versions=facts.get("versions") or {},
    )
    files = {
        f"{FIGURES}/{name}.{kind}": data
        for name, picture in pictures.items()
        for kind, data in picture.files.items()
    }
    return {PAGE: page.encode(), METHODS: methods.encode(), CHECKLIST: checked.encode(), **files}


def address(kind: str, data: bytes) -> str:
    """Content as an address that a page holds itself."""
    return f"data:{_TYPES[kind]};base64,{b64encode(data).decode()}"


def _picture(plot: Plot) -> Picture:
    if not plot.rows:
        return Picture(plot, "", {})
    svg, png = drawing.forms(plot.draw)
    shown = drawing.inline(svg, plot.name, plot.title, plot.caption)
    return Picture(plot, shown, {"svg": svg, "png": png, "csv": plot.csv().encode()})


def _answers_csv(answers: list[dict[str, Any]]) -> str:
    text = StringIO()
    writer = csv.DictWriter(text, _CHECKED, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(answers)
    return text.getvalue()


def _checklist(name: str, answers: list[dict[str, Any]]) -> Table:
    rows = [row for row in answers if row["guideline"] == name]
    columns = ("item", "section", "what", "status", "answer")
    cells = [
        (row["item"], row["section"], row["text"], row["status"], row["answer"]) for row in rows
    ]
    return Table(name, columns, tuple(cells), counts_line(name, rows))


def limits(evaluation: Mapping[str, Any]) -> list[str]:
    """What a reader must know before any figure.

    Returns
    -------
    list of str
        One sentence each; never empty, as a model is never beyond doubt.
    """
    external = str(evaluation.get("external_validation") or "none stated")
    said = [f"External validation: {external}."]
    if dig(evaluation, "leak_guard", "passed") is False:
        said.append("The leak guard failed: shuffled outcomes were predicted. Believe no figure.")
    needed, patients = dig(evaluation, "sample_size", "patients_needed"), evaluation["patients"]
    if needed is not None and needed > patients:
        said.append(
            f"{number(needed)} patients would be needed (Riley 2019); there were {patients}."
        )
    low = dig(evaluation, "complete_response", "auc", "low")
    if low is not None and low <= 0.5:
        said.append(f"The interval of the AUC starts at {number(low)}: no better than chance fits.")
    looks = evaluation.get("looks")
    if looks is not None and looks > 1:
        said.append(f"Held-out data were looked at {looks} times; the figures are optimistic.")
    noticed = [note for note in rows_of(evaluation.get("notes")) if note.get("severity") in WARNS]
    if noticed:
        said.append(f"Warnings: {len(noticed)}, listed under Notes.")
    refused = rows_of(dig(evaluation, "flow", "refused"))
    if refused:
        said.append(f"Cases that failed: {len(refused)}, listed first.")
    return said


def _sections(evaluation: Mapping[str, Any], pictures: Mapping[str, Picture]) -> list[Section]:
    def of(*names: str) -> tuple[Picture, ...]:
        return tuple(pictures[name] for name in names)

    groups = tables_limits.subgroup_tables(evaluation)
    return [
        Section(
            "cases",
            "Who is in it, and who failed",
            of("flow"),
            (tables_cohort.flow_table(evaluation),),
            first=tables_cohort.refused_table(evaluation),
        ),
        Section(
            "figures",
            "How good it is",
            of("roc", "calibration"),
            (tables.headline_table(evaluation),),
        ),
        Section(
            "baselines",
            "Against simpler predictors",
            of("baselines"),
            (tables.baseline_table(evaluation), tables.fusion_table(evaluation)),
        ),
        Section(
            "use",
            "What would acting on it bring?",
            of("decision_curve", "risk_coverage"),
            (tables.threshold_table(evaluation), *tables_limits.decision_tables(evaluation)),
        ),
        Section(
            "reader",
            "Beside the reader",
            of("reader"),
            tuple(tables_cohort.reader_tables(evaluation)),
        ),
        Section(
            "groups",
            "For whom?",
            of("subgroups"),
            (*groups, tables_limits.site_table(evaluation)),
        ),
        Section(
            "features",
            "Which features",
            of("feature_selection"),
            (tables_cohort.selection_table(evaluation),),
        ),
        Section(
            "trust",
            "How far to believe it",
            of("leak_guard"),
            (
                tables_limits.leak_table(evaluation),
                tables_limits.size_table(evaluation),
                tables_limits.stability_table(evaluation),
            ),
            tables_limits.size_sentence(evaluation),
        ),
        Section("notes", "What was noticed", (), (tables_limits.note_table(evaluation),)),
    ]
