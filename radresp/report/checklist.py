"""Reporting checklists, filled with what a run knows: TRIPOD+AI, CLEAR and METRICS.

Source: ``checklists.csv``, shipped with the package: each item in our own few words, and the word
by which its answer is found. Items, numbers and weights were compared as follows.

- CLEAR, 58 items (Kocak et al., Insights Imaging 2023;14:75): with the authors' online checklist.
- METRICS, 30 items and weights (Kocak et al., Insights Imaging 2024;15:8): items with the authors'
  tool and its explanation METRICS-E3; weights 1-23 with the publisher's table, 24-30 with one copy
  of the calculator in public code. They add up to 1. Nested cross-validation counts as internal
  testing as METRICS-E3 has it.
- TRIPOD+AI, 27 items in 52 parts (Collins et al., BMJ 2024;385:e078378): with several public copies
  that agree among themselves. The original could not be read: compare before submitting.

A filled item is material for a manuscript, not proof that the study reports it. What a run cannot
know stays with the authors, and the weights that are vouched for are no METRICS score of a study.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from radresp.report.answers import AUTHORS, FILLED, NOT_DONE, Run, Source
from radresp.report.answers_method import METHOD
from radresp.report.answers_results import RESULTS

GUIDELINES = {
    "TRIPOD+AI": "Collins et al., BMJ 2024;385:e078378",
    "CLEAR": "Kocak et al., Insights Imaging 2023;14:75",
    "METRICS": "Kocak et al., Insights Imaging 2024;15:8",
}
ANSWERS: Mapping[str, Source] = {**METHOD, **RESULTS}


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a checklist.

    Parameters
    ----------
    guideline, item, section, text : str
        Which list, its number there, the part of a manuscript, and what is asked.
    source : str
        The word its answer is found by, a key of ``ANSWERS``.
    weight : float or None
        Share of the METRICS total; None in the other lists.
    """

    guideline: str
    item: str
    section: str
    text: str
    source: str
    weight: float | None


@cache
def checklist_items() -> tuple[Item, ...]:
    """Every item of the three checklists, in their order."""
    text = resources.files("radresp.report").joinpath("checklists.csv").read_text("utf-8")
    return tuple(_item(row) for row in csv.DictReader(text.splitlines()))


def _item(row: Mapping[str, str]) -> Item:
    return Item(
        row["guideline"],
        row["item"],
        row["section"],
        row["text"],
        row["source"],
        float(row["weight"]) if row["weight"] else None,
    )


def checklist_rows(
    evaluation: Mapping[str, Any], model_facts: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Every item with its answer.

    Parameters
    ----------
    evaluation : mapping
        The content of ``evaluation.json``, as for
        :func:`radresp.report.evaluation.evaluation_page`.
    model_facts : mapping
        Any of ``method``, ``hyperparameters``, ``features`` (names, or their number),
        ``plan_sha256``, ``extraction_sha256``, ``training_data``, ``versions``, ``conformal``,
        ``sites``, ``clinical``, ``stability_filter`` and ``harmonised``; what is absent or None is
        not known.

    Returns
    -------
    list of dict
        JSON-ready: ``guideline``, ``item``, ``section``, ``text``, ``weight``, ``status`` (filled
        from the run, for the authors, or not done) and ``answer``.

    Examples
    --------
    >>> known = {
    ...     "intended_use": "Research use only.",
    ...     "endpoint": "pCR",
    ...     "cases": 40,
    ...     "patients": 40,
    ...     "class_counts": {"complete": 12, "residual": 28},
    ... }
    >>> rows = checklist_rows(known, {})
    >>> len(rows), rows[-4]["text"], rows[-4]["status"]
    (140, 'external testing', 'not done')
    """
    run = Run(evaluation, model_facts)
    rows = []
    for item in checklist_items():
        status, answer = ANSWERS[item.source](run)
        rows.append(
            {
                "guideline": item.guideline,
                "item": item.item,
                "section": item.section,
                "text": item.text,
                "weight": item.weight,
                "status": status,
                "answer": answer,
            }
        )
    return rows


def vouched_weight(rows: Iterable[Mapping[str, Any]]) -> float:
    """Sum of the METRICS weights of the items the software can vouch for, 0 to 1."""
    return sum(row["weight"] or 0.0 for row in rows if row["status"] == FILLED)


def checklist_table(evaluation: Mapping[str, Any], model_facts: Mapping[str, Any]) -> str:
    """The three checklists in Markdown, a section each, for a model card.

    Parameters
    ----------
    evaluation, model_facts : mapping
        As for :func:`checklist_rows`.
    """
    rows = checklist_rows(evaluation, model_facts)
    parts = [_section(name, [r for r in rows if r["guideline"] == name]) for name in GUIDELINES]
    return "\n".join(parts)


def counts_line(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Where a list comes from, and how many of its items are answered.

    Parameters
    ----------
    name : str
        A key of ``GUIDELINES``.
    rows : sequence of mapping
        Its rows of :func:`checklist_rows`.
    """
    counts = Counter(row["status"] for row in rows)
    said = f"{FILLED.capitalize()}: {counts[FILLED]} of {len(rows)}; " + ", ".join(
        f"{status}: {counts[status]}" for status in (AUTHORS, NOT_DONE)
    )
    weight = (
        f" Items the software can vouch for weigh {vouched_weight(rows):.4f} of 1; this is not a "
        "METRICS score of the study."
    )
    return f"{GUIDELINES[name]}. {said}." + (weight if name == "METRICS" else "")


def _section(name: str, rows: list[dict[str, Any]]) -> str:
    lines = [f"## {name}", "", counts_line(name, rows), ""]
    lines += ["| item | section | what | answer |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(map(_cell, _texts(row)))} |" for row in rows]
    return "\n".join(lines) + "\n"


def _texts(row: Mapping[str, Any]) -> tuple[str, ...]:
    answer = f"{row['status']}: {row['answer']}" if row["answer"] else row["status"]
    return row["item"], row["section"], row["text"], answer


def _cell(text: str) -> str:
    """Text that cannot leave its cell, nor become HTML."""
    safe = text.replace("\\", "\\\\").replace("&", "&amp;").replace("<", "&lt;")
    return " ".join(safe.replace("|", "\\|").split())
