"""Settings of the digital pelvis: cohort, scanners, sampling, variation and motion."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from radresp.core import Settings
from radresp.phantom.presets import presets
from radresp.phantom.protocol import REFERENCE_SCANNERS, VENDOR_SCANNERS, protocols


class PhantomSettings(Settings):
    """How synthetic patients are made; the defaults are a multi-scanner cohort at full size."""

    preset: str = Field("balanced", description="Cohort preset: outcomes, regimens, readers.")
    scanners: tuple[str, ...] = Field(
        VENDOR_SCANNERS, min_length=1, description="Scanners drawn from, by name."
    )
    other_scanner: float = Field(
        0.15, ge=0, le=1, description="Share of patients whose second visit is on another scanner."
    )
    coarseness: float = Field(
        1.0, ge=1, le=4, description="Factor on the in-plane voxel edges of every scanner."
    )
    field_of_view: float = Field(
        1.0, ge=0.3, le=1, description="Share of each scanner's in-plane field of view imaged."
    )
    samples_in_plane: int = Field(
        2, ge=2, le=8, description="Sample points along each in-plane edge of a T2 voxel."
    )
    dwi_samples_in_plane: int = Field(
        3, ge=2, le=8, description="Sample points along each in-plane edge of a DWI voxel."
    )
    samples_through_plane: int = Field(
        3, ge=1, le=7, description="Sample points through the thickness of a slice; odd is best."
    )
    noise: float = Field(1.0, ge=0, le=10, description="Factor on the noise; 0 for none.")
    texture: float = Field(
        0.07, ge=0, le=0.3, description="Relative SD of the pattern within a tissue."
    )
    variation: float = Field(
        1.0, ge=0, le=2, description="Factor on the spread of tissue properties between patients."
    )
    coil: float = Field(
        0.4, ge=0, le=1, description="Coil sensitivity left uncorrected: 0 flat, 1 bare array."
    )
    distortion: float = Field(
        1.0, ge=0, le=3, description="Factor on the off-resonance that distorts EPI; 0 for none."
    )
    motion_mm: float = Field(
        5.0, ge=0, le=30, description="Largest shift between the visits along each axis, mm."
    )
    motion_deg: float = Field(
        3.0, ge=0, le=15, description="Largest turn between the visits about each axis, degrees."
    )
    filling: float = Field(
        1.0, ge=0, le=2, description="Factor on the change of rectal and bladder filling."
    )
    drift_mm: float = Field(
        2.0, ge=0, le=6, description="SD of the smooth shift of soft tissue between visits, mm."
    )
    tilt_deg: float = Field(
        12.0, ge=0, le=45, description="Largest tilt of the axial oblique T2, degrees."
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.preset not in presets():
            raise ValueError(f"preset may be {', '.join(presets())}")
        unknown = [name for name in self.scanners if name not in protocols()]
        if unknown:
            raise ValueError(f"scanners may hold {', '.join(protocols())}; not {unknown[0]}")
        return self

    @classmethod
    def fast(cls, preset: str = "balanced") -> Self:
        """Coarser voxels, a tighter field of view, the two reference scanners: seconds a case."""
        return cls(
            preset=preset,
            scanners=REFERENCE_SCANNERS,
            other_scanner=0.0,
            coarseness=1.8,
            field_of_view=0.8,
            dwi_samples_in_plane=2,
            samples_through_plane=1,
        )
