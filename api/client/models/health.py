"""What routes of health answer with. Written by `make client` from the OpenAPI document."""

from __future__ import annotations

from typing import Literal

from api.client.answer import Answer


class Health(Answer):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str = "0.1.0"


class Readiness(Answer):
    """Everything the API needs is there."""

    status: Literal["ready"] = "ready"
