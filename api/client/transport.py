"""Requests that survive a server's restart: sent again while patience lasts, making nothing twice."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from api.client.errors import ApiError

DEFAULT_SERVER = "http://127.0.0.1:8000"
FIRST_WAIT = 0.1
LONGEST_WAIT = 5.0

Model = TypeVar("Model")
_ADAPTERS: dict[Any, TypeAdapter[Any]] = {}


class Backoff:
    """Waits that double, until `patience` seconds have passed without success."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self.succeeded()

    def succeeded(self) -> None:
        """Patience starts anew."""
        self._ends = time.monotonic() + self._patience
        self._wait = FIRST_WAIT

    def again(self, least: float = 0.0) -> bool:
        """Wait, `least` seconds if the server said so, and try again; or, patience being over, do not."""
        left = self._ends - time.monotonic()
        if left <= 0:
            return False
        # Clients that lost the same server do not come back at the same time.
        time.sleep(min(max(least, self._wait * random.uniform(0.5, 1.0)), left))
        self._wait = min(2 * self._wait, LONGEST_WAIT)
        return True

    def rest(self, seconds: float) -> None:
        """Wait for what is on its way."""
        time.sleep(seconds)
        self.succeeded()


LATER = frozenset({httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE})


class Transport:
    """One server. `patience`: seconds for which a request is sent again where no answer, 429 or 503 came back.

    A server that has never answered is not waited for, unless `starting`.
    """

    def __init__(
        self,
        server: str | None = None,
        *,
        key: str | None = None,
        patience: float = 30.0,
        starting: bool = False,
        timeout: float = 60.0,
    ) -> None:
        self.server = (server or os.environ.get("ELASTICKET_SERVER") or DEFAULT_SERVER).rstrip("/")
        self._patience = patience
        self._met = starting
        self._http = httpx.Client(
            base_url=self.server,
            timeout=httpx.Timeout(timeout, connect=5),
            headers={"Accept": "application/json", **_bearer(key or os.environ.get("ELASTICKET_API_KEY"))},
            # A proxy of the environment does not lead to this machine.
            trust_env=httpx.URL(self.server).host not in ("127.0.0.1", "localhost", "::1"),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def get(self, model: type[Model], path: str, query: Mapping[str, Any] | None = None) -> Model:
        """A resource."""
        return self.parsed(model, self.send("GET", path, params=given(query)))

    def post(
        self,
        model: type[Model],
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        method: str = "POST",
    ) -> Model:
        """Ask for something; sent again, it makes nothing more. Fields that are None are left to the server."""
        json = None if body is None else given(body)
        return self.parsed(model, self.send(method, path, json=json, params=given(query), headers=new_key()))

    def text(self, path: str, query: Mapping[str, Any] | None = None) -> str:
        """A resource as the server writes it."""
        return self.send("GET", path, params=given(query), headers={"Accept": "*/*"}).text

    def pages(self, item: type[Model], path: str, query: Mapping[str, Any] | None = None) -> Iterator[Model]:
        """Every item of a list, its pages asked for as they are needed."""
        params: dict[str, Any] | None = given(query)
        while True:
            answer = self.send("GET", path, params=params)
            try:
                page = answer.json()
                items, following = page["items"], page.get("next")
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise self._strange(answer) from error
            for one in items:
                yield self._checked(item, one, answer)
            if following is None:
                return
            path, params = following, None

    def send(
        self, method: str, path: str, *, rewind: Callable[[], Any] | None = None, **request: Any
    ) -> httpx.Response:
        """A request that may be repeated, and is; `rewind` prepares its content for that. Raises ApiError."""
        backoff = Backoff(self._patience)
        while True:
            try:
                response = self._http.request(method, path, **request)
            except httpx.TransportError as error:
                lost = self._unreachable(error)
                if not lost.passing or not backoff.again():
                    raise lost from error
            else:
                self._met = True
                if not response.is_error:
                    return response
                if response.status_code not in LATER or not backoff.again(pause(response)):
                    raise ApiError.of(response)
            if rewind is not None:
                rewind()

    @contextmanager
    def stream(
        self, path: str, query: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[httpx.Response]:
        """An answer to be read as it comes. Not repeated: that is for who knows how far it was read."""
        try:
            with self._http.stream(
                "GET", path, params=given(query), headers={"Accept": "*/*", **(headers or {})}
            ) as response:
                self._met = True
                if response.is_error:
                    response.read()
                    raise ApiError.of(response)
                yield response
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def parsed(self, model: type[Model], response: httpx.Response) -> Model:
        """An answer as what it is."""
        try:
            return self._checked(model, response.json(), response)
        except ValueError as error:
            raise self._strange(response) from error

    def _checked(self, model: type[Model], body: Any, response: httpx.Response) -> Model:
        adapter = _ADAPTERS.get(model)
        if adapter is None:
            adapter = _ADAPTERS[model] = TypeAdapter(model)
        try:
            found: Model = adapter.validate_python(body)
        except ValidationError as error:
            raise self._strange(response, str(error)) from error
        return found

    def _strange(self, response: httpx.Response, why: str = "") -> ApiError:
        asked = f"{response.request.method} {response.request.url}"
        detail = f"{asked} was answered with what this client does not understand"
        return ApiError(
            f"{detail}: {why}" if why else detail, status=response.status_code, kind="not-understood"
        )

    def _unreachable(self, error: httpx.TransportError) -> ApiError:
        return ApiError(
            f"cannot reach {self.server}: {error or type(error).__name__}; is `elasticket up` running?",
            passing=self._met or not isinstance(error, httpx.ConnectError),
        )


def _bearer(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key.strip()}"} if key and key.strip() else {}


def given(fields: Mapping[str, Any] | None) -> dict[str, Any]:
    """Fields that are None are left to the server."""
    return {name: value for name, value in (fields or {}).items() if value is not None}


def pause(response: httpx.Response) -> float:
    """Seconds for which the server asks to be left alone."""
    try:
        return float(response.headers.get("Retry-After", 0))
    except ValueError:
        return 0.0


def new_key() -> dict[str, str]:
    """The header that makes a request one that can be sent again."""
    return {"Idempotency-Key": os.urandom(16).hex()}
