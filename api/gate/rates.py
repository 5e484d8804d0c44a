"""How often one client may ask: a bucket of tokens each for what changes something and for what only reads.

The bucket is kept as one number, the time at which it will be full again (the generic cell rate algorithm; ITU-T
I.371, annex A). It is this process's own: several APIs count each for itself. Headers as in
draft-ietf-httpapi-ratelimit-headers-10.
"""

from __future__ import annotations

import math
import re
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.gate.origins import SAFE
from api.problems import ProblemKind, ProblemResponse

TOO_OFTEN = ProblemKind(
    "too-many-requests",
    429,
    "The client asks too often",
    "600 requests a minute that change something are accepted from one address; ask again in 1 s.",
)
WINDOW = 60
MOST_CLIENTS = 10_000
COSTLY = 10
"""What a request costs that reads a ticket's file, draws, or packs."""
_COSTLY = re.compile(
    r"(?:/ui)?/(?:tickets/[^/]+/(?:layers.*|anatomy|compare/.*|file|stretch)|compare.*|plan"
    r"|studies/[^/]+/(?:archive|figures.*|table))"
)
_FREE = re.compile(r"/(?:static|docs)/.*|/healthz|/readyz")


@dataclass
class Buckets:
    """One bucket of `most` tokens per client, filled within `WINDOW` seconds."""

    name: str
    most: int
    _full_at: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def take(self, client: str, tokens: int, now: float) -> tuple[float, float]:
        """Take tokens; the seconds to wait where there are too few, else 0, and those until all are there again."""
        each = WINDOW / self.most
        full_at = max(self._full_at.get(client, now), now) + min(tokens, self.most) * each
        wait = full_at - now - WINDOW
        if wait > 1e-9:
            return wait, self._full_at[client] - now
        self._full_at[client] = full_at
        self._full_at.move_to_end(client)
        while len(self._full_at) > MOST_CLIENTS:
            self._full_at.popitem(last=False)
        return 0.0, full_at - now

    def headers(self, until_full: float) -> dict[str, str]:
        """What a client is told of its bucket."""
        left = math.floor(self.most * (1 - until_full / WINDOW) + 1e-6)
        return {
            "RateLimit-Policy": f'"{self.name}";q={self.most};w={WINDOW}',
            "RateLimit": f'"{self.name}";r={max(left, 0)};t={math.ceil(until_full - 1e-6)}',
        }


class Rates:
    """ASGI middleware: 429 past a client's rate. What comes from this machine itself is not counted; 0: no limit."""

    def __init__(self, app: ASGIApp, writes: int, reads: int) -> None:
        self.app = app
        self._writes = Buckets("writes", writes)
        self._reads = Buckets("reads", reads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = _client(scope)
        if client is None or _FREE.fullmatch(scope["path"]):
            await self.app(scope, receive, send)
            return
        reads = scope["method"] in SAFE
        buckets = self._reads if reads else self._writes
        if buckets.most == 0:
            await self.app(scope, receive, send)
            return
        tokens = COSTLY if reads and _COSTLY.fullmatch(scope["path"]) else 1
        wait, until_full = buckets.take(client, tokens, time.monotonic())
        told = buckets.headers(until_full)
        if wait:
            after = math.ceil(wait)
            what = "read" if reads else "change something"
            problem = TOO_OFTEN.document(
                f"{buckets.most} requests a minute that {what} are accepted from one address; ask again in {after} s."
            )
            await ProblemResponse(problem, told | {"Retry-After": str(after)})(scope, receive, send)
            return

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(told)
            await send(message)

        await self.app(scope, receive, telling)


def _client(scope: Scope) -> str | None:
    """Whom to count a request for: an address, of IPv6 its network of 64 bits; nobody for this machine itself."""
    if scope["type"] != "http" or not scope.get("client"):
        return None
    try:
        address = ip_address(scope["client"][0])
    except ValueError:
        return str(scope["client"][0])
    if address.is_loopback:
        return None
    return str(IPv6Address(int(address) >> 64 << 64)) if address.version == 6 else str(address)
