"""Registrations that were found before: the slow part of preparing a case, done once.

A fit is kept under the SHA-256 of all that decides on it: both images with their grids, both
outlines, method, settings and versions. So a changed setting of features or masks, another command
or a run that was cut off finds it again, and whatever changes the fit itself does not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from radresp import io, registration
from radresp.core import Alignment, Mask, Quality, Step, Verdict, Volume
from radresp.pipeline.case_work import Place
from radresp.pipeline.records import DECISIVE_PACKAGES, digest_of

SCHEMA = 1
_ENGINES = (*DECISIVE_PACKAGES, "torch", "picsl-greedy")


class KeptFits(NamedTuple):
    """A folder of fits; without one, every fit is made anew and none is kept.

    Parameters
    ----------
    folder : Path, optional
        Where they are. Several processes may share it.
    fresh : bool, default False
        Whether those that are there are made anew.
    """

    folder: Path | None = None
    fresh: bool = False

    @classmethod
    def at(cls, place: Place) -> KeptFits:
        """Those of the place a case is worked on."""
        return cls(place.fits, place.fresh)

    def align(self, fixed: Volume, moving: Volume, **wish: Any) -> Alignment:
        """Parameters, result and errors of `radresp.registration.align`."""
        if self.folder is None:
            return registration.align(fixed, moving, **wish)
        key = _key(fixed, moving, wish)
        path = self.folder / key[:2] / f"{key}.json"
        found = None if self.fresh else _load(path, wish["names"])
        if found is None:
            found = registration.align(fixed, moving, **wish)
            _save(found, path)
        return found


NONE_KEPT = KeptFits()


def _key(fixed: Volume, moving: Volume, wish: Mapping[str, Any]) -> str:
    versions = io.versions()
    images: dict[str, Volume | Mask] = {"fixed": fixed, "moving": moving}
    images |= {name: value for name, value in wish.items() if isinstance(value, Mask)}
    said = {
        "schema": SCHEMA,
        "method": wish["method"],
        "settings": wish["settings"].model_dump(mode="json"),
        "names": wish["names"],
        "versions": {name: versions.get(name, "") for name in _ENGINES},
        "images": {name: repr(image.grid) for name, image in images.items()},
    }
    whole = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for _, image in sorted(images.items()):
        whole.update(image.array.tobytes())
    return whole.hexdigest()


def _save(found: Alignment, path: Path) -> None:
    """The transform, then the record that makes it count."""
    transform = path.with_suffix(io.transform_suffix(found.transform))
    io.save_transform(found.transform, transform)
    body = {
        "transform": transform.name,
        "transform_sha256": io.sha256_of(transform),
        "verdict": str(found.quality.verdict),
        # As text, which holds every number exactly, also one that is none.
        "numbers": {name: repr(value) for name, value in found.quality.numbers.items()},
        "reasons": list(found.quality.reasons),
        "step": found.step.record(timed=False),
    }
    io.write_json(path, {"sha256": digest_of(body), "body": body})


def _load(path: Path, names: tuple[str, str]) -> Alignment | None:
    """A kept fit, or None where there is none, or it is damaged."""
    record = io.read_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("body"), dict):
        return None
    body = record["body"]
    if record.get("sha256") != digest_of(body):
        return None
    file = path.parent / body["transform"]
    if not file.is_file() or io.sha256_of(file) != body["transform_sha256"]:
        return None
    transform = io.load_transform(file)
    if transform is None:
        return None
    numbers = {name: float(text) for name, text in body["numbers"].items()}
    quality = Quality(Verdict(body["verdict"]), numbers, tuple(body["reasons"]))
    return Alignment(*names, transform, quality, Step.from_record(body["step"]))
