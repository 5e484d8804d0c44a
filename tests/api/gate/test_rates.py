"""Buckets against a naive count, and what a client is told."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.app import create_app
from api.gate.rates import COSTLY, MOST_CLIENTS, WINDOW, Buckets
from core.settings import Settings

FIND = {"architecture": "mlp_1", "dataset": "digits"}
AWAY = {"X-Forwarded-For": "203.0.113.7"}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"writes_per_minute": 3, "reads_per_minute": 25})


@pytest.fixture
def client(settings: Settings, serve) -> Iterator[httpx.Client]:
    with serve(create_app(settings)) as address, httpx.Client(base_url=address) as client:
        yield client


class TestBuckets:
    @given(st.integers(1, 20), st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), max_size=40))
    def test_admit_what_a_filling_bucket_holds(self, most: int, asked: list[tuple[int, int]]) -> None:
        buckets, tokens, now = Buckets("b", most), Fraction(most), 0
        for pause, cost in asked:
            now += pause
            tokens = min(tokens + Fraction(most * pause, WINDOW), Fraction(most))
            cost = min(cost, most)
            wait, until_full = buckets.take("a", cost, now)
            if tokens >= cost:
                tokens -= cost
                assert wait == 0
            else:
                assert wait == pytest.approx(float((cost - tokens) * WINDOW / most))
            assert until_full == pytest.approx(float((most - tokens) * WINDOW / most))

    def test_are_one_for_each_client(self) -> None:
        buckets = Buckets("b", 1)
        assert [buckets.take(client, 1, 0.0)[0] for client in ("a", "b", "a")] == [0, 0, WINDOW]

    def test_are_kept_for_so_many_clients(self) -> None:
        buckets = Buckets("b", 1)
        for number in range(MOST_CLIENTS + 10):
            buckets.take(str(number), 1, 0.0)
        assert len(buckets._full_at) == MOST_CLIENTS


class TestRates:
    def test_past_them_nothing_is_done(self, client: httpx.Client) -> None:
        answers = [client.post("/find", json=FIND | {"seeds": [n]}, headers=AWAY) for n in range(5)]
        assert [answer.status_code for answer in answers] == [202, 202, 202, 429, 429]
        assert len(client.get("/jobs").json()["items"]) == 3
        assert answers[3].json()["type"] == "urn:elasticket:problem:too-many-requests"
        assert 15 <= int(answers[3].headers["Retry-After"]) <= 20

    def test_are_told(self, client: httpx.Client) -> None:
        first, second = (client.post("/find", json=[], headers=AWAY).headers for _ in range(2))
        assert first["RateLimit-Policy"] == '"writes";q=3;w=60'
        assert (first["RateLimit"], second["RateLimit"]) == ('"writes";r=2;t=20', '"writes";r=1;t=40')

    def test_reads_have_their_own_and_costly_ones_cost_more(self, client: httpx.Client) -> None:
        cheap = client.get("/jobs", headers=AWAY).headers["RateLimit"]
        costly = client.get(f"/tickets/{'0' * 64}/anatomy", headers=AWAY).headers["RateLimit"]
        assert cheap.startswith('"reads";r=24;')
        assert costly.startswith(f'"reads";r={24 - COSTLY};')

    @pytest.mark.parametrize("path", ["/static/live.js", "/healthz"])
    def test_do_not_count_what_a_page_or_a_monitor_needs(self, client: httpx.Client, path: str) -> None:
        assert "RateLimit" not in client.get(path, headers=AWAY).headers

    def test_do_not_count_this_machine(self, client: httpx.Client) -> None:
        assert {client.post("/find", json=[]).status_code for _ in range(6)} == {422}

    def test_count_an_ipv6_network_as_one(self, client: httpx.Client) -> None:
        def asked(address: str) -> int:
            return client.post("/find", json=[], headers={"X-Forwarded-For": address}).status_code

        assert [asked(f"2001:db8::{last}") for last in range(4)] == [422, 422, 422, 429]
        assert asked("2001:db8:0:1::9") == 422

    def test_of_zero_are_none(self, settings: Settings, serve) -> None:
        free = settings.model_copy(update={"writes_per_minute": 0})
        with serve(create_app(free)) as address:
            answer = httpx.post(f"{address}/find", json=[], headers=AWAY)
        assert (answer.status_code, "RateLimit" in answer.headers) == (422, False)
