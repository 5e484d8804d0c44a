"""The routes that tell what this installation can do, and take architectures that it did not know."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Request, Response

from api.access.policies import reads, writes
from api.catalogue import examples, service
from api.catalogue.schemas import ArchitectureBody, DatasetBody, FamilyBody, MethodBody
from api.catalogue.service import NAME_TAKEN
from api.dependencies import DatabaseDep
from api.idempotency import REPLAYED, OnceDep
from api.paging import Listing
from api.problems import (
    INVALID_REQUEST,
    KEY_REUSED,
    NOT_FOUND,
    NOT_JSON,
    TOO_LARGE,
    documented,
    not_found,
)
from api.queries import OnlyDocumented
from core.families.definition import LARGEST, Definition
from core.jobs.datasets import DATASETS
from core.jobs.methods import METHODS

router = APIRouter(tags=["catalogue"], dependencies=[reads, OnlyDocumented])

_DEFINITIONS = {
    "transformer": {"summary": "A vision transformer of two blocks", "value": examples.DEFINITION},
    "numbered through": {"summary": "Two stages that share one numbering", "value": examples.RESNET},
}


@router.post(
    "/architectures",
    dependencies=[writes],
    status_code=201,
    max_body_size=2 * LARGEST,
    responses={
        200: {"model": ArchitectureBody, "description": "The architecture was here already"},
        **documented(INVALID_REQUEST, KEY_REUSED, NAME_TAKEN, NOT_JSON, TOO_LARGE),
    },
)
def post_architecture(
    definition: Annotated[Definition, Body(openapi_examples=_DEFINITIONS)],
    response: Response,
    database: DatabaseDep,
    once: OnceDep,
) -> ArchitectureBody:
    """Describe a family of networks as data, so that its tickets can be stretched and squeezed.

    One example network is enough: its members, such as `vit_small:24`, follow from how often units repeat. The same
    definition again is answered with 200, another one under the name with 409.
    """
    body, made, replayed = service.post(database, once, definition)
    response.status_code = made.status
    response.headers["Location"] = f"/architectures/{made.resource}"
    if replayed:
        response.headers.update(REPLAYED)
    return body


@router.get("/architectures", responses=documented(INVALID_REQUEST))
def list_architectures(
    request: Request,
    response: Response,
    database: DatabaseDep,
    limit: Annotated[int, Query(ge=1, le=500, description="posted families per page")] = 50,
    after: Annotated[
        str | None, Query(max_length=64, pattern=r"^[a-z0-9_.:]+$", description="take `next`")
    ] = None,
) -> Listing[FamilyBody]:
    """List the families of architectures: the built-in ones on the first page, then the posted ones by name."""
    families, following = service.families(database, limit, after)
    if following is None:
        return Listing(items=families)
    url = request.url.include_query_params(after=following)
    address = f"{url.path}?{url.query}"
    response.headers["Link"] = f'<{address}>; rel="next"'
    return Listing(items=families, next=address)


@router.get("/architectures/{name}", responses=documented(NOT_FOUND, INVALID_REQUEST))
def show_architecture(
    name: Annotated[str, Path(examples=["mlp_2"])],
    database: DatabaseDep,
    dataset: Annotated[
        str | None,
        Query(
            description="whose input and classes it takes; not needed for a posted one", examples=["digits"]
        ),
    ] = None,
    classes: Annotated[
        int | None,
        Query(
            ge=0, le=100_000, description="which one, where a name is posted for several numbers of classes"
        ),
    ] = None,
) -> ArchitectureBody:
    """Show one network: its tensors, and the stages and units that a ticket stretches by."""
    if len(name) > 64:
        raise not_found("architecture", name)
    return service.show(database, name, dataset, classes)


@router.get("/datasets")
async def list_datasets() -> Listing[DatasetBody]:
    """List the datasets: shapes, counts, and the files they are read from."""
    return Listing(items=[DatasetBody.of(facts) for facts in DATASETS.values()])


@router.get("/methods")
async def list_methods() -> Listing[MethodBody]:
    """List the ways to find a mask, with their parameters."""
    return Listing(items=[MethodBody.of(method) for method in METHODS.values()])
