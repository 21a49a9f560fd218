"""What is said of a prepared case where many are looked through: one verdict and its numbers.

The verdict is the worst of the case's alignments; a refused case comes before all others. A region
the plan asks for and the case has not is told, and is no fault by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from radresp.core import Verdict
from radresp.report.wording import dig, rows_of

REFUSED, UNJUDGED = "refused", "not judged"
WORST_FIRST = (
    REFUSED,
    str(Verdict.FAILED),
    str(Verdict.DOUBTFUL),
    UNJUDGED,
    str(Verdict.GOOD),
)
_NUMBERS = (
    ("shift_mm", "shift {:.1f} mm"),
    ("rotation_deg", "turn {:.1f}°"),
    ("residual_mm", "residual {:.1f} mm"),
    ("overlap_fraction", "overlap {:.2f}"),
    ("correlation_after", "correlation {:.2f}"),
    ("mask_dice", "Dice {:.2f}"),
    ("mask_distance_mm", "outlines apart {:.1f} mm"),
    ("folding_fraction", "folding {:.1%}"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One case among many.

    Parameters
    ----------
    case_id : str
        Its name.
    verdict : str
        One of ``WORST_FIRST``.
    lines : tuple of str
        What the verdict rests on: alignments with their numbers, volumes, what is absent, warnings.
    strip : str
        Name of its picture beside the index; empty where there is none.
    """

    case_id: str
    verdict: str
    lines: tuple[str, ...]
    strip: str = ""


def entry_of(
    case_id: str,
    quality: Mapping[str, Any] | None,
    status: Mapping[str, Any] | None = None,
    strip: str = "",
) -> Entry:
    """What is known of a case, from its records.

    Parameters
    ----------
    case_id : str
        Its name.
    quality : mapping, optional
        The content of ``qc.json``.
    status : mapping, optional
        Its last line in ``status.jsonl``.
    strip : str
        Name of its picture.

    Examples
    --------
    >>> quality = {"alignments": {"b<-a": {"verdict": "good", "numbers": {"shift_mm": 2.0}}}}
    >>> entry = entry_of("p1", quality)
    >>> entry.verdict, entry.lines
    ('good', ('b from a: good, shift 2.0 mm',))
    """
    if status is not None and status.get("severity") not in (None, "finished"):
        parts = (status.get(name) for name in ("found", "expected", "action"))
        told = (str(status.get("code")), *(str(part) for part in parts if part))
        return Entry(case_id, REFUSED, (": ".join(told[:2]), *told[2:]))
    alignments = dig(quality, "alignments") or {}
    lines = [line for name, found in alignments.items() for line in _alignment(name, found)]
    volumes = dig(quality, "volume_ml") or {}
    lines += [", ".join(f"{name} {ml:.1f} ml" for name, ml in volumes.items())] if volumes else []
    lines += [f"no {name}: {why}" for name, why in (dig(quality, "absent") or {}).items()]
    warned = rows_of(dig(status, "warnings"))
    lines += [f"warning {note.get('code')}: {note.get('found')}" for note in warned]
    return Entry(
        case_id, worst(found["verdict"] for found in alignments.values()), tuple(lines), strip
    )


def _alignment(name: str, found: Mapping[str, Any]) -> list[str]:
    fixed, _, moving = name.partition("<-")
    numbers = found.get("numbers") or {}
    said = [form.format(numbers[key]) for key, form in _NUMBERS if numbers.get(key) is not None]
    first = f"{fixed} from {moving}: {', '.join([found['verdict'], *said])}"
    return [first, *(f"because {reason}" for reason in found.get("reasons") or ())]


def worst(verdicts: Iterable[str]) -> str:
    """The gravest of some verdicts; ``not judged`` without any.

    Examples
    --------
    >>> worst(["good", "failed", "doubtful"]), worst([])
    ('failed', 'not judged')
    """
    found = set(verdicts)
    return next((verdict for verdict in WORST_FIRST if verdict in found), UNJUDGED)


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    """The worst first, and by name within a verdict."""
    return sorted(entries, key=lambda entry: (WORST_FIRST.index(entry.verdict), entry.case_id))
