"""Health and readiness."""

import httpx

from api.app import create_app
from core.settings import Settings


class TestHealthz:
    def test_it_needs_nothing(self, serve, settings: Settings, tmp_path):
        broken = settings.model_copy(update={"database_url": f"sqlite:///{tmp_path}/nowhere/x.db"})
        with serve(create_app(broken)) as address:
            answer = httpx.get(f"{address}/healthz")
        assert (answer.status_code, answer.json()["status"]) == (200, "ok")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


class TestReadyz:
    def test_ready(self, client):
        assert (client.get("/readyz").status_code, client.get("/readyz").json()) == (200, {"status": "ready"})

    def test_each_thing_that_is_not_ready_is_named(self, serve, settings: Settings, tmp_path):
        (tmp_path / "file").write_text("")
        broken = settings.model_copy(
            update={"database_url": f"sqlite:///{tmp_path}/empty.db", "artifacts": tmp_path / "file"}
        )
        with serve(create_app(broken)) as address:
            answer = httpx.get(f"{address}/readyz")
        problem = answer.json()
        assert (answer.status_code, problem["type"]) == (503, "urn:elasticket:problem:not-ready")
        assert [error["where"] for error in problem["errors"]] == ["database", "artifacts"]
        assert "elasticket migrate" in problem["errors"][0]["what"]

    def test_a_database_that_cannot_be_reached(self, serve, settings: Settings, tmp_path):
        broken = settings.model_copy(update={"database_url": f"postgresql://u@/x?host={tmp_path}"})
        with serve(create_app(broken)) as address:
            problem = httpx.get(f"{address}/readyz").json()
        assert problem["errors"] == [{"in": "service", "where": "database", "what": "cannot be reached"}]
