"""Connections that wait for nothing, on real sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest
import uvicorn

from api.gate.connections import Patient

SOON = 5.0
"""Seconds within which what is to happen at once has happened, on a machine that is busy."""


class Impatient(Patient):
    header_seconds = 0.4
    stall_seconds = 0.4
    most = 4


async def answering(scope: Any, receive: Any, send: Any) -> None:
    """Answers at once, without reading; a long answer at /long."""
    if scope["type"] == "http":
        body = b"x" * (50_000_000 if scope["path"] == "/long" else 2)
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@contextmanager
def running(protocol: type[asyncio.Protocol]) -> Iterator[Callable[[], socket.socket]]:
    config = uvicorn.Config(
        answering,
        port=0,
        log_level="critical",
        http=protocol,
        lifespan="off",
        timeout_graceful_shutdown=1,
        ws="none",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        address = server.servers[0].sockets[0].getsockname()
        yield lambda: socket.create_connection(address, timeout=SOON)
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def connect() -> Iterator[Callable[[], socket.socket]]:
    with running(Impatient) as connect:
        yield connect


def closed_after(connection: socket.socket) -> float:
    """Seconds until the server closes; fails where it does not."""
    began = time.monotonic()
    with suppress(ConnectionResetError):
        while connection.recv(65536):
            pass
    return time.monotonic() - began


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class TestWaiting:
    @pytest.mark.parametrize(
        "sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: a\r\nX: ", GET + b"GET / HTTP/1.1\r\n"]
    )
    def test_a_request_that_is_never_whole_is_given_up(self, connect, sent: bytes) -> None:
        with connect() as connection:
            connection.sendall(sent)
            assert 0.3 < closed_after(connection) < SOON

    def test_headers_that_trickle_in_are_given_up(self, connect) -> None:
        with connect() as connection:
            connection.settimeout(0.05)
            began, closed = time.monotonic(), False
            while not closed:
                try:
                    connection.sendall(b"a")
                    closed = connection.recv(100) == b""
                except TimeoutError:
                    assert time.monotonic() - began < SOON
                except OSError:
                    closed = True

    def test_a_body_after_its_answer_is_given_up(self, connect) -> None:
        with connect() as connection:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
            assert closed_after(connection) < SOON

    def test_an_answer_that_nobody_takes_is_given_up(self, connect) -> None:
        with connect() as connection:
            connection.sendall(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
            time.sleep(0.8)
            received = 0
            with suppress(ConnectionResetError):
                while block := connection.recv(1 << 20):
                    received += len(block)
        assert received < 50_000_000

    def test_requests_one_after_another_go_on(self, connect) -> None:
        with connect() as connection:
            for _ in range(4):
                connection.sendall(GET)
                received = b""
                while not received.endswith(b"\r\n\r\nxx"):
                    received += connection.recv(65536)
                assert received.startswith(b"HTTP/1.1 200 ")
                time.sleep(0.15)


class TestMost:
    def test_the_one_that_has_waited_longest_makes_room(self, connect) -> None:
        with ExitStack() as stack:
            waiting = [stack.enter_context(connect()) for _ in range(4)]
            fresh = stack.enter_context(connect())
            fresh.sendall(GET)
            assert fresh.recv(65536).startswith(b"HTTP/1.1 200 ")
            assert closed_after(waiting[0]) < 0.4
