"""What a written DICOM series is told besides its voxels: the visit, the scanner, the protocol.

Everything here is synthetic and the caller says so by calling: the patient id is a pseudonym, there
is no name, no birth date, no place. UIDs come from the seed alone, so the same visit written twice
is the same bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from radresp.errors import PlanError

MANUFACTURERS: Mapping[str, str] = MappingProxyType(
    {
        "siemens": "SIEMENS",
        "siemens_xa": "Siemens Healthineers",
        "ge": "GE MEDICAL SYSTEMS",
        "philips": "Philips Medical Systems",
        "philips_enhanced": "Philips Medical Systems",
        "uih": "UIH",
    }
)
"""Dialects and what each puts into Manufacturer."""

ENHANCED = frozenset(("siemens_xa", "philips_enhanced"))
"""Dialects that write multi-frame objects."""

_PSEUDONYM = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SEXES = ("M", "F", "O", "")


@dataclass(frozen=True, slots=True)
class DicomStudy:
    """One visit of one synthetic patient at one scanner.

    Parameters
    ----------
    dialect : str
        ``siemens``, ``siemens_xa``, ``ge``, ``philips``, ``philips_enhanced`` or ``uih``.
    model, software : str
        ManufacturerModelName and SoftwareVersions, at most 64 characters.
    field_strength_t : float
        MagneticFieldStrength, tesla.
    patient_id : str
        Pseudonym: letters, digits, dot, dash and underscore only.
    sex : str
        ``M``, ``F``, ``O`` or empty.
    age_years : int or None
        PatientAge.
    when : datetime
        Start of the visit; all dates and times are counted from it.
    seed : str
        What all UIDs of the visit are made from. Visits must differ in it.

    Raises
    ------
    PlanError
        ``USAGE`` for a value outside these rules.

    Examples
    --------
    >>> study = DicomStudy("ge", "SIGNA Premier", "MR30.0", 3.0, "p-1", "F", 61,
    ...                    datetime(2024, 3, 1, 9, 30), "p-1/pre")
    >>> study.manufacturer, study.uid("study") == study.uid("study")
    ('GE MEDICAL SYSTEMS', True)
    """

    dialect: str
    model: str
    software: str
    field_strength_t: float
    patient_id: str
    sex: str
    age_years: int | None
    when: datetime
    seed: str

    def __post_init__(self) -> None:
        _check(self.dialect in MANUFACTURERS, "dialect", " or ".join(MANUFACTURERS))
        _check(
            _PSEUDONYM.fullmatch(self.patient_id) is not None,
            "patient_id",
            "a pseudonym of letters, digits, dot, dash and underscore",
        )
        _check(self.sex in _SEXES, "sex", "M, F, O or nothing")
        _check(self.age_years is None or 0 <= self.age_years <= 120, "age_years", "0 to 120")
        _check(len(self.model) <= 64 and len(self.software) <= 64, "model", "64 characters")
        _check(0 < self.field_strength_t < 20, "field_strength_t", "tesla")

    @property
    def manufacturer(self) -> str:
        """The dialect's Manufacturer."""
        return MANUFACTURERS[self.dialect]

    @property
    def enhanced(self) -> bool:
        """Whether the dialect writes multi-frame objects."""
        return self.dialect in ENHANCED

    def uid(self, *role: str | int) -> str:
        """The UID of one thing of this visit: 2.25 and 128 bits of a hash of seed and role."""
        return stable_uid(self.seed, *role)


@dataclass(frozen=True, slots=True)
class DicomSeries:
    """One series of a visit: its name and how it was acquired.

    Parameters
    ----------
    number : int
        SeriesNumber. The series of a visit must differ in it: UIDs are made from it.
    description : str
        SeriesDescription and ProtocolName, at most 64 characters.
    sequence_name : str
        The vendor's name of the pulse sequence, at most 9 characters (``tse2d1_25``, ``ep``,
        ``epi2``). Siemens gets a star before it and, in diffusion, the b-value behind it.
    tr_ms, te_ms : float
        Repetition and echo time, ms.
    echo_train : int
        EchoTrainLength (turbo or EPI factor).
    thickness_mm : float
        SliceThickness, mm, without the gap.
    averages : float
        NumberOfAverages.
    flip_deg : float
        FlipAngle, degrees.
    bandwidth_hz : float
        PixelBandwidth, Hz a pixel along the frequency axis.
    echo_spacing_ms : float, optional
        Effective echo spacing of an EPI (acceleration included), ms.
    acceleration : float
        Parallel imaging factor along the phase axis.
    phase_axis : str
        InPlanePhaseEncodingDirection: ``COL`` (along y) or ``ROW`` (along x).
    phase_steps : int, optional
        Acquired phase encoding steps; the matrix along the phase axis when left out.
    start_s : float
        Start of the series after the start of the visit, seconds.
    slope, intercept : float
        Rescaling RS and RI; other than 1 and 0 only Philips and enhanced objects.
    scale_slope : float, optional
        Philips' private scale slope SS. Then the volumes hold (SV RS + RI) / (RS SS), SV being the
        stored number; without it they hold SV RS + RI.

    Raises
    ------
    PlanError
        ``USAGE`` for a value outside these rules.
    """

    number: int
    description: str
    sequence_name: str
    tr_ms: float
    te_ms: float
    echo_train: int
    thickness_mm: float
    averages: float = 1.0
    flip_deg: float = 90.0
    bandwidth_hz: float = 200.0
    echo_spacing_ms: float | None = None
    acceleration: float = 1.0
    phase_axis: str = "COL"
    phase_steps: int | None = None
    start_s: float = 0.0
    slope: float = 1.0
    intercept: float = 0.0
    scale_slope: float | None = None

    def __post_init__(self) -> None:
        _check(0 < self.number < 1_000_000, "number", "1 to 999999")
        _check(len(self.description) <= 64, "description", "at most 64 characters")
        _check(0 < len(self.sequence_name) <= 9, "sequence_name", "1 to 9 characters")
        _check(self.phase_axis in ("COL", "ROW"), "phase_axis", "COL or ROW")
        positive = (self.tr_ms, self.te_ms, self.thickness_mm, self.averages, self.bandwidth_hz)
        _check(min(positive) > 0, "series", "positive times, thickness, averages and bandwidth")
        _check(self.slope > 0 and (self.scale_slope or 1) > 0, "slope", "positive slopes")


def stable_uid(*parts: str | int) -> str:
    """A UID that depends on its parts alone.

    Examples
    --------
    >>> stable_uid("a", 1) == stable_uid("a", 1) != stable_uid("a", 2)
    True
    """
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def _check(good: bool, name: str, expected: str) -> None:
    if not good:
        raise PlanError("USAGE", f"an unusable {name} for a DICOM series", expected=expected)
