"""The list of jobs that is searched, ordered and steered, and a job that is asked for again."""

import json
import re
from html import unescape
from typing import Any

import pytest
from httpx import Client

from core.catalog import attempts, jobs, queue, search
from core.catalog.attempts import Report
from core.catalog.tables import Job
from core.jobs.states import State

PROGRAM = {"Accept": "application/json"}


def shown(client: Client, path: str) -> list[str]:
    """The jobs of a list, from top to bottom."""
    response = client.get(path)
    assert response.status_code == 200, response.text
    return re.findall('<li class="job" id="job-([0-9a-f]{32})"', response.text)


def words(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]*>", " ", html)))


def state(catalog: Any, job: str) -> str:
    with catalog.database.read() as session:
        return str(session.get_one(Job, job).state)


class TestList:
    def test_who_works_stands_before_the_queue_and_that_in_its_order(self, client: Client, catalog) -> None:
        running = catalog.queued()
        catalog.running(running)
        first, second, last = catalog.queued(), catalog.queued(), catalog.queued()
        with catalog.database.write() as session:
            queue.prioritise(session, second, 5)
            queue.prioritise(session, first, -5)
        assert shown(client, "/") == [running, second, last, first]
        text = words(client.get("/").text)
        assert "place 1 in the queue priority 5" in text
        assert "place 3 in the queue priority -5" in text

    def test_a_running_job_is_shown_however_long_the_queue_is(self, client: Client, catalog) -> None:
        running = catalog.queued()
        catalog.running(running)
        for _ in range(55):
            catalog.queued()
        page = shown(client, "/")
        assert (page[0], len(page)) == (running, 50)
        assert "Only the first 50 are shown" in client.get("/").text

    def test_who_holds_it_and_on_what(self, client: Client, catalog) -> None:
        job = catalog.queued()
        catalog.running(job)
        with catalog.database.write() as session:
            attempts.heartbeat(session, job, 1, 60, Report(device="cuda NVIDIA H100"))
        assert "worker-1 cuda NVIDIA H100" in words(client.get("/").text)
        assert "cuda NVIDIA H100" in client.get(f"/ui/jobs/{job}").text

    def test_every_filter_is_in_the_addresses_of_all_others(self, client: Client, catalog) -> None:
        mine = catalog.queued(kind="train", architecture="mlp_3", dataset="digits")
        catalog.queued()
        path = "/?q=mlp_3&dataset=digits&architecture=mlp_3&order=oldest&state=queued&kind=train"
        assert shown(client, path) == [mine]
        html = unescape(client.get(path).text)
        assert "/?q=mlp_3&dataset=digits&architecture=mlp_3&order=oldest&state=failed&kind=train" in html
        assert "/?dataset=digits&architecture=mlp_3&order=oldest&state=queued&kind=train" in html
        for name, value in (("state", "queued"), ("kind", "train"), ("order", "oldest")):
            assert f'<input type="hidden" name="{name}" value="{value}">' in html
        assert shown(client, "/?q=mlp_3&dataset=mnist") == []

    def test_what_ended_is_listed_from_either_end(self, client: Client, catalog) -> None:
        made = [catalog.queued() for _ in range(30)]
        for job in made:
            catalog.cancelling(job)
        assert shown(client, "/?order=oldest") == made[:25]
        assert shown(client, "/") == made[::-1][:25]
        following = re.search('rel="next" href="([^"]*)"', client.get("/?order=oldest").text)
        assert following is not None
        assert shown(client, unescape(following[1])) == made[25:]

    def test_a_page_without_a_match_offers_to_look_further(
        self, client: Client, catalog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(search, "SCAN", 2)
        for _ in range(3):
            catalog.cancelling(catalog.queued())
        html = client.get("/?q=resnet").text
        assert "Look further" in html

    def test_words_are_text(self, client: Client, hostile: str) -> None:
        html = client.get("/", params={"q": hostile, "architecture": hostile}).text
        assert hostile not in html
        assert "No such jobs" in html


class TestBatch:
    def test_a_form_without_scripts_returns_to_its_list(self, client: Client, catalog) -> None:
        waiting, running = catalog.queued(), catalog.queued()
        catalog.running(running)
        form = {"action": "cancel", "job": [waiting, running], "priority": "0", "back": "q=mlp&state=queued"}
        answer = client.post("/ui/jobs/batch", data=form, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/?q=mlp&state=queued")
        assert (state(catalog, waiting), state(catalog, running)) == ("cancelled", "cancelling")

    def test_retry_makes_new_jobs_of_those_that_may(self, client: Client, catalog) -> None:
        failed, done = catalog.in_state(State.FAILED), catalog.in_state(State.SUCCEEDED)
        form = {"action": "retry", "job": [failed, done]}
        answer = client.post("/ui/jobs/batch", data=form, headers=PROGRAM)
        assert answer.json()["detail"].startswith("1 of 2 jobs queued again. The job is succeeded")
        with catalog.database.read() as session:
            (made,) = search.page(session, 10, None, search.JobFilter([State.QUEUED])).rows
        assert made.retry_of == failed

    def test_a_priority_is_set_from_the_list_or_the_job_itself(self, client: Client, catalog) -> None:
        one, two = catalog.queued(), catalog.queued()
        form = {"action": "prioritise", "job": [one, two], "priority": "-7"}
        client.post("/ui/jobs/batch", data=form, headers=PROGRAM).raise_for_status()
        with catalog.database.read() as session:
            assert [session.get_one(Job, job).priority for job in (one, two)] == [-7, -7]
        alone = {"action": "prioritise", "job": one, "priority": "8", "to": "job"}
        answer = client.post("/ui/jobs/batch", data=alone, follow_redirects=False)
        assert answer.headers["location"] == f"/ui/jobs/{one}"
        assert "Place 1 in the queue" in words(client.get(f"/ui/jobs/{one}").text)

    def test_what_is_allowed_for_none_is_a_refusal_and_to_people_a_page(
        self, client: Client, catalog
    ) -> None:
        form = {"action": "cancel", "job": catalog.in_state(State.FAILED)}
        answer = client.post("/ui/jobs/batch", data=form, headers=PROGRAM)
        assert (answer.status_code, answer.json()["title"]) == (409, "The job's state does not allow this")
        page = client.post("/ui/jobs/batch", data=form)
        assert page.status_code == 409
        assert page.headers["content-type"].startswith("text/html")
        assert "0 of 1 job asked to stop" in page.text

    @pytest.mark.parametrize(
        "form",
        [
            {"action": "cancel"},
            {"action": "delete", "job": "0" * 32},
            {"action": "cancel", "job": "../x"},
            {"action": "prioritise", "job": "0" * 32, "priority": "101"},
        ],
    )
    def test_another_form_is_refused(self, client: Client, form: dict[str, str]) -> None:
        assert client.post("/ui/jobs/batch", data=form, headers=PROGRAM).status_code == 422

    @pytest.mark.parametrize(
        "headers",
        [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://elsewhere.example"}, {"Origin": "null"}],
    )
    def test_a_page_of_another_site_may_not_send_it(
        self, client: Client, catalog, headers: dict[str, str]
    ) -> None:
        job = catalog.queued()
        answer = client.post("/ui/jobs/batch", data={"action": "cancel", "job": job}, headers=headers)
        assert (answer.status_code, state(catalog, job)) == (403, "queued")

    @pytest.mark.parametrize("back", ["//evil.example", "https://evil.example/?a=1", "x\r\nSet-Cookie: a=b"])
    def test_it_leads_nowhere_else(self, client: Client, catalog, back: str) -> None:
        form = {"action": "cancel", "job": catalog.queued(), "back": back}
        answer = client.post("/ui/jobs/batch", data=form, follow_redirects=False)
        assert re.fullmatch(r"/(\?[^\s/]*)?", answer.headers["location"])
        assert "set-cookie" not in answer.headers


class TestAgain:
    def proposed(self, client: Client, job: str) -> tuple[str, str] | None:
        html = client.get(f"/ui/jobs/{job}").text
        body = re.search(r'data-path="([^"]*)".*?<textarea[^>]*>(.*?)</textarea>', html, re.S)
        return None if body is None else (body[1], unescape(body[2]))

    def test_the_proposed_request_asks_for_the_very_same(self, client: Client, catalog) -> None:
        source, _ = catalog.family()
        asked = [
            {"kind": "find", "architecture": "mlp_2", "dataset": "digits", "seeds": [0, 1]},
            {
                "kind": "find",
                "architecture": "mlp_2",
                "dataset": "digits",
                "method": "snip",
                "parameters": {"sparsity": 0.9},
            },
            {"kind": "transform", "tickets": [source], "architecture": "mlp_4", "order": "append"},
            {"kind": "train", "tickets": [source], "dataset": "digits", "order_seeds": [0, 1]},
            {
                "kind": "train",
                "architecture": "mlp_2",
                "dataset": "digits",
                "sparsity_schedule": {"method": "rigl", "sparsity": 0.9},
            },
            {"kind": "evaluate", "tickets": [source], "dataset": "digits"},
        ]
        for spec in asked:
            kind, body = spec["kind"], {name: value for name, value in spec.items() if name != "kind"}
            first = client.post(f"/{kind}", json=body, headers=PROGRAM)
            assert first.status_code in (200, 202), first.text
            proposed = self.proposed(client, first.json()["id"])
            assert proposed is not None
            again = client.post(
                proposed[0], content=proposed[1], headers=PROGRAM | {"Content-Type": "application/json"}
            )
            assert again.status_code in (200, 202), again.text
            assert again.json()["spec"] == first.json()["spec"]

    def test_an_export_is_not_asked_for_so(self, client: Client, catalog) -> None:
        job = catalog.queued(kind="export", ticket="ab" * 32, format="safetensors")
        assert self.proposed(client, job) is None

    def test_a_file_s_name_in_it_is_text(self, client: Client, catalog, hostile: str) -> None:
        job = catalog.queued()
        with catalog.database.write() as session:
            row = session.get_one(Job, job)
            row.spec = row.spec | {"architecture": f"</textarea>{hostile}"}
        assert hostile not in client.get(f"/ui/jobs/{job}").text
        found = self.proposed(client, job)
        assert found is not None
        assert json.loads(found[1])["architecture"] == f"</textarea>{hostile}"


class TestLinks:
    def test_the_study_that_asked_for_it(self, client: Client, catalog) -> None:
        asked = {
            "study": "rivals",
            "datasets": ["digits"],
            "seeds": [0],
            "arms": [{"name": "ETT", "method": "ett"}],
        }
        study = client.post("/studies", json=asked, headers=PROGRAM).json()["id"]
        with catalog.database.read() as session:
            job = search.page(session, 1).rows[0].id
        assert f'href="/ui/studies/{study}"' in client.get(f"/ui/jobs/{job}").text

    def test_a_step_s_time_while_it_runs(self, client: Client, catalog) -> None:
        job = catalog.queued()
        catalog.running(job, done=30, total=100, eta=7.0)
        assert "100 ms a step" in client.get(f"/ui/jobs/{job}").text
        with catalog.database.write() as session:
            jobs.cancel(session, job)
        assert "a step" not in client.get(f"/ui/jobs/{job}").text
