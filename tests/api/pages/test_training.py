"""The form that trains a ticket, as a browser without scripts sees it."""

import re
from html import unescape
from typing import TYPE_CHECKING

import pytest
from httpx import Client, Response

from core.catalog.tables import Ticket

if TYPE_CHECKING:
    from tests.api.pages.conftest import Catalog

REFUSED = [
    ({"length": "-3"}, "length", "write epochs"),
    ({"length": "0"}, "length", "write epochs"),
    ({"lr": "fast"}, "lr", "valid number"),
    ({"lr": "1000"}, "lr", "100"),
    ({"order_seeds": "0, x"}, "order_seeds", "integer"),
    ({"dataset": "none"}, "dataset", "unknown dataset"),
    ({"dataset": "mnist"}, "", "transform it to mnist first"),
    ({"preset": "cifar_vgg_13"}, "preset", "cifar_vgg"),
]


def form(page: str) -> str:
    start = page.index('<section id="train"')
    return unescape(page[start : page.index("</section>", start)])


def send(client: Client, ticket: str, **fields: str) -> Response:
    given = {"dataset": "digits"} | fields
    return client.post(f"/ui/tickets/{ticket}/train", data=given, follow_redirects=False)


class TestForm:
    def test_offers_what_fits_and_says_the_recipes_defaults(self, client: Client, catalog: "Catalog") -> None:
        shown = form(client.get(f"/ui/tickets/{catalog.upload(catalog.found())}").text)
        datasets = shown[shown.index('name="dataset"') : shown.index("</select>")]
        assert re.findall(r"<option ?>(\w+)<", datasets) == ["digits"]
        placeholders = dict(re.findall(r'<input name="(\w+)" value="" placeholder="([^"]*)"', shown))
        assert (placeholders["length"], placeholders["lr"]) == ("40ep", "0.1")

    def test_what_no_dataset_here_fits_has_none(self, client: Client, catalog: "Catalog") -> None:
        ticket = catalog.upload(catalog.found())
        with catalog.database.write() as session:
            session.get_one(Ticket, ("default", ticket)).classes = 7
        assert 'id="train"' not in client.get(f"/ui/tickets/{ticket}").raise_for_status().text

    @pytest.mark.parametrize(("fields", "where", "what"), REFUSED)
    def test_a_refusal_stands_at_its_field_and_the_address_keeps_what_was_typed(
        self, client: Client, catalog: "Catalog", fields: dict[str, str], where: str, what: str
    ) -> None:
        ticket = catalog.upload(catalog.found())
        answer = send(client, ticket, **fields)
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith(f"/ui/tickets/{ticket}?")
        shown = form(client.get(answer.headers["Location"]).raise_for_status().text)
        slot = shown[shown.index(f'id="wrong-{where}"' if where else 'class="callout"') :]
        assert what in slot[: slot.index("</span>" if where else "</div>")]
        for name, value in fields.items():
            assert name in ("dataset", "preset") or f'name="{name}" value="{value}"' in shown
        assert client.get("/jobs", headers={"Accept": "application/json"}).json()["items"] == []

    def test_hostile_text_is_text(self, client: Client, catalog: "Catalog", hostile: str) -> None:
        ticket = catalog.upload(catalog.found())
        names = ("dataset", "length", "lr", "order_seeds", "preset")
        answer = send(client, ticket, **dict.fromkeys(names, hostile))
        assert "<script>alert" not in client.get(answer.headers["Location"]).raise_for_status().text

    def test_no_other_site_may_send_it(self, client: Client, catalog: "Catalog") -> None:
        ticket = catalog.upload(catalog.found())
        headers = {"Sec-Fetch-Site": "cross-site"}
        assert client.post(f"/ui/tickets/{ticket}/train", headers=headers).status_code == 403


class TestTrain:
    def test_makes_the_job_that_the_api_would_make(self, client: Client, catalog: "Catalog") -> None:
        ticket = catalog.upload(catalog.found())
        answer = send(client, ticket, length="2", lr="0.05", order_seeds="0, 1 7", preset="cifar_resnet")
        body = {
            "tickets": [ticket],
            "dataset": "digits",
            "recipe": {"preset": "cifar_resnet", "length": "2ep", "lr": 0.05},
            "order_seeds": [0, 1, 7],
        }
        asked = client.post("/train", json=body, headers={"Accept": "application/json"})
        identity = answer.headers["Location"].removeprefix("/ui/jobs/")
        made = client.get(f"/jobs/{identity}", headers={"Accept": "application/json"}).json()
        assert made["spec"] == asked.raise_for_status().json()["spec"]

    def test_the_same_form_makes_it_once_and_a_changed_one_another(
        self, client: Client, catalog: "Catalog"
    ) -> None:
        ticket = catalog.upload(catalog.found())
        key = re.search(r'name="key" value="(\w+)"', client.get(f"/ui/tickets/{ticket}").text)
        assert key is not None
        sent = [send(client, ticket, key=key[1], length=length) for length in ("2ep", "2ep", "3ep")]
        first, again, other = (answer.headers["Location"] for answer in sent)
        assert first == again
        assert other.startswith("/ui/jobs/")
        assert other != first

    def test_a_ticket_that_is_not_there(self, client: Client) -> None:
        assert send(client, "0" * 64).status_code == 404
