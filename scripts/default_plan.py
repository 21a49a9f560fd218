"""Print configs/default.yaml: every key of the plan, its default, and what it means.

    python scripts/default_plan.py > configs/default.yaml

The text is made from the settings themselves; a test holds the file to this output.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from radresp.core import Settings
from radresp.pipeline.plan import AUTO, MEASURES, Plan, parse_plan

HEADER = """\
# Every key of a plan with its default. Copy what you change into a file of your own; what a plan
# does not say keeps the value below. `radresp methods` lists the methods that can be chosen.
# Made by scripts/default_plan.py.
"""
TOP = {
    "seed": "Seed of everything random.",
    "regions": "Where features are taken from: VISIT.SEQUENCE.ROI, in the order of the table.",
    "adc": "How ADC is fitted from diffusion-weighted images.",
    "bias_field": "How coil shading of T2 is taken out (N4); {} asks for it with its defaults, "
    "which stand in `radresp methods`.",
    "t2": "How T2 intensities are made comparable between scanners.",
    "registration": "How the visit before treatment is aligned with the one after it. auto takes "
    "the best method installed here (bspline_lncc, greedy, bspline_mi, else rigid_mi alone) and is "
    "recorded as that method; its settings stand in `radresp methods`.",
    "rigid": "The rigid stage before a deformable method, and the fall-back when that fails.",
    "registration_dwi": "How diffusion is aligned with T2 within a visit. header: not at all, "
    "masks lie where the headers say.",
    "clean": "How masks are tidied.",
    "rules": "Which masks are refused.",
    "ring_mm": "Width of the ring around tumour or bed, mm.",
    "change_maps": "Which changes of a voxel between the visits are counted.",
    "control": "Negative control: which voxels of every region are replaced, so that texture is "
    "lost; {} asks for shuffled voxels. For a comparison, never for a model that is used.",
    "features": "What is computed on each sequence, of its change between visits, and (measures) "
    "of the whole case.",
    "stability": "How `radresp stability` perturbs images and outlines.",
    "cnn": "The 3-D network (`pip install 'radresp[cnn]'`); {} asks for it with its defaults, "
    "which stand in configs/cnn.yaml.",
    "explain": "How `radresp score --explain` traces the network's answer back to voxels.",
    "classifier": "What is trained.",
    "evaluation": "What the evaluation of a model looks at.",
    "decision": "When a case gets a word, and when to abstain.",
}


def default_plan_text() -> str:
    """The content of configs/default.yaml."""
    plan = parse_plan()
    lines = [HEADER]
    record = plan.record() | {"registration": {"method": AUTO, "settings": {}}}
    for key, value in record.items():
        lines.append(f"# {TOP[key]}")
        lines += _entry(key, value, _meanings(plan, key), 0)
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _meanings(plan: Plan, key: str) -> dict[str, Any]:
    value = getattr(plan, key)
    if isinstance(value, Settings):
        return _described(value)
    if isinstance(value, Mapping):
        sequences = {str(sequence): _wanted(wanted) for sequence, wanted in value.items()}
        return sequences | {MEASURES: {n: _described(s) for n, s in plan.measures.items()}}
    return {"settings": _described(value.settings)} if hasattr(value, "settings") else {}


def _wanted(wanted: Any) -> dict[str, Any]:
    return {
        kind: {name: _described(settings) for name, settings in getattr(wanted, kind).items()}
        for kind in ("families", "changes")
    }


def _described(settings: Settings) -> dict[str, Any]:
    return {name: f.description or "" for name, f in type(settings).model_fields.items()}


def _entry(key: str, value: Any, meaning: Any, depth: int) -> Iterator[str]:
    indent = "  " * depth
    nested = isinstance(value, Mapping) and value and not isinstance(meaning, str)
    if isinstance(meaning, str) and meaning:
        yield f"{indent}# {meaning}"
    if not nested:
        yield f"{indent}{key}: {json.dumps(value)}"
        return
    yield f"{indent}{key}:"
    for name, item in value.items():
        below = meaning.get(name, {}) if isinstance(meaning, Mapping) else {}
        yield from _entry(name, item, below, depth + 1)


if __name__ == "__main__":
    print(default_plan_text(), end="")
