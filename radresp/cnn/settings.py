"""Settings of the 3-D CNN: what it sees, how it is built, how it learns.

Light: a plan can be read, and a model without a CNN scored, where torch is not installed.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from radresp.core import Settings

GROUPS = 4
"""Groups of channels that are normalised together."""
Positive = Annotated[float, Field(gt=0, le=1000)]
Voxels = Annotated[int, Field(ge=8, le=256)]


class PatchSettings(Settings):
    """What the network sees: a box around the bed."""

    size: tuple[Voxels, Voxels, Voxels] = Field(
        (48, 48, 16), description="Voxels of the box along x, y and z of the later T2."
    )
    spacing_mm: tuple[Positive, Positive, Positive] = Field(
        (1.5, 1.5, 4.0), description="Voxel edges of the box, mm."
    )


class Augment(Settings):
    """How training cases are varied; everything follows from the seed."""

    chance: float = Field(0.5, ge=0, le=1, description="Chance of each variation, 0-1.")
    flip: float = Field(0.5, ge=0, le=1, description="Chance of swapping left and right.")
    shift_mm: float = Field(4.0, ge=0, le=50, description="Largest shift, mm.")
    rotate_degrees: float = Field(8.0, ge=0, le=45, description="Largest rotation in plane.")
    deform_mm: float = Field(2.0, ge=0, le=10, description="Size of a smooth deformation, mm.")
    epi_mm: float = Field(
        3.0, ge=0, le=20, description="Largest shift of diffusion along phase encoding, mm."
    )
    bias: float = Field(0.3, ge=0, le=2, description="Largest coil shading of T2, relative.")
    noise: float = Field(0.1, ge=0, le=1, description="Largest SD of Rician noise, image SDs.")
    contrast: float = Field(
        0.2, ge=0, le=0.9, description="Largest change of gain and gamma of one visit, relative."
    )
    drop_channel: float = Field(
        0.15,
        ge=0,
        le=0.9,
        description="Chance that a channel is taken away, so that a case may lack it.",
    )


class Cnn(Settings):
    """Settings of the network and of its training."""

    patch: PatchSettings = Field(PatchSettings(), description="What the network sees.")
    augment: Augment = Field(Augment(), description="How training cases are varied.")
    encoder: Literal["resnet", "seresnet", "densenet"] = Field(
        "resnet", description="Blocks of the encoder that both visits share."
    )
    width: int = Field(8, ge=4, le=128, description="Channels of the first level, doubled a level.")
    levels: int = Field(3, ge=2, le=6, description="Levels, each at half the resolution in plane.")
    dropout: float = Field(0.2, ge=0, le=0.9, description="Dropout before the heads.")
    fraction_weight: float = Field(
        0.3, ge=0, le=10, description="Weight of the loss of the residual fraction, where known."
    )
    residual_map: bool = Field(
        False,
        description="Whether the residual fraction is the mean of a map over the bed, which is "
        "kept with every score.",
    )
    epochs: int = Field(40, ge=1, le=10_000, description="Passes through the training cases.")
    batch: int = Field(8, ge=1, le=1024, description="Cases a step.")
    accumulate: int = Field(1, ge=1, le=1024, description="Steps whose gradients are added up.")
    learning_rate: float = Field(2e-3, gt=0, le=1, description="Largest learning rate (AdamW).")
    weight_decay: float = Field(1e-2, ge=0, le=10, description="Weight decay.")
    ema: float = Field(0.99, ge=0, lt=1, description="Decay of averaged weights; 0 is none.")
    validation: float = Field(
        0.2, gt=0, lt=0.9, description="Share of patients held back for early stopping."
    )
    patience: int = Field(10, ge=1, le=10_000, description="Epochs without gain until it stops.")
    precision: Literal["auto", "32", "bf16", "16"] = Field(
        "auto", description="auto: bf16 on CUDA devices that have it, else 16; 32 on CPU."
    )
    deterministic: bool = Field(True, description="Only operations that repeat exactly.")
    folds: int = Field(5, ge=3, le=20, description="Folds of the out-of-fold predictions.")
    encoder_weights: str | None = Field(
        None, description="safetensors file with weights of a trained encoder to start from."
    )

    @model_validator(mode="after")
    def _grouped(self) -> Self:
        smallest = 2 * GROUPS if self.encoder == "seresnet" else GROUPS
        if self.width % smallest:
            raise ValueError(f"width must be a multiple of {smallest} for {self.encoder}")
        return self
