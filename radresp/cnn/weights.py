"""A trained network as bytes and back: safetensors for the weights, JSON for what they belong to.

Source: the safetensors format, which holds names, shapes and numbers and nothing that could run. A
network is built without memory first, held against the stored shapes, and then takes the stored
numbers over, so that no file can make it larger than it is itself. The same network gives the same
bytes.

When to use: `dump_network` and `restore_network` for a model folder, `load_encoder` to start from
an encoder that was trained elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from radresp.cnn.network import SiameseNet
from radresp.cnn.settings import Cnn
from radresp.errors import ModelError, PlanError

FORMAT = 1
JSON_MEMBER = "network.json"
WEIGHTS_MEMBER = "weights.safetensors"
_AGAIN = "copy the model folder again from where it was made, or train again"
_ENCODER = "encoder."
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,63}")
_NAMED = 3
"""Names a message lists before it counts."""


class NetworkCard(NamedTuple):
    """What stored weights belong to.

    Parameters
    ----------
    settings : Cnn
        How the network is built and was trained.
    classes : tuple of str
        Names of its answers, in order.
    sha256 : str
        Digest of the weights.
    knows_fraction : bool
        Whether it was taught residual fractions; else what it says of them means nothing.
    """

    settings: Cnn
    classes: tuple[str, ...]
    sha256: str
    knows_fraction: bool


def dump_network(
    net: SiameseNet, settings: Cnn, classes: Sequence[str], *, knows_fraction: bool = False
) -> dict[str, bytes]:
    """A network as members of a model folder.

    Parameters
    ----------
    net : SiameseNet
        The network; on any device.
    settings : Cnn
        What it was built with.
    classes : sequence of str
        Names of its answers, in order.
    knows_fraction : bool
        Whether it was taught residual fractions.

    Returns
    -------
    dict of str to bytes
        ``network.json`` and ``weights.safetensors``; the same network gives the same bytes.

    Raises
    ------
    ModelError
        ``MODEL_WEIGHTS`` where a weight is NaN or infinite, ``MODEL_FORMAT`` where the settings or
        the classes are not the network's.
    """
    tensors = {
        name: values.detach().to("cpu", torch.float32).contiguous()
        for name, values in net.state_dict().items()
    }
    _check_fit(tensors, _shapes(_blank(settings, len(classes)).state_dict()))
    _check_finite(tensors)
    data = save(tensors)
    card = {
        "format": FORMAT,
        "classes": _names(list(classes)),
        "knows_fraction": knows_fraction,
        "weights_sha256": hashlib.sha256(data).hexdigest(),
        "settings": settings.model_dump(mode="json"),
    }
    text = json.dumps(card, indent=1, sort_keys=True) + "\n"
    return {JSON_MEMBER: text.encode(), WEIGHTS_MEMBER: data}


def network_card(members: Mapping[str, bytes]) -> NetworkCard:
    """What the stored weights belong to, without looking at them.

    Raises
    ------
    ModelError
        ``MODEL_FORMAT``, ``MODEL_NEWER``.
    """
    record = _record(members)
    classes = _names(record.get("classes"))
    digest = record.get("weights_sha256")
    if not isinstance(digest, str):
        raise _refusal("it has no digest of the weights", "weights_sha256")
    try:
        settings = Cnn.model_validate_json(json.dumps(record.get("settings")))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise _refusal(f"settings: {where}: {first['msg']}", "settings of a network") from None
    return NetworkCard(settings, classes, digest, record.get("knows_fraction") is True)


def restore_network(members: Mapping[str, bytes]) -> SiameseNet:
    """The network from its members, on the CPU and ready to answer.

    Parameters
    ----------
    members : mapping of str to bytes
        As `dump_network` made them; others are not looked at.

    Raises
    ------
    ModelError
        ``MODEL_FORMAT`` for a member that is missing, cannot be read, or has other names or shapes
        than the network; ``MODEL_NEWER`` where a later radresp wrote it; ``MODEL_HASH`` where the
        weights are not those it was written with; ``MODEL_WEIGHTS`` where one is NaN or infinite.
    """
    card = network_card(members)
    data = _member(members, WEIGHTS_MEMBER)
    if hashlib.sha256(data).hexdigest() != card.sha256:
        raise ModelError(
            "MODEL_HASH",
            "the weights have changed since they were written",
            expected=f"the digest in {JSON_MEMBER}",
            action=_AGAIN,
            file=WEIGHTS_MEMBER,
        )
    tensors = _tensors(data, WEIGHTS_MEMBER)
    net = _blank(card.settings, len(card.classes))
    _check_fit(tensors, _shapes(net.state_dict()))
    _check_finite(tensors)
    net.load_state_dict(tensors, assign=True)
    return net.eval()


def load_encoder(net: SiameseNet, data: bytes) -> None:
    """Give a network the weights of an encoder that was trained elsewhere, in place.

    Parameters
    ----------
    net : SiameseNet
        The network; its heads and its values for missing planes stay as they are.
    data : bytes
        A safetensors file with exactly the encoder's tensors, by their names in the encoder or
        with ``encoder.`` before them; in the latter case others are left aside, so that a whole
        network's file serves.

    Raises
    ------
    PlanError
        ``ENCODER_WEIGHTS``, naming what did not fit.
    """
    try:
        tensors = _tensors(data, None)
        if any(name.startswith(_ENCODER) for name in tensors):
            tensors = {
                name.removeprefix(_ENCODER): values
                for name, values in tensors.items()
                if name.startswith(_ENCODER)
            }
        _check_fit(tensors, _shapes(net.encoder.state_dict()))
        _check_finite(tensors)
    except ModelError as error:
        raise PlanError(
            "ENCODER_WEIGHTS",
            f"the encoder's weights do not fit: {error.found}",
            expected="the tensors of this encoder (same blocks, width, levels and patch)",
            action="set the network's settings to those of the trained encoder, or start without",
        ) from error
    net.encoder.load_state_dict(tensors)


def _record(members: Mapping[str, bytes]) -> dict[str, Any]:
    try:
        record = json.loads(_member(members, JSON_MEMBER))
    except (ValueError, RecursionError):
        raise _refusal("it is not JSON", "JSON") from None
    version = record.get("format") if isinstance(record, dict) else None
    if type(version) is not int or version < 1:
        raise _refusal(f"its format number is {version}", f"{FORMAT}")
    if version > FORMAT:
        raise ModelError(
            "MODEL_NEWER",
            f"network format {version}",
            expected=f"at most {FORMAT}",
            action="update radresp",
            file=JSON_MEMBER,
        )
    return dict(record)


def _names(classes: Any) -> tuple[str, ...]:
    """The classes, if they are names that are safe in any file they are written to."""
    names = [name for name in classes if isinstance(name, str)] if isinstance(classes, list) else []
    plain = all(_NAME.fullmatch(name) for name in names) and names == classes
    if not plain or len(set(names)) != len(names) or not 2 <= len(names) <= 3:
        raise _refusal(f"the classes are {classes}", "two or three different names")
    return tuple(names)


def _member(members: Mapping[str, bytes], name: str) -> bytes:
    if name not in members:
        raise _refusal(f"{name} is missing", "both members of a network", name)
    return members[name]


def _tensors(data: bytes, file: str | None) -> dict[str, Tensor]:
    try:
        return load(data)
    except (SafetensorError, ValueError, KeyError, AttributeError) as error:
        found = f"it is no safetensors file ({error})"
        raise _refusal(found, "weights written as safetensors", file) from None


def _blank(settings: Cnn, classes: int) -> SiameseNet:
    """The network without its numbers, which takes no memory."""
    with torch.device("meta"):
        return SiameseNet(settings, classes)


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(values.shape) for name, values in tensors.items()}


def _check_fit(tensors: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse other names, shapes or types than expected, and say which."""
    shapes = _shapes(tensors)
    both = sorted(set(shapes) & set(expected))
    wrong = {
        "missing": sorted(set(expected) - set(shapes)),
        "unknown": sorted(set(shapes) - set(expected)),
        "of another shape": [
            f"{name} {shapes[name]} for {expected[name]}"
            for name in both
            if shapes[name] != expected[name]
        ],
        "not float32": [name for name in both if tensors[name].dtype != torch.float32],
    }
    found = "; ".join(f"{what}: {_listed(names)}" for what, names in wrong.items() if names)
    if found:
        raise _refusal(found, "the tensors of this network", WEIGHTS_MEMBER)


def _check_finite(tensors: Mapping[str, Tensor]) -> None:
    bad = [name for name, values in sorted(tensors.items()) if not torch.isfinite(values).all()]
    if bad:
        raise ModelError(
            "MODEL_WEIGHTS",
            f"NaN or infinite weights in {_listed(bad)}",
            expected="finite numbers",
            action=_AGAIN,
            file=WEIGHTS_MEMBER,
        )


def _listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are.

    Examples
    --------
    >>> _listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _refusal(found: str, expected: str, file: str | None = JSON_MEMBER) -> ModelError:
    return ModelError("MODEL_FORMAT", found, expected=expected, action=_AGAIN, file=file)
