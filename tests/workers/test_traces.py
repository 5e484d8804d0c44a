"""One trace from the request through outbox and worker to the epochs of the trainer, seen by a real receiver."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from api.app import create_app
from core import tracing
from core.jobs.methods import ImpParameters
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import FindSpec
from core.jobs.states import TERMINAL
from core.settings import Settings
from tests.api.conftest import serving
from tests.collector import Collector, Span, collecting

if TYPE_CHECKING:
    from tests.workers.conftest import Fleet

FIND = {
    "architecture": "mlp_2",
    "dataset": "digits",
    "parameters": {"level": 1},
    "seeds": [0],
    "recipe": {"length": "4ep"},
}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.endpoint)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        monkeypatch.setenv("ELASTICKET_LOG", "json")
        yield found


class TestTrace:
    def test_goes_from_the_request_to_the_epochs(
        self, collector: Collector, fleet: Fleet, settings: Settings
    ) -> None:
        from tests.workers.conftest import wait_until

        assert os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] == fleet.environment["OTEL_EXPORTER_OTLP_ENDPOINT"]
        tracing.start("api")
        with serving(create_app(settings)) as address:
            body = httpx.post(
                f"{address}/find", json=FIND, headers={"X-Request-ID": "mine"}
            ).raise_for_status()
        tracing.stop()
        job = body.json()["id"]
        fleet.result(job)
        assert fleet.job(job).state in TERMINAL

        def of(name: str) -> list[Span]:
            return [span for span in collector.spans() if span.name == name]

        wait_until(lambda: of("attempt find"), 15, "the attempt's span")
        (request,), (attempt,) = of("POST /find"), of("attempt find")
        publish = of("publish")[0]  # a hint may be repeated
        assert request.told["elasticket.request"] == "mine"
        assert (request.service, publish.service, attempt.service) == (
            "elasticket-api",
            "elasticket-dispatcher",
            "elasticket-worker",
        )
        assert {span.trace for span in (publish, attempt)} == {request.trace}
        assert publish.parent == attempt.parent == request.id
        assert attempt.told["elasticket.job"] == job
        assert attempt.told["elasticket.ended"] == "succeeded"
        assert not attempt.failed
        parts = [span for span in collector.spans() if span.parent == attempt.id]
        names = [span.name for span in parts]
        assert {
            "claim",
            "start trainer",
            "prepare",
            "train",
            "checkpoint",
            "store artifact",
            "conclude",
        } <= set(names)
        assert all(attempt.begun <= span.begun <= span.ended <= attempt.ended for span in parts)
        trained = [span for span in parts if span.name == "train"]
        assert {span.told["elasticket.epoch.first"] for span in trained} >= {1}

    @pytest.mark.nightly
    def test_lines_of_the_log_say_which_job_attempt_and_worker_they_are_about(
        self, collector: Collector, fleet: Fleet
    ) -> None:
        # It loses its last weights, which its trainer says.
        every = ImpParameters(level=1, fraction=0.9999)
        spec = FindSpec(
            architecture="mlp_1", dataset="digits", parameters=every, recipe=RecipeChoice(length="4ep")
        )
        job = fleet.submit(spec.complete("mlp"))
        fleet.result(job)
        lines = [json.loads(line) for line in fleet.log().splitlines() if line.startswith("{")]
        about = [line for line in lines if line.get("job") == job]
        assert "worker" in {line["process"] for line in lines}
        assert {(line["attempt"], line["worker"]) for line in about} == {(1, fleet.job(job).worker)}
        assert "trainer" in {line["logger"] for line in about}
