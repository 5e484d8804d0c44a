"""Spans of what this process does, sent to an OpenTelemetry collector where the environment names one; else nothing.

A job's trace begins with the request that asked for it. Its `traceparent` (W3C Trace Context, level 1) is kept with the
job, so that dispatchers and workers go on with it. While nothing is sent, a span costs one `if`, and nothing
that could send is imported. Errors are told by their type alone: their text may hold an address with a password.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

log = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
Kind = Literal["internal", "server", "producer", "consumer"]
Told = Mapping[str, str | int | float | bool]


class _Sender:
    """OpenTelemetry's part: imported when it is needed."""

    def __init__(self, process: str) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self.trace = trace
        name = os.environ.get("OTEL_SERVICE_NAME") or f"elasticket-{process}"
        self.provider = TracerProvider(resource=Resource.create({"service.name": name}))
        self.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self.tracer = self.provider.get_tracer("elasticket")
        self._words = TraceContextTextMapPropagator()

    def context(self, parent: str | None) -> Any:
        """The context that a `traceparent` names; without one the present one."""
        return self._words.extract({"traceparent": parent}) if parent else None

    def carrier(self) -> str | None:
        told: dict[str, str] = {}
        self._words.inject(told)
        return told.get("traceparent")


_sender: _Sender | None = None


def start(process: str) -> None:
    """Send this process's spans from now on, if the environment says where to."""
    global _sender
    if _sender is not None or not any(os.environ.get(name) for name in ENDPOINTS):
        return
    try:
        _sender = _Sender(process)
    except ImportError:
        log.warning("traces are asked for and cannot be sent: pip install 'elasticket[traces]'")


def stop() -> None:
    """Send what is left, and nothing more."""
    global _sender
    sender, _sender = _sender, None
    if sender is not None:
        sender.provider.shutdown()


def sending() -> bool:
    """Whether spans are sent."""
    return _sender is not None


def carrier() -> str | None:
    """What another process goes on from: the `traceparent` of the span under way; None where there is none."""
    return None if _sender is None else _sender.carrier()


class Span:
    """A span under way."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def tell(self, told: Told, name: str | None = None, failed: bool = False) -> None:
        """Say more of it: attributes, another name, that it failed."""
        if self._span is None or _sender is None:
            return
        self._span.set_attributes(told)
        if name is not None:
            self._span.update_name(name)
        if failed:
            self._span.set_status(_sender.trace.StatusCode.ERROR)


_NOTHING = Span()


@contextmanager
def span(
    name: str,
    told: Told | None = None,
    *,
    parent: str | None = None,
    kind: Kind = "internal",
    begun: float | None = None,
) -> Iterator[Span]:
    """A span from here, or from `begun` (seconds since 1970), to the end of the block.

    It belongs to the trace of `parent`, a `traceparent`, or without one to the span under way.
    """
    if _sender is None:
        yield _NOTHING
        return
    with _sender.tracer.start_as_current_span(
        name,
        context=_sender.context(parent),
        kind=_sender.trace.SpanKind[kind.upper()],
        attributes=told,
        start_time=None if begun is None else _nanoseconds(begun),
        record_exception=False,
        set_status_on_exception=False,
    ) as under_way:
        found = Span(under_way)
        try:
            yield found
        except Exception as error:
            found.tell({"error.type": type(error).__name__}, failed=True)
            raise


def record(
    name: str, begun: float, ended: float, told: Told | None = None, *, parent: str | None = None
) -> None:
    """A span that is over: from `begun` to `ended`, in seconds since 1970."""
    if _sender is not None:
        over = _sender.tracer.start_span(
            name, context=_sender.context(parent), attributes=told, start_time=_nanoseconds(begun)
        )
        over.end(end_time=_nanoseconds(ended))


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
