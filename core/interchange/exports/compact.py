"""`compact` and `compact_onnx`: the smaller dense network that is left of a ticket without its dead channels."""

from __future__ import annotations

from pathlib import Path

from core.interchange.exports import onnx
from core.interchange.exports.names import check_network
from core.interchange.exports.safetensors import write_tensors
from core.interchange.exports.source import Source
from core.pruning.compaction import Compacted, compact
from core.tickets.metadata import canonical


def write(source: Source, path: Path) -> None:
    """Write the state dict of the smaller network, in the dense one's names, with its channels in the metadata.

    Raises `Unavailable` for a posted architecture.
    """
    check_network(source.ticket.architecture, "compact")
    compacted = _compacted(source)
    write_tensors(compacted.weights, {**_description(source, compacted), "format": "pt"}, path)


def write_onnx(source: Source, path: Path) -> None:
    """Write the smaller network as `onnx` writes the whole one; its initialisers are dense.

    Raises `Unavailable` for a posted architecture, and where the optional dependencies are not installed.
    """
    check_network(source.ticket.architecture, "compact_onnx")
    onnx.check_installed("compact_onnx")
    compacted = _compacted(source)
    model = onnx.exported(compacted.network, source.ticket.architecture.input)
    onnx.save(model, _description(source, compacted), path)


def _compacted(source: Source) -> Compacted:
    ticket = source.ticket
    return compact(ticket.architecture, ticket.weights(), ticket.bool_masks())


def _description(source: Source, compacted: Compacted) -> dict[str, str]:
    """The ticket's, and by group the channels of the dense network that are left: a JSON object of lists."""
    channels = {group: kept.tolist() for group, kept in compacted.channels.items()}
    return {**source.description(), "channels": canonical(channels)}
