"""The plan: every choice of a run in one tree, saved with the model and obeyed at scoring.

The module is long because a section of a plan is a field, a line of its record and a line that
reads it, and they are kept side by side.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.util import find_spec
from typing import Any

from radresp import classify, features, intensity, masks, registration
from radresp.cnn.explain_settings import Explain
from radresp.cnn.settings import Cnn
from radresp.core import RegionKey, Roi, Sequence, Settings, Timepoint
from radresp.errors import PlanError
from radresp.features.control import Control
from radresp.features.perturb import Perturbation
from radresp.pipeline.decide import DecisionRules
from radresp.pipeline.evaluation_rules import EvaluationRules
from radresp.pipeline.settings import S, check_keys, mapping_of, parse_settings
from radresp.registration import RigidMi

RIGID = "rigid_mi"
HEADER = "header"
AUTO = "auto"
DEFORMABLE_ORDER = ("bspline_lncc", "greedy", "bspline_mi")
"""What ``auto`` tries, by the evidence of docs/reference/registration.md; else rigid alone."""

DEFAULT_REGIONS = ("pre.t2.tumour", "post.t2.bed", "pre.adc.tumour", "post.adc.bed")


@dataclass(frozen=True, slots=True)
class Chosen:
    """A method picked from a room, with its settings."""

    method: str
    settings: Settings

    def record(self) -> dict[str, Any]:
        """The choice as a JSON-ready dictionary."""
        return {"method": self.method, "settings": self.settings.model_dump(mode="json")}


class HeaderPositions(Settings):
    """Diffusion and T2 of a visit lie where their headers say; there is nothing to choose."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is computed on one sequence: feature families, and changes between visits."""

    families: Mapping[str, Settings]
    changes: Mapping[str, Settings]

    def record(self) -> dict[str, Any]:
        """The wish as a JSON-ready dictionary."""
        return {
            "families": {n: s.model_dump(mode="json") for n, s in self.families.items()},
            "changes": {n: s.model_dump(mode="json") for n, s in self.changes.items()},
        }


DEFAULT_FEATURES: Mapping[Sequence, Mapping[str, Any]] = {
    Sequence.T2: {
        "families": {"volumetry": {}, "original": {}},
        # T2 is normalised around zero by default, where ratios of intensities mean nothing.
        "changes": {"delta": {"difference_only": ["original.firstorder_*"]}},
    },
    # The outline is drawn on T2: its shape and volume are counted once, there.
    Sequence.DWI: {"families": {"original": {"shape": False}}, "changes": {"delta": {}}},
    Sequence.ADC: {"families": {"original": {"shape": False}}, "changes": {"delta": {}}},
}


EXTRACTION = (
    "regions",
    "adc",
    "bias_field",
    "t2",
    "registration",
    "rigid",
    "registration_dwi",
    "clean",
    "rules",
    "ring_mm",
    "change_maps",
    "control",
    "features",
)
"""Sections of a plan that can change a feature value."""

MEASURES = "measures"
DEFAULT_MEASURES: Mapping[str, Any] = {"response": {}}


@dataclass(frozen=True, slots=True)
class Plan:
    """Every choice of a run.

    Parameters
    ----------
    seed : int
        Seed of everything random.
    regions : tuple of RegionKey
        Where features are taken from, in this order.
    adc : FitAdc
        How ADC maps are fitted.
    bias_field : CorrectBias, optional
        How coil shading of T2 is taken out; not at all when None.
    t2 : Chosen
        How T2 intensities are made comparable.
    registration : Chosen
        How the earlier visit is aligned with the later one; never ``auto``, but what that meant.
    rigid : RigidMi
        The rigid stage before a deformable method, and the fall-back when that fails.
    registration_dwi : Chosen
        How diffusion is aligned with T2 within a visit.
    clean, rules : Clean, MaskRules
        How masks are tidied and what is refused.
    ring_mm : float
        Width of the ring around tumour or bed, mm.
    change_maps : ChangeRules
        Which changes of a voxel between the visits are counted.
    control : Control, optional
        With which voxels of every region features are computed instead of its own; see
        ``radresp.features.control``.
    features : mapping of Sequence to Wanted
        Feature families and changes, sequence by sequence.
    measures : mapping of str to Settings
        What is measured of the whole case; ``measures`` in the section ``features``.
    stability : Perturbation
        How cases are perturbed to see which features are stable.
    cnn : Cnn, optional
        The 3-D network; none where a plan does not ask for it.
    explain : Explain
        How the network's answer on a case is traced back to voxels.
    classifier : Chosen
        What is trained.
    evaluation : EvaluationRules
        What an evaluation looks at.
    decision : DecisionRules
        When a case gets a word, and when to abstain.

    Examples
    --------
    >>> parse_plan({"seed": 3}).seed
    3
    """

    seed: int
    regions: tuple[RegionKey, ...]
    adc: intensity.FitAdc
    bias_field: intensity.CorrectBias | None
    t2: Chosen
    registration: Chosen
    rigid: RigidMi
    registration_dwi: Chosen
    clean: masks.Clean
    rules: masks.MaskRules
    ring_mm: float
    change_maps: intensity.ChangeRules
    control: Control | None
    features: Mapping[Sequence, Wanted]
    measures: Mapping[str, Settings]
    stability: Perturbation
    cnn: Cnn | None
    explain: Explain
    classifier: Chosen
    evaluation: EvaluationRules
    decision: DecisionRules

    def record(self) -> dict[str, Any]:
        """The plan as the mapping :func:`parse_plan` reads."""
        return {
            "seed": self.seed,
            "regions": [str(key) for key in self.regions],
            "adc": self.adc.model_dump(mode="json"),
            "bias_field": self.bias_field and self.bias_field.model_dump(mode="json"),
            "t2": self.t2.record(),
            "registration": self.registration.record(),
            "rigid": self.rigid.model_dump(mode="json"),
            "registration_dwi": self.registration_dwi.record(),
            "clean": self.clean.model_dump(mode="json"),
            "rules": self.rules.model_dump(mode="json"),
            "ring_mm": self.ring_mm,
            "change_maps": self.change_maps.model_dump(mode="json"),
            "control": self.control and self.control.model_dump(mode="json"),
            "features": {
                **{str(name): wanted.record() for name, wanted in self.features.items()},
                MEASURES: {n: s.model_dump(mode="json") for n, s in self.measures.items()},
            },
            "stability": self.stability.model_dump(mode="json"),
            "cnn": self.cnn and self.cnn.model_dump(mode="json"),
            "explain": self.explain.model_dump(mode="json"),
            "classifier": self.classifier.record(),
            "evaluation": self.evaluation.model_dump(mode="json"),
            "decision": self.decision.model_dump(mode="json"),
        }

    def sha256(self, *sections: str) -> str:
        """Hash of the plan, or of some of its sections (those a result depends on)."""
        record = self.record()
        kept = {name: record[name] for name in (sections or record)}
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()

    @property
    def extraction_sha256(self) -> str:
        """Hash of everything that can change a feature value."""
        return self.sha256(*EXTRACTION)


def parse_plan(mapping: Mapping[str, Any] | None = None) -> Plan:
    """Read a plan from a mapping; whatever is not said keeps its default.

    Raises
    ------
    PlanError
        ``CONFIG_KEY`` for an unknown key (with the nearest valid one), ``CONFIG_VALUE`` for a
        value of the wrong type or out of range.
    """
    given = dict(mapping or {})
    check_keys(given, [f.name for f in fields(Plan) if f.name != MEASURES], "")
    wanted, measures = _features(given.get("features"))
    return Plan(
        seed=_seed(given.get("seed", 17)),
        regions=_regions(given.get("regions", DEFAULT_REGIONS)),
        adc=parse_settings(intensity.FitAdc, given.get("adc"), "adc"),
        bias_field=_optional(intensity.CorrectBias, given.get("bias_field"), "bias_field"),
        t2=_chosen(_settings_of(intensity.METHODS), given.get("t2"), "t2", "zscore"),
        registration=_chosen(
            _settings_of(registration.METHODS),
            _resolved(given.get("registration")),
            "registration",
            AUTO,
        ),
        rigid=parse_settings(registration.RigidMi, given.get("rigid"), "rigid"),
        registration_dwi=_chosen(
            {HEADER: HeaderPositions, **_settings_of(registration.METHODS)},
            given.get("registration_dwi"),
            "registration_dwi",
            RIGID,
        ),
        clean=parse_settings(masks.Clean, given.get("clean"), "clean"),
        rules=parse_settings(masks.MaskRules, given.get("rules"), "rules"),
        ring_mm=_ring_mm(given.get("ring_mm", 5.0)),
        change_maps=parse_settings(intensity.ChangeRules, given.get("change_maps"), "change_maps"),
        control=_optional(Control, given.get("control"), "control"),
        features=wanted,
        measures=measures,
        stability=parse_settings(Perturbation, given.get("stability"), "stability"),
        cnn=_optional(Cnn, given.get("cnn"), "cnn"),
        explain=parse_settings(Explain, given.get("explain"), "explain"),
        classifier=_chosen(
            _settings_of(classify.METHODS), given.get("classifier"), "classifier", "auto"
        ),
        evaluation=parse_settings(EvaluationRules, given.get("evaluation"), "evaluation"),
        decision=parse_settings(DecisionRules, given.get("decision"), "decision"),
    )


def parse_region(text: str) -> RegionKey:
    """A region key from its dotted name, for example ``post.t2.bed``."""
    parts = text.split(".")
    try:
        timepoint, sequence, roi = parts
        return RegionKey(Timepoint(timepoint), Sequence(sequence), Roi(roi))
    except ValueError:
        raise PlanError(
            "CONFIG_VALUE",
            f"regions: '{text}'",
            expected="VISIT.SEQUENCE.ROI such as post.t2.bed",
            action=f"visits {list(Timepoint)}, sequences {list(Sequence)}, rois {list(Roi)}",
        ) from None


def _regions(value: Any) -> tuple[RegionKey, ...]:
    if not isinstance(value, (list, tuple)) or not value:
        raise PlanError("CONFIG_VALUE", f"regions: {value!r}", expected="a list of regions")
    keys = tuple(parse_region(str(text)) for text in value)
    if len(set(keys)) != len(keys):
        raise PlanError("CONFIG_VALUE", "regions: a region is named twice", expected="each once")
    return keys


def _seed(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**32:
        raise PlanError("CONFIG_VALUE", f"seed: {value!r}", expected="an integer in 0..2^32-1")
    return value


def _ring_mm(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value <= 50:
        raise PlanError("CONFIG_VALUE", f"ring_mm: {value!r}", expected="a width in (0, 50] mm")
    return float(value)


def _resolved(value: Any) -> dict[str, Any]:
    """The registration section with ``auto`` replaced by the best method installed here."""
    given = mapping_of(value, "registration")
    if given.get("method", AUTO) != AUTO:
        return given
    here = (n for n in DEFORMABLE_ORDER if n in registration.METHODS and not missing_modules(n))
    return given | {"method": next(here, RIGID)}


def missing_modules(method: str) -> tuple[str, ...]:
    """Modules a registration method needs that are not installed here."""
    if method not in registration.METHODS:  # positions by header need nothing
        return ()
    return tuple(name for name in registration.METHODS[method].needs if find_spec(name) is None)


def _optional(kind: type[S], value: Any, path: str) -> S | None:
    """Settings of a step that is left out when nothing is said of it; ``{}`` asks for it."""
    return None if value is None else parse_settings(kind, value, path)


def _settings_of(registry: Mapping[str, Any]) -> dict[str, type[Settings]]:
    return {name: method.settings for name, method in registry.items()}


def _features(value: Any) -> tuple[dict[Sequence, Wanted], dict[str, Settings]]:
    """Feature families and changes by sequence, and the measures of the whole case."""
    given = mapping_of(value, "features")
    check_keys(given, [*Sequence, MEASURES], "features.")
    wanted = {}
    for sequence, default in DEFAULT_FEATURES.items():
        path = f"features.{sequence}"
        section = {**default, **mapping_of(given.get(sequence), path)}
        check_keys(section, ["families", "changes"], f"{path}.")
        wanted[sequence] = Wanted(
            _many(features.FAMILIES, section["families"], f"{path}.families"),
            _many(features.CHANGES, section["changes"], f"{path}.changes"),
        )
    measures = given.get(MEASURES, DEFAULT_MEASURES)
    return wanted, _many(features.MEASURES, measures, f"features.{MEASURES}")


def _many(registry: Mapping[str, Any], value: Any, path: str) -> dict[str, Settings]:
    kinds = _settings_of(registry)
    given = mapping_of(value, path)
    check_keys(given, list(kinds), f"{path}.")
    return {
        name: parse_settings(kinds[name], section, f"{path}.{name}")
        for name, section in given.items()
    }


def _chosen(kinds: Mapping[str, type[Settings]], value: Any, path: str, default: str) -> Chosen:
    given = mapping_of(value, path)
    check_keys(given, ["method", "settings"], f"{path}.")
    method = given.get("method", default)
    if not isinstance(method, str) or method not in kinds:
        raise PlanError(
            "CONFIG_VALUE", f"{path}.method: {method!r}", expected=f"one of {', '.join(kinds)}"
        )
    return Chosen(method, parse_settings(kinds[method], given.get("settings"), f"{path}.settings"))
