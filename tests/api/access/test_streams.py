"""A stream of events ends soon after its key does."""

from __future__ import annotations

import threading
from collections.abc import Callable

import httpx
import pytest

from api.access import streams
from core.catalog import keys
from core.catalog.database import Database
from core.catalog.key_text import KeyText

Keyed = Callable[..., httpx.Client]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "RECHECK_SECONDS", 0.0)
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.05)


def queued(writer: httpx.Client) -> str:
    return str(writer.post("/find", json={"architecture": "mlp_1", "dataset": "digits"}).json()["id"])


class TestRevocation:
    def test_it_ends_the_stream_of_a_key(self, keyed: Keyed, database: Database) -> None:
        writer, reader = keyed(scope="write"), keyed()
        job = queued(writer)
        with reader.stream("GET", f"/jobs/{job}/events") as stream:
            pieces = stream.iter_text()
            assert "queued" in next(pieces)
            assert next(pieces) == ": ping\n\n"
            with database.write() as session:
                key = KeyText.read(reader.headers["Authorization"].removeprefix("Bearer ")).id
                keys.revoke(session, key)
            assert set(pieces) <= {": ping\n\n"}  # and it ends, as a stream does
        assert reader.get(f"/jobs/{job}").status_code == 401

    def test_and_that_of_a_browser_signed_in_with_it(
        self, keyed: Keyed, stranger: httpx.Client, key: Callable[..., str], database: Database
    ) -> None:
        job, text = queued(keyed(scope="write")), key()
        same = {"Sec-Fetch-Site": "same-origin"}
        assert stranger.post("/ui/sign-in", data={"key": text}, headers=same).status_code == 303
        with stranger.stream("GET", f"/jobs/{job}/events") as stream:
            pieces = stream.iter_text()
            next(pieces)
            with database.write() as session:
                keys.revoke(session, KeyText.read(text).id)
            list(pieces)

    def test_that_of_a_good_one_goes_on_to_the_end(self, keyed: Keyed, database: Database) -> None:
        writer = keyed(scope="write")
        job = queued(writer)
        with writer.stream("GET", f"/jobs/{job}/events") as stream:
            pieces = stream.iter_text()
            assert [next(pieces) for _ in range(4)][1:] == [": ping\n\n"] * 3
            ends = threading.Thread(target=lambda: writer.post(f"/jobs/{job}/cancel"))
            ends.start()
            assert "cancelled" in "".join(pieces)
            ends.join()
