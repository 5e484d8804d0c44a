"""The form that trains a ticket: what its fields ask for, as a spec, and where that is refused."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from pydantic import ValidationError
from sqlalchemy.orm import Session

from api.access.caller import act_of
from api.access.policies import reads, writes
from api.dependencies import DatabaseDep, SettingsDep, TicketPath
from api.flaws import flaws
from api.idempotency import Once
from api.jobs.admission import admit
from api.jobs.queueing import Wanted, submit
from api.limits import EXCEEDED
from api.pages import tickets as ticket_views
from api.pages.forms import length, told
from api.problems import Rejected
from api.tickets import service as ticket_service
from core.catalog.audit import Act
from core.catalog.database import Database
from core.catalog.tables import Ticket
from core.families.posted import has_network
from core.jobs.recipes import PRESETS, Recipe
from core.jobs.specs import TrainSpec
from core.settings import Settings

router = APIRouter(include_in_schema=False, dependencies=[reads])

RECIPE = ("preset", "length", "lr")
FIELDS = ("dataset", "order_seeds", *RECIPE)
DURATION = "write epochs, such as 40, or steps, such as 500it"
MOST = 200
"""Characters of a field; more is nothing that could be meant."""


@dataclass
class Training:
    """What the form says. `errors` are by the name of the field, "" where none is to blame."""

    ticket: str
    fields: Mapping[str, str]
    errors: dict[str, list[str]] = field(default_factory=dict)

    @property
    def spec(self) -> TrainSpec | None:
        """What is asked for; None where that is refused, as `errors` then say."""
        body: dict[str, Any] = {"tickets": [self.ticket], "dataset": self.fields.get("dataset", "")}
        body["recipe"] = {name: self.fields[name] for name in RECIPE if name in self.fields}
        if "length" in self.fields:
            body["recipe"]["length"] = length(self.fields["length"])
        if "order_seeds" in self.fields:
            body["order_seeds"] = self.fields["order_seeds"].replace(",", " ").split()
        try:
            return TrainSpec.model_validate(body)
        except ValidationError as error:
            found = flaws({**one, "loc": ("body", *one["loc"])} for one in error.errors())
            self.refuse([flaw.model_dump() for flaw in found])
        return None

    def refuse(self, found: Iterable[Mapping[str, str | None]]) -> None:
        """Put each flaw at the field that it is about."""
        for flaw in found:
            named = [name for name in (flaw["where"] or "").split("/") if name in FIELDS]
            where = named[-1] if named else ""
            self.errors.setdefault(where, []).append(DURATION if where == "length" else told(flaw))


@dataclass(frozen=True)
class Offer:
    """The form on a ticket's page: its choices, and the recipe that holds where a field is left empty."""

    datasets: list[str]
    recipe: Recipe | None
    presets: list[str]
    training: Training
    key: str


def offer(session: Session, ticket: Ticket, query: Mapping[str, str]) -> Offer | None:
    """The form, filled as the address says, with what is wrong with that; None for what cannot be trained here."""
    datasets = ticket_views.fitting(ticket)
    if not datasets or not has_network(ticket.family):
        return None
    training = Training(ticket.id, _given(query))
    if training.fields:
        _check(session, training)
    recipe = PRESETS.get(training.fields.get("preset", ticket.family))
    return Offer(datasets, recipe, list(PRESETS), training, secrets.token_hex(16))


@router.post("/ui/tickets/{ticket_id}/train", dependencies=[writes])
async def train(
    request: Request, database: DatabaseDep, settings: SettingsDep, ticket_id: TicketPath
) -> RedirectResponse:
    """Queue what the form asks for and go to the job; back to the form where it is refused."""
    form = await request.form(max_files=0, max_fields=len(FIELDS) + 1)
    said = {name: value for name, value in form.items() if isinstance(value, str)}
    # The same form sent twice is one request; with other fields it is another.
    key = hashlib.sha256(urlencode(sorted(said.items())).encode()).hexdigest() if said.get("key") else None
    once = Once(f"POST {request.url.path}", key)
    wanted = Training(ticket_id, _given(said))
    return await run_in_threadpool(_submit, database, settings, once, act_of(request), wanted)


def _submit(
    database: Database, settings: Settings, once: Once, act: Act, training: Training
) -> RedirectResponse:
    with database.read() as session:
        ticket_service.existing(session, training.ticket)
    spec = training.spec
    if spec is not None:
        try:
            made, _ = submit(settings, Wanted(database, act, once, spec))
            return RedirectResponse(f"/ui/jobs/{made.resource}", 303)
        except Rejected as error:
            # Of all else the page that it comes back to says why.
            if error.kind in EXCEEDED:
                raise
    return RedirectResponse(f"/ui/tickets/{training.ticket}?{urlencode(training.fields)}#train", 303)


def _check(session: Session, training: Training) -> None:
    """Whether POST /train would take it."""
    spec = training.spec
    if spec is None:
        return
    try:
        admit(session, spec)
    except Rejected as error:
        training.refuse(error.document["errors"])


def _given(said: Mapping[str, str]) -> dict[str, str]:
    return {name: said[name].strip()[:MOST] for name in FIELDS if said.get(name, "").strip()}
