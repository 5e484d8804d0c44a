"""A typed Python client of the API. It needs httpx and pydantic, and nothing of the server."""

from api.client.client import Client
from api.client.errors import ApiError, Flaw
from api.client.events import ServerEvent

__all__ = ["ApiError", "Client", "Flaw", "ServerEvent"]
