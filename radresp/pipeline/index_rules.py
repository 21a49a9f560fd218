"""The rules of `radresp index`: what makes a series a T2, DWI or ADC, and a study a visit."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from radresp import io
from radresp.core import Sequence, Settings
from radresp.errors import PlanError
from radresp.pipeline.settings import check_keys, parse_settings

TEXTS = frozenset({"kind", "problem", "plane", "vendor", "modality"})
LISTS = frozenset({"scanning_sequence", "image_type", "words"})
NUMBERS = frozenset(("tilt_degrees", "echo_time_ms", "repetition_time_ms", "field_strength_t"))
NUMBERS |= {"in_plane_mm", "slice_mm", "slice_thickness_mm", "slices", "images", "order"}
NUMBERS |= {"b_count", "b_min", "b_max"}
ATTRIBUTES = tuple(sorted(TEXTS | LISTS | NUMBERS))
_LONGEST_PATTERN = 200
_DEFAULT = "index.yaml"


class Condition(Settings):
    """What one attribute of a series must be; everything that is said must hold."""

    one_of: tuple[str, ...] | None = Field(None, description="The text is one of these.")
    has: tuple[str, ...] | None = Field(None, description="The list holds one of these.")
    lacks: tuple[str, ...] | None = Field(None, description="The list holds none of these.")
    at_least: float | None = Field(None, description="Lowest number allowed.")
    at_most: float | None = Field(None, description="Highest number allowed.")
    absent: bool | None = Field(None, description="Whether there must be no value.")
    or_absent: bool = Field(False, description="Whether a series without a value passes.")

    @model_validator(mode="after")
    def _says_something(self) -> Condition:
        if not self.model_fields_set - {"or_absent"}:
            raise ValueError("a condition says what is allowed")
        return self


class Preference(Settings):
    """One tie-break: which of several series is kept."""

    attribute: str = Field(description="What is compared.")
    order: Literal["lowest", "highest"] | None = Field(None, description="Which end is better.")
    tolerance: float = Field(0.0, ge=0, description="Difference that counts as equal.")
    one_of: tuple[str, ...] | None = Field(None, description="Texts that are better.")
    has: tuple[str, ...] | None = Field(None, description="Better with one of these.")
    lacks: tuple[str, ...] | None = Field(None, description="Better without any of these.")

    @model_validator(mode="after")
    def _says_one_thing(self) -> Preference:
        said = [self.order, self.one_of, self.has, self.lacks]
        if sum(one is not None for one in said) != 1:
            raise ValueError("a preference says one of order, one_of, has and lacks")
        return self


class RoleRules(Settings):
    """What makes a series fit for a role, and which of several is taken."""

    require: Mapping[str, Condition] = Field(description="Condition by attribute, in order.")
    prefer: tuple[Preference, ...] = Field((), description="Tie-breaks, in order.")


class VisitRules(Settings):
    """Which studies are the visits before and after treatment."""

    one_visit_days: int = Field(1, ge=0, le=14, description="Studies so far apart are one visit.")
    minimum_days: int = Field(28, ge=1, le=365, description="Shortest time between the visits.")
    maximum_days: int = Field(400, ge=30, le=3650, description="Longest time between the visits.")
    most_studies: int = Field(3, ge=2, le=50, description="More need treatment dates.")

    @model_validator(mode="after")
    def _leaves_room(self) -> VisitRules:
        if self.maximum_days <= self.minimum_days:
            raise ValueError("maximum_days must be above minimum_days")
        return self


class IndexRules(Settings):
    """Everything `radresp index` decides by."""

    words: Mapping[str, str] = Field(description="Regular expression by name.")
    t2: RoleRules = Field(description="Axial T2.")
    dwi: RoleRules = Field(description="Diffusion-weighted series.")
    adc: RoleRules = Field(description="ADC map of the scanner.")
    visits: VisitRules = Field(description="Pairing of studies.")

    @field_validator("words")
    @classmethod
    def _are_patterns(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        for name, pattern in value.items():
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", name):
                raise ValueError("names of patterns are small letters, digits and '_'")
            if len(pattern) > _LONGEST_PATTERN:
                raise ValueError(f"patterns have at most {_LONGEST_PATTERN} characters")
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")  # what will mean something else some day
                    re.compile(pattern)
            except (re.error, OverflowError, Warning):
                raise ValueError(f"the pattern {name} is no regular expression") from None
        return value

    def role(self, sequence: Sequence) -> RoleRules:
        """The rules of one role."""
        found: RoleRules = getattr(self, str(sequence))
        return found


def load_rules(path: Path | None = None) -> IndexRules:
    """The rules in a YAML file over the default rules, or those alone.

    Parameters
    ----------
    path : Path, optional
        A copy of configs/index.yaml with changes. Sections and, within a role, ``require`` and
        ``prefer`` are replaced whole; what is not said keeps its default.

    Raises
    ------
    PlanError
        ``CONFIG_KEY`` for an unknown key or attribute, ``CONFIG_VALUE`` for a value that cannot be
        meant, and the codes of `radresp.io.plan_file.load_mapping`.
    """
    given = {} if path is None else io.load_mapping(path)
    try:
        return _parsed(given)
    except PlanError as error:
        error.file = None if path is None else str(path)
        raise


def _parsed(given: Mapping[str, Any]) -> IndexRules:
    mapping = default_mapping()
    check_keys(given, list(IndexRules.model_fields), "")
    for key, section in given.items():
        if not isinstance(section, Mapping):
            raise PlanError("CONFIG_VALUE", f"{key}: {section!r}", expected="keys")
        mapping[key] = {**mapping[key], **section} if key != "words" else dict(section)
    rules = parse_settings(IndexRules, mapping, "")
    for sequence in Sequence:
        _check_role(rules, sequence)
    return rules


def default_mapping() -> dict[str, Any]:
    """The default rules as read from the installed package."""
    file = resources.files("radresp.pipeline") / _DEFAULT
    return io.parse_mapping(file.read_text(encoding="utf-8"))


def _check_role(rules: IndexRules, sequence: Sequence) -> None:
    role = rules.role(sequence)
    for name, condition in role.require.items():
        where = f"{sequence}.require"
        check_keys([name], list(ATTRIBUTES), f"{where}.")
        said = condition.model_fields_set - {"or_absent", "absent"}
        _check_fits(name, said, f"{where}.{name}")
        _check_words(rules, name, (*(condition.has or ()), *(condition.lacks or ())), where)
    for place, preference in enumerate(role.prefer, start=1):
        where = f"{sequence}.prefer.{place}"
        check_keys([preference.attribute], list(ATTRIBUTES), f"{where}.")
        said = preference.model_fields_set - {"attribute", "tolerance"}
        _check_fits(preference.attribute, said, where)
        words = (*(preference.has or ()), *(preference.lacks or ()))
        _check_words(rules, preference.attribute, words, where)


def _check_fits(attribute: str, said: set[str], where: str) -> None:
    """Numbers have bounds and an order, texts are one of some, lists have or lack some."""
    kinds = {"one_of": TEXTS, "has": LISTS, "lacks": LISTS}
    for operator in sorted(said):
        if attribute not in kinds.get(operator, NUMBERS):
            fitting = ", ".join(sorted(kinds.get(operator, NUMBERS)))
            raise PlanError(
                "CONFIG_VALUE",
                f"{where}: '{operator}' of {attribute}",
                expected=f"'{operator}' with one of {fitting}",
            )


def _check_words(rules: IndexRules, attribute: str, used: tuple[str, ...], where: str) -> None:
    if attribute == "words":
        for word in used:
            check_keys([word], list(rules.words), f"{where}.words: ")
