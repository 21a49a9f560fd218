"""Room: the digital phantom. Synthetic patients with a known truth, in radresp's own nouns."""

from __future__ import annotations

from radresp.phantom.outcome import OUTCOMES
from radresp.phantom.patient import PhantomPatient, make_patient
from radresp.phantom.settings import PhantomSettings
from radresp.phantom.tissue import tissue_table

__all__ = ["OUTCOMES", "PhantomPatient", "PhantomSettings", "make_patient", "tissue_table"]
