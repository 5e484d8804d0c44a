"""What processes log: lines for people, or a JSON object a line for machines, which says what each is about."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal

Form = Literal["text", "json"]

_about: ContextVar[dict[str, Any] | None] = ContextVar("about", default=None)


def tell(**about: Any) -> None:
    """Have the lines of this task or thread, from here on, say what they are about: a request, a job, an attempt."""
    _about.set({**(_about.get() or {}), **about})


@contextmanager
def about(**what: Any) -> Iterator[None]:
    """The same, for the lines of a block."""
    token = _about.set({**(_about.get() or {}), **what})
    try:
        yield
    finally:
        _about.reset(token)


def configure(process: str, form: Form, level: int = logging.INFO) -> None:
    """Have everything that this process logs written to standard error, each line with the kind of process."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json(process) if form == "json" else _Text(process))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)


class _Text(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__(f"%(asctime)s {process} %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        told = "".join(f" {name}={value}" for name, value in (_about.get() or {}).items())
        return super().formatMessage(record) + told


class _Json(logging.Formatter):
    """A line's fields: `time` (UTC), `level`, `process`, `logger`, `message`, what it is about, and `error`.

    A record's `told`, given as `extra={"told": …}`, is what that line alone is about.
    """

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
            **(_about.get() or {}),
            **getattr(record, "told", {}),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
