"""Trainings side by side: the API's comparison, and the page of it without scripts."""

import html
import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from httpx import Client

if TYPE_CHECKING:
    from tests.api.pages.conftest import Catalog

JSON = {"Accept": "application/json"}
HISTORY = [
    {
        "epoch": epoch,
        "step": 12 * epoch,
        "train_loss": 2 / epoch,
        "test_loss": 3 / epoch,
        "correct": 90 * epoch,
        "total": 360,
    }
    for epoch in (1, 2, 3)
]
MACHINE = {"torch": "2.13.0", "device": "cpu x86_64", "threads": 1}


@pytest.fixture
def trained(catalog: "Catalog") -> Callable[..., str]:
    """A train job that has ended with so many seeds; what is given goes to its recipe."""

    def make(seeds: int = 1, device: str = "cpu x86_64", level: int | None = None, **recipe: Any) -> str:
        job = catalog.queued(
            kind="train", architecture="mlp_2", dataset="digits", seeds=list(range(seeds)), recipe=recipe
        )
        catalog.running(job)
        runs = [
            replace(
                catalog.trained(seed=seed, level=level),
                history=HISTORY,
                fingerprint=MACHINE | {"device": device},
            )
            for seed in range(seeds)
        ]
        catalog.succeeded(job, runs=runs)
        return job

    return make


def told(client: Client, *references: str) -> dict[str, Any]:
    answer = client.get("/runs", params={"run": list(references)}, headers=JSON)
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


class TestRuns:
    def test_only_what_differs_is_listed_and_the_rest_is_common(
        self, client: Client, trained: Callable[..., str]
    ) -> None:
        slow, fast = trained(lr=0.05), trained(device="cuda H100", lr=0.2)
        found = told(client, f"{slow}:0", f"{fast}:0")
        assert found["differing"] == [
            {"group": "recipe", "field": "lr", "values": [0.05, 0.2]},
            {"group": "fingerprint", "field": "device", "values": ["cpu x86_64", "cuda H100"]},
        ]
        assert found["common"]["training"]["architecture"] == "mlp_2"
        assert found["common"]["fingerprint"] == {"torch": "2.13.0", "threads": 1}
        assert "lr" not in found["common"]["recipe"]

    def test_what_one_has_alone_is_null_in_the_others(self, client: Client, catalog: "Catalog") -> None:
        jobs = [catalog.queued(), catalog.queued(kind="train", architecture="mlp_2", dataset="digits")]
        for job in jobs:
            catalog.running(job)
            catalog.succeeded(job, runs=[catalog.trained()])
        found = told(client, *(f"{job}:0" for job in jobs))
        by_field = {one["field"]: one["values"] for one in found["differing"]}
        assert by_field["kind"] == ["find", "train"]
        assert by_field["method"] == ["imp", None]
        assert "seed" not in by_field

    def test_curves_are_the_epochs_and_the_end_is_the_results(
        self, client: Client, trained: Callable[..., str]
    ) -> None:
        found = told(client, f"{trained()}:0")
        points = {
            figure["name"]: [p["y"] for p in figure["curves"][0]["points"]] for figure in found["figures"]
        }
        assert points == {
            "accuracy": [25.0, 50.0, 75.0],
            "train_loss": [2.0, 1.0, pytest.approx(2 / 3)],
            "test_loss": [3.0, 1.5, 1.0],
        }
        (run,) = found["runs"]
        assert (run["accuracy"], run["best_accuracy"], run["best_epoch"]) == (340 / 360, 349 / 360, 17)

    def test_names_tell_alike_trainings_apart(self, client: Client, trained: Callable[..., str]) -> None:
        one, other = trained(2), trained()
        found = told(client, f"{one}:0", f"{one}:1", f"{other}:0")
        assert [run["name"] for run in found["runs"]] == [
            f"mlp_2 · seed 0 · {one[:8]}:0",
            "mlp_2 · seed 1",
            f"mlp_2 · seed 0 · {other[:8]}:0",
        ]
        assert [curve["name"] for curve in found["figures"][0]["curves"]] == [
            r["name"] for r in found["runs"]
        ]

    @pytest.mark.parametrize(
        ("query", "status"),
        [
            ("", 422),
            ("run=x", 422),
            (f"run={'0' * 32}", 422),
            (f"run={'0' * 32}:0", 404),
            ("run=x&limit=3", 422),
        ],
    )
    def test_what_names_no_training_is_refused(self, client: Client, query: str, status: int) -> None:
        answer = client.get(f"/runs?{query}", headers=JSON)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")

    def test_thirteen_are_too_many(self, client: Client, trained: Callable[..., str]) -> None:
        job = trained()
        answer = client.get("/runs", params={"run": [f"{job}:0"] * 13}, headers=JSON)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["where"] == "run"


class TestPage:
    def test_a_job_leads_to_the_address_of_its_trainings(
        self, client: Client, trained: Callable[..., str]
    ) -> None:
        one, other = trained(2), trained(2)
        answer = client.get(f"/ui/compare?job={one}&job={other}", follow_redirects=False)
        assert answer.status_code == 303
        named = re.findall(r"run=(\w+)%3A(\d+)", answer.headers["location"])
        assert named == [(job, number) for job in (one, other) for number in "01"]

    def test_of_too_many_those_of_the_first_seed_are_taken(self, client: Client, catalog: "Catalog") -> None:
        job = catalog.queued()
        catalog.running(job)
        runs = [catalog.trained(seed=seed, level=level) for seed in range(3) for level in range(5)]
        catalog.succeeded(job, runs=runs)
        answer = client.get(f"/ui/compare?job={job}", follow_redirects=False)
        assert re.findall(r"%3A(\d+)", answer.headers["location"]) == ["0", "1", "2", "3", "4"]

    def test_it_shows_what_differs_what_is_common_and_where_they_ended(
        self, client: Client, trained: Callable[..., str]
    ) -> None:
        slow, fast = trained(lr=0.05), trained(lr=0.2)
        page = client.get(f"/ui/compare?run={slow}:0&run={fast}:0").raise_for_status().text
        assert re.findall(r'<th scope="row">(\w+)</th>\s*<td>([\d.]+)</td><td>([\d.]+)</td>', page) == [
            ("lr", "0.05", "0.2")
        ]
        assert "In common: mlp_2, digits, seed 0, 89.26 % removed" in page
        assert "the device, versions and threads" in page
        assert "the whole recipe" not in page
        assert page.count("94.44 %") == page.count("96.94 %") == 2
        assert f'data-figures="/runs?run={slow}%3A0&amp;run={fast}%3A0"' in page
        assert "<noscript>" in page
        left = re.findall(r'<a href="([^"]+)" aria-label="Leave out', page)
        assert left == [f"/ui/compare?run={fast}%3A0", f"/ui/compare?run={slow}%3A0"]

    def test_another_can_be_added_by_a_form_that_keeps_those_that_are_there(
        self, client: Client, trained: Callable[..., str]
    ) -> None:
        one, other = trained(2), trained()
        page = client.get(f"/ui/compare?run={one}:0").text
        assert re.findall(r'type="hidden" name="run" value="([^"]+)"', page) == [f"{one}:0"]
        options = re.findall(r'<option value="([^"]+)">', page)
        assert {f"{one}:1", f"{other}:0"} == set(options)
        # As the form sends it: the field that was not filled in is empty.
        added = client.get(f"/ui/compare?run={one}:0&run=&job={other}")
        assert added.url.query.decode() == f"run={one}%3A0&run={other}%3A0"

    def test_what_is_hidden_stays_hidden_wherever_the_page_leads(
        self, client: Client, trained: Callable[..., str], hostile: str
    ) -> None:
        one, other = trained(), trained()
        hidden = [("hide", "accuracy:seed 0"), ("hide", hostile)]
        asked = client.get("/ui/compare", params=[("job", one), ("job", other), *hidden])
        chosen = [("run", f"{one}:0"), ("run", f"{other}:0")]
        assert asked.url.params.multi_items() == chosen + hidden
        page = asked.raise_for_status().text
        assert "<script>alert" not in page
        left = [html.unescape(link) for link in re.findall(r'<a href="([^"]+)" aria-label="Leave out', page)]
        assert [client.get(link).url.params.multi_items() for link in left] == [
            [chosen[1], *hidden],
            [chosen[0], *hidden],
        ]
        fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)"', page)
        assert [(name, html.unescape(value)) for name, value in fields] == chosen + hidden

    def test_what_is_not_there_is_said_beside_what_is(
        self, client: Client, trained: Callable[..., str], hostile: str
    ) -> None:
        job = trained()
        page = client.get("/ui/compare", params={"run": [f"{job}:0", f"{job}:7", hostile], "job": hostile})
        said = html.unescape(page.raise_for_status().text)
        assert f"There is no training {job}:7." in said
        assert f"There is no job {hostile[:64]}" in said
        assert "names no training" in said
        assert "94.44 %" in said
        assert "<script>alert" not in page.text

    def test_what_can_be_no_id_is_not_repeated_at_length(self, client: Client) -> None:
        long = "f" * 500
        page = client.get("/ui/compare", params={"run": f"{long}:0", "job": long}).raise_for_status().text
        assert f"There is no job {'f' * 64}…." in page
        assert "names no training" in page
        assert "f" * 81 not in re.sub(r"<form.*?</form>", "", page, flags=re.DOTALL)

    def test_a_job_without_trainings_is_waited_for_on_its_page(
        self, client: Client, catalog: "Catalog"
    ) -> None:
        job = catalog.queued()
        page = client.get(f"/ui/compare?job={job}").raise_for_status().text
        assert "not finished a training yet" in page
        assert f'href="/ui/jobs/{job}"' in page

    def test_without_any_training_it_says_so(self, client: Client) -> None:
        assert "Nothing to compare yet" in client.get("/ui/compare").raise_for_status().text

    def test_a_job_s_page_leads_here(self, client: Client, trained: Callable[..., str]) -> None:
        job = trained()
        page = client.get(f"/ui/jobs/{job}").text
        assert f'<a href="/ui/compare?job={job}">' in page
        assert f'<a data-add="{job}" hidden>' in page
