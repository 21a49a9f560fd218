"""The b-value and gradient direction of a picture: one table of rules for all vendors.

A value is looked for by every rule of the picture's maker; the first that tells one wins, and the
others are kept to compare with. What people typed (sequence name, series description) is compared
too, never used. Meanings as in dcm2niix (https://github.com/rordenlab/dcm2niix, folders Siemens,
GE, Philips, UIH and Canon); the marker of 1e9 that GE adds is explained in its issue 602, and that
Toshiba tells no b-value where it is 0 in its folder Canon.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from radresp.io.dicom_csa import csa_numbers
from radresp.io.dicom_elements import Elements, Place
from radresp.io.dicom_values import numbers_at, tag_of, text, text_at

HIGHEST_B_S_PER_MM2 = 10_000.0
SAME_B_S_PER_MM2 = 1.0
"""Two sources that differ by more disagree."""

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Rule:
    """Where one maker writes a b-value or a direction.

    Parameters
    ----------
    source : str
        Name for messages.
    makers : str
        How Manufacturer starts, alternatives separated by ``|``; empty for every maker.
    places : tuple
        Keyword of a standard attribute, or creator, group and element of a private one; three of
        them when each holds one component.
    kind : str
        Value representation to assume when the file tells none.
    csa : str
        Name inside a Siemens CSA header.
    pattern : str
        Regular expression whose groups are the numbers, for a value inside free text.
    modulo : float
        The value is the rest after division by this.
    """

    source: str
    makers: str
    places: tuple[str | tuple[str, int, int], ...]
    kind: str = "DS"
    csa: str = ""
    pattern: str = ""
    modulo: float = math.inf


_SIEMENS, _CSA = "SIEMENS MR HEADER", "SIEMENS CSA HEADER"
_PHILIPS, _UIH = "Philips MR Imaging DD 001", "Image Private Header"
_CANON_TEXT = r"^\[?b=(\d+(?:\.\d+)?)"

B_RULES = (
    Rule("DiffusionBValue (0018,9087)", "", ("DiffusionBValue",), "FD"),
    Rule("Siemens (0019,100C)", "SIEMENS", ((_SIEMENS, 0x0019, 0x0C),)),
    Rule("Siemens CSA B_value", "SIEMENS", ((_CSA, 0x0029, 0x10),), csa="B_value"),
    Rule("GE (0043,1039)", "GE", (("GEMS_PARM_01", 0x0043, 0x39),), modulo=1e9),
    Rule("Philips (2001,1003)", "PHILIPS", (("Philips Imaging DD 001", 0x2001, 0x03),), "FL"),
    Rule("UIH (0065,1009)", "UIH", ((_UIH, 0x0065, 0x09),), "FD"),
    Rule("Canon ImageComments", "CANON|TOSHIBA", ("ImageComments",), pattern=_CANON_TEXT),
)
"""b-value in s/mm2, the first number of the element."""

DIRECTION_RULES = (
    Rule("DiffusionGradientOrientation", "", ("DiffusionGradientOrientation",), "FD"),
    Rule("Siemens (0019,100E)", "SIEMENS", ((_SIEMENS, 0x0019, 0x0E),), "FD"),
    Rule("Siemens CSA", "SIEMENS", ((_CSA, 0x0029, 0x10),), csa="DiffusionGradientDirection"),
    Rule("GE", "GE", tuple(("GEMS_ACQU_01", 0x0019, part) for part in (0xBB, 0xBC, 0xBD))),
    Rule("Philips", "PHILIPS", tuple((_PHILIPS, 0x2005, p) for p in (0xB0, 0xB1, 0xB2)), "FL"),
    Rule("UIH (0065,1037)", "UIH", ((_UIH, 0x0065, 0x37),), "FD"),
    Rule(
        "Canon ImageComments",
        "CANON|TOSHIBA",
        ("ImageComments",),
        pattern=_CANON_TEXT.replace("(", "(?:", 1) + r"\(([-.\d]+),([-.\d]+),([-.\d]+)\)",
    ),
)
"""Gradient direction; its frame of reference does not matter, only whether it is the same."""

ZERO_IS_NOT_TOLD = ("CANON", "TOSHIBA")
"""Makers that write a b-value only where a gradient is on."""

_NAMED = {
    "SequenceName": r"(?<![a-z])(?:ep|re|tgse|tse|ez)_b(\d{1,5})(?![\d_])",
    "SeriesDescription": r"(?<![a-z])b[ =_-]?(\d{1,5}(?:[_,;/ -]\d{1,5})*)(?!\d)",
}


@dataclass(frozen=True, slots=True)
class Diffusion:
    """What the attributes of one picture tell of its diffusion weighting.

    Parameters
    ----------
    b_s_per_mm2 : float or None
        None when no rule tells it.
    direction : tuple of float or None
        Unit vector; None when unknown or none.
    isotropic : bool
        Whether the scanner says the picture is a trace of several directions.
    told : tuple of (str, float)
        Every source with its b-value, the one that is used first.
    named : tuple of (str, tuple of float)
        b-values in the sequence name and the series description.
    """

    b_s_per_mm2: float | None = None
    direction: Vector | None = None
    isotropic: bool = False
    told: tuple[tuple[str, float], ...] = ()
    named: tuple[tuple[str, tuple[float, ...]], ...] = ()


def diffusion_of(elements: Elements) -> Diffusion:
    """Read the diffusion weighting of one picture by the rules of its maker."""
    maker = text(elements, "Manufacturer").upper()
    told = tuple(_told(elements, maker))
    directionality = text(elements, "DiffusionDirectionality").upper()
    if not told and directionality == "NONE":
        told = (("DiffusionDirectionality NONE", 0.0),)
    return Diffusion(
        told[0][1] if told else None,
        _direction(elements, maker),
        _is_isotropic(elements, directionality),
        told,
        tuple(_named(elements)),
    )


def _told(elements: Elements, maker: str) -> Iterator[tuple[str, float]]:
    for rule in B_RULES:
        found = _read(elements, rule, maker)
        if not found:
            continue
        b = round(found[0] % rule.modulo, 1)
        if 0 <= b <= HIGHEST_B_S_PER_MM2:
            yield rule.source, b


def _direction(elements: Elements, maker: str) -> Vector | None:
    for rule in DIRECTION_RULES:
        found = _read(elements, rule, maker)
        if found is not None and len(found) == 3 and any(found):
            length = math.hypot(*found)
            return (found[0] / length, found[1] / length, found[2] / length)
    return None


def _read(elements: Elements, rule: Rule, maker: str) -> tuple[float, ...] | None:
    """The numbers one rule finds, or None."""
    if not maker.startswith(tuple(rule.makers.split("|"))):
        return None
    places = [_place(elements, where) for where in rule.places]
    found: list[float] = []
    for place in places:
        values = None if place is None else _values(elements, place, rule)
        if values is None:
            return None
        found += values if len(places) == 1 else values[:1]
    return tuple(found)


def _place(elements: Elements, where: str | tuple[str, int, int]) -> Place | None:
    return elements.place(tag_of(where)[0]) if isinstance(where, str) else elements.private(*where)


def _values(elements: Elements, place: Place, rule: Rule) -> tuple[float, ...] | None:
    if rule.csa:
        return csa_numbers(elements.content(place), rule.csa)
    if rule.pattern:
        match = re.match(rule.pattern, text_at(elements, place))
        return None if match is None else tuple(map(float, match.groups()))
    if place[0] == b"UN" and rule.kind == "DS":
        place = (b"DS", *place[1:])
    return numbers_at(elements, place, rule.kind.encode("ascii"))


def _is_isotropic(elements: Elements, directionality: str) -> bool:
    philips = elements.private("Philips Imaging DD 001", 0x2001, 0x04)
    return directionality == "ISOTROPIC" or (
        philips is not None and not directionality and text_at(elements, philips) == "I"
    )


def _named(elements: Elements) -> Iterator[tuple[str, tuple[float, ...]]]:
    for keyword, pattern in _NAMED.items():
        lists = re.findall(pattern, text(elements, keyword).lower())
        found = tuple(float(n) for numbers in lists for n in re.findall(r"\d+", numbers))
        if found:
            yield keyword, found
