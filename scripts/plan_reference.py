"""Print docs/reference/plan.md: every key of a plan with its values, default and meaning.

    python scripts/plan_reference.py > docs/reference/plan.md

The page is read from the settings themselves; a test holds it to this output.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from default_plan import TOP
from reference_tables import code, table

from radresp import classify, features, intensity, registration
from radresp.core import Settings
from radresp.pipeline.plan import DEFAULT_REGIONS, HEADER, parse_plan

INTRODUCTION = """\
# Every key of a plan

A plan is a YAML file; what it does not say keeps its default. An unknown key is refused with the
nearest valid one (`CONFIG_KEY`), a value out of range with what was expected (`CONFIG_VALUE`).
The plan is saved with the features and with the model, and scoring obeys the model's.
`configs/default.yaml` is the default plan as a file, `configs/cnn.yaml` that of the network.
Made by scripts/plan_reference.py from the settings.
"""
HEAD = ("key", "values", "default", "meaning")
PLAIN = {
    "seed": ("0 to 4294967295", "17"),
    "regions": ("list of VISIT.SEQUENCE.ROI", ", ".join(DEFAULT_REGIONS)),
    "ring_mm": ("0 < x <= 50", "5.0"),
}
SHARED = "Keys of every method here:"
Keys = dict[str, tuple[str, str, str, str]]


def methods() -> dict[str, dict[str, type[Settings]]]:
    """Sections that choose a method, and the settings of each."""
    registries: Mapping[str, Mapping[str, Any]] = {
        "t2": intensity.METHODS,
        "registration": registration.METHODS,
        "features.SEQUENCE.families": features.FAMILIES,
        "features.SEQUENCE.changes": features.CHANGES,
        "features.measures": features.MEASURES,
        "classifier": classify.METHODS,
    }
    return {k: {n: m.settings for n, m in found.items()} for k, found in registries.items()}


def page() -> str:
    """The whole page."""
    lines = [INTRODUCTION]
    chosen = methods()
    for section, meaning in TOP.items():
        lines += [f"## {section}", "", meaning, ""]
        if section in PLAIN:
            lines += [*table(HEAD[:3], [(code(section), *PLAIN[section])]), ""]
        elif section == "registration_dwi":
            lines += [f"`{HEADER}`, or any method of [registration](#registration).", ""]
        elif found := [name for name in chosen if name.split(".")[0] == section]:
            for name in found:
                lines += _methods(name, chosen[name])
        else:
            lines += [*table(HEAD, _keys(_settings_of(section)).values()), ""]
    return "\n".join(lines).rstrip() + "\n"


def _settings_of(section: str) -> type[Settings]:
    """The settings of a section, which may be off in the default plan."""
    return type(getattr(parse_plan({section: {}}), section))


def _methods(name: str, registry: Mapping[str, type[Settings]]) -> Iterator[str]:
    """A section with a choice of methods: first the keys all share, then each method's own."""
    keys = {method: _keys(settings) for method, settings in registry.items()}
    first, *others = keys.values()
    shared = {k: row for k, row in first.items() if all(o.get(k) == row for o in others)}
    alone = len(keys) == 1
    within = "." in name
    if within:
        yield from (f"### {name}", "")
    if shared and not alone:
        yield from (SHARED, "", *table(HEAD, shared.values()), "")
    for method, found in keys.items():
        yield from (f"#### `{name}.{method}`" if within else f"### `{name}`: `{method}`", "")
        own = {k: row for k, row in found.items() if alone or k not in shared}
        yield from table(HEAD, own.values()) if own else ["No keys of its own."]
        yield ""


def _keys(settings: type[Settings], before: str = "") -> Keys:
    """Rows of the keys of settings; those of settings within have a dot."""
    schema = settings.model_json_schema()
    rows: Keys = {}
    for name, field in settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, Settings):
            rows |= _keys(type(default), f"{before}{name}.")
            continue
        values = _values(schema["properties"][name], schema.get("$defs", {}))
        shown = json.dumps(_plain(default), ensure_ascii=False)
        rows[before + name] = (code(before + name), values, code(shown), field.description or "")
    return rows


def _plain(default: Any) -> Any:
    return sorted(map(str, default)) if isinstance(default, frozenset) else default


def _values(said: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """The values a JSON schema allows, in words."""
    if "$ref" in said:
        return _values(known[said["$ref"].rsplit("/", 1)[-1]], known)
    if "anyOf" in said:
        return " or ".join(dict.fromkeys(_values(one, known) for one in said["anyOf"]))
    if "enum" in said or "const" in said:
        return ", ".join(map(str, said.get("enum", [said.get("const")])))
    kind = said.get("type", "any")
    if kind == "array":
        return _list(said, known)
    if kind == "object":
        inner = said.get("additionalProperties")
        keys = said.get("propertyNames", {})
        named = _values(keys, known) if keys else "name"
        return f"{{{named}: {_values(inner, known)}}}" if isinstance(inner, dict) else "mapping"
    return _range(said, WORDS.get(kind, kind))


WORDS = {"null": "null", "boolean": "true, false", "integer": "whole number", "string": "text"}


def _range(said: Mapping[str, Any], kind: str) -> str:
    """``0 < number <= 10``."""
    ends = {"exclusiveMinimum": "{} < ", "minimum": "{} <= "}
    low = next((text.format(said[k]) for k, text in ends.items() if k in said), "")
    ends = {"exclusiveMaximum": " < {}", "maximum": " <= {}"}
    high = next((text.format(said[k]) for k, text in ends.items() if k in said), "")
    return f"{low}{kind}{high}"


def _list(said: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    if "prefixItems" in said:
        return f"[{', '.join(_values(one, known) for one in said['prefixItems'])}]"
    return f"list of {_values(said.get('items', {}), known)}"


if __name__ == "__main__":
    print(page(), end="")
