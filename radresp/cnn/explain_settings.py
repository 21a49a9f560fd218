"""Settings of the explanation: what a voxel is compared with, and when a map is shown.

Light: a plan can be read where torch is not installed.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from radresp.core import Settings


class Explain(Settings):
    """How a network's answer is traced back to voxels."""

    baseline: Literal["missing", "blur"] = Field(
        "missing",
        description="What an image is compared with: the value the network has learned for one "
        "that is not there, or the image itself without detail.",
    )
    blur_mm: float = Field(10.0, gt=0, le=100, description="SD of that blur, mm.")
    steps: int = Field(
        64, ge=4, le=1024, description="Points between baseline and image, doubled as needed."
    )
    most_steps: int = Field(512, ge=4, le=4096, description="Most points between the two.")
    tolerance: float = Field(
        0.05, gt=0, le=1, description="How far the parts may be from the whole, log-odds."
    )
    block_mm: float = Field(10.0, gt=0, le=100, description="Edge of an occluded block, mm.")
    cam_stage: int = Field(
        0, ge=0, le=5, description="Stages before the last one that Grad-CAM++ looks at."
    )
    margin_mm: float = Field(5.0, ge=0, le=50, description="Shown around the bed, mm.")
    draws: int = Field(8, ge=1, le=100, description="Networks with random weights to compare with.")
    survival: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Mean rank correlation with maps of random networks, 0-1, from which on a map "
        "counts as one that any network draws.",
    )
    seed: int = Field(0, ge=0, description="Seed of the random weights.")
