"""Requests that nobody wrote: made of the OpenAPI document, sound ones and bad ones, alone and in chains.

A few hundred of them; with FUZZ_CASES at least so many, every boundary of every field among them.
"""

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
import schemathesis
from fastapi import FastAPI
from schemathesis.engine import events, from_schema
from starlette.types import Message, Receive, Scope, Send

from api.app import create_app
from core.catalog import keys
from core.catalog.database import Database
from core.catalog.key_text import KeyText
from core.settings import Settings

CASES = int(os.environ.get("FUZZ_CASES", "0"))
STREAMED_SECONDS = 0.1
# A body may be of the right form and name what is not there, or what does not go together.
ACCEPTED = ["2xx", "3xx", 404, 409, 410, 422]
# What a key was refused for is entered in the audit log.
ENTERED = (401, 403)
# One client sends all of them, faster than any may: each is to be answered for what it says.
SETTINGS = {"auth": "keys", "writes_per_minute": 0, "reads_per_minute": 0}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


class Kept:
    """What an installation keeps: a number that changes with any row, and the files beside the database."""

    def __init__(self, settings: Settings) -> None:
        self.home = settings.home
        self.connection = sqlite3.connect(settings.home / "elasticket.db", check_same_thread=False)

    def now(self) -> tuple[int, frozenset[str]]:
        (version,) = self.connection.execute("PRAGMA data_version").fetchone()
        files = (Path(folder, name) for folder, _, names in os.walk(self.home) for name in names)
        return version, frozenset(str(path) for path in files if path.parent != self.home)


class Proxy:
    """Lets no stream of events run for long, and notes the refused requests that changed what is kept."""

    def __init__(self, app: FastAPI, kept: Kept) -> None:
        self.app = app
        self.kept = kept
        self.changed: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        before, status, ended = self.kept.now(), 0, False
        with anyio.CancelScope() as passing:

            async def passed(message: Message) -> None:
                nonlocal status, ended
                if message["type"] == "http.response.start":
                    status = message["status"]
                ended = message["type"] == "http.response.body" and not message.get("more_body", False)
                if scope["path"].endswith("/events"):
                    passing.deadline = anyio.current_time() + STREAMED_SECONDS
                await send(message)

            await self.app(scope, receive, passed)
        if not ended:
            await send({"type": "http.response.body", "body": b""})
        if status >= 400 and status not in ENTERED and self.kept.now() != before:
            self.changed.add(f"{status} {scope['method']} {scope['path']} {scope['query_string']!r}")


@pytest.fixture
def filled(
    client: Any, upload: Callable[..., str], worker: Any, outcome: Callable[..., Any]
) -> dict[str, list[str]]:
    """Tickets, jobs in every state, and a study, by the name of their parameter."""
    tickets = [upload(0), upload(1, name="mlp_2")]

    def train(seed: int) -> str:
        asked = {"tickets": tickets[:1], "dataset": "digits", "order_seeds": [seed]}
        return str(client.post("/train", json=asked).raise_for_status().json()["id"])

    jobs = [train(seed) for seed in range(5)]
    worker.succeed(jobs[0], worker.claim(jobs[0]), outcome(tickets[0], 90))
    worker.fail(jobs[1], worker.claim(jobs[1]))
    worker.claim(jobs[2])
    client.post(f"/jobs/{jobs[3]}/cancel").raise_for_status()
    study = {"study": "rivals", "scale": "small"}
    studies = [client.post("/studies", json=study).raise_for_status().json()["id"]]
    return {"ticket": tickets, "other": tickets, "job": jobs, "study": studies}


@pytest.fixture
def admin(database: Database) -> KeyText:
    """A key that lets do anything, whose use is noted for long: noting it is no change that a request makes."""
    with database.write() as session:
        row, key = keys.create(session, "the fuzzer", "admin")
        row.last_used_at = 1e11
    return key


@pytest.fixture
def kept(settings: Settings) -> Iterator[Kept]:
    kept = Kept(settings)
    yield kept
    kept.connection.close()


@schemathesis.serializer("application/zip")
def _as_it_is(_: Any, value: Any) -> dict[str, Any]:
    return {"data": value if isinstance(value, bytes) else str(value).encode()}


def schema(proxy: Proxy, filled: dict[str, list[str]], admin: KeyText, seed: int) -> schemathesis.BaseSchema:
    """The application's document, some of whose requests are for what is there."""
    signed = {"Authorization": f"Bearer {admin.text}"}
    config = schemathesis.Config.from_dict(
        {
            "seed": seed,
            "headers": signed,
            "workers": 1,
            "continue-on-failure": True,
            "generation": {"max-examples": 20 if CASES else 2, "no-shrink": True, "database": "none"},
            "phases": {"coverage": {"enabled": CASES > 0 and seed == 0}, "stateful": {"max-steps": 6}},
            "checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}},
        }
    )
    made = schemathesis.openapi.from_asgi("/openapi.json", proxy, config=config, headers=signed)
    asked: Counter[str] = Counter()

    @made.hook
    def map_path_parameters(_: Any, parameters: dict[str, Any]) -> dict[str, Any]:
        if (parameters or {}).get("key") == admin.id:
            parameters["key"] = "0" * len(admin.id)
        for name in (parameters or {}).keys() & filled.keys():
            asked[name] += 1
            if asked[name] % 3:
                parameters[name] = filled[name][asked[name] % len(filled[name])]
        return parameters

    return made


class TestApi:
    @pytest.mark.timeout(3600 if CASES else 120)
    @pytest.mark.filterwarnings("ignore")
    def test_no_request_is_answered_otherwise_than_documented(
        self,
        settings: Settings,
        filled: dict[str, list[str]],
        admin: KeyText,
        kept: Kept,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("api.preferences.LONGEST_WAIT", 0)
        monkeypatch.setattr("api.tickets.files.LONGEST_WAIT", 0)

        proxy = Proxy(create_app(settings.model_copy(update=SETTINGS)), kept)
        found: dict[tuple[str, str], str] = {}
        statuses: Counter[int] = Counter()
        seed = 0
        while not seed or statuses.total() < CASES:
            for event in from_schema(schema(proxy, filled, admin, seed)).execute():
                if isinstance(event, events.ScenarioFinished):
                    statuses.update(
                        given.response.status_code
                        for given in event.recorder.interactions.values()
                        if given.response is not None
                    )
                    for checks in event.recorder.checks.values():
                        for check in checks:
                            if check.failure_info is not None:
                                failure = check.failure_info.failure
                                key = failure.operation, failure.title
                                found.setdefault(key, f"{failure.message}\n{check.failure_info.code_sample}")
                elif isinstance(event, events.NonFatalError):
                    found.setdefault((event.label, "not sent"), str(event.value))
                elif isinstance(event, events.FatalError):
                    raise event.exception
            seed += 1
        print(f"{statuses.total()} requests: {dict(sorted(statuses.items()))}")
        assert "\n\n".join(f"{' '.join(key)}\n{what}" for key, what in found.items()) == ""
        assert proxy.changed == set(), "refused, and something changed"
        assert statuses.total() > 150
        assert {200, 202, 404, 422} <= statuses.keys()
