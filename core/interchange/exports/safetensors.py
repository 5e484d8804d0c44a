"""`safetensors`: the dense tensors with zeros where pruned, and a boolean `NAME_mask` for each prunable `NAME`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rfc8785
from numpy.typing import NDArray

from core.interchange.exports.names import check_names
from core.interchange.exports.source import Source
from core.tickets.arrays import dtype_name, raw


def write(source: Source, path: Path) -> None:
    """Write the file, with the ticket's description, and the format that PyTorch tools look for, as metadata."""
    ticket = source.ticket
    check_names(ticket.architecture, "safetensors", "_mask")
    masks = {f"{name}_mask": mask for name, mask in ticket.bool_masks().items()}
    write_tensors({**ticket.weights(), **masks}, {**source.description(), "format": "pt"}, path)


def write_tensors(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str], path: Path) -> None:
    """Write row-major arrays as a safetensors file, the widest types first, as the official serializer does; but
    that one orders the metadata at random.
    """
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0]))
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, array in ordered:
        start, end = end, end + array.nbytes
        header[name] = {"dtype": dtype_name(array), "shape": list(array.shape), "data_offsets": [start, end]}
    encoded = rfc8785.dumps(header)
    encoded += b" " * (-len(encoded) % 8)
    with path.open("wb") as stream:
        stream.write(len(encoded).to_bytes(8, "little"))
        stream.write(encoded)
        for _, array in ordered:
            stream.write(raw(array).data)
