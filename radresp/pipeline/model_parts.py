"""The parts of a model folder beside its classifier, read and held against each other.

What: plan, protocol, training cases and manifest. Digests show that nobody changed a folder after
it was sealed, not that what was sealed makes sense: a part that is missing, broken or contradicts
another refuses the model and names the file.

Source: fault catalogue 2.9 (P03, P06, P08, P15). When to use: from
:func:`radresp.pipeline.score.open_model` alone.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from radresp import __version__, classify, io
from radresp.errors import ModelError, PlanError
from radresp.io.model_folder import MANIFEST
from radresp.io.plan_file import MAX_BYTES
from radresp.pipeline.acquisition import TEXT_ATTRIBUTES
from radresp.pipeline.plan import Plan, parse_plan
from radresp.pipeline.train import CLASSIFIER_PREFIX, imaging_of

PLAN, PROTOCOL, TRAINED_ON = "plan.yaml", "protocol.json", "out_of_fold.csv"
AGAIN = "copy the model folder again from where it was made, or train again"
_SAID: Mapping[str, type | tuple[type, ...]] = {
    "endpoint": str,
    "classes": (list, tuple),
    "positive_class": str,
    "training_data": str,
    "cases": int,
    "extraction_sha256": str,
    "versions": dict,
}
_WORDS = (*TEXT_ATTRIBUTES, "b_values")


class _Protocol(BaseModel):
    """How the training images were acquired, and the digests of each case's inputs by role."""

    model_config = ConfigDict(extra="forbid", strict=True)
    cases: dict[str, dict[str, str]]
    acquisition: dict[str, tuple[FiniteFloat, FiniteFloat] | list[str]]


def check_manifest(found: io.ModelFolder, folder: Path) -> None:
    """Refuse a manifest that does not say what a score has to repeat.

    Raises
    ------
    ModelError
        ``MODEL_FORMAT``.
    """
    lacking = [n for n, kind in _SAID.items() if not isinstance(found.manifest.get(n), kind)]
    if lacking:
        raise _refusal(f"it does not say {', '.join(lacking)}", folder / MANIFEST)


def read_plan(found: io.ModelFolder, folder: Path) -> Plan:
    """The plan the model was trained by.

    Raises
    ------
    ModelError
        ``MODEL_FORMAT``; ``MODEL_NEWER`` where a later radresp wrote a key or value that this one
        does not know; ``EXTRACTION_MISMATCH`` where this one reads it differently.
    """
    path = folder / PLAN
    text = _text(found, path)
    if len(text) > MAX_BYTES:
        raise _refusal(f"it has {len(text)} characters, more than any plan", path)
    try:
        plan = parse_plan(io.parse_mapping(text, path))
    except PlanError as error:
        made = str(found.manifest["versions"].get("radresp", ""))
        if error.code in ("CONFIG_KEY", "CONFIG_VALUE") and _release(made) > _release(__version__):
            raise ModelError(
                "MODEL_NEWER",
                f"{error.found}; written by radresp {made}",
                expected=f"a plan radresp {__version__} knows",
                action="update radresp",
                file=path,
            ) from error
        raise _refusal(f"it is no plan: {error.found}", path) from error
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise _refusal(f"it is no plan ({type(error).__name__})", path) from error
    if plan.extraction_sha256 != found.manifest["extraction_sha256"]:
        raise ModelError(
            "EXTRACTION_MISMATCH",
            "this version reads the model's plan differently from the version that trained it",
            expected="the same extraction settings",
            action="score with the radresp version named in the model's manifest",
            file=path,
        )
    return plan


def read_protocol(found: io.ModelFolder, folder: Path) -> dict[str, Any]:
    """How the training images were acquired, and what they were.

    Raises
    ------
    ModelError
        ``MODEL_FORMAT``.
    """
    path = folder / PROTOCOL
    try:
        protocol = _Protocol.model_validate_json(_text(found, path))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise _refusal(f"it is no protocol: {where}: {first['msg']}", path) from None
    for name, known in protocol.acquisition.items():
        if isinstance(known, list) != (name.rpartition(".")[2] in _WORDS):
            raise _refusal(f"it is no protocol: {name} is {known}", path)
    return protocol.model_dump()


def read_training_ids(found: io.ModelFolder, folder: Path) -> frozenset[str]:
    """Case ids of the training cases, from the out-of-fold predictions.

    Raises
    ------
    ModelError
        ``MODEL_FORMAT``.
    """
    path = folder / TRAINED_ON
    try:
        header, *rows = csv.reader(_text(found, path).splitlines())
    except (csv.Error, ValueError) as error:
        raise _refusal(f"it is no table ({type(error).__name__})", path) from error
    ids = frozenset(row[0] for row in rows if row)
    if header[:1] != ["case_id"] or any(len(row) != len(header) for row in rows):
        raise _refusal("it is no table of case_id and predictions", path)
    if len(ids) != found.manifest["cases"] or len(rows) != len(ids):
        counted = f"{len(rows)} rows of {len(ids)} cases"
        raise _refusal(f"{counted}, and {MANIFEST} says {found.manifest['cases']} cases", path)
    return ids


def read_classifier(found: io.ModelFolder, folder: Path) -> classify.Model | classify.Fused:
    """The classifier, whose errors name its members as they lie in the folder.

    Raises
    ------
    ModelError
        What :func:`radresp.classify.restore` refuses; ``LABEL_CODING`` where the manifest says
        something else of classes, positive class or endpoint than the classifier.
    """
    members = {
        name.removeprefix(CLASSIFIER_PREFIX): data
        for name, data in found.members.items()
        if name.startswith(CLASSIFIER_PREFIX)
    }
    try:
        model = classify.restore(members)
    except ModelError as error:
        raise ModelError(
            error.code,
            error.found,
            expected=error.expected,
            action=error.action,
            file=folder / f"{CLASSIFIER_PREFIX}{error.file}",
        ) from error.__cause__
    manifest, imaging = found.manifest, imaging_of(model)
    said = _answer(manifest["classes"], manifest["positive_class"], manifest["endpoint"])
    held = _answer(imaging.classes, classify.RESIDUAL, imaging.endpoint)
    if said != held:
        raise ModelError(
            "LABEL_CODING",
            f"the manifest says {said}, the classifier {held}",
            expected="one answer to what is predicted",
            action="train the model again, or ask whoever gave it to you what it predicts",
            file=folder / MANIFEST,
        )
    return model


def _answer(classes: Any, positive: str, endpoint: str) -> str:
    return f"{positive} of {', '.join(map(str, classes))} for {endpoint}"


def _text(found: io.ModelFolder, path: Path) -> str:
    if path.name not in found.members:
        raise _refusal(f"{path.name} is missing", path)
    try:
        return found.members[path.name].decode("utf-8")
    except UnicodeDecodeError:
        raise _refusal(f"{path.name} is not UTF-8 text", path) from None


def _release(version: str) -> tuple[int, ...]:
    """The numbers of a version, as far as they can be compared.

    Examples
    --------
    >>> _release("0.10.1.dev0") > _release("0.9"), _release("")
    (True, ())
    """
    leading = re.match(r"[0-9]{1,9}(\.[0-9]{1,9})*", version)
    return tuple(map(int, leading[0].split("."))) if leading else ()


def _refusal(found: str, path: Path) -> ModelError:
    return ModelError(
        "MODEL_FORMAT", found, expected="a member written by radresp", action=AGAIN, file=path
    )
