"""Two tickets side by side, as the API shows them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.jobs.examples import STRETCHED, TICKET
from api.tickets.service import existing
from core.catalog.artifacts import ArtifactStore
from core.catalog.database import Database
from core.tickets import read
from core.tickets.compare import Overlap, compare

_OVERLAP: dict[str, Any] = {
    "size": 90000,
    "survivors_a": 5354,
    "survivors_b": 5354,
    "both": 5354,
    "iou": 1.0,
    "chance": 0.0307,
    "cosine": 1.0,
    "sign_agreement": 1.0,
}
_COMPARISON: dict[str, Any] = {
    "a": TICKET,
    "b": STRETCHED,
    "total": _OVERLAP,
    "tensors": [_OVERLAP | {"name": "fc_layers.1.weight"}],
    "only_a": [],
    "only_b": ["fc_layers.3.weight"],
    "other_shape": [],
}


class OverlapBody(BaseModel):
    """How much two masks, and the weights under them, agree."""

    size: int
    survivors_a: int
    survivors_b: int
    both: int = Field(description="weights that survive in both")
    iou: float | None = Field(description="|a and b| / |a or b|; null where both are empty")
    chance: float | None = Field(
        description="the IoU to expect of two independent random masks with as many survivors"
    )
    cosine: float | None = Field(
        description="cosine of the two weight vectors, zeros where pruned; null where one of them is zero"
    )
    sign_agreement: float | None = Field(
        description="the share of the weights in both whose signs agree; null where there are none"
    )

    @classmethod
    def figures(cls, found: Overlap) -> dict[str, Any]:
        """A counted overlap's values."""
        return {name: getattr(found, name) for name in OverlapBody.model_fields}


class TensorOverlap(OverlapBody):
    """One prunable tensor that both tickets have in the same shape."""

    name: str


class ComparisonBody(BaseModel):
    """Two tickets, tensor by tensor."""

    model_config = ConfigDict(json_schema_extra={"examples": [_COMPARISON]})

    a: str
    b: str
    total: OverlapBody = Field(description="over all tensors that can be compared")
    tensors: list[TensorOverlap]
    only_a: list[str] = Field(description="prunable tensors that b has not")
    only_b: list[str] = Field(description="prunable tensors that a has not")
    other_shape: list[str] = Field(description="prunable tensors that both have, in different shapes")


def comparison(database: Database, store: ArtifactStore, a: str, b: str) -> ComparisonBody:
    """Two tickets compared, from their files."""
    with database.read() as session:
        digests = [existing(session, identity).file_digest for identity in (a, b)]
    found = compare(*(read(store.intact(digest)).ticket for digest in digests))
    return ComparisonBody(
        a=a,
        b=b,
        total=OverlapBody(**OverlapBody.figures(found.total)),
        tensors=[
            TensorOverlap(name=name, **OverlapBody.figures(overlap))
            for name, overlap in found.tensors.items()
        ],
        only_a=list(found.only_a),
        only_b=list(found.only_b),
        other_shape=list(found.other_shape),
    )
