"""The lights of a case page: what can be trusted for this case, and what has to be looked at.

Each light has a word beside its colour, the figures it rests on with what is accepted, and the
reasons in words. All of it is read from the record of the score.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from radresp.report.case_figures import look_up, pointer
from radresp.report.case_words import plain_region

GOOD, LOOK, STOP, NONE = "good", "look", "stop", "none"
WORDS = {GOOD: "good", LOOK: "look at it", STOP: "stop", NONE: "not there"}
_ORDER = (NONE, GOOD, LOOK, STOP)
_VERDICTS = {"good": GOOD, "doubtful": LOOK, "failed": STOP}
_VISITS = "post.t2<-pre.t2"
_NAMES = {
    _VISITS: "visits",
    "pre.t2<-pre.dwi": "diffusion before",
    "post.t2<-post.dwi": "diffusion after",
}
_MEASURED = (
    ("shift_mm", "shift", ".1f", "mm"),
    ("rotation_deg", "turn", ".1f", "°"),
    ("residual_mm", "what is left", ".1f", "mm"),
    ("mask_dice", "outlines' overlap, Dice", ".2f", ""),
    ("folding_fraction", "tissue that folds", ".1%", ""),
)
_ADC = ("ADC", "DWI", "B_VALUE", "BVAL")
_OUTLINES = ("MASK", "BED", "ROI", "MUSCLE", "GAS", "SEG", "LABEL")
_OUTSIDE = ("OUTSIDE", "PROTOCOL_OUTSIDE", "MISSING_FEATURE", "FEATURE_FILLED", "SITE_UNSEEN")
_REGISTRATION = ("REG", "DELTA_INVALID", "DWI_BY_HEADER")


@dataclass(frozen=True, slots=True)
class Figure:
    """A number: its label, where it stands in the record, how it is written, what is accepted."""

    label: str
    at: str
    spec: str
    unit: str = ""
    limit_at: str = ""


@dataclass(frozen=True, slots=True)
class Light:
    """A verdict with what it rests on.

    Parameters
    ----------
    title : str
        What is judged.
    level : str
        ``good``, ``look``, ``stop`` or ``none``.
    figures : tuple of Figure
        Numbers.
    reasons : tuple of str
        In words; empty where all is well.
    """

    title: str
    level: str
    figures: tuple[Figure, ...] = ()
    reasons: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """The level in a word."""
        return WORDS[self.level]


def lights(score: Mapping[str, Any]) -> list[Light]:
    """The verdicts of a case: alignments, ADC, outlines, nearness to the training cases, model.

    Parameters
    ----------
    score : mapping
        The content of ``score.json``.
    """
    notes = list(_notes(score))
    return [
        _registration(score, notes),
        _adc(score, notes),
        _outlines(score, notes),
        _training(score, notes),
        _rest(notes),
    ]


def _notes(score: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Severity, code and sentence of everything noticed, each once."""
    seen = set()
    abstains = score["decision"] == "abstain"
    reasons = [("abstain", *said.split(": ", 1)) for said in score["reasons"] if abstains]
    listed = [note for step in score["trail"] for note in step.get("notes", ())]
    listed += [*score["warnings"], *score["fixes"]]
    found = [(n.get("severity", ""), n["code"], sentence(n)) for n in listed]
    for severity, code, *said in [*reasons, *found]:
        text = said[0] if said else code
        if severity in ("warning", "abstain") and (code, text) not in seen:
            seen.add((code, text))
            yield severity, code, text


def sentence(note: Mapping[str, Any]) -> str:
    """A note in words: found, expected, what to do."""
    expected = f"expected {note['expected']}" if note.get("expected") else ""
    return "; ".join(part for part in (note["found"], expected, note.get("action", "")) if part)


def _light(
    title: str, level: str, figures: list[Figure], reasons: list[str], notes: list[Any]
) -> Light:
    """A light no better than what was noticed allows."""
    for severity, _, text in notes:
        level = _worse(level, STOP if severity == "abstain" else LOOK)
        reasons.append(text)
    return Light(title, level, tuple(figures), tuple(dict.fromkeys(reasons)))


def _worse(one: str, other: str) -> str:
    return max(one, other, key=_ORDER.index)


def _coded(notes: list[Any], *starts: str) -> list[Any]:
    return [note for note in notes if note[1].startswith(starts)]


def _registration(score: Mapping[str, Any], notes: list[Any]) -> Light:
    level, figures, reasons = NONE, [], []
    for name, quality in (look_up(score, "/qc/alignments") or {}).items():
        title = _NAMES.get(name, name)
        level = _worse(level, _VERDICTS.get(quality["verdict"], LOOK))
        reasons += [f"{title}: {reason}" for reason in quality.get("reasons", ())]
        for key, label, spec, unit in _MEASURED:
            at = pointer("qc", "alignments", name, "numbers", key)
            if look_up(score, at) is not None and (name == _VISITS or key == "shift_mm"):
                figures.append(Figure(f"{title}, {label}", at, spec, unit))
    if level == NONE:
        reasons.append("nothing was aligned")
    return _light("Registration", level, figures, reasons, _coded(notes, *_REGISTRATION))


def _adc(score: Mapping[str, Any], notes: list[Any]) -> Light:
    figures, level = [], NONE
    for number, row in enumerate(score.get("measurements", ())):
        if row["name"] == "Median ADC" and row["after"] is not None:
            level = GOOD
            figures.append(
                Figure("median in the bed", pointer("measurements", number, "after"), ".0f")
            )
    noise = "/qc/change/adc/noise"
    if look_up(score, noise) is not None:
        level = GOOD
        figures.append(Figure("noise of a voxel's change", noise, ".0f", "10⁻⁶ mm²/s"))
    reasons = [] if level == GOOD else ["no ADC was measured"]
    return _light("ADC", level, figures, reasons, _coded(notes, *_ADC))


def _outlines(score: Mapping[str, Any], notes: list[Any]) -> Light:
    volumes = look_up(score, "/qc/volume_ml") or {}
    figures = [
        Figure(plain_region(name), pointer("qc", "volume_ml", name), ".2f", "mL")
        for name in volumes
        if name.endswith((".tumour", ".bed", ".residual"))
    ]
    absent = look_up(score, "/qc/absent") or {}
    reasons = [f"{plain_region(name)}: {why}" for name, why in absent.items()]
    level = GOOD if volumes else NONE
    return _light("Outlines", level, figures, reasons, _coded(notes, *_OUTLINES))


def _training(score: Mapping[str, Any], notes: list[Any]) -> Light:
    known = score.get("support")
    figures = [
        Figure("distance", "/support/distance", ".2f", "", "/support/farthest"),
        Figure("features out of range", "/support/outside", ".1%", "", "/support/most_outside"),
    ]
    found = _coded(notes, *_OUTSIDE)
    level = GOOD if known else NONE
    reasons = [] if known or found else ["not compared with the training cases"]
    return _light("Like the training cases", level, figures if known else [], reasons, found)


def _rest(notes: list[Any]) -> Light:
    """The model as such, and whatever has no light of its own."""
    own = (*_REGISTRATION, *_ADC, *_OUTLINES, *_OUTSIDE)
    others = [note for note in notes if not note[1].startswith(own)]
    return _light("Model and images", GOOD, [], [], others)
