"""Reading jobs: lists, one job, its events and its log."""

import json
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime

import anyio
import httpx
import pytest
from anyio.to_thread import run_sync
from sqlalchemy import event

from api.jobs import examples
from api.jobs.feed import HELD, Feed
from core.catalog import attempts, jobs
from core.catalog.database import Database
from core.catalog.jobs import JobEvent
from core.jobs.specs import TrainSpec

FIND = {"architecture": "mlp_1", "dataset": "digits"}


@pytest.fixture
def job(client) -> str:
    return client.post("/find", json=FIND).json()["id"]


class Stream:
    """Reads server-sent events."""

    def __init__(self, client: httpx.Client, path: str, **headers: str) -> None:
        self.events: list[dict[str, str]] = []
        self._client, self._path, self._headers = client, path, headers

    def fractions(self) -> list[float]:
        """What the progress events said."""
        return [
            json.loads(event["data"])["fraction"] for event in self.events if event["event"] == "progress"
        ]

    def read(self, until: str | None = None) -> list[dict[str, str]]:
        """Events up to the end of the stream, or to the first of a kind."""
        with self._client.stream("GET", self._path, headers=self._headers) as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            event: dict[str, str] = {}
            for line in answer.iter_lines():
                if line and not line.startswith(":"):
                    name, value = line.split(": ", 1)
                    event[name] = value
                elif not line and event:
                    self.events.append(event)
                    if event["event"] == until:
                        break
                    event = {}
        return self.events


class TestShow:
    def test_progress_and_time_left(self, client, job, worker):
        attempt = worker.claim(job)
        told = {"done": 30, "total": 120, "doing": "seed 0, level 0"}
        worker.report(job, attempt, progress=told | {"eta_seconds": 9.5})
        body = client.get(f"/jobs/{job}").json()
        assert body["progress"] == told | {"fraction": 0.25, "eta_seconds": 9.5, "step_seconds": 9.5 / 90}
        assert body["attempt"] == 1
        assert body["attempts"][0]["worker"] == "worker-1"
        assert datetime.fromisoformat(body["created_at"]) <= datetime.fromisoformat(body["started_at"])

    def test_a_failure_has_a_reason(self, client, job, worker):
        worker.fail(job, worker.claim(job))
        body = client.get(f"/jobs/{job}").json()
        assert body["error"] == {"reason": "diverged", "message": "the loss is not finite", "details": {}}
        assert set(body["links"]) == {"self", "events", "log", "runs", "retry"}

    @pytest.mark.parametrize("path", ["", "/events", "/log"])
    @pytest.mark.parametrize("identity", ["0" * 32, "nonsense", "%00"])
    def test_what_is_not_there(self, client, identity, path):
        answer = client.get(f"/jobs/{identity}{path}")
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:elasticket:problem:not-found")

    def test_an_id_that_cannot_be_one_is_the_id_of_nothing(self, client):
        assert client.get("/jobs/nope").json()["detail"] == "There is no job nope."

    def test_the_metrics_of_its_runs_stand_apart(self, client, job, worker, outcome):
        worker.succeed(job, worker.claim(job), outcome(None, 90, 91))
        body = client.get(f"/jobs/{job}").json()
        runs = client.get(body["links"]["runs"]).json()["items"]
        assert [run.pop("history") for run in runs] == [[{"epoch": 1}]] * 2
        assert body["outputs"]["runs"] == runs

    @pytest.mark.parametrize("told", [{}, {"eta_seconds": None}])
    def test_no_time_left_is_shown_before_it_is_known(self, client, job, worker, told):
        progress = {"done": 30, "total": 120, "doing": "seed 0, level 0"} | told
        worker.report(job, worker.claim(job), progress=progress)
        assert client.get(f"/jobs/{job}").json()["progress"]["eta_seconds"] is None
        assert " left<" not in client.get("/").text

    def test_what_is_asked_to_stop_has_no_time_left(self, client, job, worker):
        progress = {"done": 30, "total": 120, "doing": "seed 0, level 0", "eta_seconds": 9.5}
        worker.report(job, worker.claim(job), progress=progress)
        client.post(f"/jobs/{job}/cancel")
        assert client.get(f"/jobs/{job}").json()["progress"]["eta_seconds"] is None

    def test_runs_say_how_fast_they_were_and_the_job_what_they_cost_here(self, client, job, worker, outcome):
        measured = outcome(None, 90, 91, 92)
        speed = examples.RUN["speed"] | {"device_seconds": 7.25}
        first, second, third = measured.runs
        measured.runs = [
            replace(first, speed=speed),
            replace(second, speed=speed, shared=True),
            third,
        ]
        worker.succeed(job, worker.claim(job), measured)
        outputs = client.get(f"/jobs/{job}").json()["outputs"]
        assert [run["speed"] for run in outputs["runs"]] == [speed, speed, None]
        # What another job did costs nothing here; what was not measured took 1.5 s on one device.
        assert outputs["device_seconds"] == 7.25 + 1.5


class TestList:
    def test_filters(self, client, worker):
        find = client.post("/find", json=FIND).json()["id"]
        train = client.post("/train", json=FIND).json()["id"]
        worker.claim(find)

        def listed(query: str) -> list[str]:
            return [row["id"] for row in client.get(f"/jobs?{query}").json()["items"]]

        assert listed("") == [train, find]
        assert listed("state=running") == [find]
        assert listed("state=queued&state=running") == [train, find]
        assert listed("kind=train") == [train]
        assert listed("kind=train&state=running") == []
        refused = client.get("/jobs?state=asleep")
        assert refused.status_code == 422
        assert "'queued'" in refused.json()["errors"][0]["accepted"]

    def test_pages_are_complete_while_jobs_arrive(self, client, database):
        spec = TrainSpec(architecture="mlp_1", dataset="digits").complete("mlp")

        def arrive() -> str:
            with database.write() as session:
                return jobs.create(session, spec, 1).id

        there = [arrive() for _ in range(7)]
        seen: list[str] = []
        answer = client.get("/jobs", params={"limit": 2, "kind": "train"})
        while True:
            body = answer.json()
            seen += [row["id"] for row in body["items"]]
            arrive()
            if body["next"] is None:
                break
            assert answer.headers["Link"] == f'<{body["next"]}>; rel="next"'
            answer = client.get(body["next"])
        assert "Link" not in answer.headers
        assert seen == there[::-1]


class TestEvents:
    def test_what_happened_is_told_and_the_stream_ends(self, client, job, worker):
        attempt = worker.claim(job)
        worker.report(job, attempt, JobEvent("epoch", {"epoch": 1}), JobEvent("log", {"text": "x\ny"}))
        worker.succeed(job, attempt)
        events = Stream(client, f"/jobs/{job}/events").read()
        assert [event["event"] for event in events] == ["state", "state", "epoch", "log", "state"]
        assert [event["id"] for event in events] == ["1", "2", "3", "4", "5"]
        data = [json.loads(event["data"]) for event in events]
        assert [one.get("state") for one in data] == ["queued", "running", None, None, "succeeded"]
        assert [one["attempt"] for one in data] == [0, 1, 1, 1, 1]
        assert data[3]["text"] == "x\ny"
        assert all(datetime.fromisoformat(one["at"]) for one in data)

    @pytest.mark.parametrize("by", ["header", "query"])
    def test_it_resumes_past_an_event(self, client, job, worker, by):
        worker.succeed(job, worker.claim(job))
        resumed = (
            Stream(client, f"/jobs/{job}/events?after=1", **{"Last-Event-ID": "2"})
            if by == "header"
            else Stream(client, f"/jobs/{job}/events?after=2")
        )
        assert [event["id"] for event in resumed.read()] == ["3"]

    def test_nothing_left_to_tell_stops_a_browser_from_reconnecting(self, client, job, worker):
        worker.succeed(job, worker.claim(job))
        answer = client.get(f"/jobs/{job}/events", headers={"Last-Event-ID": "3"})
        assert (answer.status_code, answer.content) == (204, b"")

    def test_watchers_are_told_as_it_happens(self, address, client, job, worker):
        clients = [httpx.Client(base_url=address, timeout=30) for _ in range(5)]
        streams = [Stream(one, f"/jobs/{job}/events") for one in clients]
        threads = [threading.Thread(target=stream.read) for stream in streams]
        for thread in threads:
            thread.start()
        attempt = worker.claim(job)
        for done in (1, 2):
            worker.report(job, attempt, progress={"done": done, "total": 4, "doing": "seed 0"})
            deadline = time.monotonic() + 20
            while not all(done / 4 in stream.fractions() for stream in streams):
                assert time.monotonic() < deadline
                time.sleep(0.01)
        worker.succeed(job, attempt)
        for thread, stream in zip(threads, streams, strict=True):
            thread.join()
            assert json.loads(stream.events[-1]["data"])["state"] == "succeeded"
            assert [event["id"] for event in stream.events if "id" in event] == ["1", "2", "3"]
            assert stream.fractions() == [0.25, 0.5]
        for one in clients:
            one.close()

    def test_a_watcher_that_leaves_is_forgotten(self, client, job, worker):
        Stream(client, f"/jobs/{job}/events").read(until="state")
        worker.succeed(job, worker.claim(job))
        assert [event["id"] for event in Stream(client, f"/jobs/{job}/events").read()] == ["1", "2", "3"]


class TestFeed:
    """What happens is read once, however many watch."""

    async def _told(self, database, job, worker, watchers, rounds):
        feed = Feed(database, seconds=0.01)
        attempt = worker.claim(job)
        told: list[list[int]] = [[] for _ in range(watchers)]
        with ExitStack() as stack:
            watches = [stack.enter_context(feed.watch(job)) for _ in range(watchers)]
            for watch in watches:
                await watch.next()
            for events in rounds:
                await run_sync(
                    lambda events: worker.report(job, attempt, *events),
                    [JobEvent("log", {"text": "x"})] * events,
                )
                for watch, seen in zip(watches, told, strict=True):
                    seen += [one.seq for one in (await watch.next())[1]]
        await feed.close()
        return told

    def test_every_watcher_is_handed_the_same_events_of_one_query(self, database, job, worker, settings):
        other = Database(settings.database)
        queries: list[str] = []

        @event.listens_for(other.engine, "before_cursor_execute")
        def _record(_connection, _cursor, statement, *_):
            if "FROM events" in statement:
                queries.append(statement)

        told = anyio.run(self._told, other, job, worker, 20, [3, 2])
        other.close()
        assert told == [[3, 4, 5, 6, 7]] * 20
        assert len(queries) == 2

    def test_a_watcher_is_handed_the_latest_events_only(self, database, job, worker):
        (told,) = anyio.run(self._told, database, job, worker, 1, [HELD + 20])
        assert told == list(range(23, 23 + HELD))

    def test_a_stream_reads_what_was_not_handed_to_it(self, client, job, worker):
        stream = Stream(client, f"/jobs/{job}/events")
        thread = threading.Thread(target=stream.read)
        thread.start()
        deadline = time.monotonic() + 20
        while not stream.events:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        attempt = worker.claim(job)
        worker.report(job, attempt, *[JobEvent("log", {"text": "x"})] * (2 * HELD + 100))
        worker.succeed(job, attempt)
        thread.join()
        assert [int(one["id"]) for one in stream.events] == list(range(1, 2 * HELD + 104))


class TestLog:
    def test_lines_stand_under_their_attempt(self, client, job, worker, database):
        first = worker.claim(job)
        worker.report(job, first, JobEvent("log", {"text": "one\n"}), JobEvent("epoch", {"epoch": 1}))
        with database.write() as session:
            attempts.lose(session, job, first, "went silent")
        second = worker.claim(job)
        worker.report(job, second, *[JobEvent("log", {"text": f"line {i}"}) for i in range(600)])
        answer = client.get(f"/jobs/{job}/log")
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.text.splitlines() == [
            "attempt 1",
            "one",
            "attempt 2",
            *[f"line {i}" for i in range(600)],
        ]
