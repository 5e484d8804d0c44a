"""The upload page: a file is recognised before anything is kept of it, then uploaded."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError

from api.access.policies import reads, writes
from api.dependencies import DatabaseDep, SettingsDep, StoreDep
from api.flaws import flaws
from api.idempotency import Once
from api.pages.forms import told
from api.pages.rendering import render
from api.problems import INVALID_REQUEST, TOO_LARGE, Rejected
from api.tickets import service
from api.tickets.imports import Said
from api.tickets.reception import ReceptionDep
from api.tickets.recognition import Recognised, recognise
from api.tickets.upload import receive
from core.interchange.failure import Unreadable
from core.interchange.imports.registry import FORMATS
from core.jobs.datasets import DATASETS
from core.jobs.specs import OF_FOREIGN
from core.tickets import InvalidTicket

router = APIRouter(include_in_schema=False, dependencies=[reads])

CHECK = "check"


@dataclass
class _Sent:
    """What a form has said, and what is wrong with it; "" for the file itself."""

    fields: dict[str, str] = field(default_factory=dict)
    errors: dict[str, list[str]] = field(default_factory=dict)
    found: Recognised | None = None


@router.get("/ui/upload")
def upload_page() -> HTMLResponse:
    """The empty form."""
    return _shown(_Sent(), 200)


@router.post("/ui/upload", dependencies=[writes])
async def upload(
    request: Request, database: DatabaseDep, store: StoreDep, settings: SettingsDep, reception: ReceptionDep
) -> Response:
    """Say what the file is; or, where the form was sent to upload it, go to its ticket or to its import."""
    sent = _Sent()
    async with reception.upload(store, database) as received:
        try:
            given = await receive(request, received, {*OF_FOREIGN, "tags", "do"})
            sent.fields = {name: value.strip() for name, value in given.items()}
            said = Said.model_validate(
                {name: sent.fields[name] for name in OF_FOREIGN if sent.fields.get(name)}
            )
            tags = [tag.strip() for tag in sent.fields.get("tags", "").split(",") if tag.strip()]
            if sent.fields.get("do", CHECK) == CHECK:
                sent.found = await run_in_threadpool(recognise, database, settings, received, said, tags)
                return _shown(sent, 200)
            once = Once(f"POST {request.url.path}", None)
            made, _ = await run_in_threadpool(
                service.enter, database, store, settings, once, received, said, tags
            )
            where = "jobs" if made.status == 202 else "tickets"
            return RedirectResponse(f"/ui/{where}/{made.resource}", 303)
        except ValidationError as error:
            for flaw in flaws(one | {"loc": ("query", *one["loc"])} for one in error.errors()):
                sent.errors.setdefault(flaw.where.split(".")[0], []).append(told(flaw.model_dump()))
        except Rejected as error:
            if error.kind not in (INVALID_REQUEST, TOO_LARGE):
                raise
            for one in error.document["errors"] or [{"where": "", "what": error.document["detail"]}]:
                where = {"tag": "tags"}.get(one["where"], one["where"])
                sent.errors.setdefault(where if where in (*OF_FOREIGN, "tags") else "", []).append(told(one))
        except (InvalidTicket, Unreadable) as error:
            sent.errors[""] = [str(error)]
    return _shown(sent, 422)


def _shown(sent: _Sent, status: int) -> HTMLResponse:
    page = render(
        "upload.html",
        fields=sent.fields,
        errors=sent.errors,
        found=sent.found,
        formats=list(FORMATS),
        datasets=list(DATASETS),
    )
    page.status_code = status
    return page
