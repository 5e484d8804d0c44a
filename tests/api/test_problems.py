"""Every error is a problem document."""

import httpx
import pytest
from fastapi import Query

from api.access.policies import opens
from api.app import create_app
from core.jobs.recipes import PRESETS
from core.settings import Settings

PRESETS_IN_WORDS = " or ".join(f"{name!r}" for name in PRESETS).replace(" or ", ", ", len(PRESETS) - 2)
FIND = {"architecture": "mlp_1", "dataset": "digits"}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


class TestHead:
    @pytest.mark.parametrize(
        "path",
        ["/", "/jobs", "/tickets", "/methods", "/openapi.json", "/docs", "/healthz", "/static/live.js"],
    )
    def test_it_tells_what_get_would_tell_without_the_body(self, client, path):
        head, get = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Type"] == get.headers["Content-Type"]
        assert head.headers["Content-Length"] == str(len(get.content))

    def test_a_file_and_a_job(self, client, upload):
        file = client.head(f"/tickets/{upload()}/file")
        assert (file.status_code, file.content) == (200, b"")
        assert int(file.headers["Content-Length"]) > 50_000
        job = client.post("/find", json=FIND).json()["id"]
        assert client.head(f"/jobs/{job}", headers={"Accept": "text/html"}).headers["Vary"] == "Accept"

    def test_a_stream_ends_with_its_headers(self, client):
        job = client.post("/find", json=FIND).json()["id"]
        head = client.head(f"/jobs/{job}/events")
        assert head.headers["Content-Type"].startswith("text/event-stream")
        assert client.get(f"/jobs/{job}").status_code == 200

    def test_where_there_is_no_get_there_is_no_head(self, client):
        assert (client.head("/find").status_code, client.head("/nothing").status_code) == (405, 404)
        assert client.put("/healthz").headers["Allow"] == "GET, HEAD"

    @pytest.mark.parametrize(
        ("path", "methods"),
        [
            ("/tickets", "GET, HEAD, POST"),
            (f"/jobs/{'4b1d' * 8}", "DELETE, GET, HEAD, PATCH"),
            ("/find", "POST"),
            ("/studies/import", "POST"),
        ],
    )
    def test_every_method_of_a_resource_is_told(self, client, path, methods):
        answer = client.put(path)
        assert (answer.status_code, answer.headers["Allow"]) == (405, methods)


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
            ("POST", "/find", {"content": b"\xff", "headers": {"Content-Type": "application/json"}}, 422),
            (
                "POST",
                "/find",
                {"content": b"[" * 100_000, "headers": {"Content-Type": "application/json"}},
                422,
            ),
            ("POST", "/find", {"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 415),
            ("POST", "/find", {"content": b"x" * 2_000_000}, 413),
            ("POST", "/find", {"content": [b"x" * 65_536] * 32}, 413),
            ("GET", "/docs/assets/nothing.js", {}, 404),
            ("GET", "/jobs/", {}, 404),
            ("GET", f"/architectures/mlp_{'1' * 5000}?dataset=digits", {}, 404),
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
            ({"recipe": {"preset": "vgg"}}, "/recipe/preset", PRESETS_IN_WORDS),
            ({"seeds": [0, -1]}, "/seeds/1", "≥ 0"),
            ({"parameters": {"level": 0}}, "/parameters/level", "≥ 1"),
            ({"colour": "red"}, "/colour", "only the documented fields"),
            ({"a/b~c": 1}, "/a~1b~0c", "only the documented fields"),
        ],
    )
    def test_a_flaw_has_a_place_and_what_is_accepted(self, client, change, where, accepted):
        (error,) = client.post("/find", json=FIND | change).json()["errors"]
        assert (error["in"], error["where"], error["accepted"]) == ("body", where, accepted)

    @pytest.mark.parametrize(
        ("body", "what"),
        [
            (b"[" * 100_000, "nested too deeply"),
            (b'{"seeds": [' + b"9" * 5000 + b"]}", "too many digits"),
            (b"\xff", "not UTF-8"),
        ],
    )
    def test_a_body_that_cannot_be_read_is_told_why(self, client, body, what):
        problem = client.post("/find", content=body, headers={"Content-Type": "application/json"}).json()
        assert (problem["status"], problem["type"]) == (422, "urn:elasticket:problem:invalid-request")
        assert what in problem["detail"]

    @pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/x-www-form-urlencoded"}])
    def test_a_body_not_declared_as_json_is_told_what_to_declare(self, client, headers):
        problem = client.post("/find", content=b"{}", headers=headers).json()
        assert (problem["status"], problem["type"]) == (415, "urn:elasticket:problem:unsupported-media-type")
        assert "application/json" in problem["detail"]

    @pytest.mark.parametrize("body", [b" " * 1_048_577, [b" " * 65_536] * 17])
    def test_the_limit_of_a_body_is_stated(self, client, body):
        answer = client.post("/find", content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:elasticket:problem:too-large")
        assert "1048576 bytes" in answer.json()["detail"]

    @pytest.mark.parametrize(
        ("method", "path", "accepted"),
        [
            ("GET", "/jobs", "limit, after, state, kind, dataset, architecture, q, order"),
            ("GET", f"/jobs/{'0' * 32}", "no parameters"),
            ("GET", f"/jobs/{'0' * 32}/events", "after"),
            ("GET", f"/tickets/{'0' * 64}/file", "format"),
            ("GET", f"/tickets/{'0' * 64}/compare/{'0' * 64}", "no parameters"),
            ("GET", "/datasets", "no parameters"),
            ("POST", "/find", "priority"),
            ("POST", "/transform", "priority, dry_run"),
        ],
    )
    def test_an_unknown_parameter_is_named_with_those_accepted(self, client, method, path, accepted):
        problem = client.request(method, path, params={"colour": "red"}, json=FIND).json()
        (error,) = problem["errors"]
        assert (problem["status"], error["in"], error["where"]) == (422, "query", "colour")
        assert error["accepted"] == accepted

    @pytest.mark.parametrize("token", ["WzEuNSwiXHVkODAwIl0", "WzEuNSwiYWIiXQ"])
    @pytest.mark.parametrize("path", ["/jobs", "/tickets", "/", "/ui/tickets"])
    def test_a_forged_cursor_is_refused(self, client, path, token):
        assert client.get(f"{path}?after={token}").status_code in (400, 422)

    def test_what_was_sent_is_not_repeated(self, client):
        assert "hunter2" not in client.post("/find", json=FIND | {"recipe": {"lr": "hunter2"}}).text

    def test_a_lone_surrogate_is_answered(self, client):
        body = b'{"dataset": "digits", "architecture": "mlp_1", "\\ud800": 1}'
        answer = client.post("/find", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
        assert answer.json()["errors"]

    def test_a_fault_of_ours_is_not_explained_to_strangers(self, serve, settings: Settings):
        app = create_app(settings)

        @app.get("/fault", dependencies=[opens])
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
