"""`onnx`: the network itself, in evaluation mode, with the ticket's weights as its initialisers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from core.interchange.exports.names import check_network
from core.interchange.exports.source import Source, Unavailable
from core.models import build
from core.models.state import load_state
from core.tickets import Mask, Ticket

if TYPE_CHECKING:
    from onnx import ModelProto, SparseTensorProto

# A stored weight takes 4 bytes where all are stored, and 8 more for its position where only survivors are.
BREAK_EVEN = 1 / 3


def write(source: Source, path: Path) -> None:
    """Write the network from `images` [batch, C, H, W] to `logits` [batch, classes], both float32.

    A prunable tensor of density under 1/3 becomes a sparse initialiser, whose positions are the mask. Raises
    `Unavailable` for a posted architecture, and where the optional dependencies are not installed.
    """
    check_network(source.ticket.architecture, "onnx")
    check_installed("onnx")
    network = build(source.ticket.architecture).eval()
    load_state(network, source.ticket.weights())
    model = exported(network, source.ticket.architecture.input)
    _make_sparse(model, source.ticket)
    save(model, source.description(), path)


def check_installed(format: str) -> None:  # noqa: A002
    """Raise `Unavailable`, in the name of a format, unless the optional dependencies are there."""
    for name in ("onnx", "onnxscript"):
        try:
            import_module(name)
        except ImportError:
            accepted = "an installation of elasticket[onnx]"
            raise Unavailable(format, f"{name} is not installed", accepted) from None


def exported(network: nn.Module, input: tuple[int, int, int]) -> ModelProto:  # noqa: A002
    """A network in evaluation mode, for images [C, H, W] in batches of any size, its parameters under their names."""
    from onnxscript import optimizer

    with warnings.catch_warnings():
        # The exporter uses what torch itself has deprecated.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            (torch.zeros(2, *input),),
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            # It would fold normalisations into the convolutions: their weights would no longer be the ticket's.
            optimize=False,
            verbose=False,
        )
    assert program is not None
    optimizer.fold_constants(program.model, onnx_shape_inference=False)
    optimizer.remove_unused_nodes(program.model)
    model = program.model_proto
    _forget_origin(model)
    return model


def save(model: ModelProto, description: Mapping[str, str], path: Path) -> None:
    """Write a model that the checker accepts, with a description among its properties."""
    from onnx import checker, helper

    helper.set_model_props(model, dict(description))
    checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _forget_origin(model: ModelProto) -> None:
    """Drop stack traces, which hold this machine's paths."""
    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


def _make_sparse(model: ModelProto, ticket: Ticket) -> None:
    graph = model.graph
    dense = {tensor.name: tensor for tensor in graph.initializer}
    for name, mask in ticket.masks.items():
        if mask.survivors < BREAK_EVEN * mask.size:
            graph.initializer.remove(dense[name])
            graph.sparse_initializer.append(_sparse(name, mask, ticket.kept[name]))


def _sparse(name: str, mask: Mask, kept: np.ndarray) -> SparseTensorProto:
    from onnx import helper, numpy_helper

    positions = np.flatnonzero(mask.to_bool())
    return helper.make_sparse_tensor(
        numpy_helper.from_array(kept, name),
        numpy_helper.from_array(positions.astype(np.int64), f"{name}_positions"),
        list(mask.shape),
    )
