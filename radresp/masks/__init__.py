"""Room: outlines. Tidy them, grow them in millimetres, carry them, say which cannot be used."""

from radresp.masks.carry import carry
from radresp.masks.clean import Clean, clean
from radresp.masks.morphology import grow, ring, shrink
from radresp.masks.rules import MaskRules, check_mask

__all__ = ["Clean", "MaskRules", "carry", "check_mask", "clean", "grow", "ring", "shrink"]
