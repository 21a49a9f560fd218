"""A scikit-learn classifier as audited bytes: skops with nothing added to its trusted types.

Source: skops' persistence format. Reading looks at the types an archive names before any of them
is built, and refuses all that skops does not trust by itself. Nothing is ever unpickled.
"""

from __future__ import annotations

import io
import json
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import skops.io
from sklearn.exceptions import InconsistentVersionWarning
from skops.io.exceptions import UnsupportedTypeException, UntrustedTypesFoundException

from radresp.classify.trees import Trees
from radresp.errors import ModelError

_BAD_MEMBER = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    ImportError,
    IndexError,
    OSError,
    EOFError,
    NotImplementedError,
    RecursionError,
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
        schema = json.loads(archive.read("schema.json"))
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
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for old, new in files.items():
            archive.writestr(zipfile.ZipInfo(new), contents[old])
        archive.writestr(zipfile.ZipInfo("schema.json"), text)
    return buffer.getvalue()


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
        raise ModelError("MODEL_FORMAT", f"{name} is missing", file=name)
    data = members[name]
    try:
        if name.endswith(".npz"):
            return Trees.loaded(data)
        strange = skops.io.get_untrusted_types(data=data)
        if not strange:
            with warnings.catch_warnings():
                # Versions are checked below, by recomputing a case rather than by a warning.
                warnings.simplefilter("ignore", InconsistentVersionWarning)
                classifier = skops.io.loads(data, trusted=[])
    except UntrustedTypesFoundException as error:
        raise ModelError("MODEL_UNTRUSTED", str(error), file=name) from None
    except _BAD_MEMBER as error:
        raise ModelError(
            "MODEL_FORMAT", f"it cannot be read ({type(error).__name__})", file=name
        ) from error
    if strange:
        raise ModelError(
            "MODEL_UNTRUSTED",
            f"it holds the types {', '.join(map(str, strange))}",
            expected="types of numpy and scikit-learn that skops trusts",
            file=name,
        )
    if not all(hasattr(classifier, name) for name in ("classes_", "decision_function")):
        raise ModelError("MODEL_FORMAT", f"{type(classifier).__name__} is no classifier", file=name)
    return classifier
