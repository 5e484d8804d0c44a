"""A real OTLP/HTTP receiver: what an OpenTelemetry collector would get."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Span:
    """One span as it arrived. Ids are hexadecimal, times seconds since 1970; `parent` is empty at a trace's root."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    begun: float
    ended: float
    failed: bool
    told: dict[str, Any] = field(hash=False)


class Collector:
    """Keeps the spans it is sent."""

    def __init__(self) -> None:
        self.endpoint = ""
        self._spans: list[Span] = []
        self._lock = threading.Lock()

    def spans(self) -> list[Span]:
        """All that have arrived."""
        with self._lock:
            return list(self._spans)

    def take(self, body: bytes) -> None:
        """Take one export request."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        request = ExportTraceServiceRequest.FromString(body)
        with self._lock:
            for resource in request.resource_spans:
                service = {one.key: one.value.string_value for one in resource.resource.attributes}
                for scope in resource.scope_spans:
                    self._spans += [_span(service["service.name"], found) for found in scope.spans]


def _span(service: str, found: Any) -> Span:
    told = {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in found.attributes}
    return Span(
        service,
        found.name,
        found.trace_id.hex(),
        found.span_id.hex(),
        found.parent_span_id.hex(),
        found.start_time_unix_nano / 1e9,
        found.end_time_unix_nano / 1e9,
        found.status.code == 2,
        told,
    )


@contextmanager
def collecting() -> Iterator[Collector]:
    """A receiver on a port of this machine."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            packed = self.headers.get("Content-Encoding") == "gzip"
            collector.take(gzip.decompress(body) if packed else body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        collector.endpoint = f"http://127.0.0.1:{server.server_port}"
        yield collector
        server.shutdown()
        thread.join()
