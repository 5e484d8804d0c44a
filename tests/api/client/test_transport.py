from __future__ import annotations

import json
from typing import Any

import pytest

from api.client import ApiError, Client, Flaw
from api.client.models.jobs import Job
from api.client.transport import Backoff
from api.jobs.examples import RUNNING, SUCCEEDED

JSON = "application/json"
PROBLEM = {
    "type": "urn:elasticket:problem:invalid-request",
    "title": "The request is not valid",
    "status": 422,
    "detail": "/recipe/lr: must be greater than 0",
    "errors": [{"in": "body", "where": "/recipe/lr", "what": "must be greater than 0", "accepted": "> 0"}],
    "limit": 3,
}
NOWHERE = "http://127.0.0.1:9"


def body(answer: object, status: int = 200) -> tuple[int, str, bytes]:
    return status, JSON, json.dumps(answer).encode()


class TestLost:
    """A request whose answer never came."""

    def test_it_is_sent_again_under_the_same_key(self, server: Any) -> None:
        server.answers["/find"] = [(202, JSON, None), (202, JSON, None), body(SUCCEEDED, 202)]
        with Client(server.url) as client:
            found = client.find(architecture="mlp_2", dataset="digits")
        assert isinstance(found, Job)
        assert found.id == SUCCEEDED["id"]
        first, *others = server.asked("Idempotency-Key")
        assert first
        assert others == [first] * 2

    def test_another_request_has_another_key(self, server: Any) -> None:
        server.answers["/find"] = [body(SUCCEEDED, 202)]
        with Client(server.url) as client:
            for _ in range(2):
                client.find(architecture="mlp_2", dataset="digits")
        assert len(set(server.asked("Idempotency-Key"))) == 2

    def test_without_patience_it_is_not(self, server: Any) -> None:
        server.answers["/find"] = [(202, JSON, None)]
        with (
            Client(server.url, patience=0) as client,
            pytest.raises(ApiError, match="cannot reach") as caught,
        ):
            client.find(architecture="mlp_2", dataset="digits")
        assert (caught.value.kind, caught.value.status) == ("unreachable", None)
        assert len(server.seen) == 1

    def test_a_server_that_was_never_there_is_not_waited_for(self) -> None:
        with Client(NOWHERE, patience=60) as client, pytest.raises(ApiError) as caught:
            client.health()
        assert "is `elasticket up` running?" in str(caught.value)

    def test_it_is_where_it_may_be_starting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        waits: list[float] = []
        monkeypatch.setattr(Backoff, "again", lambda *_: waits.append(1) or len(waits) < 3)
        with Client(NOWHERE, starting=True) as client, pytest.raises(ApiError):
            client.health()
        assert len(waits) == 3


class TestBusy:
    @pytest.mark.parametrize("status", [429, 503])
    def test_a_server_that_cannot_answer_now_is_asked_again(self, server: Any, status: int) -> None:
        server.answers["/jobs/j"] = [body({"detail": "busy"}, status), body(SUCCEEDED)]
        with Client(server.url) as client:
            assert client.job("j").state == "succeeded"
        assert len(server.seen) == 2

    def test_but_not_for_ever(self, server: Any) -> None:
        server.answers["/jobs/j"] = [body({"detail": "busy"}, 503)]
        with Client(server.url, patience=0) as client, pytest.raises(ApiError, match="busy"):
            client.job("j")

    @pytest.mark.parametrize("status", [404, 409, 422, 500])
    def test_any_other_refusal_is_final(self, server: Any, status: int) -> None:
        server.answers["/jobs/j"] = [body({"detail": "no"}, status)]
        with Client(server.url) as client, pytest.raises(ApiError, match="no"):
            client.job("j")
        assert len(server.seen) == 1


class TestLists:
    def test_page_after_page_is_asked_for_as_it_is_needed(self, server: Any) -> None:
        jobs = [RUNNING | {"id": str(number)} for number in range(3)]
        server.answers["/jobs"] = [
            body({"items": jobs[:2], "next": "/jobs?limit=2&after=x"}),
            body({"items": jobs[2:], "next": None}),
        ]
        with Client(server.url) as client:
            listed = client.jobs(limit=2, state=["running", "queued"])
            assert server.seen == []
            assert [next(listed).id, next(listed).id] == ["0", "1"]
            assert len(server.seen) == 1
            assert [job.id for job in listed] == ["2"]
        assert [path for _, path, _, _ in server.seen] == [
            "/jobs?limit=2&state=running&state=queued",
            "/jobs?limit=2&after=x",
        ]


class TestAnswers:
    def test_what_is_none_is_left_to_the_server(self, server: Any) -> None:
        server.answers["/train"] = [body(SUCCEEDED, 202)]
        with Client(server.url) as client:
            client.train(dataset="digits", tickets=None, architecture="mlp_2")
        assert json.loads(server.seen[0][3]) == {"dataset": "digits", "architecture": "mlp_2"}

    def test_fields_that_a_newer_server_adds_are_kept(self, server: Any) -> None:
        server.answers["/jobs/j"] = [body(SUCCEEDED | {"mood": "good"})]
        with Client(server.url) as client:
            assert client.job("j").json_body()["mood"] == "good"

    @pytest.mark.parametrize("answer", [b"<h1>Hello</h1>", b'{"id": 3}', b"[]"])
    def test_what_is_not_understood_is_told(self, server: Any, answer: bytes) -> None:
        server.answers["/jobs/j"] = [(200, JSON, answer)]
        with (
            Client(server.url) as client,
            pytest.raises(ApiError, match="/jobs/j was answered with what") as caught,
        ):
            client.job("j")
        assert caught.value.kind == "not-understood"


class TestErrors:
    def raised(self, server: Any, status: int, kind: str, content: bytes) -> ApiError:
        server.answers["/jobs/j"] = [(status, kind, content)]
        with Client(server.url, patience=0) as client, pytest.raises(ApiError) as caught:
            client.job("j")
        return caught.value

    def test_a_problem_has_its_kind_its_detail_and_its_flaws(self, server: Any) -> None:
        error = self.raised(server, 422, "application/problem+json", json.dumps(PROBLEM).encode())
        assert (error.kind, error.status, str(error)) == ("invalid-request", 422, PROBLEM["detail"])
        assert error.errors == (Flaw("body", "/recipe/lr", "must be greater than 0", "> 0"),)
        assert error.members == {"limit": 3}
        assert error.lines() == ["/recipe/lr: must be greater than 0", "  /recipe/lr: accepted: > 0"]

    def test_one_without_a_type_is_called_by_its_title(self, server: Any) -> None:
        problem = {"type": "about:blank", "title": "Method Not Allowed", "detail": "no"}
        error = self.raised(server, 405, "application/problem+json", json.dumps(problem).encode())
        assert error.kind == "method-not-allowed"

    @pytest.mark.parametrize("content", [b"<h1>Bad</h1>", b"[1]", b'{"errors": [3], "detail": "x"}'])
    def test_an_answer_that_is_no_problem_document(self, server: Any, content: bytes) -> None:
        error = self.raised(server, 502, "text/html", content)
        assert (error.kind, str(error)) == ("http-502", "502 Bad Gateway")

    @pytest.mark.parametrize(
        ("detail", "lines"),
        [
            ("unit 2: no such unit", ["unit 2: no such unit"]),
            ("not so", ["not so", "  body: no such unit"]),
        ],
    )
    def test_what_the_detail_says_already_is_not_said_twice(self, detail: str, lines: list[str]) -> None:
        assert ApiError(detail, [Flaw("body", "", "no such unit")]).lines() == lines


class TestServer:
    def test_it_is_the_one_that_the_environment_names(
        self, server: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ELASTICKET_SERVER", server.url + "/")
        server.answers["/healthz"] = [body({"status": "ok", "version": "9"})]
        with Client() as client:
            assert client.server == server.url
            assert client.health().version == "9"
