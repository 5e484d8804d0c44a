"""Bodies that trickle in, on real sockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI, Request

from api import failures
from api.gate.bodies import Bodies

PIECE, SECONDS = 1000, 0.4
Connect = Callable[[], socket.socket]


@pytest.fixture
def connect(serve: Callable[[FastAPI], AbstractContextManager[str]]) -> Iterator[Connect]:
    """Opens connections to an application that reads what it is sent."""
    app = FastAPI()
    failures.install(app)
    app.add_middleware(Bodies, PIECE, SECONDS)

    @app.post("/json")
    def json(body: dict[str, int]) -> int:
        return len(body)

    @app.post("/stream")
    async def stream(request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream()])

    with serve(app) as address:
        place = urlsplit(address)
        yield lambda: socket.create_connection((place.hostname, place.port), timeout=10)


def start(path: str, length: int) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def answer(connection: socket.socket) -> bytes:
    """All that is sent until the connection is closed."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


class TestSlowly:
    @pytest.mark.parametrize("path", ["/json", "/stream"])
    def test_a_byte_now_and_then_is_given_up_in_time(self, connect: Connect, path: str) -> None:
        with connect() as connection:
            connection.sendall(start(path, 100_000))
            connection.settimeout(0.05)
            began, received = time.monotonic(), b""
            while not received:
                with suppress(ConnectionError):  # the answer was sent, and may still be read
                    connection.sendall(b" ")
                try:
                    received = connection.recv(65536)
                except TimeoutError:
                    assert time.monotonic() - began < 5
            connection.settimeout(10)
            received += answer(connection)
        assert time.monotonic() - began > SECONDS * 0.9
        assert received.startswith(b"HTTP/1.1 408 ")
        assert b"urn:elasticket:problem:too-slow" in received
        assert b"connection: close" in received.lower()

    def test_a_silent_chunked_body_too(self, connect: Connect) -> None:
        with connect() as connection:
            connection.sendall(
                b"POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"
            )
            assert answer(connection).startswith(b"HTTP/1.1 408 ")


class TestSteadily:
    def test_a_body_may_take_longer_in_all(self, connect: Connect) -> None:
        pieces = 6
        with connect() as connection:
            connection.sendall(start("/stream", pieces * PIECE))
            began = time.monotonic()
            for _ in range(pieces):
                time.sleep(SECONDS / 4)
                connection.sendall(b"x" * PIECE)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert time.monotonic() - began > SECONDS

    def test_time_is_counted_only_while_the_body_is_waited_for(self, serve) -> None:
        app = FastAPI()
        app.add_middleware(Bodies, PIECE, 0.1)

        @app.post("/")
        async def late(request: Request) -> bool:
            await request.body()
            time.sleep(0.2)
            return await request.is_disconnected()

        with (
            serve(app) as address,
            socket.create_connection(
                (urlsplit(address).hostname, urlsplit(address).port), timeout=10
            ) as connection,
        ):
            connection.sendall(start("/", 2) + b"{}")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
