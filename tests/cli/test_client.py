from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli import client
from cli.client import ApiError, Client, ServerEvent, parse_events

PROBLEM = {
    "type": "urn:elasticket:problem:invalid-request",
    "title": "The request is not valid",
    "status": 422,
    "detail": "/recipe/lr: must be greater than 0",
    "errors": [{"in": "body", "where": "/recipe/lr", "what": "must be greater than 0", "accepted": "> 0"}],
}


def event(kind: str, data: dict[str, Any], number: int | None = None) -> bytes:
    head = "" if number is None else f"id: {number}\n"
    return f"{head}event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


STREAM = "text/event-stream"
EVENTS = "/jobs/j/events"


class TestEvents:
    def test_a_broken_stream_is_resumed_after_the_last_numbered_event(self, server: Any) -> None:
        first = (
            event("state", {"state": "running"}, 1)
            + event("epoch", {"epoch": 1}, 2)
            + event("progress", {"done": 5})
        )
        second = event("epoch", {"epoch": 2}, 3) + event("state", {"state": "succeeded"}, 4)
        server.answers[EVENTS] = [
            (200, STREAM, first + b"id: 3\nevent: epoch\nda" + server.CUT),
            (503, "application/json", b"{}"),
            (200, STREAM, None),
            (200, STREAM, second),
        ]
        with Client(server.url) as api:
            found = list(api.events("j"))
        assert [(item.kind, item.id) for item in found] == [
            ("state", "1"),
            ("epoch", "2"),
            ("progress", None),
            ("epoch", "3"),
            ("state", "4"),
        ]
        assert server.asked("Last-Event-ID") == [None, "2", "2", "2"]

    def test_it_ends_with_a_terminal_state_whatever_follows(self, server: Any) -> None:
        server.answers[EVENTS] = [
            (200, STREAM, event("state", {"state": "failed"}, 1) + event("log", {"text": "x"}, 2))
        ]
        with Client(server.url) as api:
            assert [item.id for item in api.events("j")] == ["1"]

    def test_nothing_left_to_tell_ends_it(self, server: Any) -> None:
        server.answers[EVENTS] = [(204, STREAM, b"")]
        with Client(server.url) as api:
            assert list(api.events("j")) == []

    def test_an_unknown_job_is_not_asked_for_again(self, server: Any) -> None:
        server.answers[EVENTS] = [
            (404, "application/problem+json", json.dumps({"detail": "There is no job j."}).encode())
        ]
        with Client(server.url) as api, pytest.raises(ApiError, match="There is no job j") as caught:
            list(api.events("j"))
        assert caught.value.status == 404
        assert len(server.seen) == 1

    def test_patience_ends(self, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(client, "WATCHER_PATIENCE", 0.1)
        server.answers[EVENTS] = [(200, STREAM, None)]
        with Client(server.url) as api, pytest.raises(ApiError, match="cannot reach"):
            list(api.events("j"))
        assert len(server.seen) > 1


class TestParseEvents:
    def test_fields_comments_and_several_data_lines(self) -> None:
        lines = [
            ": keep-alive",
            "",
            "id: 7",
            "event: log",
            'data: {"text":',
            'data:"a: b"}',
            "",
            "data: {}",
            "",
        ]
        assert list(parse_events(lines)) == [
            ServerEvent("log", {"text": "a: b"}, "7"),
            ServerEvent("message", {}, None),
        ]

    def test_an_event_that_is_cut_off_is_none(self) -> None:
        assert list(parse_events(["event: log", 'data: {"text": 1}'])) == []


class TestRequests:
    def test_a_submission_leaves_out_what_is_none_and_carries_a_key(self, server: Any) -> None:
        server.answers["/find"] = [(202, "application/json", b'{"id": "j"}')]
        with Client(server.url) as api:
            assert api.submit("find", {"architecture": "mlp_2", "seeds": None}) == {"id": "j"}
        assert json.loads(server.seen[0][3]) == {"architecture": "mlp_2"}
        assert server.asked("Idempotency-Key")[0]

    def test_with_patience_a_lost_submission_is_repeated_under_the_same_key(self, server: Any) -> None:
        server.answers["/find"] = [(202, "", None), (202, "application/json", b'{"id": "j"}')]
        with Client(server.url, patience=10) as api:
            assert api.submit("find", {}) == {"id": "j"}
        first, second = server.asked("Idempotency-Key")
        assert first == second

    def test_without_patience_it_is_not(self, server: Any) -> None:
        server.answers["/find"] = [(202, "", None)]
        with Client(server.url) as api, pytest.raises(ApiError, match="cannot reach"):
            api.submit("find", {})
        assert len(server.seen) == 1

    def test_a_file_is_sent_as_it_is_with_its_tags(self, server: Any, tmp_path: Path) -> None:
        (tmp_path / "t").write_bytes(b"\x00ticket\xff")
        server.answers["/tickets"] = [(201, "application/json", b'{"id": "t"}')]
        with Client(server.url) as api, (tmp_path / "t").open("rb") as file:
            api.push(file, {"tag": ["a", "b"], "format": None})
        assert server.seen[0][1] == "/tickets?tag=a&tag=b"
        assert server.seen[0][3] == b"\x00ticket\xff"

    def test_a_download_is_complete_or_not_there(self, server: Any, tmp_path: Path) -> None:
        server.answers["/tickets/t/file"] = [(200, "x/y", b"half" + server.CUT), (200, "x/y", b"whole")]
        with Client(server.url) as api:
            with pytest.raises(ApiError, match="cannot reach"):
                api.pull("t", tmp_path / "file")
            assert list(tmp_path.iterdir()) == []
            assert api.pull("t", tmp_path / "file") == 5
        assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"whole"]

    def test_a_download_that_must_be_converted_first_is_asked_for_again(
        self, server: Any, tmp_path: Path
    ) -> None:
        server.answers["/tickets/t/file"] = [
            (202, "application/json", b'{"id": "j"}'),
            (200, "x/y", b"converted"),
        ]
        with Client(server.url) as api:
            assert api.pull("t", tmp_path / "file", "onnx") == 9
        assert [seen[1] for seen in server.seen] == ["/tickets/t/file?format=onnx"] * 2
        assert (tmp_path / "file").read_bytes() == b"converted"

    def test_a_plan_is_a_dry_run(self, server: Any) -> None:
        server.answers["/transform"] = [(200, "application/json", b'{"tickets": []}')]
        with Client(server.url) as api:
            assert api.plan({"architecture": "mlp_3", "order": None}) == {"tickets": []}
        assert server.seen[0][1] == "/transform?dry_run=true"
        assert json.loads(server.seen[0][3]) == {"architecture": "mlp_3"}


class TestApiError:
    def test_a_problem_is_told_with_what_its_flaws_add(self, server: Any) -> None:
        server.answers["/jobs/j"] = [(422, "application/problem+json", json.dumps(PROBLEM).encode())]
        with Client(server.url) as api, pytest.raises(ApiError) as caught:
            api.job("j")
        assert caught.value.lines() == [
            "/recipe/lr: must be greater than 0",
            "  /recipe/lr: accepted: > 0",
        ]

    def test_what_the_detail_says_already_is_not_said_twice(self) -> None:
        flaw = {"in": "body", "where": "", "what": "no such unit"}
        assert ApiError("unit 2: no such unit", [flaw]).lines() == ["unit 2: no such unit"]
        assert ApiError("not so", [flaw]).lines() == ["not so", "  body: no such unit"]
        assert ApiError("stage hidden, unit 2: no such unit", [flaw]).lines() == [
            "stage hidden, unit 2: no such unit"
        ]

    def test_an_answer_that_is_no_problem_document(self, server: Any) -> None:
        server.answers["/jobs/j"] = [(502, "text/html", b"<h1>Bad</h1>")]
        with Client(server.url) as api, pytest.raises(ApiError, match="502"):
            api.job("j")
