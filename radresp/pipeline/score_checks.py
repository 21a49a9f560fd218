"""What must hold before a case is scored: the features, the software and the images of the model.

Source: fault catalogue 2.9 (P05, P06, P11). When to use: from
:func:`radresp.pipeline.score.score_case`, and before features are extracted for a model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from radresp import classify, io
from radresp.core import CaseFiles, Sequence
from radresp.errors import ModelError
from radresp.io.model_folder import MANIFEST
from radresp.pipeline.extract import feature_names
from radresp.pipeline.plan import Plan
from radresp.pipeline.read import needed_sequences, needed_visits
from radresp.pipeline.train import CLASSIFIER_PREFIX

PYRADIOMICS = "pyradiomics-bhklab"
BY_PYRADIOMICS = frozenset({"filtered", "ibsi", "original", "pyradiomics"})
"""Families with numbers out of pyradiomics' code, whichever engine.

The fast and exact engines of ``original`` and ``filtered`` only count matrices by themselves: the
formulae over them, the filters and resampling are pyradiomics', and so are the areas of mesh cells
that ``ibsi`` adds up. ``volumetry`` and the measures of the whole case use none of it.
"""
_SHOWN = 3


def check_features(model: classify.Model, plan: Plan) -> None:
    """Refuse a model of images whose plan does not give the features it asks for.

    Raises
    ------
    ModelError
        ``FEATURE_SCHEMA`` with what is missing and what the model does not know.
    """
    asked, given = set(model.columns), set(feature_names(plan))
    if not asked - given:
        return
    unknown = f"; not in the model: {few(given - asked)}" if given - asked else ""
    raise ModelError(
        "FEATURE_SCHEMA",
        f"the model asks for {len(asked - given)} features its plan does not give: "
        f"{few(asked - given)}{unknown}",
        expected="a model trained on features that radresp extracted",
        action="use `radresp evaluate` for models trained on other tables",
        file=f"{CLASSIFIER_PREFIX}model.json",
    )


def few(names: Iterable[str]) -> str:
    """The first three names in order, and how many more there are.

    Examples
    --------
    >>> few({"d", "b", "a", "c"})
    'a, b, c and 1 more'
    """
    ordered = sorted(names)
    more = len(ordered) - _SHOWN
    return ", ".join(ordered[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def check_extractor(plan: Plan, manifest: Mapping[str, Any]) -> None:
    """Refuse to extract by another pyradiomics than the training features were extracted by.

    Parameters
    ----------
    plan : Plan
        Says which families are computed; see ``BY_PYRADIOMICS``.
    manifest : mapping
        Of the model; its ``versions``.

    Raises
    ------
    ModelError
        ``EXTRACTION_MISMATCH``.
    """
    asked = {name for key in plan.regions for name in plan.features[key.sequence].families}
    made, here = manifest["versions"].get(PYRADIOMICS, "none"), io.versions()[PYRADIOMICS]
    if made == here or not asked & BY_PYRADIOMICS:
        return
    families = ", ".join(sorted(asked & BY_PYRADIOMICS))
    raise ModelError(
        "EXTRACTION_MISMATCH",
        f"the model's features ({families}) were made by {PYRADIOMICS} {made}, here is {here}",
        expected=f"{PYRADIOMICS} {made}",
        action="install that version, or train again with this one",
        file=MANIFEST,
    )


def missing_roles(files: CaseFiles, plan: Plan) -> tuple[str, ...]:
    """The images a plan needs and a case does not name, for example ``"pre adc or dwi"``.

    Parameters
    ----------
    files : CaseFiles
        Addresses of the case.
    plan : Plan
        Its regions say what is needed; an ADC map can be fitted from diffusion.
    """
    stands_for = {Sequence.ADC: (Sequence.ADC, Sequence.DWI)}
    return tuple(
        f"{timepoint} {' or '.join(choices)}"
        for timepoint in needed_visits(plan)
        for choices in (stands_for.get(s, (s,)) for s in needed_sequences(plan, timepoint))
        if not any((timepoint, sequence) in files.images for sequence in choices)
    )
