"""What Prometheus is told of the installation, and who may ask."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import update

from api.app import create_app
from api.observing import installation
from core.catalog import attempts, claims, dispatch, pools
from core.catalog.database import Database
from core.catalog.tables import Attempt
from core.jobs.placement import Offer
from core.settings import Settings

FIND = {"architecture": "mlp_1", "dataset": "digits"}
TOKEN = "a-token-for-prometheus"
Scrape = Callable[[], dict[str, float]]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def scrape(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> Scrape:
    """Asks; values by name and labels, as they are written."""
    monkeypatch.setattr(installation, "KEPT_SECONDS", 0.0)
    monkeypatch.setattr("core.catalog.ended.SETTLED_SECONDS", 0.0)

    def ask() -> dict[str, float]:
        answer = client.get("/metrics").raise_for_status()
        assert answer.headers["content-type"].startswith("text/plain; version=")
        return {
            f"{sample.name}{sorted(sample.labels.items()) or ''}": sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    return ask


def post(client: httpx.Client, **change: Any) -> str:
    return str(client.post("/find", json=FIND | change).raise_for_status().json()["id"])


class TestInstallation:
    def test_jobs_are_told_by_state_and_kind(self, scrape: Scrape, client: httpx.Client, worker: Any) -> None:
        worker.claim(post(client))
        post(client, seeds=[1])
        post(client, seeds=[2])
        found = scrape()
        assert found["elasticket_jobs[('kind', 'find'), ('state', 'queued')]"] == 2
        assert found["elasticket_jobs[('kind', 'find'), ('state', 'running')]"] == 1
        assert 0 < found["elasticket_queue_oldest_seconds"] < 60
        assert found["elasticket_outbox_jobs"] == 3
        assert found["elasticket_workers_busy"] == 1
        assert found["elasticket_database_up"] == 1

    def test_needs_and_workers_are_told_for_a_fleet_to_be_scaled_by(
        self, scrape: Scrape, client: httpx.Client, worker: Any, database: Database
    ) -> None:
        with database.write() as session:
            pools.enrol(session, "one", Offer(slots=3, gpus=1))
            pools.enrol(session, "two", Offer(slots=4, gpus=2))
            pools.enrol(session, "drained", Offer(slots=5, gpus=2))
            pools.drain(session, "drained")
        worker.claim(post(client))
        for seed in (1, 2, 3):
            post(client, seeds=[seed], devices=2)
        found = scrape()
        several = "('need', 'any-2'), ('queue', 'elasticket')"
        assert found[f"elasticket_demand_jobs[{several}, ('state', 'queued')]"] == 3
        assert found[f"elasticket_demand_devices[{several}, ('state', 'queued')]"] == 6
        assert found[f"elasticket_demand_jobs[{several}, ('state', 'running')]"] == 0
        assert 0 < found[f"elasticket_demand_oldest_seconds[{several}]"] < 60
        assert found[f"elasticket_demand_workers[{several}]"] == 1
        one = "('need', 'any'), ('queue', 'elasticket')"
        assert found[f"elasticket_demand_jobs[{one}, ('state', 'running')]"] == 1
        assert found[f"elasticket_demand_oldest_seconds[{one}]"] == 0
        assert found["elasticket_workers[('drained', 'false')]"] == 2
        assert found["elasticket_slots[('drained', 'false')]"] == 7
        assert found["elasticket_slots[('drained', 'true')]"] == 5

    def test_attempts_that_ended_since_the_start_are_counted_once(
        self, scrape: Scrape, client: httpx.Client, worker: Any, database: Database
    ) -> None:
        before = post(client)
        worker.succeed(before, worker.claim(before))
        with database.write() as session:
            session.execute(update(Attempt).values(ended_at=1.0))
        for seed in (1, 2):
            job = post(client, seeds=[seed])
            worker.fail(job, worker.claim(job))
        for _ in range(2):
            found = scrape()
        ended = "elasticket_attempt_duration_seconds_count"
        assert {key: value for key, value in found.items() if key.startswith(ended)} == {
            f"{ended}[('kind', 'find'), ('outcome', 'failed')]": 2
        }
        assert found["elasticket_job_wait_seconds_count[('kind', 'find')]"] == 2

    def test_a_lost_lease_is_one(self, scrape: Scrape, client: httpx.Client, database: Database) -> None:
        job = post(client)
        with database.write() as session:
            claims.claim(session, job, "w", -1)
        assert scrape()["elasticket_leases_expired"] == 1
        with database.everywhere().write() as session:
            dispatch.end_expired_leases(session)
        found = scrape()
        assert (found["elasticket_leases_lost_total"], found["elasticket_leases_expired"]) == (1, 0)

    def test_a_worker_tells_what_it_uses(
        self, scrape: Scrape, client: httpx.Client, database: Database
    ) -> None:
        job = post(client)
        with database.write() as session:
            claims.claim(session, job, "host:1", 60)
            usage = {"memory_bytes": 2e9, "cores": 1.5, "device_busy": 0.5, "unknown": 1}
            attempts.heartbeat(session, job, 1, 60, attempts.Report(device="cuda H100", usage=usage))
        found = scrape()
        labels = "[('device', 'cuda H100'), ('worker', 'host:1')]"
        assert found[f"elasticket_trainer_memory_bytes{labels}"] == 2e9
        assert found[f"elasticket_trainer_cores{labels}"] == 1.5
        assert found[f"elasticket_device_busy_ratio{labels}"] == 0.5

    def test_the_store_is_measured_beside(
        self, scrape: Scrape, client: httpx.Client, make_ticket: Any
    ) -> None:
        client.post("/tickets", content=make_ticket()).raise_for_status()
        scrape()
        for _ in range(200):
            if size := scrape()["elasticket_artifacts_bytes"]:
                assert size > 1000
                return
        raise AssertionError("the store was not measured")

    def test_the_catalog_is_asked_once_for_scrapes_that_come_together(
        self, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks = []
        read = installation.Installation._read
        monkeypatch.setattr(
            installation.Installation, "_read", lambda self, session: looks.append(1) or read(self, session)
        )
        for _ in range(3):
            client.get("/metrics").raise_for_status()
        assert len(looks) == 1

    def test_names_are_those_of_prometheus_conventions(self, client: httpx.Client) -> None:
        text = client.get("/metrics").text
        for family in text_string_to_metric_families(text):
            assert re.fullmatch("(elasticket|process)_[a-z0-9_]+", family.name)
            assert family.documentation
            assert (family.type == "counter") == (f"# TYPE {family.name}_total counter" in text)

    def test_a_catalog_that_is_away_is_told(self, tmp_path: Any, serve: Callable[..., Any]) -> None:
        settings = Settings(home=tmp_path, database_url="postgresql://u:secret@127.0.0.1:1/x")
        with serve(create_app(settings)) as address:
            answer = httpx.get(f"{address}/metrics", timeout=30)
        assert answer.status_code == 200
        assert "elasticket_database_up 0.0" in answer.text
        assert "elasticket_jobs{" not in answer.text
        assert "secret" not in answer.text


@pytest.fixture
def keyed(
    settings: Settings, database: Database, serve: Callable[..., Any]
) -> Iterator[Callable[..., httpx.Response]]:
    """Asks an installation that asks for keys, with a token, a key of a project and a scope, or nothing."""
    from core.catalog import keys

    chosen = settings.model_copy(update={"auth": "keys", "metrics_token": SecretStr(TOKEN)})
    with serve(create_app(chosen)) as address, httpx.Client(base_url=address) as client:

        def ask(
            path: str = "/metrics", token: str | None = None, key: tuple[str, Any] | None = None
        ) -> httpx.Response:
            if key is not None:
                with database.everywhere().write() as session:
                    keys.ensure_project(session, key[0])
                with database.of(key[0]).write() as session:
                    token = keys.create(session, "a key", key[1])[1].text
            return client.get(path, headers={} if token is None else {"Authorization": f"Bearer {token}"})

        yield ask


class TestWhoMayAsk:
    def test_with_keys_prometheus_and_the_operator_alone(self, keyed: Callable[..., httpx.Response]) -> None:
        assert keyed(token=TOKEN).status_code == 200
        assert keyed(key=("default", "admin")).status_code == 200
        assert keyed().status_code == 401
        assert keyed(token=TOKEN + "x").status_code == 401
        for key in (("default", "read"), ("default", "write"), ("other", "admin")):
            answer = keyed(key=key)
            assert answer.status_code == 403
            assert "elasticket_" not in answer.text

    def test_the_token_opens_nothing_else(self, keyed: Callable[..., httpx.Response]) -> None:
        for path in ("/jobs", "/keys", "/fleet", "/ui/jobs", "/metrics/", "//metrics", "/openapi.json"):
            assert keyed(path, token=TOKEN).status_code in (401, 303), path

    def test_of_another_project_it_is_told_what_is_needed(self, keyed: Callable[..., httpx.Response]) -> None:
        answer = keyed(key=("other", "admin")).json()
        assert answer["errors"][0]["accepted"] == "a key of scope admin of the project default"

    def test_a_short_token_is_none(self, settings: Settings) -> None:
        with pytest.raises(ValueError, match="metrics_token"):
            Settings(home=settings.home, metrics_token="short")  # type: ignore[arg-type]
