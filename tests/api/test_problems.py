"""Every error is a problem document."""

import httpx
import pytest
from fastapi import Query

from api.app import create_app
from core.settings import Settings

FIND = {"architecture": "mlp_1", "dataset": "digits"}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


class TestEveryError:
    @pytest.mark.parametrize(
        ("method", "path", "options", "status"),
        [
            ("GET", "/nothing/here", {}, 404),
            ("PUT", "/jobs", {}, 405),
            ("POST", "/find", {"json": []}, 422),
            ("POST", "/find", {"json": None}, 422),
            ("POST", "/find", {}, 422),
            ("POST", "/find", {"content": b'{"a":', "headers": {"Content-Type": "application/json"}}, 422),
            ("POST", "/find", {"content": b"\xff", "headers": {"Content-Type": "application/json"}}, 400),
            (
                "POST",
                "/find",
                {"content": b"[" * 100_000, "headers": {"Content-Type": "application/json"}},
                400,
            ),
            ("POST", "/find", {"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 422),
            ("POST", "/find", {"content": b"x" * 2_000_000}, 413),
            ("POST", "/find", {"content": [b"x" * 65_536] * 32}, 413),
            ("GET", "/docs/assets/nothing.js", {}, 404),
            ("GET", "/architectures/mlp_x?dataset=digits", {}, 404),
            ("GET", "/architectures/mlp_1?dataset=x", {}, 422),
        ],
    )
    def test_is_a_problem_document(self, client, method, path, options, status):
        answer = client.request(method, path, **options)
        problem = answer.json()
        assert (answer.status_code, problem["status"]) == (status, status)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert {"type", "title", "detail", "errors"} <= problem.keys()
        assert problem["detail"]
        for error in problem["errors"]:
            assert {"in", "where", "what"} <= error.keys()

    @pytest.mark.parametrize(
        ("change", "where", "accepted"),
        [
            ({"recipe": {"lr": 0}}, "/recipe/lr", "> 0"),
            ({"recipe": {"length": "10"}}, "/recipe/length", "text that matches ^[1-9][0-9]{0,6}(ep|it)$"),
            ({"recipe": {"preset": "vgg"}}, "/recipe/preset", "'cifar_resnet' or 'mlp'"),
            ({"seeds": [0, -1]}, "/seeds/1", "≥ 0"),
            ({"parameters": {"level": 0}}, "/parameters/level", "≥ 1"),
            ({"colour": "red"}, "/colour", "only the documented fields"),
            ({"a/b~c": 1}, "/a~1b~0c", "only the documented fields"),
        ],
    )
    def test_a_flaw_has_a_place_and_what_is_accepted(self, client, change, where, accepted):
        (error,) = client.post("/find", json=FIND | change).json()["errors"]
        assert (error["in"], error["where"], error["accepted"]) == ("body", where, accepted)

    def test_what_was_sent_is_not_repeated(self, client):
        assert "hunter2" not in client.post("/find", json=FIND | {"recipe": {"lr": "hunter2"}}).text

    def test_a_lone_surrogate_is_answered(self, client):
        body = b'{"dataset": "digits", "architecture": "mlp_1", "\\ud800": 1}'
        answer = client.post("/find", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
        assert answer.json()["errors"]

    def test_a_fault_of_ours_is_not_explained_to_strangers(self, serve, settings: Settings):
        app = create_app(settings)

        @app.get("/fault")
        def fault(secret: str = Query()) -> None:
            raise RuntimeError(secret)

        with serve(app) as address:
            answer = httpx.get(f"{address}/fault?secret=hunter2")
        assert (answer.status_code, answer.headers["Content-Type"]) == (500, "application/problem+json")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "hunter2" not in answer.text
        assert "Traceback" not in answer.text

    def test_a_database_that_does_not_answer_is_the_services_trouble(
        self, serve, settings: Settings, tmp_path
    ):
        broken = settings.model_copy(update={"database_url": f"sqlite:///{tmp_path}/nowhere/x.db"})
        with serve(create_app(broken)) as address:
            answer = httpx.get(f"{address}/jobs")
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:elasticket:problem:not-ready")
        assert answer.headers["Retry-After"] == "1"
