"""A scikit-learn classifier as audited bytes: skops with nothing added to its trusted types.

Source: skops' persistence format. Reading looks at the entries of an archive before any of them is
inflated, and at the types it names before any of them is built, and refuses all that skops does not
trust by itself. Nothing is ever unpickled.
"""

from __future__ import annotations

import io
import json
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import skops.io
from sklearn.exceptions import InconsistentVersionWarning
from skops.io.exceptions import UnsupportedTypeException, UntrustedTypesFoundException

from radresp.classify.entries import SCHEMA, Archive, pack, refusal
from radresp.classify.trees import Trees
from radresp.errors import ModelError

_TREE_ENTRIES = {f"{name}.npy" for name in ("kind", *Trees.ARRAYS)}
_BAD_MEMBER = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    ImportError,
    IndexError,
    OSError,
    EOFError,
    MemoryError,
    OverflowError,
    RuntimeError,
    UnsupportedTypeException,
)


def suffix_of(classifier: Any) -> str:
    """``.npz`` for trees, which skops does not trust, ``.skops`` for everything else."""
    return ".npz" if isinstance(classifier, Trees) else ".skops"


def dump_classifier(classifier: Any) -> bytes:
    """A fitted classifier as a skops archive without clock times and memory addresses.

    skops names arrays and marks shared objects by memory address; here they are numbered in the
    order they are mentioned, so that equal objects give equal bytes.
    """
    if isinstance(classifier, Trees):
        return classifier.dump()
    data = skops.io.dumps(classifier)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = json.loads(archive.read(SCHEMA))
        contents = {name: archive.read(name) for name in archive.namelist()}
    numbers: dict[int, int] = {}
    files: dict[str, str] = {}

    def renamed(node: Any) -> Any:
        if isinstance(node, list):
            return [renamed(part) for part in node]
        if not isinstance(node, dict):
            return node
        result = {key: renamed(value) for key, value in node.items()}
        if isinstance(result.get("__id__"), int):
            result["__id__"] = numbers.setdefault(result["__id__"], len(numbers) + 1)
        if result.get("file") in contents:
            result["file"] = files.setdefault(result["file"], f"{len(files) + 1}.npy")
        return result

    text = json.dumps(renamed(schema), indent=1)
    arrays = {new: contents[old] for old, new in files.items()}
    return pack({**arrays, SCHEMA: text.encode()})


def load_classifier(name: str, members: Mapping[str, bytes]) -> Any:
    """A classifier from an archive, audited before it is built.

    Parameters
    ----------
    name : str
        Which member.
    members : mapping of str to bytes
        All members of the model.

    Raises
    ------
    ModelError
        ``MODEL_UNTRUSTED`` for a type skops does not trust by itself, ``MODEL_FORMAT`` for
        anything else that is no classifier.
    """
    if name not in members:
        raise refusal("it is missing", name)
    try:
        classifier = _loaded(name, members[name])
    except ModelError:
        raise
    except UntrustedTypesFoundException as error:
        raise _untrusted(str(error), name) from None
    except _BAD_MEMBER as error:
        raise refusal(f"it cannot be read ({type(error).__name__})", name) from error
    if not all(hasattr(classifier, part) for part in ("classes_", "decision_function")):
        raise refusal(f"{type(classifier).__name__} is no classifier", name)
    return classifier


def _loaded(name: str, data: bytes) -> Any:
    archive = Archive(data, name)
    if name.endswith(".npz"):
        archive.check(_TREE_ENTRIES)
        return Trees.loaded(archive.packed())
    archive.check({SCHEMA, *_files_in(json.loads(archive.read(SCHEMA)))})
    packed = archive.packed()
    strange = skops.io.get_untrusted_types(data=packed)
    if strange:
        raise _untrusted(f"it holds the types {', '.join(map(str, strange))}", name)
    with warnings.catch_warnings():
        # Versions are checked later, by recomputing a case rather than by a warning.
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        return skops.io.loads(packed, trusted=[])


def _files_in(node: Any) -> Iterator[str]:
    """Every entry a schema asks for."""
    parts = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and isinstance(node.get("file"), str):
        yield node["file"]
    for part in parts:
        yield from _files_in(part)


def _untrusted(found: str, name: str) -> ModelError:
    return ModelError(
        "MODEL_UNTRUSTED",
        found,
        expected="types of numpy and scikit-learn that skops trusts",
        action="do not use this model; ask whoever gave it to you where it comes from",
        file=name,
    )
