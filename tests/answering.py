"""Servers on real ports whose answers a test sets, or which the OpenAPI document gives."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs


class Server(ThreadingHTTPServer):
    """A server whose answers the test sets: by path, a list of (status, type, body), the last one repeated.

    A body of None closes the connection without an answer, one that ends in CUT breaks off there. `headers` are sent
    with every answer. `answering`, where set, answers instead.
    """

    CUT: ClassVar[bytes] = b"(cut)"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.headers: dict[str, str] = {}
        self.answers: dict[str, list[tuple[int, str, bytes | None]]] = {}
        self.answering: Callable[[BaseHTTPRequestHandler, bytes], tuple[int, str, bytes | None]] | None = None
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
        if headers.get("transfer-encoding") == "chunked":
            content = b"".join(iter(self.chunk, b""))
        else:
            content = self.rfile.read(length)
        self.server.seen.append((self.command, self.path, headers, content))
        if self.server.answering is not None:
            status, kind, body = self.server.answering(self, content)
        else:
            answers = self.server.answers[self.path.partition("?")[0]]
            status, kind, body = answers.pop(0) if len(answers) > 1 else answers[0]
        if body is None:
            return
        self.send_response(status)
        for name, value in {"Content-Type": kind, **self.server.headers}.items():
            self.send_header(name, value)
        # One byte more than is sent where the stream is to be cut: the client sees a broken connection.
        cut = body.endswith(self.server.CUT)
        body = body.removesuffix(self.server.CUT)
        self.send_header("Content-Length", str(len(body) + cut))
        self.end_headers()
        self.wfile.write(body)

    def chunk(self) -> bytes:
        size = int(self.rfile.readline(), 16)
        content = self.rfile.read(size)
        self.rfile.readline()
        return content

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


class Documented:
    """The document as a server's answers: every operation is answered with its own example.

    `changes` are made to the examples of routes; nothing is there whose path begins with `absent`.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self._schemas = document["components"]["schemas"]
        self.changes: dict[str, dict[str, Any]] = {}
        self.absent: str | None = None
        self.operations = {
            f"{method.upper()} {path}": operation
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    def named(self, method: str, path: str) -> str:
        """The route of a request: where several fit, the one with the fewest parameters."""
        fitting = [
            name
            for name in self.operations
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", name), f"{method} {path.partition('?')[0]}")
        ]
        return min(fitting, key=lambda name: name.count("{"))

    def schema(self, given: dict[str, Any]) -> dict[str, Any]:
        return self._schemas[given["$ref"].rsplit("/", 1)[1]] if "$ref" in given else given

    def example(self, name: str, *, dry_run: bool, format: str | None) -> tuple[str, Any]:  # noqa: A002
        """A good answer's type and body."""
        responses = {int(status): one for status, one in self.operations[name]["responses"].items()}
        good = [status for status in responses if status < 300 and status != 204]
        content = responses[200 if dry_run else next(iter(good))]["content"]
        media = next(iter(content)) if format in (None, "elasticket", "json") else list(content)[-1]
        stated = content[media]
        schema = self.schema(stated.get("schema", {}))
        values = [stated["example"]] if "example" in stated else []
        values += [one["value"] for one in stated.get("examples", {}).values()] + schema.get("examples", [])
        return media, values[-1 if dry_run else 0]

    def fields(self, name: str) -> set[str]:
        """What a route's JSON body may say, less the kind that the route says already."""
        content = self.operations[name].get("requestBody", {}).get("content", {})
        schema = self.schema(content.get("application/json", {}).get("schema", {}))
        properties = schema.get("properties", {})
        return {field for field, one in properties.items() if not (field == "kind" and "const" in one)}

    def query(self, name: str) -> set[str]:
        parameters = self.operations[name].get("parameters", [])
        return {one["name"] for one in parameters if one["in"] == "query"} - {"after", "dry_run"}

    def answer(self, handler: BaseHTTPRequestHandler, _: bytes) -> tuple[int, str, bytes]:
        """A request's answer."""
        query = parse_qs(handler.path.partition("?")[2])
        if self.absent is not None and handler.path.startswith(self.absent):
            problem = {"type": "urn:elasticket:problem:not-found", "detail": "There is no such thing."}
            return 404, "application/problem+json", json.dumps(problem).encode()
        name = self.named(handler.command, handler.path)
        media, body = self.example(name, dry_run="dry_run" in query, format=query.get("format", [None])[0])
        if media == "application/json":
            body = json.dumps(body | self.changes.get(name, {}))
        return 200, media, f"{body}\n\n".encode() if media == "text/event-stream" else str(body).encode()
