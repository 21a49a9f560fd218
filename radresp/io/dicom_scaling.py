"""From stored numbers to values: which of a picture's rescalings is used, and why.

A picture may carry three. *Displayed*: RescaleSlope and RescaleIntercept (also the Pixel Value
Transformation of an enhanced frame). *Precise*: Philips divides by its private scale slope
(2005,100E), which undoes the scaling to stored numbers of that series, so that signals of different
b-values, slices and visits compare (Chenevert et al., Transl Oncol 2014;7:65, PMC3998685); as in
dcm2niix. *Real world*: the Real World Value Mapping.

Signals (T2, DWI) use the precise values where every slice tells them, at every visit alike, else
the displayed ones: ADC and normalised signals do not change with a factor common to all slices.
Maps (ADC) are the other way round: their displayed values carry the unit, and Philips' scale slope
would take it away; a Real World Value Mapping with a unit of diffusion wins over both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from radresp.core import Note, NoteKind
from radresp.errors import InputError
from radresp.io.dicom_elements import Elements
from radresp.io.dicom_values import items, number, numbers_at, text

AGREEMENT = 0.01
"""Two rescalings that differ by less are one."""

DIFFUSION_UNITS = ("mm2/s", "um2/s", "10*-6.mm2/s", "10*-3.mm2/s", "10-6.mm2/s", "10-3.mm2/s")
"""UCUM codes that make a mapped value a diffusion coefficient."""

_PHILIPS = "Philips MR Imaging DD 001"


@dataclass(frozen=True, slots=True)
class Line:
    """value = slope * stored + intercept."""

    slope: float = 1.0
    intercept: float = 0.0

    def agrees(self, other: Line) -> bool:
        """Whether two lines give the same values, to `AGREEMENT`."""
        own, its = (self.slope, self.intercept), (other.slope, other.intercept)
        size = max(abs(self.slope), abs(other.slope))
        return bool(np.allclose(own, its, rtol=AGREEMENT, atol=AGREEMENT * size))


@dataclass(frozen=True, slots=True)
class Scaling:
    """The rescalings one slice tells; ``unit`` is the UCUM code of the real-world value."""

    displayed: Line = Line()
    precise: Line | None = None
    real_world: Line | None = None
    unit: str = ""

    def line(self, rule: str) -> Line:
        """The line of a rule that `choose_rule` returned."""
        chosen = {"precise": self.precise, "real_world": self.real_world}.get(rule)
        return self.displayed if chosen is None else chosen


def scaling_of(elements: Elements) -> tuple[Scaling, tuple[str, ...]]:
    """The rescalings of a slice, and the names of those present but unreadable."""
    told: dict[str, float] = {}
    unreadable = []
    for name in ("RescaleSlope", "RescaleIntercept"):
        value = number(elements, name)
        if value is not None:
            told[name] = value
        elif text(elements, name):
            unreadable.append(name)
    displayed = Line(told.get("RescaleSlope", 1.0), told.get("RescaleIntercept", 0.0))
    real_world, unit = _real_world(elements)
    scaling = Scaling(displayed, _precise(elements, displayed), real_world, unit)
    return scaling, tuple(unreadable)


def choose_rule(
    scalings: Sequence[Scaling], is_map: bool, path: object
) -> tuple[str, tuple[Note, ...]]:
    """Which rescaling a series is read with.

    Parameters
    ----------
    scalings : sequence of Scaling
        Of every slice.
    is_map : bool
        Whether the values have a unit (ADC), unlike a signal.
    path : Path
        The folder, for messages.

    Returns
    -------
    str, tuple of Note
        ``"displayed"``, ``"precise"`` or ``"real_world"``, and what was ambiguous.

    Raises
    ------
    InputError
        ``SCALE_AMBIGUOUS`` when a map has two rescalings and nothing tells which has the unit.
    """
    mapped = [s.real_world for s in scalings if s.real_world is not None]
    all_mapped = len(mapped) == len(scalings)
    conflict = any(s.real_world and not s.real_world.agrees(s.displayed) for s in scalings)
    if is_map and all_mapped and all(s.unit in DIFFUSION_UNITS for s in scalings):
        return "real_world", _warnings(conflict, "the mapping, which names its unit, was used")
    if is_map and conflict:
        raise InputError(
            "SCALE_AMBIGUOUS",
            "RescaleSlope and Real World Value Mapping that give different values, none with a "
            "unit of diffusion",
            expected="one rescaling, or a mapping in mm2/s",
            action="export the map again, or fit ADC from the diffusion series",
            file=str(path),
        )
    precise = [s.precise for s in scalings if s.precise is not None]
    if is_map:
        conflict = any(s.precise and not s.precise.agrees(s.displayed) for s in scalings)
        return "displayed", _warnings(conflict, "the displayed ones, which carry a unit, were used")
    if not precise:
        return "displayed", _warnings(_vary(scalings, mapped), "the displayed ones were used")
    if len(precise) < len(scalings):
        return "displayed", _warnings(True, "some slices tell no scale slope; displayed were used")
    return "precise", _warnings(_vary(scalings, precise), "the precise ones were used")


def _precise(elements: Elements, displayed: Line) -> Line | None:
    """Philips: (stored - scale intercept) / scale slope, written with the displayed line."""
    place = elements.private(_PHILIPS, 0x2005, 0x0E)
    found = None if place is None else numbers_at(elements, place, b"FL")
    if found is None or found[0] <= 0 or displayed.slope == 0:
        return None
    return Line(1 / found[0], displayed.intercept / (displayed.slope * found[0]))


def _real_world(elements: Elements) -> tuple[Line | None, str]:
    for item in items(elements, "RealWorldValueMappingSequence"):
        slope = number(item, "RealWorldValueSlope")
        if slope:
            intercept = number(item, "RealWorldValueIntercept") or 0.0
            codes = items(item, "MeasurementUnitsCodeSequence")
            return Line(slope, intercept), text(codes[0], "CodeValue") if codes else ""
    return None, ""


def _vary(scalings: Sequence[Scaling], others: Sequence[Line]) -> bool:
    """Whether the choice changes contrast between slices, not only a factor common to all."""
    if len(others) != len(scalings):
        return bool(others)
    slopes = np.array(
        [(line.slope, s.displayed.slope) for line, s in zip(others, scalings, strict=True)]
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.abs(slopes[:, 0] / slopes[:, 1])
    return not bool(ratios.max() <= (1 + AGREEMENT) * ratios.min())


def _warnings(needed: bool, decision: str) -> tuple[Note, ...]:
    if not needed:
        return ()
    found = f"rescalings that differ between themselves by more than {AGREEMENT:.0%}; {decision}"
    return (Note(NoteKind.WARNING, "SCALE_AMBIGUOUS", found, expected="one rescaling"),)
