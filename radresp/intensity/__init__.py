"""Room: intensities. ADC from b-values, the unit of an ADC map, normalisation of T2 and DWI.

``METHODS`` holds the ways to normalise; a new one is one file and one line here. ADC is a
measurement in 1e-6 mm2/s and is never normalised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from radresp.core import Mask, Note, NoteKind, Sequence, Settings, Step, Volume
from radresp.errors import PlanError
from radresp.intensity.adc_fit import AdcFit, FitAdc, fit_adc
from radresp.intensity.adc_unit import AdcUnit, adc_volume
from radresp.intensity.bias_field import CorrectBias, correct_bias
from radresp.intensity.body import body_threshold
from radresp.intensity.change import (
    ChangeRules,
    adc_change,
    adc_noise,
    dwi_noise,
    t2_change,
    voxel_noise,
)
from radresp.intensity.gas import FindGas, FoundGas, find_gas
from radresp.intensity.ivim import FitIvim, IvimFit, fit_ivim
from radresp.intensity.kurtosis import FitKurtosis, KurtosisFit, fit_kurtosis
from radresp.intensity.muscle import FindMuscle, FoundMuscle, find_muscle
from radresp.intensity.nyul import Nyul, fit_nyul, standardise
from radresp.intensity.reference import ReferenceTissue, divide_by_reference
from radresp.intensity.zscore import ZScore, zscore

__all__ = [
    "METHODS",
    "AdcFit",
    "AdcUnit",
    "ChangeRules",
    "CorrectBias",
    "FindGas",
    "FindMuscle",
    "FitAdc",
    "FitIvim",
    "FitKurtosis",
    "FoundGas",
    "FoundMuscle",
    "IvimFit",
    "KurtosisFit",
    "Method",
    "Nyul",
    "ReferenceTissue",
    "ZScore",
    "adc_change",
    "adc_noise",
    "adc_volume",
    "body_threshold",
    "correct_bias",
    "dwi_noise",
    "find_gas",
    "find_muscle",
    "fit_adc",
    "fit_ivim",
    "fit_kurtosis",
    "fit_nyul",
    "normalise",
    "t2_change",
    "voxel_noise",
]


@dataclass(frozen=True, slots=True)
class Method:
    """A way to normalise.

    Parameters
    ----------
    settings : type of Settings
        What can be chosen.
    normalise : callable
        Takes volume, reference mask or None, and settings; returns the volume and the numbers
        it was normalised by.
    """

    settings: type[Settings]
    normalise: Callable[[Volume, Mask | None, Any], tuple[Volume, dict[str, float]]]


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "zscore": Method(ZScore, zscore),
        "reference": Method(ReferenceTissue, divide_by_reference),
        "nyul": Method(Nyul, standardise),
    }
)


def normalise(
    volume: Volume,
    method: str = "zscore",
    *,
    reference: Mask | None = None,
    settings: Settings | None = None,
) -> tuple[Volume, Step]:
    """Make the arbitrary intensities of a T2 or DWI volume comparable.

    Parameters
    ----------
    volume : Volume
        T2 or DWI.
    method : str, optional
        A key of ``METHODS``.
    reference : Mask, optional
        Outline on the volume's grid to normalise by; ``"reference"`` needs it, ``"zscore"`` takes
        the body without it.
    settings : Settings, optional
        The method's settings; its defaults when not given.

    Returns
    -------
    volume : Volume
        Same grid and sequence.
    step : Step
        With an ``info`` note naming the numbers it was normalised by.

    Raises
    ------
    PlanError
        ``NORMALISE`` for an unknown method, for settings of another method or none where the
        method has to be fitted first, and for ADC.
    InputError
        When the image or the outline gives nothing to normalise by (see the methods).

    Examples
    --------
    >>> import numpy as np
    >>> from radresp.core import Grid
    >>> picture = np.arange(8.0).reshape(2, 2, 2)
    >>> volume = Volume.from_array(picture, Grid((2, 2, 2), (1, 1, 3)), Sequence.T2)
    >>> result, step = normalise(volume)
    >>> step.method
    'zscore'
    """
    started = perf_counter()
    if method not in METHODS:
        raise PlanError(
            "NORMALISE", f"normalisation '{method}'", expected=f"one of {', '.join(METHODS)}"
        )
    if volume.sequence is Sequence.ADC:
        raise PlanError(
            "NORMALISE",
            "normalisation asked for ADC",
            expected="T2 or DWI; ADC is a measurement in 1e-6 mm2/s",
            action="take ADC out of the normalisation",
        )
    chosen = METHODS[method]
    settings = settings or _defaults(method)
    if not isinstance(settings, chosen.settings):
        raise PlanError(
            "NORMALISE",
            f"settings {type(settings).__name__} for '{method}'",
            expected=chosen.settings.__name__,
        )
    result, numbers = chosen.normalise(volume, reference, settings)
    words = ", ".join(f"{name} {value:.6g}" for name, value in numbers.items())
    note = Note(NoteKind.INFO, "NORMALISED", f"by {words}")
    seconds = perf_counter() - started
    return result, Step("intensity", method, settings.model_dump(mode="json"), seconds, (note,))


def _defaults(method: str) -> Settings:
    try:
        return METHODS[method].settings()
    except ValidationError as error:
        raise PlanError(
            "NORMALISE",
            f"'{method}' without settings",
            expected=error.errors()[0]["msg"].removeprefix("Value error, "),
        ) from None
