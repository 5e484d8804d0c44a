import threading
import time
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyio import Semaphore
from fastapi import Request, Response

from api import paging
from api.paging import Page, listing, turns
from core.catalog.database import Database


class Readers:
    """What several lists of one process read, each for `seconds`: how many did so at once."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._counting = threading.Lock()
        self._reading = 0
        self.most = 0

    def read(self) -> Page:
        with self._counting:
            self._reading += 1
            self.most = max(self.most, self._reading)
        time.sleep(self._seconds)
        with self._counting:
            self._reading -= 1
        return [], None

    def broken(self) -> Page:
        raise OSError


def request() -> Request:
    app = SimpleNamespace(state=SimpleNamespace(turns=Semaphore(1)))
    return Request(
        {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [], "app": app}
    )


def ask(several: int, readers: Readers, given: Request) -> list[Response]:
    answers: list[Response] = []

    async def one() -> None:
        answers.append(await listing(given, readers.read))

    async def all_of_them() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(several):
                group.start_soon(one)

    anyio.run(all_of_them)
    return answers


class TestLists:
    def test_share_sqlite_by_turns_and_a_server_at_once(self, database_url: str) -> None:
        catalog = Database(database_url)
        sqlite = catalog.engine.dialect.name == "sqlite"
        assert turns(catalog).value == (1 if sqlite else paging.AT_ONCE)
        catalog.close()

    def test_are_read_one_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(paging, "PATIENCE", 60.0)
        readers = Readers(0.01)
        answers = ask(5, readers, request())
        assert [bytes(answer.body) for answer in answers] == [b'{"items":[],"next":null}'] * 5
        assert readers.most == 1

    def test_wait_only_so_long_for_one_that_takes_its_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(paging, "PATIENCE", 0.01)
        readers, given = Readers(0.3), request()
        assert len(ask(3, readers, given)) == 3
        assert readers.most > 1
        turns: Any = given.app.state.turns
        assert turns.value == 1

    def test_that_cannot_be_read_leave_the_others_their_turn(self) -> None:
        given = request()
        with pytest.raises(OSError):  # noqa: PT011 - any error
            anyio.run(listing, given, Readers(0).broken)
        assert len(ask(1, Readers(0), given)) == 1
