"""Bytes of a ticket file against the same network as a dense safetensors file, and the time to write and read it."""

from __future__ import annotations

import io
import tempfile
import time
from pathlib import Path
from statistics import median

from core.families import architecture
from core.families.initialisation import initialise
from core.pruning.levels import survivors_at
from core.pruning.random import random_mask
from core.tickets import Metadata, Ticket, read, ticket_id, write
from core.tickets.weights import write_weights

REPEATS = 9


def compare(name: str = "cifar_resnet_20") -> dict[str, object]:
    """A ticket at IMP level 10 (89.26 %)."""
    network = architecture(name, (3, 32, 32), 10)
    weights = initialise(network, 0)
    survivors = survivors_at(10, network.prunable_weights, 0.2)
    masks = random_mask({spec.name: spec.shape for spec in network.prunable}, survivors, 0)
    ticket = Ticket.from_dense(network, 1000, masks, weights)
    dense = io.BytesIO()
    write_weights(weights, dense)
    writes, reads = [], []
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "a.ticket.safetensors"
        for _ in range(REPEATS):
            began = time.perf_counter()
            with path.open("wb") as stream:
                size = write(ticket, Metadata(), stream)
            written = time.perf_counter()
            ticket_id(read(path).ticket)
            writes.append(written - began)
            reads.append(time.perf_counter() - written)
    return {
        "network": name,
        "survivors": survivors,
        "payload_bytes": size.payload_bytes,
        "header_bytes": size.header_bytes,
        "dense_safetensors_bytes": dense.getbuffer().nbytes,
        "ratio": round(dense.getbuffer().nbytes / (size.payload_bytes + size.header_bytes), 2),
        "write_ms": round(median(writes) * 1000, 2),
        "read_check_and_identify_ms": round(median(reads) * 1000, 2),
    }
