"""What every answer of the API is."""

from __future__ import annotations

from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """A body that the API sent. Fields that this client does not know yet are kept."""

    # A model is built when it is first used: most programs use few of them.
    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True, protected_namespaces=())

    def json_body(self) -> dict[str, Any]:
        """The body as it came."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class Identified(Protocol):
    """Anything with an id: a ticket, a job, a study."""

    @property
    def id(self) -> str: ...


def identity(thing: str | Identified) -> str:
    """The id of a thing, or the id itself."""
    return thing if isinstance(thing, str) else thing.id
