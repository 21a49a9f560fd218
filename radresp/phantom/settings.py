"""Settings of the digital pelvis: scanner, noise, variation and cohort."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from radresp.core import Settings

_Spacing = tuple[float, float, float]
_Size = tuple[int, int, int]


class PhantomSettings(Settings):
    """How synthetic patients are made; the defaults image a whole small-field-of-view pelvis."""

    t2_spacing_mm: _Spacing = Field((0.8, 0.8, 4.0), description="T2 voxel edges, mm.")
    t2_size: _Size = Field((240, 240, 26), description="T2 voxels along x, y, z.")
    dwi_spacing_mm: _Spacing = Field((2.5, 2.5, 4.0), description="DWI voxel edges, mm.")
    dwi_size: _Size = Field((140, 100, 26), description="DWI voxels along x, y, z.")
    b_values_s_per_mm2: tuple[float, ...] = Field(
        (0.0, 400.0, 800.0), min_length=1, description="b-values of the DWI, s/mm2, rising."
    )
    samples_in_plane: int = Field(
        2, ge=2, le=8, description="Sample points along each in-plane edge of a T2 voxel."
    )
    samples_through_plane: int = Field(
        1, ge=1, le=8, description="Sample points through the thickness of a slice."
    )
    field_strengths_t: tuple[float, ...] = Field(
        (1.5, 3.0), min_length=1, description="Field strengths drawn from, tesla; 1.5 and 3."
    )
    t2_snr: tuple[float, float] = Field(
        (30.0, 60.0), description="Range of signal-to-noise ratios of tumour in T2."
    )
    dwi_snr: tuple[float, float] = Field(
        (20.0, 30.0), description="Range of signal-to-noise ratios of tumour at b 0."
    )
    noise: float = Field(1.0, ge=0, le=10, description="Factor on the noise; 0 for none.")
    texture: float = Field(
        0.07, ge=0, le=0.3, description="Relative SD of the pattern within a tissue."
    )
    variation: float = Field(
        1.0, ge=0, le=2, description="Factor on the spread of tissue properties between patients."
    )
    coil: float = Field(
        0.25, ge=0, le=1, description="About the largest relative change by the coil field."
    )
    motion_mm: float = Field(
        5.0, ge=0, le=30, description="Largest shift between the visits along each axis, mm."
    )
    motion_deg: float = Field(
        3.0, ge=0, le=15, description="Largest turn between the visits about each axis, degrees."
    )
    tilt_deg: float = Field(
        12.0, ge=0, le=45, description="Largest tilt of the axial oblique T2, degrees."
    )
    fibrosis_weight: int = Field(3, ge=0, le=20, description="Fibrosis cases in a block.")
    inflammation_weight: int = Field(3, ge=0, le=20, description="Inflammation cases in a block.")
    residual_weight: int = Field(4, ge=0, le=20, description="Residual cases in a block.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if set(self.field_strengths_t) - {1.5, 3.0}:
            raise ValueError("field_strengths_t may hold 1.5 and 3")
        if min(*self.t2_spacing_mm, *self.dwi_spacing_mm) <= 0:
            raise ValueError("spacing must be positive")
        if min(*self.t2_size, *self.dwi_size) < 4:
            raise ValueError("at least 4 voxels along every axis")
        if sorted(set(self.b_values_s_per_mm2)) != list(self.b_values_s_per_mm2):
            raise ValueError("b_values_s_per_mm2 must rise and not repeat")
        if min(self.b_values_s_per_mm2) < 0 or min(*self.t2_snr, *self.dwi_snr) <= 0:
            raise ValueError("b-values must not be negative, SNR must be positive")
        if self.fibrosis_weight + self.inflammation_weight + self.residual_weight == 0:
            raise ValueError("at least one outcome needs a weight")
        return self

    @classmethod
    def fast(cls) -> Self:
        """Coarser voxels and a tighter field of view, about three times as quick."""
        return cls(
            t2_spacing_mm=(1.1, 1.1, 4.0),
            t2_size=(144, 144, 24),
            dwi_spacing_mm=(3.0, 3.0, 4.0),
            dwi_size=(88, 84, 24),
        )
