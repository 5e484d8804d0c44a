"""The routes that tell what this installation can do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.catalogue.schemas import ArchitectureBody, DatasetBody, FamilyBody, MethodBody
from api.paging import Listing
from api.problems import INVALID_REQUEST, NOT_FOUND, Flaw, Rejected, documented, not_found
from core.families import FAMILIES, UnknownArchitecture, architecture
from core.jobs.datasets import DATASETS
from core.jobs.methods import METHODS

router = APIRouter(tags=["catalogue"])


@router.get("/architectures")
async def list_architectures() -> Listing[FamilyBody]:
    """List the families of architectures: how their names read, and how they are trained by default."""
    return Listing(items=[FamilyBody.of(family) for family in FAMILIES.values()])


@router.get("/architectures/{name}", responses=documented(NOT_FOUND, INVALID_REQUEST))
def show_architecture(
    name: Annotated[str, Path(examples=["mlp_2"])],
    dataset: Annotated[str, Query(description="whose input and classes it takes", examples=["digits"])],
) -> ArchitectureBody:
    """Show one network, sized for a dataset: its tensors, and the stages and units that a ticket stretches by."""
    if len(name) > 64:
        raise not_found("architecture", name)
    facts = DATASETS.get(dataset)
    if facts is None:
        flaw = Flaw(location="query", where="dataset", what="unknown dataset", accepted=", ".join(DATASETS))
        raise Rejected(INVALID_REQUEST, f"dataset: unknown; accepted: {flaw.accepted}", flaw)
    try:
        return ArchitectureBody.of(architecture(name, facts.input, facts.classes), dataset)
    except UnknownArchitecture as error:
        raise Rejected(NOT_FOUND, str(error)) from None


@router.get("/datasets")
async def list_datasets() -> Listing[DatasetBody]:
    """List the datasets: shapes, counts, and the files they are read from."""
    return Listing(items=[DatasetBody.of(facts) for facts in DATASETS.values()])


@router.get("/methods")
async def list_methods() -> Listing[MethodBody]:
    """List the ways to find a mask, with their parameters."""
    return Listing(items=[MethodBody.of(method) for method in METHODS.values()])
