"""Room: the digital pelvis. Synthetic patients with a known truth, in radresp's own nouns."""

from __future__ import annotations

from radresp.phantom.draw import Drawn, draw_patient
from radresp.phantom.oracle import SimulatedCohort, class_probabilities, simulate
from radresp.phantom.patient import PhantomPatient, make_patient
from radresp.phantom.presets import OUTCOMES, CohortPreset, preset, presets
from radresp.phantom.protocol import (
    REFERENCE_SCANNERS,
    VENDOR_SCANNERS,
    Protocol,
    Scaling,
    protocols,
)
from radresp.phantom.settings import PhantomSettings
from radresp.phantom.tissue import BED_PARTS, tissue_table

__all__ = [
    "BED_PARTS",
    "OUTCOMES",
    "REFERENCE_SCANNERS",
    "VENDOR_SCANNERS",
    "CohortPreset",
    "Drawn",
    "PhantomPatient",
    "PhantomSettings",
    "Protocol",
    "Scaling",
    "SimulatedCohort",
    "class_probabilities",
    "draw_patient",
    "make_patient",
    "preset",
    "presets",
    "protocols",
    "simulate",
    "tissue_table",
]
