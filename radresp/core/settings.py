"""The base of every method's settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Frozen, strict settings: an unknown key or a value out of range is refused by name.

    Every field of a subclass states unit, range, default and meaning in its ``Field``.

    Examples
    --------
    >>> from pydantic import Field
    >>> class Blur(Settings):
    ...     sigma_mm: float = Field(1.0, gt=0, le=10, description="Gaussian sigma, mm.")
    >>> Blur(sigma_mm=2).model_dump()
    {'sigma_mm': 2.0}
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True
    )
