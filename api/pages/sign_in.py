"""Signing in: a browser gives a key once, and has a cookie from then on that no script can read."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from api.access.caller import act_of, caller_of
from api.access.gate import COOKIE, SIGN_IN, cookie_of
from api.access.policies import opens, reads
from api.dependencies import InstallationDep, SettingsDep
from api.pages.rendering import render
from core.catalog import audit, keys
from core.catalog.audit import Outcome
from core.catalog.database import Database
from core.catalog.key_text import KeyText, NoKey

router = APIRouter(include_in_schema=False)

SECONDS = 12 * 3600
"""A day's work; whoever comes back signs in again."""
UNKNOWN = "This key is not known, has expired or was revoked."


@router.get(SIGN_IN, dependencies=[opens])
def sign_in_page(settings: SettingsDep, back: str = "/") -> Response:
    """The form; where no keys are asked for, there is nothing to sign in to."""
    if settings.auth == "none":
        return RedirectResponse("/", 303)
    return _form(back)


@router.post(SIGN_IN, dependencies=[opens])
def sign_in(
    request: Request,
    database: InstallationDep,
    key: Annotated[str, Form(max_length=200)] = "",
    back: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Take a key, and go to where the browser was on its way to."""
    try:
        given = KeyText.read(key.strip())
        with database.everywhere().write() as session:
            secret = keys.sign_in(session, given, SECONDS)
            project = keys.project_let_into(session, given)
            done: Outcome = "unauthenticated" if secret is None else "done"
            act = replace(act_of(request), by="cookie" if secret else "stranger", key=given.id)
            audit.enter(session, act, done, project)
    except NoKey as error:
        return _form(back, f"{str(error)[0].upper()}{str(error)[1:]}.")
    if secret is None:
        return _form(back, UNKNOWN)
    response = RedirectResponse(_here(back), 303)
    response.set_cookie(
        COOKIE,
        secret,
        max_age=SECONDS,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return response


@router.post("/ui/sign-out", dependencies=[reads])
def sign_out(request: Request, database: InstallationDep) -> Response:
    """End it, here and in the catalog."""
    secret = cookie_of(request.headers)
    if secret is not None:
        _forget(database, secret, request)
    response = RedirectResponse(SIGN_IN, 303)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


def _here(back: str) -> str:
    """An address of this installation: "//" and backslashes would lead to another one."""
    parts = urlsplit(back)
    local = back.startswith("/") and not parts.netloc and not parts.scheme and "\\" not in back
    return back if local and back.isprintable() else "/"


def _forget(database: Database, secret: str, request: Request) -> None:
    caller = caller_of(request)
    with database.everywhere().write() as session:
        keys.sign_out(session, secret)
        audit.enter(session, act_of(request), project=caller.project if caller else None)


def _form(back: str, wrong: str = "") -> HTMLResponse:
    page = render("sign_in.html", back=back, wrong=wrong)
    page.status_code = 401 if wrong else 200
    return page
