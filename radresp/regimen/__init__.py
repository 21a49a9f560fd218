"""Regimen: what trials found by treatment arm, and what that does to a probability.

``arms`` and the other tables hold what is published, count by count; ``select`` chooses among them;
``posterior`` turns counts into a rate with an interval; ``shift`` carries a probability from the
prevalence a model was trained at to that of a regimen, and ``estimate_prevalence`` finds the
prevalence of unlabelled cases. Nothing is shifted silently, and never from one endpoint to another.
"""

from radresp.regimen.knowledge import (
    Arm,
    PseudoResidual,
    arms,
    biomarkers,
    longterm,
    pseudo_residuals,
    select,
)
from radresp.regimen.posterior import Counted, Posterior, posterior
from radresp.regimen.shift import Adapted, Shifted, estimate_prevalence, shift, shift_prevalence

__all__ = [
    "Adapted",
    "Arm",
    "Counted",
    "Posterior",
    "PseudoResidual",
    "Shifted",
    "arms",
    "biomarkers",
    "estimate_prevalence",
    "longterm",
    "posterior",
    "pseudo_residuals",
    "select",
    "shift",
    "shift_prevalence",
]
