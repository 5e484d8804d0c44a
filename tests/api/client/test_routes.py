"""Every route of the OpenAPI document has a method, which asks what the document says and understands its example.

A new route needs a method in `api/client`; where a parameter of it has a new name, `GIVEN` needs a value for that.
"""

from __future__ import annotations

import inspect
import json
import typing
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from api import client_models
from api.client import Client
from api.client.answer import Answer
from tests.answering import Documented

GIVEN: dict[str, Any] = {
    "job": "4b1d" * 8,
    "ticket": "9f2c" * 16,
    "other": "c07e" * 16,
    "study": "7c5e" * 8,
    "name": "mlp_2",
    "layer": "fc.weight",
    "format": "text",
    "key": "4b1d" * 3,
    "pool": "host:1",
    "upload": "4b1d" * 8,
}
"""A value for each parameter that a method cannot do without."""
STREAMED = "GET /jobs/{job}/events"
COMPOSED = {"wait", "wait_study", "events", "close", "download"}
"""Methods that make no request of their own, or go on until a job ends: they have tests of their own."""
BUILT_IN = {"get", "post", "text", "pages", "send", "stream", "parsed"}


def methods() -> list[str]:
    public = (name for name, _ in inspect.getmembers(Client, inspect.isfunction) if name[0] != "_")
    return [name for name in public if name not in COMPOSED | BUILT_IN]


def arguments(method: Any, folder: Path) -> tuple[dict[str, Any], set[str]]:
    """Values for what a method cannot do without, and all of the API's fields that it takes."""
    found: dict[str, Any] = {}
    fields, keywords = set[str](), set[str]()
    hints = typing.get_type_hints(method, include_extras=True)
    for name, one in list(inspect.signature(method).parameters.items())[1:]:
        if one.kind is inspect.Parameter.VAR_KEYWORD:
            (dictionary,) = typing.get_args(hints[name])
            fields = set(dictionary.__annotations__)
        elif name in ("file", "archive"):
            found[name] = folder / "sent"
        elif name == "to":
            found[name] = folder / "received"
        elif one.kind is inspect.Parameter.KEYWORD_ONLY:
            keywords.add(name)
        elif one.default is inspect.Parameter.empty:
            found[name] = GIVEN[name]
    return found | dict.fromkeys(fields | keywords, "x"), fields | keywords


class TestEveryRoute:
    def test_has_a_method(self, documented: Documented, server: Any, tmp_path: Path) -> None:
        (tmp_path / "sent").write_bytes(b"bytes")
        with Client(server.url) as client:
            for name in methods():
                method = getattr(client, name)
                answer = method(**arguments(getattr(Client, name), tmp_path)[0])
                if inspect.isgenerator(answer):
                    list(answer)
        asked = {documented.named(method, path) for method, path, _, _ in server.seen}
        missing = documented.operations.keys() - asked - {STREAMED}
        assert not missing, f"api/client has no method for {', '.join(sorted(missing))}"

    @pytest.mark.parametrize("name", methods())
    def test_is_asked_what_it_takes_and_understood(
        self, documented: Documented, server: Any, tmp_path: Path, name: str
    ) -> None:
        (tmp_path / "sent").write_bytes(b"bytes")
        given, fields = arguments(getattr(Client, name), tmp_path)
        with Client(server.url) as client:
            answer = getattr(client, name)(**given)
            if inspect.isgenerator(answer):
                answer = list(answer)
        ((method, path, headers, sent),) = server.seen
        route = documented.named(method, path)
        query = set(parse_qs(path.partition("?")[2]))
        body = json.loads(sent) if headers.get("content-type") == "application/json" else {}
        assert set(body) | (query - {"dry_run"}) == fields | ({"format"} & query)
        assert fields <= documented.fields(route) | documented.query(route)
        assert documented.fields(route) <= set(body)
        # What is not asked for has no priority.
        left_out = {"format", "priority"} if "dry_run" in query else {"format"}
        assert documented.query(route) - query <= left_out
        # What is deleted twice is deleted.
        assert ("idempotency-key" in headers) == (method not in ("GET", "DELETE"))
        _, example = documented.example(
            route,
            dry_run="dry_run" in query,
            format=parse_qs(path.partition("?")[2]).get("format", [None])[0],
        )
        match answer:
            case Answer():
                assert answer.json_body() == example
            case list():
                (expected,) = [one for one in example.values() if isinstance(one, list)]
                assert [one.json_body() for one in answer] == expected
            case Path():
                shown = json.dumps(example) if isinstance(example, dict) else example
                assert answer.read_text() == shown
            case _:
                assert answer == example

    def test_what_was_left_out_is_left_out_when_it_is_shown_again(
        self, documented: Documented, server: Any
    ) -> None:
        with Client(server.url) as client:
            shown = client.job("4b1d" * 8).json_body()
        assert "barrier" not in shown["outputs"]


class TestTypes:
    def test_they_are_those_of_the_document(self, document: dict[str, Any]) -> None:
        for name, text in client_models.modules(document).items():
            path = client_models.FOLDER / f"{name}.py"
            assert path.read_text() == text, f"{path.name} is out of date: run `make client`"
