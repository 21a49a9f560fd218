"""Masks: tidy them, check them, grow and shrink them, and carry them from image to image.

Masks travel, images stay: what is measured in a region is never interpolated. Every function
returns a new mask and, where it decides anything, a step that says what it did.
"""

from radresp.masks.agreement import Agreement, agreement
from radresp.masks.bed import PlaceBed, place_bed
from radresp.masks.carry import carry, outside_fraction
from radresp.masks.clean import Clean, clean
from radresp.masks.morphology import grow, ring, shrink
from radresp.masks.rules import MaskRules, check_mask

__all__ = [
    "Agreement",
    "Clean",
    "MaskRules",
    "PlaceBed",
    "agreement",
    "carry",
    "check_mask",
    "clean",
    "grow",
    "outside_fraction",
    "place_bed",
    "ring",
    "shrink",
]
