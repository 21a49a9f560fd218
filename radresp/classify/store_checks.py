"""What a restored model must pass before it may score: labels, weights, and its reference case.

Source: fault catalogue 2.9 (P05, P07, P09, P15). A model keeps what it says of one made-up case;
recomputing that shows weights, order and software to be those it was made with, where hashes only
show that nobody touched the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from radresp.classify.calibration import Platt
from radresp.classify.ensemble import Ensemble
from radresp.classify.entries import AGAIN, refusal
from radresp.classify.model import Model, current_versions
from radresp.classify.prediction import predict_prepared
from radresp.classify.scaling import Scaler, Standard
from radresp.classify.table import RESIDUAL, VOCABULARIES
from radresp.core import Note, NoteKind
from radresp.errors import ModelError, RadrespError

JSON_MEMBER = "model.json"
_TOLERANCE = 1e-6
_UNFIT = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RadrespError)
_ASIDE = "do not use this model; ask whoever gave it to you for one that radresp trained"


def check_labels(model: Model, record: Mapping[str, Any]) -> None:
    """Refuse a model in which 1 does not mean residual tumour.

    Raises
    ------
    ModelError
        ``LABEL_CODING``.
    """
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
            action=_ASIDE,
            file=JSON_MEMBER,
        )


def check_parts(models: Mapping[str, Model]) -> None:
    """Refuse models that were stacked but do not answer the same question.

    Raises
    ------
    ModelError
        ``LABEL_CODING``.
    """
    answers = {(model.endpoint, model.classes) for model in models.values()}
    if len(answers) > 1:
        said = "; ".join(f"{end} of {', '.join(names)}" for end, names in sorted(answers))
        raise ModelError(
            "LABEL_CODING",
            f"the stacked models answer {said}",
            expected="one endpoint and the same classes",
            action=_ASIDE,
            file=f"{next(iter(models))}_{JSON_MEMBER}",
        )


def check_lines(lines: Iterable[Platt], file: str) -> None:
    """Refuse lines from score to log-odds with a number that is none.

    Raises
    ------
    ModelError
        ``MODEL_WEIGHTS``.
    """
    _check_finite([list(asdict(line).values()) for line in lines], file)


def check_weights(model: Model) -> None:
    """Refuse a model with a number that is none.

    Raises
    ------
    ModelError
        ``MODEL_WEIGHTS``.
    """
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
    _check_finite(arrays, JSON_MEMBER)


def _check_finite(arrays: Iterable[Any], file: str) -> None:
    if not all(np.isfinite(values).all() for values in arrays):
        raise ModelError(
            "MODEL_WEIGHTS",
            "a weight is NaN or infinite",
            expected="finite numbers",
            action=AGAIN,
            file=file,
        )


def _numbers_of(scaler: Scaler) -> list[Any]:
    own = [scaler.mean, scaler.scale]
    return own if isinstance(scaler, Standard) else [*own, scaler.grid]


def reference(model: Model) -> dict[str, Any]:
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


def self_tested(model: Model, record: Mapping[str, Any]) -> Model:
    """The model, once it has reproduced its reference case.

    Returns
    -------
    Model
        With a note ``MODEL_VERSION`` where another scikit-learn did.

    Raises
    ------
    ModelError
        ``MODEL_SELF_TEST``, ``MODEL_VERSION`` where scikit-learn is another, ``MODEL_FORMAT`` where
        the parts do not fit together.
    """
    try:
        with np.errstate(all="ignore"):  # what is no number is far off, and refused below
            stored, found = record["reference"], reference(model)
        errors = [
            np.abs(np.subtract(found[name], np.array(stored[name], dtype=float)))
            for name in ("p", "interval", "contributions", "distance", "fit", "pseudo")
        ]
        error = float(np.concatenate(errors).max())
        made, here = model.versions["scikit-learn"], current_versions()["scikit-learn"]
    except _UNFIT as problem:
        raise refusal("the parts of the model do not fit together", JSON_MEMBER) from problem
    other = made.split(".")[:2] != here.split(".")[:2]
    if not error <= _TOLERANCE:
        raise ModelError(
            "MODEL_VERSION" if other else "MODEL_SELF_TEST",
            f"made with scikit-learn {made}, here {here}; the reference case is off by {error:.2g}",
            expected=f"the stored numbers within {_TOLERANCE:g}",
            action="use the versions the model was made with" if other else AGAIN,
            file=JSON_MEMBER,
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
