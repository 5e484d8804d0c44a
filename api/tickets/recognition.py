"""The dry run of an upload: what a file is, and what would become of it. Nothing is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from api.jobs.examples import TICKET
from api.tickets.formats import OWN
from api.tickets.imports import Said, import_spec, is_foreign, refuse_options
from api.tickets.upload import Upload, check_tags
from core.catalog import architectures, tickets
from core.catalog.database import Database
from core.interchange.checking import check
from core.interchange.failure import Reason, Unreadable
from core.interchange.imports.registry import FORMATS
from core.interchange.looking import figures, look
from core.settings import Settings
from core.tickets import TicketFile, read

RECOGNISED: dict[str, Any] = {
    "outcome": "import",
    "format": "torch_prune",
    "title": "torch.nn.utils.prune",
    "size": 1_124_620,
    "tickets": [
        {
            "id": TICKET,
            "here": False,
            "architecture": "mlp_2",
            "family": "mlp",
            "input": [1, 8, 8],
            "classes": 10,
            "prunable": 140200,
            "survivors": 15058,
            "sparsity": 0.8926,
            "rewind_step": 0,
            "dataset": "digits",
            "seed": 0,
            "level": 10,
        }
    ],
    "unsaid": [],
    "notes": [],
}


class RecognisedTicket(BaseModel):
    """One ticket of a file, as it would be entered."""

    id: str
    here: bool = Field(description="it is in the catalog already")
    architecture: str
    family: str
    input: list[int] = Field(description="[C, H, W]; zeros where it is not known")
    classes: int
    prunable: int
    survivors: int
    sparsity: float = Field(description="pruned / all prunable weights")
    rewind_step: int
    dataset: str | None
    seed: int | None
    level: int | None = Field(description="nominal IMP level")


class Recognised(BaseModel):
    """What an uploaded file is, and what would become of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [RECOGNISED]})

    outcome: Literal["ticket", "import"] = Field(
        description="ticket: it is entered at once; import: a job makes tickets of it"
    )
    format: str | None = Field(description="null where that is for the import to say")
    title: str
    size: int = Field(description="bytes")
    tickets: list[RecognisedTicket]
    unsaid: list[str] = Field(description="what the file does not say of its tickets, and the query may")
    notes: list[str]


def recognise(
    database: Database, settings: Settings, upload: Upload, said: Said, tags: list[str]
) -> Recognised:
    """What a received file is; raises what entering it would raise, `InvalidTicket` or `Unreadable`."""
    check_tags(tags)
    if not is_foreign(upload.staged.path, said):
        refuse_options(said)
        return _own(database, upload, read(upload.staged.path))
    return _foreign(database, settings, upload, said, tags)


def _own(database: Database, upload: Upload, file: TicketFile) -> Recognised:
    seen = figures(file.ticket, file.metadata)
    with database.read() as session:
        found = _tickets(session, [seen])
    notes = ["The ticket is here already: its first file is kept."] if found[0].here else []
    return Recognised(
        outcome="ticket",
        format=OWN.name,
        title=OWN.title,
        size=upload.size,
        tickets=found,
        unsaid=[],
        notes=notes,
    )


def _foreign(
    database: Database, settings: Settings, upload: Upload, said: Said, tags: list[str]
) -> Recognised:
    path, scratch, limit = upload.staged.path, settings.scratch_directory, settings.import_memory_bytes
    scratch.mkdir(parents=True, exist_ok=True)
    spec = import_spec(upload.staged.digest, upload.size, said, tags)
    with database.read() as session:
        definitions = architectures.comparable(session, spec.architecture)
    try:
        seen = look(path, scratch, limit, spec, definitions)
    except Unreadable as problem:
        if problem.reason is not Reason.TOO_COSTLY:
            raise
        check(path, scratch, limit)
        return _unlooked(upload, said)
    with database.read() as session:
        found = _tickets(session, seen)
    formats = {one["format"] for one in seen}
    name = next(iter(formats), None)
    return Recognised(
        outcome="import",
        format=name,
        title=FORMATS[name].title if name else "no ticket",
        size=upload.size,
        tickets=found,
        unsaid=_unsaid(found),
        notes=[
            *(["No ticket is in it."] if not found else []),
            *(["It is here already, and is kept once."] if any(one.here for one in found) else []),
        ],
    )


def _unlooked(upload: Upload, said: Said) -> Recognised:
    """What is sound as far as it can be checked at once, and too large to be read for a dry run."""
    return Recognised(
        outcome="import",
        format=said.format,
        title=FORMATS[said.format].title if said.format else "another format",
        size=upload.size,
        tickets=[],
        unsaid=[],
        notes=["It is too large to be read at once: its import will say what is in it."],
    )


def _unsaid(found: Sequence[RecognisedTicket]) -> list[str]:
    fields = [
        name for name in ("dataset", "seed", "level") if any(getattr(one, name) is None for one in found)
    ]
    return fields + (["input"] if any(not any(one.input) for one in found) else [])


def _tickets(session: Session, seen: Sequence[dict[str, Any]]) -> list[RecognisedTicket]:
    absent = set(tickets.missing(session, [one["id"] for one in seen]))
    fields = RecognisedTicket.model_fields
    return [
        RecognisedTicket(
            here=one["id"] not in absent, **{name: value for name, value in one.items() if name in fields}
        )
        for one in seen
    ]
