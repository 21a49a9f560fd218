"""A model as bytes and back: audited skops for scikit-learn objects, JSON for the rest.

Source: skops' persistence format; fault catalogue 2.9. Nothing is ever unpickled. Loading audits
every type against skops' own list with nothing added, checks versions, label coding and finite
weights, and recomputes a stored reference case before the model may score anything.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from pydantic import ValidationError

from radresp.classify.archive import dump_classifier, load_classifier, suffix_of
from radresp.classify.calibration import Platt
from radresp.classify.conformal import Mondrian
from radresp.classify.ensemble import Ensemble, Refits
from radresp.classify.fusion import CLINICAL, IMAGING, Fused, Stack
from radresp.classify.head import Head
from radresp.classify.model import Model, current_versions
from radresp.classify.prediction import predict_prepared
from radresp.classify.preparation import Preparation
from radresp.classify.scaling import Scaler, Standard, restored_scaler
from radresp.classify.settings import ClassifierSettings
from radresp.classify.support import Support
from radresp.classify.table import RESIDUAL, VOCABULARIES
from radresp.core import Note, NoteKind, Step
from radresp.errors import ModelError, RadrespError

FORMAT = 3
JSON_MEMBER = "model.json"
FUSION_MEMBER = "fusion.json"
HEADS = ("residual", "subtype")
_TOLERANCE = 1e-6


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
        "reference": _reference(model),
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
        line = None if record["doubted"] is None else _platt(record["doubted"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            "MODEL_FORMAT", f"{FUSION_MEMBER} does not describe a stack", file=FUSION_MEMBER
        ) from error
    models = {}
    for source in stack.sources:
        start = f"{source}_"
        own = {name.removeprefix(start): d for name, d in members.items() if name.startswith(start)}
        models[source] = restore_model(own, kinds)
    if set(models) != {IMAGING, CLINICAL}:
        raise ModelError("MODEL_FORMAT", f"a stack of {', '.join(models)}", file=FUSION_MEMBER)
    return Fused(models, stack, conformal, line)


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
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, ValidationError) as error:
        raise ModelError(
            "MODEL_FORMAT",
            f"{JSON_MEMBER} does not describe a model ({type(error).__name__})",
            file=JSON_MEMBER,
        ) from error
    _check_labels(model, record)
    _check_weights(model)
    return _self_tested(model, record)


def _record(members: Mapping[str, bytes], file: str) -> dict[str, Any]:
    if file not in members:
        raise ModelError("MODEL_FORMAT", f"{file} is missing", file=file)
    try:
        record = json.loads(members[file])
    except (ValueError, RecursionError):
        raise ModelError("MODEL_FORMAT", "it is not JSON", file=file) from None
    version = record.get("format") if isinstance(record, dict) else None
    if not isinstance(version, int):
        raise ModelError("MODEL_FORMAT", "no format number", file=file)
    if version < FORMAT:
        raise ModelError(
            "MODEL_FORMAT",
            f"model format {version}, of an earlier version",
            expected=str(FORMAT),
            action="train the model again",
            file=file,
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
        raise ModelError("MODEL_FORMAT", f"unknown method {name}", expected=", ".join(kinds))
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


def _check_labels(model: Model, record: dict[str, Any]) -> None:
    known = any(set(model.classes) <= set(words) for words in VOCABULARIES)
    coded = model.residual.classifier.classes_.tolist() == [0, 1]
    if model.subtype is not None:
        seen = model.subtype.classifier.classes_
        coded = coded and set(seen.tolist()) <= set(range(len(model.classes)))
    same = set(model.counts) == set(model.classes)
    if not (known and coded and same and record["positive"] == RESIDUAL in model.classes):
        raise ModelError(
            "LABEL_CODING",
            f"classes {', '.join(model.classes)}, positive class {record['positive']}",
            expected=f"1 = {RESIDUAL}",
            file=JSON_MEMBER,
        )


def _check_weights(model: Model) -> None:
    support = model.support
    arrays: list[Any] = [
        *(list(asdict(line).values()) for line in (model.platt, model.doubted) if line),
        support.centre,
        support.spread,
        support.axes,
        support.precision,
        [support.farthest, support.most_outside],
    ]
    heads = [head for head in (model.residual, model.subtype) if head is not None]
    if isinstance(model.ensemble, Ensemble):
        ensemble = model.ensemble
        arrays += [ensemble.weights, ensemble.offsets, ensemble.low, ensemble.high]
        arrays += _numbers_of(ensemble.scaler)
    else:
        heads += model.ensemble.heads
        arrays += [list(asdict(line).values()) for line in model.ensemble.lines]
    for head in heads:
        arrays += _numbers_of(head.scaler)
        if head.linear:
            arrays += [head.classifier.coef_, head.classifier.intercept_]
    if not all(np.isfinite(values).all() for values in arrays):
        raise ModelError("MODEL_WEIGHTS", "a weight is NaN or infinite", expected="finite numbers")


def _numbers_of(scaler: Scaler) -> list[Any]:
    own = [scaler.mean, scaler.scale]
    return own if isinstance(scaler, Standard) else [*own, scaler.grid]


def _reference(model: Model) -> dict[str, Any]:
    """What the model says of a made-up case in the middle of its training cases.

    Selected columns stand at their training median, all others in the middle of their range, so no
    patient's values are stored.
    """
    middle = (model.support.low + model.support.high) / 2
    middle[model.places(model.selected)] = [model.quantiles[name][2] for name in model.selected]
    found = predict_prepared(model, "reference", middle)
    place = model.places(model.selected)
    return {
        "p": [found.classes[name] for name in model.classes],
        "interval": list(found.interval or ()),
        "contributions": [part.contribution for part in found.contributions],
        "distance": [model.support.distance(middle[place])[0]],
        "fit": list(found.fit.values()),
        "pseudo": [found.p_pseudo_residual or 0.0],
    }


def _self_tested(model: Model, record: dict[str, Any]) -> Model:
    try:
        stored, found = record["reference"], _reference(model)
        errors = [
            np.abs(np.subtract(found[name], np.array(stored[name], dtype=float)))
            for name in ("p", "interval", "contributions", "distance", "fit", "pseudo")
        ]
        error = float(np.concatenate(errors).max())
    except (KeyError, TypeError, ValueError, IndexError, RadrespError) as problem:
        raise ModelError(
            "MODEL_FORMAT", "the parts of the model do not fit together", file=JSON_MEMBER
        ) from problem
    made, here = model.versions["scikit-learn"], current_versions()["scikit-learn"]
    other = made.split(".")[:2] != here.split(".")[:2]
    if not error <= _TOLERANCE:
        raise ModelError(
            "MODEL_VERSION" if other else "MODEL_SELF_TEST",
            f"made with scikit-learn {made}, here {here}; the reference case is off by {error:.2g}",
            expected=f"the stored numbers within {_TOLERANCE:g}",
            action="use the versions the model was made with" if other else "fetch the model again",
        )
    if not other:
        return model
    note = Note(
        NoteKind.WARNING,
        "MODEL_VERSION",
        f"made with scikit-learn {made}, here {here}",
        "",
        f"the reference case was reproduced within {_TOLERANCE:g}",
    )
    return replace(model, step=replace(model.step, notes=(*model.step.notes, note)))
