from __future__ import annotations

import json
from typing import Any

import pytest

from api.client import ApiError, Client, ServerEvent, events
from api.client.events import event_lines, parse_events
from api.jobs import examples


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
        with Client(server.url) as client:
            found = list(client.events("j"))
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
        with Client(server.url) as client:
            assert [item.id for item in client.events("j")] == ["1"]

    def test_nothing_left_to_tell_ends_it(self, server: Any) -> None:
        server.answers[EVENTS] = [(204, STREAM, b"")]
        with Client(server.url) as client:
            assert list(client.events("j")) == []

    def test_an_unknown_job_is_not_asked_for_again(self, server: Any) -> None:
        server.answers[EVENTS] = [
            (404, "application/problem+json", json.dumps({"detail": "There is no job j."}).encode())
        ]
        with (
            Client(server.url, patience=0) as client,
            pytest.raises(ApiError, match="There is no job j") as caught,
        ):
            list(client.events("j"))
        assert caught.value.status == 404
        assert len(server.seen) == 1

    def test_patience_ends(self, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(events, "WATCHER_PATIENCE", 0.1)
        server.answers[EVENTS] = [(200, STREAM, None)]
        with Client(server.url, patience=0) as client, pytest.raises(ApiError, match="cannot reach"):
            list(client.events("j"))
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

    @pytest.mark.parametrize("data", ["[]", "1", "nothing", "[" * 100_000])
    def test_data_that_are_no_object_are_refused(self, data: str) -> None:
        with pytest.raises(ValueError, match=r"no JSON object|Expecting value"):
            list(parse_events([f"data: {data}", ""]))


class TestEventLines:
    def test_only_cr_and_lf_end_a_line(self) -> None:
        text = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"
        assert list(event_lines([f"{text}\n{text}\r{text}\r\n".encode()])) == [text] * 3

    @pytest.mark.parametrize(
        "pieces", [[b"a\r", b"\nb\n"], [b"a", b"\r\nb", b"\n"], [b"a\r\n", b"b\r", b"c"]]
    )
    def test_an_end_may_arrive_in_two_pieces(self, pieces: list[bytes]) -> None:
        assert list(event_lines(pieces)) == ["a", "b"]

    def test_what_no_end_follows_is_no_line(self) -> None:
        assert list(event_lines([b"a\nb"])) == ["a"]


class TestPolling:
    """Where no stream is to be had, as behind a proxy that answers with a page of its own."""

    JOB = "/jobs/j"

    @pytest.fixture
    def polled(self, server: Any) -> Any:
        def answer(*states: str) -> None:
            server.answers[EVENTS] = [(200, "text/html", b"<h1>no</h1>")]
            server.answers[self.JOB] = [
                (200, "application/json", json.dumps({**examples.SUCCEEDED, "state": state}).encode())
                for state in states
            ]

        return answer

    def test_states_and_progress_are_told_as_they_change(self, server: Any, polled: Any) -> None:
        polled("queued", "running", "running", "succeeded")
        with Client(server.url) as client:
            found = [(one.kind, one.data.get("state")) for one in client.events("j")]
        assert found == [
            ("progress", None),
            ("state", "queued"),
            ("state", "running"),
            ("state", "succeeded"),
        ]

    def test_waiting_gives_the_job_as_it_ended(self, server: Any, polled: Any) -> None:
        polled("running", "failed")
        with Client(server.url) as client:
            assert client.wait("j").state == "failed"

    def test_waiting_no_longer_than_told(self, server: Any, polled: Any) -> None:
        polled("running")
        with (
            Client(server.url) as client,
            pytest.raises(TimeoutError, match="j is still running after"),
        ):
            client.wait("j", timeout=0.05)
        assert EVENTS not in {path for _, path, _, _ in server.seen}
