"""Settings every classifier of the room shares: folds, selection, intervals, refusals.

Use a subclass that adds a method's own fields, such as
:class:`radresp.classify.elastic_net.ElasticNet`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from radresp.core import Settings


class ClassifierSettings(Settings):
    """Settings shared by every classifier of the room."""

    fills_gaps: ClassVar[bool] = False

    outer_folds: int = Field(5, ge=2, le=20, description="Folds of the honest evaluation.")
    repeats: int = Field(3, ge=1, le=100, description="Repeats of the evaluation, new folds each.")
    inner_folds: int = Field(5, ge=2, le=20, description="Folds used for tuning and calibration.")
    inner_repeats: int = Field(
        1, ge=1, le=100, description="How often the inner folds are drawn anew."
    )
    tune_by: Literal["log_loss", "auc"] = Field(
        "log_loss", description="Figure of the inner folds that picks the hyper-parameters."
    )
    features: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = Field(
        (8, 16), min_length=1, max_length=10, description="Numbers of features to try, 1-1000."
    )
    max_missing: float = Field(
        0.1, ge=0, le=0.5, description="Largest missing share of a usable column in a fold, 0-0.5."
    )
    max_correlation: float = Field(
        0.95, gt=0, le=1, description="Two kept features correlate at most this much (Pearson)."
    )
    max_volume_correlation: float = Field(
        0.8,
        gt=0,
        le=1,
        description="Leave out columns whose Spearman correlation with a volume is larger, 0-1; "
        "1 keeps all.",
    )
    volume_columns: tuple[str, ...] = Field(
        ("volumetry.volume_ml", "shape_MeshVolume", "shape_VoxelVolume"),
        description="Ends of the names of volumes.",
    )
    prespecified: tuple[str, ...] = Field(
        ("response.",),
        description="Beginnings of the names of columns kept whatever they follow.",
    )
    prespecified_share: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Share of the prior variance that the prespecified columns divide among them, "
        "0-1, where all columns are kept (auto); null gives every column the same.",
    )
    harmonise: Literal["combat"] | None = Field(
        None, description="'combat' takes the mark of the site off every column."
    )
    missing_indicators: bool = Field(
        False, description="Add a column for every pattern of gaps in the training part."
    )
    class_weight: Literal["balanced"] | None = Field(
        None, description="'balanced' weighs classes equally while fitting; calibration undoes it."
    )
    ensemble: int = Field(
        50, ge=10, le=1000, description="Patient-bootstrap refits behind a case's interval."
    )
    interval_level: float = Field(
        0.9, ge=0.5, le=0.99, description="Level of a case's p_ccr interval (0.9 is 5-95 %)."
    )
    support_percentile: float = Field(
        99.0,
        ge=90,
        le=100,
        description="Percentile of leave-one-out training values beyond which a case is outside.",
    )
    max_outside_fraction: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Share of columns outside the training range from which a case is outside; "
        "raised to the leave-one-out percentile where training cases themselves exceed it.",
    )
    max_missing_weight: float = Field(
        0.1,
        ge=0,
        le=0.5,
        description="Largest share of a model's weights on features a new case lacks, where gaps "
        "are filled at all (auto).",
    )
    top_contributions: int = Field(10, ge=1, le=100, description="Contributions shown per case.")
    min_per_class: int = Field(
        10, ge=2, le=1000, description="Fewest patients with and without residual tumour."
    )
    allow_few: bool = Field(
        False, description="Train below min_per_class anyway; the result is marked not usable."
    )
