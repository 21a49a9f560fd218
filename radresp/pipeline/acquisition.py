"""How the images were made, and whether that lies within what a model was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from radresp.core import Sequence, Step, Timepoint, Volume

SLACK = 0.1
"""Relative slack on numeric ranges: headers round, and 10 % of a voxel edge changes no protocol."""

Role = tuple[Timepoint, Sequence]
TEXT_ATTRIBUTES = ("manufacturer", "scanning_sequence")
NUMBER_ATTRIBUTES = ("field_strength_t", "echo_time_ms", "repetition_time_ms")


def acquisition_step(roles: Mapping[Role, tuple[tuple[Volume, ...], Step]]) -> Step:
    """One step that says, role by role, how the images were acquired.

    Parameters
    ----------
    roles : mapping of (Timepoint, Sequence) to (volumes, reading step)
        What was read for each role.
    """
    said: dict[str, Any] = {}
    for (timepoint, sequence), (volumes, step) in roles.items():
        name = f"{timepoint}.{sequence}"
        spacing = volumes[0].grid.spacing_mm
        said[f"{name}.in_plane_mm"] = max(spacing[:2])
        said[f"{name}.slice_mm"] = spacing[2]
        if sequence is Sequence.DWI:
            b_values = [volume.b_s_per_mm2 for volume in volumes]
            said[f"{name}.b_max_s_per_mm2"] = b_values[-1]
            said[f"{name}.b_values"] = " ".join(f"{b:g}" for b in b_values)
        for attribute in (*NUMBER_ATTRIBUTES, *TEXT_ATTRIBUTES):
            if attribute in step.settings:
                said[f"{name}.{attribute}"] = step.settings[attribute]
    return Step("pipeline", "acquisition", said)


def acquisition_of(trail: Iterable[Step]) -> dict[str, Any]:
    """The acquisition said in a trail; empty when none was."""
    return next((dict(s.settings) for s in trail if s.method == "acquisition"), {})


def summarise(acquisitions: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The range of every number and the set of every word over a training cohort.

    Examples
    --------
    >>> summarise([{"pre.t2.slice_mm": 3.0}, {"pre.t2.slice_mm": 4.0}])
    {'pre.t2.slice_mm': [3.0, 4.0]}
    """
    seen: dict[str, list[Any]] = {}
    for acquisition in acquisitions:
        for name, value in acquisition.items():
            seen.setdefault(name, []).append(value)
    return {
        name: sorted(set(values)) if isinstance(values[0], str) else [min(values), max(values)]
        for name, values in sorted(seen.items())
    }


def outside_protocol(acquisition: Mapping[str, Any], trained: Mapping[str, Any]) -> tuple[str, ...]:
    """Reasons, in words, why images were made unlike those a model was trained on.

    Parameters
    ----------
    acquisition : mapping
        Of the case, from :func:`acquisition_of`.
    trained : mapping
        Of the training cohort, from :func:`summarise`. What it does not know is not judged.
    """
    reasons = []
    for name, value in acquisition.items():
        known = trained.get(name)
        if known is None:
            continue
        if isinstance(value, str):
            if value not in known:
                reasons.append(
                    f"PROTOCOL_OUTSIDE: {name} is {value}; trained on {', '.join(known)}"
                )
        elif not known[0] * (1 - SLACK) <= value <= known[1] * (1 + SLACK):
            reasons.append(
                f"PROTOCOL_OUTSIDE: {name} is {value:g}; trained on {known[0]:g} to {known[1]:g}"
            )
    return tuple(reasons)
