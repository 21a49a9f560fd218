"""A model as bytes and back: audited skops for scikit-learn objects, JSON for the rest.

Source: skops' persistence format; fault catalogue 2.9. Nothing is ever unpickled. Loading audits
every type against skops' own list with nothing added; what was read then passes the checks of
:mod:`radresp.classify.store_checks` before the model may score anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from radresp.classify.archive import dump_classifier, load_classifier, suffix_of
from radresp.classify.calibration import Platt
from radresp.classify.conformal import Mondrian
from radresp.classify.ensemble import Ensemble, Refits
from radresp.classify.entries import refusal
from radresp.classify.fusion import CLINICAL, IMAGING, Fused, Stack
from radresp.classify.head import Head
from radresp.classify.model import Model
from radresp.classify.preparation import Preparation
from radresp.classify.scaling import restored_scaler
from radresp.classify.settings import ClassifierSettings
from radresp.classify.store_checks import (
    JSON_MEMBER,
    check_labels,
    check_lines,
    check_parts,
    check_weights,
    reference,
    self_tested,
)
from radresp.classify.support import Support
from radresp.classify.table import RESIDUAL
from radresp.core import Note, NoteKind, Step
from radresp.errors import ModelError

FORMAT = 3
FUSION_MEMBER = "fusion.json"
HEADS = ("residual", "subtype")
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def dump(model: Model | Fused) -> dict[str, bytes]:
    """A model as named members; equal models give equal bytes.

    Parameters
    ----------
    model : Model or Fused
        The model.

    Returns
    -------
    dict of str to bytes
        ``model.json``, ``residual.skops`` (``.npz`` where it is trees), with three outcomes
        ``subtype``, and ``refit_000`` and so on where intervals rest on refits. A fused model has
        ``fusion.json`` and these members of each of its models under ``NAME_``.
    """
    return _dump_model(model) if isinstance(model, Model) else _dump_fused(model)


def _dump_fused(fused: Fused) -> dict[str, bytes]:
    record = {
        "format": FORMAT,
        "stack": fused.stack.record(),
        "conformal": fused.conformal.record(),
        "doubted": fused.doubted and asdict(fused.doubted),
        "lines": {name: asdict(line) for name, line in fused.lines.items()},
    }
    members = {FUSION_MEMBER: _json(record)}
    for name, model in fused.models.items():
        members |= {f"{name}_{member}": data for member, data in _dump_model(model).items()}
    return members


def _json(record: dict[str, Any]) -> bytes:
    return json.dumps(record, sort_keys=True, allow_nan=False, indent=1).encode()


def _dump_model(model: Model) -> dict[str, bytes]:
    record: dict[str, Any] = {
        "format": FORMAT,
        "method": model.method,
        "settings": model.settings.model_dump(mode="json"),
        "endpoint": model.endpoint,
        "classes": list(model.classes),
        "positive": RESIDUAL,
        "columns": list(model.columns),
        "counts": model.counts,
        "patients": model.patients,
        "seed": model.seed,
        "platt": asdict(model.platt),
        "doubted": model.doubted and asdict(model.doubted),
        "conformal": model.conformal.record(),
        "preparation": model.preparation.record(),
        "support": model.support.record(),
        "quantiles": model.quantiles,
        "hyperparameters": model.hyperparameters,
        "versions": model.versions,
        "notes": [note.record() for note in model.step.notes],
        "heads": {},
        "reference": reference(model),
    }
    members: dict[str, bytes] = {}
    for name in HEADS:
        head: Head | None = getattr(model, name)
        if head is not None:
            record["heads"][name] = _dump_head(name, head, members)
    if isinstance(model.ensemble, Ensemble):
        record["ensemble"] = model.ensemble.record()
    else:
        record["refits"] = [
            _dump_head(f"refit_{i:03d}", head, members) | {"platt": asdict(line)}
            for i, (head, line) in enumerate(
                zip(model.ensemble.heads, model.ensemble.lines, strict=True)
            )
        ]
    return {JSON_MEMBER: _json(record), **members}


def restore_any(
    members: Mapping[str, bytes], kinds: Mapping[str, type[ClassifierSettings]]
) -> Model | Fused:
    """The inverse of :func:`dump`, with every check.

    Parameters and errors are those of :func:`restore_model`.
    """
    if FUSION_MEMBER not in members:
        return restore_model(members, kinds)
    record = _record(members, FUSION_MEMBER)
    try:
        stack = Stack.restored(record["stack"])
        conformal = Mondrian.restored(record["conformal"])
        doubted = None if record["doubted"] is None else _platt(record["doubted"])
        lines = {str(name): _platt(line) for name, line in record.get("lines", {}).items()}
    except _UNREADABLE as error:
        raise refusal("it does not describe a stack", FUSION_MEMBER) from error
    own = [source for source in stack.sources if source not in lines]
    if sorted(own) not in ([IMAGING], [CLINICAL, IMAGING]) or len(stack.sources) != len(own) + len(
        lines
    ):
        raise refusal(f"a stack of {', '.join(stack.sources)}", FUSION_MEMBER)
    check_lines((*lines.values(), *filter(None, [doubted])), FUSION_MEMBER)
    models = {source: _restore_part(members, source, kinds) for source in own}
    check_parts(models)
    return Fused(models, stack, conformal, doubted, lines)


def _restore_part(
    members: Mapping[str, bytes], source: str, kinds: Mapping[str, type[ClassifierSettings]]
) -> Model:
    """One model of a fused one; errors name its members as they are named here."""
    start = f"{source}_"
    own = {name.removeprefix(start): d for name, d in members.items() if name.startswith(start)}
    try:
        return restore_model(own, kinds)
    except ModelError as error:
        raise ModelError(
            error.code,
            error.found,
            expected=error.expected,
            action=error.action,
            file=f"{start}{error.file or JSON_MEMBER}",
        ) from error.__cause__


def restore_model(
    members: Mapping[str, bytes], kinds: Mapping[str, type[ClassifierSettings]]
) -> Model:
    """One model from its members.

    Parameters
    ----------
    members : mapping of str to bytes
        As :func:`dump` gives them.
    kinds : mapping of str to type
        Settings of each known method.

    Raises
    ------
    ModelError
        ``MODEL_FORMAT``, ``MODEL_NEWER``, ``MODEL_UNTRUSTED``, ``MODEL_VERSION``,
        ``LABEL_CODING``, ``MODEL_WEIGHTS`` or ``MODEL_SELF_TEST``.
    """
    record = _record(members, JSON_MEMBER)
    try:
        model = _assemble(record, members, kinds)
        check_labels(model, record)
        check_weights(model)
    except _UNREADABLE as error:
        raise refusal(
            f"it does not describe a model ({type(error).__name__})", JSON_MEMBER
        ) from error
    return self_tested(model, record)


def _record(members: Mapping[str, bytes], file: str) -> dict[str, Any]:
    if file not in members:
        raise refusal("it is missing", file)
    try:
        record = json.loads(members[file])
    except (ValueError, RecursionError):
        raise refusal("it is not JSON", file) from None
    version = record.get("format") if isinstance(record, dict) else None
    if not isinstance(version, int):
        raise refusal("it has no format number", file)
    if version < FORMAT:
        raise refusal(
            f"model format {version}, of an earlier version",
            file,
            f"format {FORMAT}",
            "train the model again",
        )
    if version > FORMAT:
        raise ModelError(
            "MODEL_NEWER",
            f"model format {version}",
            expected=f"at most {FORMAT}",
            action="update radresp",
            file=file,
        )
    return dict(record)


def _assemble(
    record: dict[str, Any],
    members: Mapping[str, bytes],
    kinds: Mapping[str, type[ClassifierSettings]],
) -> Model:
    name = record["method"]
    if name not in kinds:
        raise refusal(f"unknown method {name!r}", JSON_MEMBER, f"one of {', '.join(kinds)}")
    heads = {head: _load_head(head, kept, members) for head, kept in record["heads"].items()}
    settings = kinds[name].model_validate(record["settings"])
    notes = tuple(
        Note(NoteKind(n["severity"]), n["code"], n["found"], n["expected"], n["action"], n["file"])
        for n in record["notes"]
    )
    return Model(
        method=name,
        settings=settings,
        endpoint=str(record["endpoint"]),
        classes=tuple(record["classes"]),
        columns=tuple(record["columns"]),
        counts={label: int(count) for label, count in record["counts"].items()},
        patients=int(record["patients"]),
        seed=int(record["seed"]),
        platt=_platt(record["platt"]),
        ensemble=_load_ensemble(record, members),
        support=Support.restored(record["support"]),
        quantiles={column: tuple(values) for column, values in record["quantiles"].items()},
        hyperparameters=record["hyperparameters"],
        versions={key: str(value) for key, value in record["versions"].items()},
        step=Step("classify", name, record["settings"], 0.0, notes),
        residual=heads["residual"],
        subtype=heads.get("subtype"),
        preparation=Preparation.restored(record["preparation"], tuple(record["columns"])),
        conformal=Mondrian.restored(record["conformal"]),
        doubted=None if record["doubted"] is None else _platt(record["doubted"]),
    )


def _dump_head(name: str, head: Head, members: dict[str, bytes]) -> dict[str, Any]:
    """Put the classifier of a head among the members; the rest is JSON-ready."""
    file = name + suffix_of(head.classifier)
    members[file] = dump_classifier(head.classifier)
    return {"columns": list(head.columns), "scaler": head.scaler.record(), "file": file}


def _load_head(name: str, kept: Mapping[str, Any], members: Mapping[str, bytes]) -> Head:
    file = str(kept["file"])
    if file.partition(".")[0] != name:
        raise ValueError("the head names another member")
    classifier = load_classifier(file, members)
    return Head(tuple(kept["columns"]), restored_scaler(kept["scaler"]), classifier)


def _load_ensemble(record: Mapping[str, Any], members: Mapping[str, bytes]) -> Ensemble | Refits:
    if "ensemble" in record:
        return Ensemble.restored(record["ensemble"])
    kept = record["refits"]
    heads = tuple(_load_head(f"refit_{i:03d}", one, members) for i, one in enumerate(kept))
    return Refits(heads, tuple(_platt(one["platt"]) for one in kept))


def _platt(record: Mapping[str, Any]) -> Platt:
    ends = {name: float(record[name]) for name in ("slope", "intercept", "low", "high")}
    return Platt(**ends, flat=bool(record["flat"]))
