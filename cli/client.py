"""The API's client: what any program could do over HTTP, with problems as exceptions and streams that reconnect."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import httpx

Json = dict[str, Any]

TERMINAL = frozenset({"succeeded", "failed", "cancelled"})
RECONNECT_SECONDS = 0.5
CHECKING_SECONDS = 600.0
"""How long a server may take to check a study's archive."""
WATCHER_PATIENCE = 60.0
"""Seconds for which a watcher keeps trying to reach a server that has gone away."""


class ApiError(RuntimeError):
    """The server refused, in its own words, or could not be reached."""

    def __init__(self, detail: str, flaws: Iterable[Json] = (), status: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.flaws = tuple(flaws)
        self.status = status

    @classmethod
    def of(cls, response: httpx.Response) -> ApiError:
        """The error of an answer: a problem document (RFC 9457), or whatever else came back."""
        try:
            problem = response.json()
            return cls(problem["detail"], problem.get("errors", ()), response.status_code)
        except (ValueError, KeyError, TypeError):
            return cls(f"{response.status_code} {response.reason_phrase}", status=response.status_code)

    def lines(self) -> list[str]:
        """For people: the detail, then what the flaws say beyond it."""
        return [self.detail, *(f"  {line}" for flaw in self.flaws if (line := self._beyond(flaw)))]

    def _beyond(self, flaw: Json) -> str | None:
        what, accepted = flaw.get("what", ""), flaw.get("accepted")
        more = [] if what in self.detail else [what]
        more += [f"accepted: {accepted}"] if accepted else []
        return f"{flaw.get('where') or flaw.get('in', '')}: {'; '.join(more)}" if more else None


@dataclass(frozen=True)
class ServerEvent:
    """One server-sent event. Only those that are kept for ever have an `id`."""

    kind: str
    data: Json
    id: str | None


class Client:
    """One server. Use it in a `with` statement. `patience`: seconds to wait for a server that cannot be reached."""

    def __init__(self, server: str, patience: float = 0.0) -> None:
        self._patience = patience
        self._http = httpx.Client(
            base_url=server,
            timeout=httpx.Timeout(60, connect=5),
            headers={"Accept": "application/json"},
            # A proxy of the environment does not lead to this machine.
            trust_env=httpx.URL(server).host not in ("127.0.0.1", "localhost", "::1"),
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: Any) -> Json:
        """A resource, as JSON."""
        return self._send("GET", path, params=_given(query))

    def submit(self, kind: str, body: Json) -> Json:
        """Ask for a job of this kind. Fields that are None are left to the server."""
        return self._send("POST", f"/{kind}", json=_given(body), headers=_key())

    def plan(self, body: Json, kind: str = "transform") -> Json:
        """What a transformation, or a study, would do."""
        return self._send("POST", f"/{kind}", json=_given(body), params={"dry_run": True})

    def preview(self, study: Json) -> Json:
        """What a study would ask for and take."""
        return self._send("POST", "/studies", json=_given(study), params={"dry_run": True})

    def price(self, body: Json) -> Json:
        """What sparse networks would cost."""
        return self._send("POST", "/plans", json=_given(body))

    def job(self, job_id: str) -> Json:
        """A job with everything it has produced."""
        return self.get(f"/jobs/{job_id}")

    def jobs(self, limit: int, **query: Any) -> list[Json]:
        """Jobs that a query asks for, a page of them."""
        items: list[Json] = self.get("/jobs", limit=limit, **query)["items"]
        return items

    def ticket(self, ticket_id: str) -> Json:
        """A ticket's description."""
        return self.get(f"/tickets/{ticket_id}")

    def cancel(self, job_id: str) -> Json:
        """Ask a job to stop."""
        return self._send("POST", f"/jobs/{job_id}/cancel")

    def prioritise(self, job_id: str, priority: int) -> Json:
        """Give a job that waits another priority."""
        return self._send("PATCH", f"/jobs/{job_id}", json={"priority": priority})

    def retry(self, job_id: str) -> Json:
        """A new job with the spec of one that failed or was cancelled."""
        return self._send("POST", f"/jobs/{job_id}/retry", headers=_key())

    def push(self, file: BinaryIO, said: Json) -> Json:
        """Upload a file, read as it is sent, with what is said of it: a ticket, or the job that imports it."""
        return self._once(
            "POST",
            "/tickets",
            content=file,
            params=_given(said),
            headers={"Content-Type": "application/octet-stream"},
        )

    def import_study(self, archive: BinaryIO, exact: bool) -> Json:
        """Upload a study's archive, read as it is sent: the study that runs it again."""
        return self._once(
            "POST",
            "/studies/import",
            content=archive,
            params={"exact": exact},
            headers={"Content-Type": "application/zip"},
            timeout=CHECKING_SECONDS,
        )

    def text(self, path: str, **query: Any) -> str:
        """A resource as the server writes it."""
        return self._answer("GET", path, params=_given(query), headers={"Accept": "*/*"}).text

    def post_architecture(self, definition: bytes) -> Json:
        """Enter an architecture that is described as data."""
        headers = {"Content-Type": "application/json", **_key()}
        return self._send("POST", "/architectures", content=definition, headers=headers)

    def pull(self, ticket_id: str, target: Path, format: str = "elasticket") -> int:  # noqa: A002
        """Download a ticket's file; how many bytes. An unfinished download leaves nothing at `target`.

        Where the format must be converted to first, this waits for the job that does it.
        """
        return self.download(f"/tickets/{ticket_id}/file?format={format}", target)

    def download(self, path: str, target: Path) -> int:
        """Download a file; how many bytes. An unfinished download leaves nothing at `target`."""
        partial = target.with_name(target.name + ".part")
        try:
            while True:
                with self._stream(path, {"Accept": "*/*"}) as response:
                    if response.status_code == httpx.codes.ACCEPTED:
                        time.sleep(RECONNECT_SECONDS)
                        continue
                    with partial.open("wb") as file:
                        for chunk in response.iter_bytes(1 << 20):
                            file.write(chunk)
                    break
            size = partial.stat().st_size
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return size

    def events(self, job_id: str) -> Iterator[ServerEvent]:
        """A job's events from its first to its end. A broken stream is resumed after the last event that has an id."""
        last: str | None = None
        patience_ends = time.monotonic() + WATCHER_PATIENCE
        while True:
            try:
                headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
                with self._stream(f"/jobs/{job_id}/events", headers) as response:
                    if response.status_code == httpx.codes.NO_CONTENT:
                        return
                    for event in parse_events(response.iter_lines()):
                        patience_ends = time.monotonic() + WATCHER_PATIENCE
                        last = event.id or last
                        yield event
                        if event.kind == "state" and event.data["state"] in TERMINAL:
                            return
            except ApiError as error:
                if (error.status is not None and error.status < 500) or time.monotonic() > patience_ends:
                    raise
            time.sleep(RECONNECT_SECONDS)

    def _send(self, method: str, path: str, **request: Any) -> Json:
        """A request that changes nothing more when it is repeated, and so is repeated while patience lasts."""
        patience_ends = time.monotonic() + self._patience
        while True:
            try:
                return self._once(method, path, **request)
            except ApiError as error:
                if error.status is not None or time.monotonic() >= patience_ends:
                    raise
            time.sleep(RECONNECT_SECONDS)

    def _once(self, method: str, path: str, **request: Any) -> Json:
        answer: Json = self._answer(method, path, **request).json()
        return answer

    def _answer(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **request)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if response.is_error:
            raise ApiError.of(response)
        return response

    @contextmanager
    def _stream(self, path: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
        try:
            with self._http.stream("GET", path, headers=headers) as response:
                if response.is_error:
                    response.read()
                    raise ApiError.of(response)
                yield response
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: httpx.TransportError) -> ApiError:
        return ApiError(
            f"cannot reach {self._http.base_url}: {error or type(error).__name__}; is `elasticket up` running?"
        )


def _given(fields: Json) -> Json:
    """Fields that are None are left to the server."""
    return {name: value for name, value in fields.items() if value is not None}


def _key() -> dict[str, str]:
    return {"Idempotency-Key": os.urandom(16).hex()}


def parse_events(lines: Iterable[str]) -> Iterator[ServerEvent]:
    """Server-sent events from their lines (HTML standard, 9.2.6), of which this API's data are JSON objects.

    An event that the stream's end cuts off is no event.
    """
    fields: dict[str, list[str]] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
        else:
            if "data" in fields:
                kind = fields.get("event", ["message"])[-1]
                yield ServerEvent(kind, json.loads("\n".join(fields["data"])), fields.get("id", [None])[-1])
            fields = {}
