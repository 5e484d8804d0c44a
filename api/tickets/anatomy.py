"""The route that tells what of a ticket's network repeats, and drafts an architecture to be posted."""

from __future__ import annotations

import json
import re
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from api.access.policies import reads
from api.catalogue.examples import DEFINITION, HIDDEN
from api.catalogue.schemas import StageBody
from api.dependencies import DatabaseDep, TicketPath
from api.problems import NOT_FOUND, documented
from api.queries import OnlyDocumented
from api.tickets.service import existing
from core.catalog.architectures import describer
from core.families import UnknownArchitecture
from core.families.architecture import Architecture
from core.families.definition import BadDefinition, Definition, read_definition
from core.families.proposal import propose

router = APIRouter(tags=["tickets"], dependencies=[reads, OnlyDocumented])

_EXAMPLE: dict[str, Any] = {
    "architecture": "mlp_1",
    "stages": [HIDDEN],
    "fixed": ["fc.weight", "fc.bias"],
    "proposal": DEFINITION,
}


class AnatomyBody(BaseModel):
    """What of a ticket's network is fixed, what repeats, and what could be posted to say so."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    architecture: str
    stages: list[StageBody]
    fixed: list[str] = Field(description="tensors that belong to no stage: they are copied as they are")
    proposal: dict[str, Any] | None = Field(
        description="a definition for POST /architectures, read from the names and shapes of its tensors; "
        "the family's own where it has stages; null where the network is too large for one"
    )


@router.get("/tickets/{ticket}/anatomy", responses=documented(NOT_FOUND))
def show_anatomy(ticket: TicketPath, database: DatabaseDep) -> AnatomyBody:
    """Show the stages and units of a ticket's network, and a proposal of an architecture to post."""
    with database.read() as session:
        row = existing(session, ticket)
        channels, height, width = row.input
        network = describer(session)(row.architecture, (channels, height, width), row.classes)
    proposal = _proposal(network)
    return AnatomyBody(
        architecture=network.name,
        stages=[StageBody.of(stage) for stage in network.anatomy.stages],
        fixed=list(network.anatomy.fixed),
        proposal=None if proposal is None else json.loads(proposal.canonical),
    )


def _proposal(network: Architecture) -> Definition | None:
    if network.definition and network.anatomy.stages:
        return read_definition(network.definition)
    name = "like_" + re.sub(r"[^a-z0-9_]", "_", network.family)[:35]
    tensors = {spec.name: (spec.shape, spec.dtype) for spec in network.tensors}
    try:
        return propose(
            name,
            tensors,
            input=network.input if any(network.input) else None,
            classes=network.classes or None,
        )
    except (BadDefinition, UnknownArchitecture):
        return None
