"""A catalog as years of work leave it: tickets with layers, origins and tags, and the jobs that found them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert
from sqlalchemy.orm import Session

from bench import pages
from core.catalog.database import Database
from core.catalog.scope import DEFAULT
from core.catalog.tables import Provenance, Ticket, TicketLayer, TicketTag
from core.families import architecture
from core.tickets import Mask, Metadata, write
from core.tickets import Ticket as TicketData

AT_ONCE = 5_000
NETWORKS = tuple(
    architecture(network, input=(1, 28, 28), classes=10)
    for network in ("mlp_2", "mlp_3", "mlp_4", "cifar_resnet_20")
)
DATASETS = ("digits", "mnist", "fashion_mnist")


def tickets(database: Database, number: int) -> None:
    """Enter so many tickets, a second apart until now; each has its layers, an origin, and every tenth a tag."""
    began = time.time() - number
    for first in range(0, number, AT_ONCE):
        some = range(first, min(first + AT_ONCE, number))
        with database.write() as session:
            _enter(session, some, began)


def _enter(session: Session, some: range, began: float) -> None:
    session.execute(insert(Ticket), [_ticket(i, began) for i in some])
    session.execute(insert(TicketLayer), [layer for i in some for layer in _layers(i)])
    session.execute(insert(Provenance), [_origin(i, began) for i in some])
    session.execute(insert(TicketTag), [_tag(i, began) for i in some if i % 10 == 0])


def name(i: int) -> str:
    """The id of ticket i: scattered, as digests are."""
    return f"{i * 2654435761 % 2**32:08x}{i:056x}"


def _ticket(i: int, began: float) -> dict[str, Any]:
    network = NETWORKS[i % len(NETWORKS)]
    prunable = network.prunable_weights
    survivors = int(prunable * 0.8 ** (i % 12))
    return {
        "project": DEFAULT,
        "id": name(i),
        "architecture": network.name,
        "family": network.family,
        "input": list(network.input),
        "classes": network.classes,
        "rewind_step": 0,
        "prunable": prunable,
        "survivors": survivors,
        "sparsity": 1 - survivors / prunable,
        "file_digest": name(i),
        "header_bytes": 2048,
        "payload_bytes": 4 * survivors,
        "created_at": began + i,
    }


def _layers(i: int) -> Iterator[dict[str, Any]]:
    network = NETWORKS[i % len(NETWORKS)]
    for position, tensor in enumerate(network.prunable):
        yield {
            "project": DEFAULT,
            "ticket_id": name(i),
            "position": position,
            "name": tensor.name,
            "shape": list(tensor.shape),
            "size": tensor.size,
            "survivors": int(tensor.size * 0.8 ** (i % 12)),
        }


def _tag(i: int, began: float) -> dict[str, Any]:
    return {"project": DEFAULT, "ticket_id": name(i), "tag": f"tag-{i % 97}", "created_at": began + i}


def _origin(i: int, began: float) -> dict[str, Any]:
    return {
        "project": DEFAULT,
        "ticket_id": name(i),
        "method": "imp",
        "dataset": DATASETS[i % len(DATASETS)],
        "seed": i % 3,
        "level": i % 12,
        "parent_id": name(i - 1) if i % 12 else None,
        "job_id": None,
        "details": {},
        "created_at": began + i,
    }


def large_ticket(path: Path, side: int = 700) -> int:
    """Write the dense ticket of a perceptron on images of this side; its bytes. The largest accepted has 1.8 GB."""
    network = architecture("mlp_2", input=(3, side, side), classes=10)
    prunable = {spec.name for spec in network.prunable}
    ticket = TicketData(
        network,
        0,
        {spec.name: Mask.from_bool(np.ones(spec.shape, np.bool_)) for spec in network.prunable},
        {spec.name: np.full(spec.size, 0.01, np.float32) for spec in network.prunable},
        {
            spec.name: np.zeros(spec.shape, np.float32)
            for spec in network.tensors
            if spec.name not in prunable
        },
    )
    with path.open("wb") as stream:
        return sum(write(ticket, Metadata(), stream))


def jobs(database: Database, number: int) -> None:
    """Enter so many jobs, all of them ended: workers leave them alone."""
    pages.fill(database, number, queued=False)
