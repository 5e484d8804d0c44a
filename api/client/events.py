"""A job's events, over streams that break, and by asking where there are no streams."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from api.client.answer import Identified, identity
from api.client.errors import ApiError
from api.client.models.jobs import Job
from api.client.transport import Backoff, Transport

ENDED = frozenset({"succeeded", "failed", "cancelled"})
POLL_SECONDS = 0.5
WATCHER_PATIENCE = 60.0
"""Seconds for which a watcher keeps trying to reach a server that has gone away, at least."""
_STREAM = "text/event-stream"
_END = re.compile(rb"\r\n|\n|\r(?!\Z)")  # a CR that comes last may be half of an end


@dataclass(frozen=True)
class ServerEvent:
    """One server-sent event. Only those that are kept for ever have an `id`."""

    kind: str
    data: dict[str, Any]
    id: str | None = None


class Events(Transport):
    """Watching jobs."""

    def events(self, job: str | Identified) -> Iterator[ServerEvent]:
        """A job's events from its first to its end: `state`, `epoch`, `log`, `progress`.

        A broken stream is resumed after the last event that has an id. Where no stream can be had, as behind some
        proxies, the job is asked for twice a second instead: states and progress alone.
        """
        path, last = f"/jobs/{identity(job)}/events", None
        backoff = Backoff(max(self._patience, WATCHER_PATIENCE))
        while True:
            try:
                with self.stream(path, headers={"Accept": _STREAM, **_after(last)}) as response:
                    if response.status_code == httpx.codes.NO_CONTENT:
                        return
                    if not response.headers.get("Content-Type", "").startswith(_STREAM):
                        break
                    for event in parse_events(event_lines(response.iter_bytes())):
                        backoff.succeeded()
                        last = event.id or last
                        yield event
                        if event.kind == "state" and event.data["state"] in ENDED:
                            return
            except ApiError as error:
                if not error.passing or not backoff.again():
                    raise
            else:
                if not backoff.again():
                    break
        yield from self._polled(identity(job), None)

    def wait(self, job: str | Identified, timeout: float | None = None) -> Job:
        """A job as it has ended. Raises TimeoutError after `timeout` seconds; the job goes on."""
        watched = self.events(job) if timeout is None else self._polled(identity(job), timeout)
        for _ in watched:
            pass
        return self.get(Job, f"/jobs/{identity(job)}")

    def _polled(self, job: str, timeout: float | None) -> Iterator[ServerEvent]:
        ends = None if timeout is None else time.monotonic() + timeout
        state = progress = None
        while True:
            seen = self.get(Job, f"/jobs/{job}")
            if seen.progress is not None and seen.progress != progress and seen.state not in ENDED:
                progress = seen.progress
                yield ServerEvent("progress", progress.json_body())
            if seen.state != state:
                state = seen.state
                yield ServerEvent("state", {"state": state})
            if state in ENDED:
                return
            if ends is not None and time.monotonic() >= ends:
                raise TimeoutError(f"job {job} is still {state} after {timeout:g} s")
            time.sleep(POLL_SECONDS)


def event_lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """The lines of a stream that arrives in pieces: other ends than CR and LF, of which Unicode has eight, are text."""
    rest = b""
    for piece in pieces:
        *lines, rest = _END.split(rest + piece)
        for line in lines:
            yield line.decode("utf-8", "replace")


def parse_events(lines: Iterable[str]) -> Iterator[ServerEvent]:
    """Server-sent events from their lines (HTML standard, 9.2.6), of which this API's data are JSON objects.

    An event that the stream's end cuts off is no event. Raises ValueError where the data are anything else.
    """
    fields: dict[str, list[str]] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields.setdefault(name, []).append(value.removeprefix(" "))
        else:
            if "data" in fields:
                kind = fields.get("event", ["message"])[-1]
                yield ServerEvent(kind, _object("\n".join(fields["data"])), fields.get("id", [None])[-1])
            fields = {}


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except RecursionError:
        found = None
    if not isinstance(found, dict):
        raise ValueError("the data of an event are no JSON object")
    return found


def _after(last: str | None) -> dict[str, str]:
    return {"Last-Event-ID": last} if last else {}
