from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from cli import client


class Server(ThreadingHTTPServer):
    """A server whose answers the test sets: by path, a list of (status, type, body), the last one repeated.

    A body of None closes the connection without an answer, one that ends in CUT breaks off there.
    """

    CUT: ClassVar[bytes] = b"(cut)"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, list[tuple[int, str, bytes | None]]] = {}
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def asked(self, header: str) -> list[str | None]:
        return [headers.get(header.lower()) for _, _, headers, _ in self.seen]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append((self.command, self.path, headers, self.rfile.read(length)))
        answers = self.server.answers[self.path.partition("?")[0]]
        status, kind, body = answers.pop(0) if len(answers) > 1 else answers[0]
        if body is None:
            return
        self.send_response(status)
        self.send_header("Content-Type", kind)
        # One byte more than is sent where the stream is to be cut: the client sees a broken connection.
        cut = body.endswith(self.server.CUT)
        body = body.removesuffix(self.server.CUT)
        self.send_header("Content-Length", str(len(body) + cut))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(client, "RECONNECT_SECONDS", 0.01)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()
