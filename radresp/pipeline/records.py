"""One record a finished case and stage: what it was made from, what it is, whether it still holds.

A record is trusted only when the hashes of the inputs, of the plan sections that can change it,
of its own content and of the files it names all fit; everything else is recomputed. It holds no
time: the same inputs give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from radresp import io
from radresp.core import CaseFiles

SCHEMA = 2
DECISIVE_PACKAGES = ("radresp", "pyradiomics-bhklab", "SimpleITK", "numpy")


def input_paths(files: CaseFiles) -> dict[str, Path]:
    """Every image and mask of a case by role, for example ``post_t2``."""
    paths = {f"{t}_{s}": path for (t, s), path in files.images.items()}
    paths |= {f"{k.timepoint}_{k.sequence}_{k.roi}": path for k, path in files.masks.items()}
    return dict(sorted(paths.items()))


def input_hashes(files: CaseFiles) -> dict[str, str]:
    """SHA-256 of every image and mask by role; a missing one hashes to the empty text.

    A series chosen from a folder of several has the hash of the folder and the choice.
    """
    hashes = {r: io.sha256_of(p) if io.is_there(p) else "" for r, p in input_paths(files).items()}
    chosen = {f"{t}_{s}": choice for (t, s), choice in files.series.items()}
    return {
        role: hashlib.sha256(f"{digest} {chosen[role]}".encode()).hexdigest()
        if digest and role in chosen
        else digest
        for role, digest in hashes.items()
    }


def image_hashes(files: CaseFiles) -> dict[str, str]:
    """The part of `input_hashes` that is of images."""
    images = CaseFiles(files.case_id, files.patient_key, files.root, files.images)
    return input_hashes(replace(images, series=files.series))


class Kept(NamedTuple):
    """The body of a record that still holds; or None, with the reason where there is a record."""

    body: dict[str, Any] | None
    reason: str = ""


def record_path(stage: str, case_id: str, folder: Path) -> Path:
    """Where the record of a case and stage lies."""
    return folder / "cases" / stage / f"{case_id}.json"


def save_record(
    stage: str, files: CaseFiles, plan_sha256: str, folder: Path, body: Mapping[str, Any]
) -> None:
    """Write the record of a finished case, made by the sections of the plan with this hash."""
    key = _key(stage, files, plan_sha256)
    record = {"key": key, "sha256": digest_of(body), "body": dict(body)}
    io.write_json(record_path(stage, files.case_id, folder), record)


def load_record(stage: str, files: CaseFiles, plan_sha256: str, folder: Path) -> Kept:
    """The body of a case's record, where there is one that still fits."""
    path = record_path(stage, files.case_id, folder)
    if not path.is_file():
        return Kept(None)
    record = io.read_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("key"), dict):
        return Kept(None, "the record is damaged")
    now = _key(stage, files, plan_sha256)
    changed = sorted(name for name in now if record["key"].get(name) != now[name])
    if changed:
        return Kept(None, f"changed since: {', '.join(changed)}")
    body = record.get("body")
    if not isinstance(body, dict) or record.get("sha256") != digest_of(body):
        return Kept(None, "the record is damaged")
    for name, digest in body.get("outputs", {}).items():
        if not (folder / name).is_file() or io.sha256_of(folder / name) != digest:
            return Kept(None, f"{name} is missing or damaged")
    return Kept(body)


def _key(stage: str, files: CaseFiles, plan_sha256: str) -> dict[str, Any]:
    versions = io.versions()
    return {
        "schema": SCHEMA,
        "stage": stage,
        "plan_sha256": plan_sha256,
        "inputs": input_hashes(files),
        "outlines": _outlines(files),
        "clinical": dict(files.clinical),
        "versions": {name: versions.get(name, "") for name in DECISIVE_PACKAGES},
    }


def _outlines(files: CaseFiles) -> dict[str, str]:
    """What the table says of masks beyond their paths: which outline of the file, or none."""
    said = {str(key): f"#{choice}" for key, choice in files.choices.items()}
    return dict(sorted((said | {str(key): "empty" for key in files.empty}).items()))


def digest_of(body: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON-ready mapping, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
