"""What a methods text says of images, regions and features: sentences from a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from radresp.report.manuscript_words import joined
from radresp.report.references import Citations
from radresp.report.wording import dig

_T2 = {
    "zscore": "by scaling to a mean of 0 and a standard deviation of 1",
    "reference": "by dividing by the median of a reference tissue",
    "nyul": "by matching landmarks of the histogram",
}
_REGISTRATION: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "rigid_mi": ("rigidly by mutual information", ("mattes",)),
    "affine_mi": ("by an affine transform with mutual information", ("mattes",)),
    "bspline_mi": ("by B-splines with mutual information", ("rueckert", "mattes")),
    "bspline_lncc": ("by B-splines fitted to local correlation", ("rueckert",)),
    "greedy": ("by greedy deformable registration", ("yushkevich",)),
    "epi_mi": ("along the phase-encoding axis, by mutual information", ("epi",)),
    "header": ("by the positions in their headers", ()),
}
_FAMILIES = {
    "original": "intensity and texture of the unfiltered image",
    "filtered": "the same of filtered images",
    "volumetry": "volume and form",
    "ibsi": "features as the IBSI manual defines them",
    "pyradiomics": "pyradiomics features by their own parameter file",
}
_MEASURES = {
    "response": "measures of restaging as a radiologist takes them",
    "habitat": "shares of tissue habitats",
}


def image_paragraphs(plan: Mapping[str, Any], cite: Citations) -> Iterator[str]:
    """Sentences on preparation, alignment, outlines and features; none without a plan."""
    if not plan:
        return
    yield "[Scanners, sequences and their parameters; who drew the outlines, on which images.]"
    yield from _preparation(plan, cite)
    yield from _alignment(plan, cite)
    regions = plan.get("regions") or ()
    if regions:
        yield (
            f"Features were taken from {joined([_region(name) for name in regions])}. Outlines "
            "were carried to the image they were measured on; images were not interpolated by "
            "registration."
        )
    yield from _features(plan, cite)


def _region(name: str) -> str:
    """A region's name as words, for example post.adc.bed.

    Examples
    --------
    >>> _region("post.adc.bed")
    'the bed on ADC after treatment'
    """
    visit, sequence, roi = name.split(".")
    when = "before" if visit == "pre" else "after"
    return f"the {roi.replace('_', ' ')} on {sequence.upper()} {when} treatment"


def _preparation(plan: Mapping[str, Any], cite: Citations) -> Iterator[str]:
    fit = plan.get("adc")
    if fit:
        least = fit.get("b_min_s_per_mm2") or 0
        from_b = f" from b-values of {least:g} s/mm2 on" if least else ""
        yield (
            "Maps of the apparent diffusion coefficient (ADC) were used as given, or fitted to the "
            f"diffusion-weighted images ({fit['method']} fit{from_b})."
        )
    if plan.get("bias_field"):
        yield f"Shading was corrected {cite('n4')}."
    method = dig(plan, "t2", "method")
    if method is not None:
        work = f" {cite('nyul')}" if method == "nyul" else ""
        yield f"T2 intensities were made comparable {_T2.get(method, method)}{work}."


def _alignment(plan: Mapping[str, Any], cite: Citations) -> Iterator[str]:
    for key, what in (
        ("registration", "The T2 image before treatment was aligned with the one after treatment"),
        ("registration_dwi", "Diffusion was aligned with T2 of the same visit"),
    ):
        method = dig(plan, key, "method")
        if method is not None:
            said, works = _REGISTRATION.get(method, (f"by '{method}'", ()))
            yield f"{what} {said}{' ' + cite(*works) if works else ''}."
    if dig(plan, "registration", "method") is not None:
        yield (
            "Every alignment was judged by fixed rules; where the visits could not be aligned, no "
            "change was computed."
        )


def _features(plan: Mapping[str, Any], cite: Citations) -> Iterator[str]:
    found = plan.get("features") or {}
    for sequence, entry in found.items():
        families = entry.get("families") or {}
        if not families:
            continue
        said = joined([_FAMILIES.get(name, name) for name in families])
        binning = _binning(families)
        yield f"{sequence.upper()}: {said}{binning}."
    if any(entry.get("changes") for entry in found.values()):
        yield "Changes between the visits were taken as log-ratio or difference."
    measures = found.get("measures") or {}
    if measures:
        yield f"Of the whole case: {joined([_MEASURES.get(name, name) for name in measures])}."
    if found:
        yield (
            f"Texture follows pyradiomics {cite('pyradiomics')} and the Image Biomarker "
            f"Standardisation Initiative {cite('ibsi')}; deviations and all settings are in "
            "plan.yaml and the documentation."
        )


def _binning(families: Mapping[str, Any]) -> str:
    """How grey levels and voxels were made, where a family says so."""
    for settings in families.values():
        if not isinstance(settings, Mapping):
            continue
        widths = [width for width in (settings.get("bin_width") or {}).values() if width]
        if widths:
            said = f"bins of {joined([f'{width:g}' for width in widths])}"
        elif settings.get("bin_count"):
            said = f"{settings['bin_count']} grey levels"
        else:
            continue
        spacing = settings.get("resampled_spacing_mm")
        voxels = "voxels as acquired" if not spacing else f"voxels of {spacing} mm"
        return f" ({said}, {voxels})"
    return ""
