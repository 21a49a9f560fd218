"""The unit of an ADC map that a scanner or another program made.

What: finds the one power of 1000 that puts the median ADC into the range of pelvic soft tissue and
returns the map in 1e-6 mm2/s, radresp's only ADC unit.
Source: the range spans dense tumour (about 600) to oedema and the peripheral zone (about 2000), see
``docs/reference/clinical.md`` section 2; scanners store 1e-6 mm2/s, 1e-3 mm2/s or mm2/s, sometimes
multiplied by 1000 again.
When: for every ADC map that radresp did not fit itself. A wrong unit makes a tumour look
homogeneous or texture extraction take minutes.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydantic import Field

from radresp.core import Grid, Mask, Note, NoteKind, Sequence, Settings, Step, Unit, Volume
from radresp.core.volume import image_of
from radresp.errors import InputError

FACTORS = {
    1.0: "1e-6 mm2/s",
    1e3: "1e-3 mm2/s",
    1e6: "mm2/s",
    1e-3: "1e-9 mm2/s",
    1e-6: "1e-12 mm2/s",
}
"""Factor to 1e-6 mm2/s, and the unit the stored numbers are then in."""
NAN_FRACTION = 0.001
"""Largest share of a map that may hold no number."""


class AdcUnit(Settings):
    """Settings of the unit detection."""

    plausible_low_um2_per_s: float = Field(
        300.0, ge=100, le=1000, description="Smallest plausible median ADC, 1e-6 mm2/s."
    )
    plausible_high_um2_per_s: float = Field(
        3500.0, ge=1500, le=5000, description="Largest plausible median ADC, 1e-6 mm2/s."
    )
    negative_max: float = Field(
        0.01, ge=0, le=0.5, description="Share of negative voxels tolerated in the mask, 0 to 1."
    )
    high_um2_per_s: float = Field(
        4000.0, ge=3000, le=10_000, description="ADC beyond free water, 1e-6 mm2/s."
    )
    high_max: float = Field(
        0.05, ge=0, le=1, description="Share of voxels beyond free water that brings a warning."
    )


def adc_volume(
    image: sitk.Image, mask: Mask | None = None, settings: AdcUnit | None = None
) -> tuple[Volume, Step]:
    """Turn a stored ADC map into a volume in 1e-6 mm2/s.

    Parameters
    ----------
    image : SimpleITK.Image
        3-D ADC map as stored, after the file's own rescale slope. NaN in at most 0.1 % of it
        counts as not measured.
    mask : Mask, optional
        Tumour, bed or another outline on the map's grid; its median decides. Without one the
        median of all positive voxels decides.
    settings : AdcUnit, optional
        Defaults when not given.

    Returns
    -------
    volume : Volume
        ADC in 1e-6 mm2/s.
    step : Step
        With a ``fix`` note ``ADC_UNITS`` naming factor and median when the unit was changed, and
        warnings ``ADC_NEGATIVE`` and ``ADC_HIGH``.

    Raises
    ------
    InputError
        ``ADC_UNITS`` when no unit makes the median plausible, ``ADC_NEGATIVE`` when more than
        1 % of the mask is negative, ``MASK_EMPTY`` for an empty mask, ``NONFINITE``.
    GeometryError
        ``MASK_GEOMETRY`` when the mask lies on another grid.

    Examples
    --------
    >>> stored = sitk.Image(4, 4, 2, sitk.sitkFloat32) + 0.00112
    >>> volume, step = adc_volume(stored)
    >>> round(float(volume.array[0, 0, 0])), step.notes[0].code
    (1120, 'ADC_UNITS')
    """
    started = perf_counter()
    settings = settings or AdcUnit()
    # Called 1e-6 mm2/s until the median has shown what it is.
    stored = _stored(image)
    array = stored.array
    values = array[array > 0] if mask is None else stored.values_in(mask)
    if values.size == 0:
        raise _nothing_to_judge(mask)
    factor, median = _factor_of(values, settings)
    notes = []
    volume = stored
    if factor != 1.0:
        volume = stored.with_array(array * np.float32(factor))
        notes.append(
            Note(
                NoteKind.FIX,
                "ADC_UNITS",
                f"stored in {FACTORS[factor]} (median {median:.4g})",
                action=f"multiplied by {factor:g} to 1e-6 mm2/s (median {median * factor:.4g})",
            )
        )
    notes += _negative_note(array if mask is None else values, mask is not None, settings)
    notes += _high_note(values * np.float32(factor), settings)
    step = Step(
        "intensity", "adc_unit", settings.model_dump(), perf_counter() - started, tuple(notes)
    )
    return volume, step


def _stored(image: sitk.Image) -> Volume:
    """The map as stored, with its few NaN voxels declared to be without measurement."""
    values = sitk.GetArrayFromImage(image)
    missing = np.isnan(values)
    if not 0 < np.count_nonzero(missing) <= NAN_FRACTION * values.size:
        return Volume(image, Sequence.ADC, Unit.UM2_PER_S)
    grid = Grid.of(image)
    return Volume.from_array(
        np.where(missing, 0.0, values),
        grid,
        Sequence.ADC,
        Unit.UM2_PER_S,
        background=image_of(missing.astype(np.uint8), grid),
    )


def _factor_of(values: NDArray[Any], settings: AdcUnit) -> tuple[float, float]:
    """The only factor that makes the median plausible, and the median as stored."""
    low, high = settings.plausible_low_um2_per_s, settings.plausible_high_um2_per_s
    median = float(np.median(values))
    fitting = [factor for factor in FACTORS if low <= median * factor <= high]
    if len(fitting) != 1:
        raise InputError(
            "ADC_UNITS",
            f"the median ADC is {median:.4g} as stored, which no known unit makes plausible",
            expected=f"{low:g} to {high:g} in 1e-6 mm2/s after a factor of 1, 1e3 or 1e6",
            action="check that this is an ADC map and state its unit",
        )
    return fitting[0], median


def _nothing_to_judge(mask: Mask | None) -> InputError:
    if mask is None:
        return InputError("ADC_UNITS", "the ADC map has no positive voxel", expected="an ADC map")
    return InputError("MASK_EMPTY", f"the {mask.roi} mask has 0 voxels", expected="at least one")


def _negative_note(values: NDArray[Any], is_region: bool, settings: AdcUnit) -> list[Note]:
    """A03: a few negative voxels are noise, many are another quantity."""
    count = int(np.count_nonzero(values < 0))
    share = count / values.size
    found = f"{count} negative voxels ({100 * share:.2g} %)"
    if is_region and share > settings.negative_max:
        raise InputError(
            "ADC_NEGATIVE",
            f"{found} inside the mask",
            expected=f"at most {100 * settings.negative_max:g} %",
            action="check the ADC map, its rescale and its sign",
        )
    return [Note(NoteKind.WARNING, "ADC_NEGATIVE", found, "0", "kept")] if count else []


def _high_note(values: NDArray[Any], settings: AdcUnit) -> list[Note]:
    """A04: more than free water can diffuse."""
    share = float(np.mean(values > settings.high_um2_per_s))
    if share <= settings.high_max:
        return []
    return [
        Note(
            NoteKind.WARNING,
            "ADC_HIGH",
            f"{100 * share:.3g} % of the voxels exceed {settings.high_um2_per_s:g} x 1e-6 mm2/s",
            f"at most {100 * settings.high_max:g} %",
            "check unit and noise; free water at body temperature has about 3000",
        )
    ]
