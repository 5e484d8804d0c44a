"""The gate: who sends a request is found out before anything of it is read, and strangers get no further."""

from __future__ import annotations

import hmac
from contextlib import suppress
from functools import partial
from urllib.parse import quote

from anyio import CancelScope
from anyio.to_thread import run_sync
from sqlalchemy.exc import OperationalError
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.access.caller import ANYONE, Caller, put, signed_in
from api.access.policies import OPEN_MOUNTS, open_paths
from api.access.problems import unauthenticated
from api.access.refusals import Refusals
from api.access.streams import Streamed
from api.gate.origins import FOREIGN, SAFE
from api.problems import ProblemResponse, database_away, refused
from core.catalog import keys
from core.catalog.database import Database
from core.catalog.key_text import KeyText, NoKey
from core.catalog.keys import Holder
from core.catalog.scope import DEFAULT

COOKIE = "elasticket_session"
SIGN_IN = "/ui/sign-in"
METRICS = "/metrics"
SCRAPER = Caller(DEFAULT, "admin")
"""Who sends the token for metrics: put only before that one route."""


class Gate:
    """ASGI middleware: a request with a good key or a signed-in browser's cookie goes on, with its `Caller`.

    Without either only what is open to all is reached. A cookie is sent by a browser whoever made it do so: what would
    change something must also say that it comes from this installation's own pages (others' never get here).
    `metrics_token`: what opens `METRICS`, and nothing else.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        database: Database,
        asks: bool,
        refusals: Refusals,
        metrics_token: str | None = None,
    ) -> None:
        self.app = app
        self._refusals = refusals
        self._metrics_token = metrics_token
        self._database = database.everywhere()
        self._asks = asks
        self._open: frozenset[str] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if not self._asks:
            put(scope, ANYONE)
            await self.app(scope, receive, send)
            return
        refusal = await self._admit(scope)
        with CancelScope() as answering:
            stream = Streamed(send, partial(self._still_good, Headers(scope=scope)), answering.cancel)
            await (refusal or self.app)(scope, receive, stream)

    async def _admit(self, scope: Scope) -> Response | None:
        """Let a caller in; or what to answer instead."""
        headers = Headers(scope=scope)
        if self._scrapes(scope, headers):
            put(scope, SCRAPER)
            return None
        try:
            caller = await self._caller(headers)
            why = "that of this request is not known, has expired or was revoked"
        except NoKey as error:
            caller, why = None, str(error)
        except OperationalError:
            return database_away()
        if caller is not None:
            if caller.by_cookie and scope["method"] not in SAFE and _silent(headers):
                return ProblemResponse(FOREIGN.document(FOREIGN.example))
            put(scope, caller)
            signed_in.set(caller.by_cookie)
            return None
        if self._is_open(scope):
            return None
        if scope["method"] == "GET" and _is_page(scope["path"]):
            query = scope["query_string"].decode("latin-1")
            back = scope["path"] + ("?" + query if query else "")
            return RedirectResponse(
                f"{SIGN_IN}?back={quote(back, safe='')}", 303, {"Cache-Control": "no-store"}
            )
        if "authorization" in headers:
            await self._refusals.note(scope, "unauthenticated", _key_or_none(headers))
        sent = "authorization" in headers or COOKIE in headers.get("cookie", "")
        return refused(unauthenticated(why if sent else "none was sent"))

    def _scrapes(self, scope: Scope, headers: Headers) -> bool:
        if self._metrics_token is None or scope["path"] != METRICS:
            return False
        sent = headers.get("authorization", "").encode()
        return hmac.compare_digest(sent, f"Bearer {self._metrics_token}".encode())

    async def _still_good(self, headers: Headers) -> bool:
        """Whether what let a request in still does; while nobody can tell, it does."""
        try:
            return await self._caller(headers) is not None
        except NoKey:
            return False
        except OperationalError:
            return True

    async def _caller(self, headers: Headers) -> Caller | None:
        """Who sent it; raises `NoKey`. A key goes before a cookie: it was sent on purpose."""
        key = _key_of(headers)
        if key is not None:
            found = await run_sync(self._holder, key)
            return None if found is None else Caller(found.project, found.scope, key=found.key)
        secret = cookie_of(headers)
        if secret is None:
            return None
        found = await run_sync(self._signed_in, secret)
        return None if found is None else Caller(found.project, found.scope, True, found.key)

    def _holder(self, key: KeyText) -> Holder | None:
        with self._database.read() as session:
            found = keys.holder(session, key)
        return self._noted(found)

    def _signed_in(self, secret: str) -> Holder | None:
        with self._database.read() as session:
            found = keys.signed_in(session, secret)
        return self._noted(found)

    def _noted(self, found: Holder | None) -> Holder | None:
        """Note that a key was used, once a minute; that is worth no failed request."""
        if found is not None and not found.noted:
            with suppress(OperationalError), self._database.write() as session:
                keys.use(session, found.key)
        return found

    def _is_open(self, scope: Scope) -> bool:
        if self._open is None:
            self._open = open_paths(scope["app"])
        path: str = scope["path"]
        return path in self._open or path.startswith(tuple(f"{mount}/" for mount in OPEN_MOUNTS))


def _key_of(headers: Headers) -> KeyText | None:
    """The key that was sent; raises `NoKey` for what is none."""
    given = headers.get("authorization")
    if given is None:
        return None
    scheme, _, text = given.partition(" ")
    if scheme.lower() != "bearer":
        raise NoKey(f"the scheme {scheme[:20]!r} is not accepted")
    return KeyText.read(text.strip())


def _key_or_none(headers: Headers) -> KeyText | None:
    with suppress(NoKey):
        return _key_of(headers)
    return None


def cookie_of(headers: Headers) -> str | None:
    """The secret of a signed-in browser."""
    return cookie_parser(headers.get("cookie", "")).get(COOKIE) or None


def _silent(headers: Headers) -> bool:
    """Whether a request does not say which page sent it, as every browser does of what may change something."""
    return "sec-fetch-site" not in headers and "origin" not in headers


def _is_page(path: str) -> bool:
    return path == "/" or path.startswith("/ui/") or path == "/docs"
