"""A network as an ONNX graph, for programs that run without torch, held against the network itself.

Source: torch's exporter (``torch.export``); ONNX Runtime on the CPU answers. The graph gives
probabilities, not logits, takes any number of cases, and carries its weights with it: a file that
asks for others beside it is refused, since reading one would open any path it names. Where a node
came from in the source is left out, so that the same network gives the same bytes on any machine.

When to use: to serve a network elsewhere. Here torch itself is faster (docs/reference/cnn.md).
"""

from __future__ import annotations

import copy
import logging
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from radresp.cnn.inputs import PLANES, VISITS, Inputs
from radresp.cnn.network import SiameseNet
from radresp.cnn.settings import Cnn
from radresp.errors import ModelError

if TYPE_CHECKING:
    import onnxruntime  # type: ignore[import-untyped]

NEEDED = ("onnx", "onnxscript", "onnxruntime")
MOST_APART = 1e-4
"""Largest difference of a probability between the graph and its network."""
_BATCH = 64
"""Cases at once that the exporter proves the graph for."""


class ExportedNet(nn.Module):
    """What is exported: probabilities and the residual fraction, 0-1.

    Parameters
    ----------
    net : SiameseNet
        The network.
    """

    def __init__(self, net: SiameseNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities of shape (batch, classes), and fractions of shape (batch,)."""
        answers = self.net(images, there)
        return answers.logits.softmax(dim=1), answers.fraction.sigmoid()


class Served(NamedTuple):
    """What an ONNX graph answers.

    Parameters
    ----------
    probabilities : ndarray of shape (batch, classes)
        float32.
    fraction : ndarray of shape (batch,)
        float32, 0-1; the share of the bed that is residual tumour.
    """

    probabilities: Any
    fraction: Any


def export_onnx(net: SiameseNet, settings: Cnn) -> bytes:
    """A network as an ONNX file.

    Parameters
    ----------
    net : SiameseNet
        The network; not changed.
    settings : Cnn
        What it was built with.

    Returns
    -------
    bytes
        Inputs ``images`` (batch, visits, planes, z, y, x) and ``there`` (batch, visits, planes),
        float32, as :func:`radresp.cnn.inputs_of` makes them; outputs ``probabilities`` and
        ``fraction``. The same network gives the same bytes.

    Raises
    ------
    ModelError
        ``EXTRA_MISSING``.
    """
    _require("exporting a network as ONNX")
    shape = (2, len(VISITS), len(PLANES))
    cases = torch.zeros(*shape, *settings.patch.size[::-1]), torch.ones(shape)
    batch = torch.export.Dim("batch", min=1, max=_BATCH)
    still = ExportedNet(copy.deepcopy(net).cpu().eval())
    with _quiet():
        program = torch.export.export(
            still, cases, dynamic_shapes={"images": {0: batch}, "there": {0: batch}}
        )
        # Any: with a file to write, which there is none of here, it would be None.
        exported: Any = torch.onnx.export(
            program.run_decompositions(_decompositions()),
            dynamo=True,
            input_names=["images", "there"],
            output_names=list(Served._fields),
            verbose=False,
        )
    return _plain(exported.model_proto)


def check_onnx(data: bytes, net: SiameseNet, inputs: Inputs) -> float:
    """The largest difference of a probability or fraction between a graph and its network.

    Parameters
    ----------
    data : bytes
        From :func:`export_onnx`.
    net : SiameseNet
        The network, on the CPU.
    inputs : Inputs
        A case; asked alone and as one of three, with parts of it taken away.

    Raises
    ------
    ModelError
        ``MODEL_SELF_TEST`` where they are more than 1e-4 apart; otherwise as `load_onnx`.
    """
    session = load_onnx(data)
    cases = [inputs, inputs._replace(there=np.zeros_like(inputs.there)), _swapped(inputs)]
    apart = max(_apart(session, net, part) for part in (cases[:1], cases))
    # Written so that NaN is refused too.
    if not apart <= MOST_APART:
        raise ModelError(
            "MODEL_SELF_TEST",
            f"the ONNX graph and its network are {apart:.2g} apart",
            expected=f"at most {MOST_APART:g} in every probability",
            action="report this with the versions of torch, onnxscript and onnxruntime",
        )
    return apart


def load_onnx(data: bytes, threads: int = 1) -> onnxruntime.InferenceSession:
    """A graph ready to answer on the CPU.

    Parameters
    ----------
    data : bytes
        From :func:`export_onnx`.
    threads : int
        Threads of ONNX Runtime.

    Raises
    ------
    ModelError
        ``EXTRA_MISSING``; ``MODEL_FORMAT`` where it is no ONNX graph, or asks for other files.
    """
    _require("answering with an ONNX graph")
    import onnx

    # Since 1.29 it reports its use to its maker unless told not to before it is loaded.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from onnxruntime.capi import (  # type: ignore[import-untyped]
        onnxruntime_pybind11_state as refusals,
    )

    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise _refusal("it is no ONNX file", "a graph exported by radresp") from error
    if any(map(onnx.external_data_helper.uses_external_data, _tensors(model))):
        raise _refusal("it asks for weights in other files", "a graph with its weights")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except (
        refusals.Fail,
        refusals.InvalidArgument,
        refusals.InvalidGraph,
        refusals.InvalidProtobuf,
        refusals.NotImplemented,
        refusals.RuntimeException,
    ) as error:
        found = f"ONNX Runtime does not take it ({error})"
        raise _refusal(found, "a graph exported by radresp") from error


def serve(session: onnxruntime.InferenceSession, cases: Iterable[Inputs]) -> Served:
    """What a graph answers on cases.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        From :func:`load_onnx`.
    cases : iterable of Inputs
        1 to 64.
    """
    images, there = (np.stack(part) for part in zip(*cases, strict=True))
    return Served(*session.run(list(Served._fields), {"images": images, "there": there}))


def _apart(session: onnxruntime.InferenceSession, net: SiameseNet, cases: list[Inputs]) -> float:
    images, there = (torch.from_numpy(np.stack(part)) for part in zip(*cases, strict=True))
    with torch.inference_mode():
        expected = ExportedNet(net).eval()(images, there)
    found = serve(session, cases)
    return max(
        float(np.abs(ours - theirs.numpy()).max())
        for ours, theirs in zip(found, expected, strict=True)
    )


def _swapped(inputs: Inputs) -> Inputs:
    """The case with its visits swapped, as another case that is as plausible."""
    return Inputs(inputs.images[::-1], inputs.there[::-1])


def _decompositions() -> Any:
    """What the exporter may take apart: also the mean over cells, which ONNX does not know."""
    table = torch.export.default_decompositions()
    table[torch.ops.aten.adaptive_avg_pool3d.default] = _mean_over_cells
    return table


def _mean_over_cells(values: Tensor, size: list[int]) -> Tensor:
    # Every level divides its voxels without a rest (radresp.cnn.network.strides).
    cell = [fine // coarse for fine, coarse in zip(values.shape[2:], size, strict=True)]
    return torch.ops.aten.avg_pool3d.default(values, cell, cell)


def _plain(model: Any) -> bytes:
    """The graph without notes on where it came from, and with the batch called batch."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    first = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param == first:
                dimension.dim_param = "batch"
    return bytes(model.SerializeToString(deterministic=True))


def _tensors(model: Any) -> Iterator[Any]:
    """Every stored tensor of a graph, also those inside nodes and their own graphs."""
    graphs = [model.graph]
    nodes = [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            yield from graph.initializer
            for sparse in graph.sparse_initializer:
                yield from (sparse.values, sparse.indices)
            nodes.extend(graph.node)
        while nodes:
            for attribute in nodes.pop().attribute:
                yield from (attribute.t, *attribute.tensors)
                graphs.extend((attribute.g, *attribute.graphs))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on torchvision and on its own future."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _require(what: str) -> None:
    lacking = [name for name in NEEDED if find_spec(name) is None]
    if lacking:
        raise ModelError(
            "EXTRA_MISSING",
            f"{what} needs {', '.join(lacking)}, not installed here",
            expected="the onnx extra",
            action="pip install 'radresp[cnn,onnx]'",
        )


def _refusal(found: str, expected: str) -> ModelError:
    return ModelError("MODEL_FORMAT", found, expected=expected, action="export the network again")
