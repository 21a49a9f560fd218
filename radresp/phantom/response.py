"""The response: what treatment made of a tumour, for one patient or for many at once.

What: draws patterns, shares, shrinkage and the tissue values of foci and mucin from the densities
of `radresp.phantom.patterns`.
Source: see there; tumour volumes are an assumption (5 to 60 mL, median 20).
When: drawing a patient's second visit, and simulating cohorts of latent truth.

What no image can show is drawn too: scattered cells in a scar (``microscopic``) look like scar, and
granulation looks nearly like viable tumour.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from radresp.phantom.patterns import (
    FOCUS_KINDS,
    MUCIN_KINDS,
    SHRINKAGE_SD,
    Values,
    patterns,
    shrinkage_bounds,
    tissue_spread,
)
from radresp.phantom.presets import (
    OUTCOMES,
    CohortPreset,
    Regimen,
    regimen_given_outcome,
    regimens,
)
from radresp.phantom.tissue import Label, Properties, properties

VOLUME_RANGE_ML = (5.0, 60.0)
_MEDIAN_ML, _VOLUME_SD = 20.0, 0.55
_FOCUS_LABELS = (Label.BED_GRANULATION, Label.BED_VIABLE)
_MUCIN_LABELS = (Label.BED_MUCIN, Label.BED_MUCINOUS_CARCINOMA)


@dataclass(frozen=True, slots=True)
class Response:
    """What treatment made of one tumour; shares of the bed's volume sum to 1.

    Parameters
    ----------
    fibrosis, microscopic, inflammation, granulation, viable : float
        Shares, in the order of `radresp.phantom.tissue.BED_PARTS`.
    mucin, mucinous_carcinoma, wall : float
        The other shares.
    shrinkage : float
        Bed volume over tumour volume.
    split : bool
        Whether the scar is linear with the layers of the wall kept (split scar), not thick.
    mucinous : bool
        Whether the tumour was mucinous.
    subtype : str
        ``fibrosis``, ``inflammation``, ``gross``, ``microscopic`` or ``mucinous``.
    focus_t2, focus_adc_um2_per_s : float, optional
        T2 of the foci relative to the table's treated residual tumour, and their ADC.
    mucin_t2, mucin_adc_um2_per_s : float, optional
        T2 of the pools relative to the table's acellular mucin, and their ADC.
    """

    fibrosis: float
    microscopic: float
    inflammation: float
    granulation: float
    viable: float
    mucin: float
    mucinous_carcinoma: float
    wall: float
    shrinkage: float
    split: bool = False
    mucinous: bool = False
    subtype: str = ""
    focus_t2: float | None = None
    focus_adc_um2_per_s: float | None = None
    mucin_t2: float | None = None
    mucin_adc_um2_per_s: float | None = None

    @property
    def scar(self) -> float:
        """Share that looks like scar."""
        return self.fibrosis + self.microscopic

    @property
    def focus(self) -> float:
        """Share that looks like a focus of tumour."""
        return self.granulation + self.viable

    @property
    def pools(self) -> float:
        """Share that looks like mucin."""
        return self.mucin + self.mucinous_carcinoma

    def shown_by(self, tissue: Properties, field_strength_t: float) -> Properties:
        """The patient's tissue properties with foci and mucin as this response drew them.

        T1 and proton density of either kind of focus (and of mucin) are made equal, so that only
        T2 and ADC, whose densities the oracle knows, can tell the kinds apart.
        """
        table = properties(field_strength_t)
        t1, t2, density, adc = (
            values.copy()
            for values in (tissue.t1_ms, tissue.t2_ms, tissue.proton_density, tissue.adc_um2_per_s)
        )
        for kinds, like, ratio, diffusion in (
            (_FOCUS_LABELS, Label.BED_VIABLE, self.focus_t2, self.focus_adc_um2_per_s),
            (_MUCIN_LABELS, Label.BED_MUCIN, self.mucin_t2, self.mucin_adc_um2_per_s),
        ):
            if ratio is None or diffusion is None:
                continue
            for label in kinds:
                t1[label], density[label] = tissue.t1_ms[like], tissue.proton_density[like]
                t2[label], adc[label] = ratio * table.t2_ms[like], diffusion
        return replace(tissue, t1_ms=t1, t2_ms=t2, proton_density=density, adc_um2_per_s=adc)


@dataclass(frozen=True, slots=True)
class Latents:
    """Many responses at once: arrays of length n, or (n, 5) for the shares.

    Parameters
    ----------
    shares : numpy.ndarray
        (n, 5), in the order of `APPEARANCES`.
    shrinkage, focus_t2, focus_adc, mucin_t2, mucin_adc : numpy.ndarray
        As in `Response`; NaN where there is none.
    split, mucinous, immune : numpy.ndarray
        Booleans.
    cells : numpy.ndarray
        Microscopic part of the scar, 0 to 1. No image shows it.
    pattern : numpy.ndarray
        Index of the pattern. No image shows it.
    """

    shares: Values
    shrinkage: Values
    focus_t2: Values
    focus_adc: Values
    mucin_t2: Values
    mucin_adc: Values
    split: NDArray[np.bool_]
    mucinous: NDArray[np.bool_]
    immune: NDArray[np.bool_]
    cells: Values
    pattern: NDArray[np.intp]

    @classmethod
    def of(cls, response: Response, immune: bool) -> Latents:
        """What an image shows of one response."""
        r = response
        return cls(
            shares=np.array([[r.scar, r.inflammation, r.focus, r.pools, r.wall]]),
            shrinkage=np.array([r.shrinkage]),
            focus_t2=_number(r.focus_t2),
            focus_adc=_number(r.focus_adc_um2_per_s),
            mucin_t2=_number(r.mucin_t2),
            mucin_adc=_number(r.mucin_adc_um2_per_s),
            split=np.array([r.split]),
            mucinous=np.array([r.mucinous]),
            immune=np.array([immune]),
            cells=np.zeros(1),
            pattern=np.zeros(1, np.intp),
        )

    def __len__(self) -> int:
        return len(self.shrinkage)


def draw_latents(
    rng: np.random.Generator,
    outcome: NDArray[np.intp],
    mucinous: NDArray[np.bool_],
    immune: NDArray[np.bool_],
    variation: float = 1.0,
) -> Latents:
    """Responses of many patients.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the draws come from.
    outcome : numpy.ndarray
        Indices into `OUTCOMES`, shape (n,).
    mucinous, immune : numpy.ndarray
        Mucinous tumour, immunotherapy before the second visit; shape (n,).
    variation : float, default 1
        Factor on the spread of T2 and ADC of foci and mucin.
    """
    table, n = patterns(), len(outcome)
    upto = np.cumsum(table.chance[outcome, mucinous.astype(int), immune.astype(int)], axis=1)
    pattern = (upto < rng.random((n, 1)) * upto[:, -1:]).sum(axis=1)
    amounts = rng.standard_gamma(table.weights[pattern])
    low, high = shrinkage_bounds(table.shrinkage[pattern])
    level = ndtri(low + rng.random(n) * (high - low))
    cells = rng.standard_gamma(table.cells[pattern])
    split = rng.random(n) < table.split[pattern]
    z = rng.standard_normal((4, n)) * variation
    focus, mucin = tissue_spread()
    kinds = table.focus[pattern], table.mucin[pattern]
    return Latents(
        amounts / amounts.sum(axis=1, keepdims=True),
        table.shrinkage[pattern] * np.exp(SHRINKAGE_SD * level),
        np.exp(focus.log_t2[kinds[0]] + focus.log_t2_sd * z[0]),
        focus.adc[kinds[0]] + focus.adc_sd[kinds[0]] * z[1],
        np.exp(mucin.log_t2[kinds[1]] + mucin.log_t2_sd * z[2]),
        mucin.adc[kinds[1]] + mucin.adc_sd[kinds[1]] * z[3],
        split,
        mucinous,
        immune,
        cells[:, 0] / np.maximum(cells.sum(axis=1), 1e-12),
        pattern,
    )


def draw_population(
    rng: np.random.Generator, preset: CohortPreset, n: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], Latents, Values]:
    """Outcome (index), regimen (index into the mix), response and tumour volume of n patients."""
    outcome = rng.choice(len(OUTCOMES), n, p=preset.shares)
    upto = np.cumsum(regimen_given_outcome(preset)[outcome], axis=1)
    regimen = (upto < rng.random((n, 1)) * upto[:, -1:]).sum(axis=1)
    immune = np.array([regimens()[name].immunotherapy for name, _ in preset.mix])[regimen]
    mucinous = rng.random(n) < preset.mucinous_share
    latents = draw_latents(rng, outcome, mucinous, immune)
    return outcome, regimen, latents, draw_volume_ml(rng, n)


def draw_volume_ml(rng: np.random.Generator, n: int) -> Values:
    """Volumes of untreated tumours, mL: log-normal, median 20, kept within 5 to 60."""
    low, high = (ndtr(np.log(end / _MEDIAN_ML) / _VOLUME_SD) for end in VOLUME_RANGE_ML)
    volume: Values = _MEDIAN_ML * np.exp(_VOLUME_SD * ndtri(low + rng.random(n) * (high - low)))
    return volume


def draw_response(
    rng: np.random.Generator,
    outcome: str,
    regimen: Regimen,
    mucinous: bool,
    variation: float = 1.0,
) -> Response:
    """The response of one patient.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where the draws come from.
    outcome : str
        One of `radresp.phantom.presets.OUTCOMES`.
    regimen : Regimen
        Immunotherapy makes beds more inflamed.
    mucinous : bool
        Whether the tumour was mucinous.
    variation : float, default 1
        Factor on the spread of T2 and ADC of foci and mucin.

    Examples
    --------
    >>> from radresp.phantom.presets import regimens
    >>> rng = np.random.default_rng(1)
    >>> response = draw_response(rng, "residual", regimens()["LCRT"], mucinous=False)
    >>> response.viable + response.microscopic > 0
    True
    """
    one = draw_latents(
        rng,
        np.array([OUTCOMES.index(outcome)]),
        np.array([mucinous]),
        np.array([regimen.immunotherapy]),
        variation,
    )
    scar, oedema, focus, mucin, wall = (float(share) for share in one.shares[0])
    table, k, cells = patterns(), int(one.pattern[0]), float(one.cells[0])
    named = {FOCUS_KINDS[table.focus[k]]: focus, MUCIN_KINDS[table.mucin[k]]: mucin}
    return Response(
        fibrosis=scar * (1 - cells),
        microscopic=scar * cells,
        inflammation=oedema,
        granulation=named.get("granulation", 0.0),
        viable=named.get("viable", 0.0),
        mucin=named.get("mucin", 0.0),
        mucinous_carcinoma=named.get("mucinous_carcinoma", 0.0),
        wall=wall,
        shrinkage=float(one.shrinkage[0]),
        split=bool(one.split[0]),
        mucinous=mucinous,
        subtype=table.subtype[k],
        focus_t2=_known(one.focus_t2),
        focus_adc_um2_per_s=_known(one.focus_adc),
        mucin_t2=_known(one.mucin_t2),
        mucin_adc_um2_per_s=_known(one.mucin_adc),
    )


def _number(value: float | None) -> Values:
    return np.array([np.nan if value is None else value])


def _known(values: Values) -> float | None:
    return None if np.isnan(values[0]) else float(values[0])
