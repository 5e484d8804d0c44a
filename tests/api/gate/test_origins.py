"""Whose requests are answered: by the name they are sent to, and by the page that a browser sends them for."""

from __future__ import annotations

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from api.app import create_app
from api.gate.origins import Origins
from core.settings import Settings

FIND = {"architecture": "mlp_1", "dataset": "digits"}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def bound(host: str, hosts: str = "") -> Origins:
    return Origins(FastAPI(), host, hosts)


OURS = [
    "localhost",
    "localhost:8000",
    "LOCALHOST",
    "localhost.",
    "127.0.0.1:1",
    "127.1.2.3",
    "[::1]:8000",
    "testserver",
]
OTHERS = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "192.168.0.7",
    "0.0.0.0",
    "user@localhost",
    "localhost:8000:1",
    "[::1",
    "localhost/",
    "testserver,localhost",
    "",
]


class TestHost:
    def test_this_machine_and_what_is_set_are_served_and_no_other(self, client: httpx.Client) -> None:
        for host in OURS:
            assert client.get("/healthz", headers={"Host": host}).status_code == 200, host
        for host in OTHERS:
            for path in ("/healthz", "/ui/tickets", "/static/live.js"):
                answer = client.get(path, headers={"Host": host})
                assert answer.status_code == 421, host
                assert host == "" or host not in answer.text

    def test_the_refusal_says_what_is_accepted(self, client: httpx.Client) -> None:
        problem = client.get("/jobs", headers={"Host": "evil.example"}).json()
        assert problem["type"] == "urn:elasticket:problem:unknown-host"
        assert "ELASTICKET_HOSTS" in problem["errors"][0]["accepted"]

    @pytest.mark.parametrize(
        ("host", "hosts", "name", "ours"),
        [
            ("0.0.0.0", "", "192.168.0.7:8000", True),
            ("::", "", "[2001:db8::7]", True),
            ("0.0.0.0", "", "evil.example", False),
            ("192.168.0.7", "", "192.168.0.7", True),
            ("192.168.0.7", "", "192.168.0.8", False),
            ("box.example", "", "Box.Example:80", True),
            ("127.0.0.1", "tickets.example, b.example", "b.example", True),
            ("127.0.0.1", "tickets.example", "x.tickets.example", False),
            ("127.0.0.1", "", "", False),
        ],
    )
    def test_by_what_it_listens_on(self, host: str, hosts: str, name: str, ours: bool) -> None:
        assert bound(host, hosts)._ours(name) is ours


class TestForeignPages:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
            {"Origin": "http://elsewhere.example"},
            {"Origin": "http://testserver:81"},
            {"Origin": "null"},
            {"Origin": ""},
        ],
    )
    def test_change_nothing_by_any_route(self, settings: Settings, document, headers: dict[str, str]) -> None:
        paths = [
            (method, path.replace("{job}", "0" * 32).replace("{study}", "0" * 32))
            for path, methods in document["paths"].items()
            for method in methods
            if method != "get"
        ]
        assert len(paths) > 12
        with TestClient(create_app(settings), client=("127.0.0.1", 1)) as client:
            for method, path in [*paths, ("post", "/ui/jobs/batch"), ("post", "/ui/upload")]:
                answer = client.request(method, path, json=FIND, headers=headers)
                assert answer.status_code == 403, path
                assert answer.json()["type"] == "urn:elasticket:problem:foreign-page"
            assert client.get("/jobs").json()["items"] == []

    def test_may_be_followed_a_link_from(self, client: httpx.Client) -> None:
        assert client.get("/jobs", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200

    @pytest.mark.parametrize(
        "headers",
        [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "https://localhost"}],
    )
    def test_our_own_and_programs_are_served(self, client: httpx.Client, headers: dict[str, str]) -> None:
        answer = client.post("/find", json=FIND, headers={"Host": "localhost"} | headers)
        assert answer.status_code == 202
