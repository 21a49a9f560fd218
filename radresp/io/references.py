"""Labels from references: derived for one endpoint, or given and held against them.

What: turns the references of a table into labels, or refuses labels they contradict and drops
those of cases they leave unsettled. The endpoint is chosen, stated in the table, or the only one
the references allow.
Source: the rules of `radresp.core.endpoint`; see ``docs/reference/endpoints.md``.
When: reading outcomes (`radresp.io.outcomes`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from radresp.core import Endpoint, Note, NoteKind, Truth, Unsettled
from radresp.errors import PlanError
from radresp.io.clinical_table import Axes
from radresp.io.identifiers import shown
from radresp.io.text_table import TextTable

FINE = frozenset({"fibrosis", "inflammation", "residual"})
COARSE = frozenset({"complete", "residual"})
RESIDUAL = "residual"
UNSPECIFIED = "unspecified"

Labels = dict[str, str | None]


class Said(NamedTuple):
    """What a table says: labels, endpoint, how many labels are missing and why, and notes."""

    labels: Labels
    endpoint: str
    unsettled: Counter[str]
    notes: list[Note]


def contradicts(label: str, truth: Truth) -> bool:
    """Whether a label says something else than a reference that settles the matter.

    Parameters
    ----------
    label : str
        Of either vocabulary.
    truth : Truth
        What the reference says for the endpoint the label is of.

    Examples
    --------
    >>> positive_nodes = Truth(residual=1, luminal_residual=0, reason=None)
    >>> contradicts("fibrosis", positive_nodes), contradicts("residual", positive_nodes)
    (True, False)
    >>> contradicts("complete", Truth(None, None, Unsettled.LOST))
    False
    """
    return truth.residual is not None and truth.residual != (label == RESIDUAL)


def contradicts_fraction(label: str | None, fraction: float) -> bool:
    """Whether tumour was found in a bed whose label says that there is none.

    Parameters
    ----------
    label : str or None
        Of either vocabulary; None where it is not known.
    fraction : float
        Share of the bed that is tumour, 0-1.

    Examples
    --------
    >>> contradicts_fraction("complete", 0.1), contradicts_fraction("residual", 0.1)
    (True, False)
    """
    return fraction > 0 and label not in (None, RESIDUAL)


def hold_labels(axes: Axes, labels: Labels, chosen: Endpoint, fixes: list[Note]) -> Said:
    """Refuse labels the references contradict, and drop those of cases they leave unsettled.

    Parameters
    ----------
    axes : Axes
        The references.
    labels : dict of str to (str or None)
        Label by case, in the order of the rows.
    chosen : Endpoint
        What the labels have to be of.
    fixes : list of Note
        What was mended in the labels.

    Raises
    ------
    PlanError
        ``LABEL_CONFLICT``, with line and case.
    """
    unsettled: Counter[str] = Counter()
    held: Labels = {}
    rows = zip(labels.items(), axes.references(), axes.table.lines, strict=True)
    for (case_id, label), reference, line in rows:
        truth = None if reference is None else reference.truth(chosen)
        reason = truth.reason if truth else None
        held[case_id] = None if reason else label
        if label is None or reason:
            unsettled[reason or "no_outcome"] += 1
        elif truth and contradicts(label, truth):
            raise PlanError(
                "LABEL_CONFLICT",
                f"line {line}: the outcome is {label}, the reference says "
                f"{RESIDUAL if truth.residual else 'complete'} for the endpoint {chosen}",
                expected="an outcome and a reference that agree",
                action="correct one of the two cells, or choose the endpoint the outcomes are of",
                case=case_id,
                file=axes.table.file,
            )
    return Said(held, str(chosen), unsettled, fixes)


def derive_labels(axes: Axes, chosen: Endpoint | None) -> Said:
    """Labels from the references.

    Parameters
    ----------
    axes : Axes
        The references.
    chosen : Endpoint or None
        What "complete" has to mean; None for what the table states, else the only endpoint the
        references allow.

    Raises
    ------
    PlanError
        ``LABEL_CONFLICT`` for cells that contradict each other; ``ENDPOINT_MIXED``.
    """
    references = dict(zip(axes.ids, axes.references(), strict=True))
    endpoint = chosen or _implied(axes, [one is not None for one in references.values()])
    none = Truth(None, None, Unsettled.NO_REFERENCE)
    truths = {case: one.truth(endpoint) if one else none for case, one in references.items()}
    tissues = {
        case: one.tissue for case, one in references.items() if one and truths[case].residual == 0
    }
    fine = bool(tissues) and set(tissues.values()) <= FINE
    labels: Labels = {case: RESIDUAL if truth.residual else None for case, truth in truths.items()}
    labels |= tissues if fine else dict.fromkeys(tissues, "complete")
    unsettled: Counter[str] = Counter(truth.reason for truth in truths.values() if truth.reason)
    found = (
        f"labels derived from the references for the endpoint {endpoint}: "
        f"{sum(truth.residual == 1 for truth in truths.values())} residual, {len(tissues)} complete"
    )
    notes = [Note(NoteKind.INFO, "LABEL_DERIVED", found)]
    if tissues and not fine:
        untyped = sum(tissue not in FINE for tissue in tissues.values())
        found = (
            f"{untyped} of {len(tissues)} complete cases have no pseudo_residual_type fibrosis or "
            "inflammation; all of them are called complete"
        )
        notes.append(Note(NoteKind.INFO, "LABEL_COARSE", found))
    return Said(labels, str(endpoint), unsettled, notes)


def _implied(axes: Axes, referred: Sequence[bool]) -> Endpoint:
    """The endpoint the table states, else the only one its references allow."""
    stated = stated_endpoint(axes.table, referred)
    return Endpoint(stated) if stated in set(Endpoint) else axes.implied_endpoint()


def stated_endpoints(table: TextTable, labelled: Sequence[bool]) -> dict[str, int]:
    """Words of the column ``endpoint`` where a case is labelled, with the line of the first."""
    first: dict[str, int] = {}
    if "endpoint" in table.columns:
        cells = zip(table.column("endpoint"), labelled, table.lines, strict=True)
        for text, has_label, line in cells:
            if has_label:
                first.setdefault(text.strip(), line)
    return first


def stated_endpoint(table: TextTable, labelled: Sequence[bool]) -> str:
    """The one endpoint of the labelled cases, or `UNSPECIFIED`.

    Raises
    ------
    PlanError
        ``ENDPOINT_MIXED`` with the lines of two that differ.
    """
    first = stated_endpoints(table, labelled)
    if len(first) > 1:
        (one, here), (other, there), *_ = first.items()
        raise PlanError(
            "ENDPOINT_MIXED",
            f"line {here} has the endpoint {shown(one)}, line {there} {shown(other)}",
            expected="one endpoint in the whole table",
            action="make one table per endpoint",
            file=table.file,
        )
    return next(iter(first), "") or UNSPECIFIED
