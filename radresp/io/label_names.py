"""Names of the labels of an image, from a small table beside it.

Beside ``mask.nii.gz``: ``mask.json`` with ``{"tumour": 1}``, ``{"1": "tumour"}`` or either of them
under ``"labels"`` (as nnU-Net's dataset.json); or ``mask.csv`` or ``mask.tsv`` with a column
``name`` and a column ``label``, ``index`` or ``value`` (as BIDS writes them).
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from radresp.errors import InputError
from radresp.io.input_file import check_file, is_there

ENDINGS = (".json", ".csv", ".tsv")
_IMAGES = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd")
_NUMBER_COLUMNS = ("label", "index", "value")
_LARGEST_BYTES = 2**18


def read_label_names(image: Path) -> dict[str, int]:
    """The labels of an image by name; empty when there is no table beside it.

    Parameters
    ----------
    image : Path
        The label map.

    Raises
    ------
    InputError
        ``MASK_NAMES`` when the table cannot be read, names a label twice, or when there are
        several tables.
    """
    found = [path for ending in ENDINGS if is_there(path := _beside(image, ending))]
    if len(found) > 1:
        raise _bad(found[1], "one table of names, not several")
    if not found:
        return {}
    path = found[0]
    if check_file(path).st_size > _LARGEST_BYTES:
        raise _bad(path, "a short table")
    try:
        text = path.read_text("utf-8-sig")
        pairs = _json_pairs(text) if path.suffix == ".json" else _table_pairs(text, path)
        drawn = [(str(name).strip(), int(label)) for name, label in pairs if int(label) != 0]
    except (OSError, ValueError, TypeError, KeyError, RecursionError, csv.Error):
        raise _bad(path, "label numbers and names") from None
    names = dict(drawn)
    if len(names) != len(drawn) or len({*names.values()}) != len(drawn) or "" in names:
        raise _bad(path, "one name for a label, and a label for each name")
    return names


def _beside(image: Path, ending: str) -> Path:
    for known in _IMAGES:
        if image.name.lower().endswith(known):
            return image.with_name(image.name[: -len(known)] + ending)
    return image.with_name(image.name + ending)


def _json_pairs(text: str) -> list[tuple[Any, Any]]:
    """(name, label) pairs; a JSON of another purpose (a BIDS sidecar) holds none."""
    content = json.loads(text)
    if isinstance(content, dict):
        content = content.get("labels", content)
    if not isinstance(content, dict):
        raise TypeError
    if all(type(value) is int for value in content.values()):
        return list(content.items())
    if all(str(key).isdecimal() for key in content):
        return [(value, key) for key, value in content.items()]
    return []


def _table_pairs(text: str, path: Path) -> list[tuple[Any, Any]]:
    rows = csv.DictReader(text.splitlines(), delimiter="\t" if path.suffix == ".tsv" else ",")
    columns = [name for name in _NUMBER_COLUMNS if name in (rows.fieldnames or ())]
    if len(columns) != 1:
        raise KeyError
    column = columns[0]
    return [(row["name"], row[column]) for row in rows]


def _bad(path: Path, expected: str) -> InputError:
    return InputError(
        "MASK_NAMES", "an unusable table of label names", expected=expected, file=path
    )
