"""A ticket's layers, as the API shows them: what survives in each, and what of that does any work."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.tickets.service import existing
from core.catalog.artifacts import ArtifactStore
from core.catalog.database import Database
from core.catalog.tables import Ticket
from core.pruning.reachability import LayerReach, Reach, reach
from core.tickets import read

_UNKNOWN = "null where it is not known how the network is wired: posted architectures, and timm's"
_LAYERS: dict[str, Any] = {
    "prunable": 140200,
    "survivors": 15058,
    "sparsity": 0.8926,
    "effective_survivors": 15021,
    "effective_sparsity": 0.8929,
    "unreachable": 37,
    "empty_layers": [],
    "layers": [
        {
            "name": "fc_layers.0.weight",
            "shape": [300, 64],
            "size": 19200,
            "survivors": 6720,
            "density": 0.35,
            "sparsity": 0.65,
            "effective_survivors": 6691,
            "channels": 300,
            "dead_channels": 2,
        },
    ],
}


class Layer(BaseModel):
    """One prunable tensor, counted exactly."""

    name: str
    shape: list[int]
    size: int
    survivors: int
    density: float = Field(description="survivors / size")
    sparsity: float
    effective_survivors: int | None = Field(
        description=f"survivors on a path from the network's input to its output; {_UNKNOWN}"
    )
    channels: int | None = Field(description=f"its filters, or rows; {_UNKNOWN}")
    dead_channels: int | None = Field(
        description="filters without a surviving weight on such a path: nothing of the input comes to them, or nothing "
        f"of theirs to the output; {_UNKNOWN}"
    )

    @classmethod
    def of(cls, layer: LayerReach, shape: list[int]) -> Layer:
        """A counted layer."""
        density = layer.survivors / layer.size
        return cls(
            name=layer.name,
            shape=shape,
            size=layer.size,
            survivors=layer.survivors,
            density=density,
            sparsity=1 - density,
            effective_survivors=layer.effective,
            channels=layer.channels,
            dead_channels=layer.dead,
        )


class Layers(BaseModel):
    """A ticket's prunable tensors, in state-dict order.

    Effective is a surviving weight that lies on a path from the network's input to its output (Vysogorets and Kempe,
    2021). Biases and normalisation are no input: what only they feed is on no path.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_LAYERS]})

    prunable: int
    survivors: int
    sparsity: float
    effective_survivors: int | None = Field(description=f"survivors on a path; {_UNKNOWN}")
    effective_sparsity: float | None = Field(description=f"1 − effective survivors / prunable; {_UNKNOWN}")
    unreachable: int | None = Field(description=f"survivors on no path; {_UNKNOWN}")
    empty_layers: list[str] = Field(description="tensors without a surviving weight")
    layers: list[Layer]


def layers(database: Database, store: ArtifactStore, identity: str) -> Layers:
    """A ticket's layers, from its file."""
    with database.read() as session:
        row = existing(session, identity)
        shapes = {kept.name: kept.shape for kept in row.layers}
    found = reached(store, row)
    return Layers(
        prunable=row.prunable,
        survivors=row.survivors,
        sparsity=row.sparsity,
        effective_survivors=found.effective,
        effective_sparsity=found.effective_sparsity,
        unreachable=found.unreachable,
        empty_layers=list(found.empty),
        layers=[Layer.of(layer, shapes[layer.name]) for layer in found.layers],
    )


def reached(store: ArtifactStore, row: Ticket) -> Reach:
    """What of a ticket's mask does any work; raises `ArtifactMissing` where its file is gone."""
    ticket = read(store.intact(row.file_digest)).ticket
    return reach(ticket.architecture, ticket.bool_masks())
