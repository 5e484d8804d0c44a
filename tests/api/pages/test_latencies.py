"""What a job's page says of times, and a ticket's page of what does any work."""

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from httpx import Client


def layer(name: str, sparse: float | None, pays: bool, even: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "density": 0.1074,
        "dense_ms": 0.237,
        "sparse_ms": sparse,
        "pays": pays,
        "break_even": even,
    }


def latency(*forms: tuple[str, float | None, bool]) -> dict[str, Any]:
    layers = [
        layer("fc_layers.0.weight", 0.118, True, 0.2),
        layer("fc.weight", 0.5, False, None),
        layer("conv.weight", None, False, None),
    ]
    named = [{"form": form, "ms": ms, "faster": faster} for form, ms, faster in forms]
    return {
        "machine": {"device": "cpu x86_64", "capability": "AVX512", "threads": 2, "torch": "2.13.0"},
        "batches": [{"batch": 128, "layout": "channels last", "forms": named, "layers": layers}],
    }


def words(client: Client, path: str) -> str:
    """A page's words with single spaces."""
    response = client.get(path)
    assert response.status_code == 200, response.text
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", response.text)))


@pytest.fixture
def page(client: Client, catalog: Any) -> Callable[[dict[str, Any]], str]:
    """The page of a job that has timed a ticket."""

    def show(found: dict[str, Any]) -> str:
        ticket = catalog.upload(catalog.found())
        job = catalog.queued(kind="evaluate", tickets=[ticket], dataset="digits", latency=True)
        catalog.running(job)
        catalog.timed(job, ticket, found)
        return words(client, f"/ui/jobs/{job}")

    return show


class TestJob:
    def test_a_faster_form_is_told_with_its_ratio(self, page: Callable[[dict[str, Any]], str]) -> None:
        text = page(latency(("dense", 0.42, False), ("sparse", 0.21, True), ("compacted", None, False)))
        assert "128 420 µs 210 µs no channel goes sparse is 2.00 times as fast" in text
        assert "On cpu x86_64, AVX512, 2 threads, torch 2.13.0; nothing is said of another machine." in text

    @pytest.mark.parametrize(("ms", "shown"), [(0.41, "410 µs"), (None, "no layer pays")])
    def test_no_claim_is_made_where_there_is_none(
        self, page: Callable[[dict[str, Any]], str], ms: float | None, shown: str
    ) -> None:
        text = page(latency(("dense", 0.42, False), ("sparse", ms, False)))
        assert f"128 420 µs {shown} dense is not beaten" in text
        assert "times as fast" not in text

    def test_every_layer_has_its_times_and_its_break_even(
        self, page: Callable[[dict[str, Any]], str]
    ) -> None:
        text = page(latency(("dense", 0.42, False), ("sparse", 0.21, True)))
        assert "fc_layers.0.weight 10.74 % 237 µs 118 µs yes 20 %" in text
        assert "fc.weight 10.74 % 237 µs 500 µs no at none" in text
        assert "conv.weight 10.74 % 237 µs – no –" in text

    def test_a_job_that_timed_nothing_has_no_such_table(self, client: Client, catalog: Any) -> None:
        _, child = catalog.family()
        job = client.get(f"/tickets/{child}/results", headers={"Accept": "application/json"}).json()
        identity = job["results"][-1]["job"]
        assert "Latency" not in words(client, f"/ui/jobs/{identity}")


class TestTicket:
    def test_what_no_path_takes_is_told_in_words(
        self, client: Client, make_ticket: Callable[..., bytes]
    ) -> None:
        identity = client.post("/tickets", content=make_ticket(name="mlp_1_30_20", density=0.05)).json()["id"]
        layers = client.get(f"/tickets/{identity}/layers").json()
        assert layers["unreachable"] > 1
        text = words(client, f"/ui/tickets/{identity}")
        removed = f"{100 * layers['effective_sparsity']:.2f} %"
        said = f"of the survivors lie on no path from input to output: effectively {removed} removed"
        assert f"{layers['unreachable']:,} {said}" in text
        for one in layers["layers"]:
            assert f"of {one['size']:,} {one['dead_channels']} of {one['channels']} " in text

    def test_that_all_do_work_is_told_too(self, client: Client, make_ticket: Callable[..., bytes]) -> None:
        identity = client.post("/tickets", content=make_ticket(density=1)).json()["id"]
        assert "Every survivor lies on a path from input to output" in words(
            client, f"/ui/tickets/{identity}"
        )

    def test_empty_layers_are_named(self, client: Client, make_ticket: Callable[..., bytes]) -> None:
        identity = client.post("/tickets", content=make_ticket(density=0)).json()["id"]
        named = "No weight survives in fc_layers.0.weight, fc_layers.1.weight, fc.weight"
        assert named in words(client, f"/ui/tickets/{identity}")
