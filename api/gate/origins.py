"""Which names this service answers to, and whose pages may change anything.

A page on the internet can make a browser send requests to a service on the same machine. By itself it cannot read the
answers, but what it asked for would be done; and if its name is made to lead here (DNS rebinding) it could read too.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import Flaw, ProblemKind, ProblemResponse

MISDIRECTED = ProblemKind(
    "unknown-host",
    421,
    "The service is not known by this name",
    "The request is for evil.example; accepted: localhost, an address of this service, names in ELASTICKET_HOSTS.",
)
FOREIGN = ProblemKind(
    "foreign-page",
    403,
    "A page of another site may not do this",
    "A page of another site asked for this; accepted from this installation's own pages, and programs.",
)
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")
_ACCEPTED = "localhost, an address of this service, or a name in ELASTICKET_HOSTS"


class Origins:
    """ASGI middleware: 421 for another `Host`; 403 for what a page of another site wants changed."""

    def __init__(self, app: ASGIApp, host: str, hosts: str) -> None:
        self.app = app
        self._bound = host
        self._names = {"localhost", host.lower(), *(name.strip().lower() for name in hosts.split(","))}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.getlist("host")
        if len(host) != 1 or not self._ours(host[0]):
            flaw = Flaw(
                location="header", where="Host", what="not a name of this service", accepted=_ACCEPTED
            )
            problem = MISDIRECTED.document(
                f"The Host is not a name of this service; accepted: {_ACCEPTED}.", [flaw]
            )
            await ProblemResponse(problem)(scope, receive, send)
        elif scope["method"] not in SAFE and _foreign(headers):
            await ProblemResponse(FOREIGN.document(FOREIGN.example))(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _ours(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found["name"].lower().removesuffix(".")
        try:
            address = ip_address(name.strip("[]"))
        except ValueError:
            return name in self._names
        # An address cannot be made to lead elsewhere: what listens on all of them answers to each.
        return (
            address.is_loopback or self._bound in ("0.0.0.0", "::", "", str(address)) or name in self._names
        )


def _foreign(headers: Headers) -> bool:
    """Whether a browser sends this for a page of another site; what is no browser says neither."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site:
        return site not in ("same-origin", "none")
    return origin is not None and urlsplit(origin).netloc != headers["host"]
