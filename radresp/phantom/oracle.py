"""The ceiling: class probabilities from all that imaging could at best recover.

What: the exact Bayes posterior of the outcome given the regimen and the noise-free latents of the
images, with what no image shows integrated out. No model of the images can be better on average,
so any model can be reported as a share of what is possible.
Source: Bayes' rule on the densities of `radresp.phantom.patterns`.
When: tables and figures on synthetic cohorts, and tuning the overlap of the classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from radresp.phantom.patterns import (
    SHRINKAGE_SD,
    Spread,
    Values,
    patterns,
    shrinkage_bounds,
    tissue_spread,
)
from radresp.phantom.presets import OUTCOMES, CohortPreset, Regimen, regimen_given_outcome
from radresp.phantom.reader import calls
from radresp.phantom.response import Latents, Response, draw_population
from radresp.phantom.tissue import tissue_table

_WALL = ("rectal_wall_mucosa", "rectal_wall_submucosa", "rectal_wall_muscularis_treated")


@dataclass(frozen=True, slots=True)
class SimulatedCohort:
    """Latent truth of many patients, without images; arrays of length n.

    Parameters
    ----------
    outcome : numpy.ndarray
        Indices into `OUTCOMES`.
    regimen : numpy.ndarray
        Indices into the preset's mix.
    latents : Latents
        The responses.
    tumour_ml, bed_ml, focus_ml : numpy.ndarray
        Volumes before and after treatment, and of the foci, mL.
    adc_um2_per_s : numpy.ndarray
        Mean ADC of the bed with the spread of all its tissues between patients, 1e-6 mm2/s.
    reader_call : numpy.ndarray
        0 cCR, 1 nCR, 2 iCR.
    probability : numpy.ndarray
        The oracle's class probabilities, (n, 3) in the order of `OUTCOMES`.
    """

    outcome: NDArray[np.intp]
    regimen: NDArray[np.intp]
    latents: Latents
    tumour_ml: Values
    bed_ml: Values
    focus_ml: Values
    adc_um2_per_s: Values
    reader_call: NDArray[np.intp]
    probability: Values

    @property
    def residual(self) -> NDArray[np.bool_]:
        """Whether the truth is residual disease."""
        return self.outcome == OUTCOMES.index("residual")

    @property
    def non_ccr(self) -> NDArray[np.bool_]:
        """Whether the team called nCR or iCR."""
        return self.reader_call > 0


def class_probabilities(
    response: Response, regimen: Regimen, preset: CohortPreset
) -> dict[str, float]:
    r"""The oracle's probabilities of the outcomes of one patient.

    Parameters
    ----------
    response : Response
        What the bed holds; only what an image can show of it is used: the shares of scar
        (fibrosis and microscopic together), oedema, foci, mucin and wall, the shrinkage, the split
        scar, T2 and ADC of foci and mucin, and whether the tumour was mucinous.
    regimen : Regimen
        How the patient was treated; one of the preset's mix.
    preset : CohortPreset
        Gives the prior.

    Returns
    -------
    dict of str to float
        P(outcome given the images and the regimen), sum 1.

    Raises
    ------
    ValueError
        The preset has no such regimen.

    Notes
    -----
    With outcome :math:`y`, regimen :math:`r`, mucinous tumour :math:`m`, pattern :math:`k` and
    evidence :math:`x = (a, s, l, t, d, t', d')` (shares, shrinkage, split scar, T2 and ADC of foci
    and of mucin),

    .. math::
       P(y | x, r, m) \propto P(y)\, P(r | y) \sum_k P(k | y, m, r)\,
       \mathrm{Dir}(a | \alpha_k)\, \mathrm{LN}(s | \mu_k, \sigma)\, \mathrm{Bern}(l | \pi_k)\,
       \mathrm{LN}(t | k)\, \mathrm{N}(d | k)\, \mathrm{LN}(t' | k)\, \mathrm{N}(d' | k)

    where patterns whose absent parts differ from those of :math:`a` have density 0. The
    microscopic part of the scar enters no density: no image shows it. Whether foci are viable or
    granulation is part of :math:`k` and summed over.

    Examples
    --------
    >>> from radresp.phantom.presets import preset, regimens
    >>> dense = Response(0.6, 0, 0.2, 0, 0, 0, 0, 0.2, shrinkage=0.3, split=True)
    >>> p = class_probabilities(dense, regimens()["LCRT"], preset("balanced"))
    >>> p["fibrosis"] > 0.8 and p["residual"] < 0.1
    True
    """
    names = [name for name, _ in preset.mix]
    if regimen.name not in names:
        raise ValueError(f"regimen '{regimen.name}' is not in preset {preset.name}")
    place = names.index(regimen.name)
    evidence = Latents.of(response, regimen.immunotherapy)
    probability = posterior(evidence, np.array([place]), preset)[0]
    return {name: float(p) for name, p in zip(OUTCOMES, probability, strict=True)}


def posterior(evidence: Latents, regimen: NDArray[np.intp], preset: CohortPreset) -> Values:
    """P(outcome given evidence and regimen), shape (n, 3); see `class_probabilities`.

    Parameters
    ----------
    evidence : Latents
        ``cells`` and ``pattern`` are not looked at.
    regimen : numpy.ndarray
        Indices into the preset's mix, shape (n,).
    preset : CohortPreset
        Gives the prior.
    """
    with np.errstate(divide="ignore"):
        prior = np.log(preset.shares) + np.log(regimen_given_outcome(preset)).T[regimen]
        chance = np.log(patterns().chance)
    which = chance[:, evidence.mucinous.astype(int), evidence.immune.astype(int)]
    joint = prior + logsumexp(which + _log_density(evidence), axis=2).T
    normal: Values = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    return normal


def simulate(preset: CohortPreset, n: int, seed: int) -> SimulatedCohort:
    """Latent truth, reader calls and the oracle's probabilities of n patients of a preset.

    Outcomes are drawn from the preset's shares, not dealt in blocks.
    """
    rng = np.random.default_rng([seed, 29])
    outcome, regimen, latents, tumour_ml = draw_population(rng, preset, n)
    bed_ml = tumour_ml * latents.shrinkage
    return SimulatedCohort(
        outcome,
        regimen,
        latents,
        tumour_ml,
        bed_ml,
        bed_ml * latents.shares[:, 2],
        _mean_adc(rng, latents),
        calls(rng, preset, latents, bed_ml),
        posterior(latents, regimen, preset),
    )


def _log_density(evidence: Latents) -> Values:
    """Log density of the evidence under every pattern, shape (n, patterns)."""
    table = patterns()
    present = table.weights > 0
    shown = evidence.shares > 0
    log_shares = np.log(np.where(shown, evidence.shares, 1.0))
    total = gammaln(table.weights.sum(axis=1))
    each = np.where(present, gammaln(np.where(present, table.weights, 1.0)), 0.0).sum(axis=1)
    powers = np.where(present, table.weights - 1, 0.0)
    density: Values = (log_shares[:, None] * powers).sum(axis=2) + (total - each)
    density[(shown[:, None] != present).any(axis=2)] = -np.inf
    density += _log_shrinkage(evidence.shrinkage)
    with np.errstate(divide="ignore"):
        density += np.log(np.where(evidence.split[:, None], table.split, 1 - table.split))
    focus, mucin = tissue_spread()
    density += _log_tissue(evidence.focus_t2, evidence.focus_adc, focus)[:, table.focus]
    density += _log_tissue(evidence.mucin_t2, evidence.mucin_adc, mucin)[:, table.mucin]
    return density


def _log_shrinkage(shrinkage: Values) -> Values:
    """Truncated log-normal; factors that all patterns share are left out."""
    median = patterns().shrinkage
    low, high = shrinkage_bounds(median)
    z = (np.log(shrinkage)[:, None] - np.log(median)) / SHRINKAGE_SD
    density: Values = -(z**2) / 2 - np.log(high - low)
    return density


def _log_tissue(t2: Values, adc: Values, spread: Spread) -> Values:
    """Log density of T2 and ADC by kind, (n, kinds); 0 for no such tissue."""
    z_t2 = (np.log(t2)[:, None] - spread.log_t2) / spread.log_t2_sd
    z_adc = (adc[:, None] - spread.adc) / spread.adc_sd
    density: Values = -(z_t2**2 + z_adc**2) / 2 - np.log(spread.adc_sd)
    return np.nan_to_num(density, nan=0.0)


def _mean_adc(rng: np.random.Generator, latents: Latents) -> Values:
    """Mean ADC of the bed; scar, oedema and wall vary between patients as the table says."""
    table, n = tissue_table(), len(latents)

    def drawn(*rows: str) -> Values:
        mean, sd = (
            1000 * float(np.mean([table[row][name] for row in rows]))
            for name in ("ADC_1e-3_mm2_s", "ADC_sd")
        )
        return mean + sd * rng.standard_normal(n).clip(-2.5, 2.5)

    focus, mucin = np.nan_to_num(latents.focus_adc), np.nan_to_num(latents.mucin_adc)
    parts = (drawn("fibrosis_scar"), drawn("inflammation_oedema"), focus, mucin, drawn(*_WALL))
    mean: Values = (latents.shares * np.stack(parts, axis=1)).sum(axis=1)
    return mean
