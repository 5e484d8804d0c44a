"""The cost calculator as a browser without scripts sees it."""

import html
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest
from httpx import Client

from api.jobs.examples import RUN

if TYPE_CHECKING:
    from tests.api.pages.conftest import Catalog


def text(page: str) -> str:
    """What is read, with every run of blanks as one."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def paper(client: Client) -> str:
    found = re.search(r'href="(/ui/plan\?[^"]+)"', client.get("/ui/plan").raise_for_status().text)
    assert found is not None
    return html.unescape(found[1])


class TestForm:
    def test_nothing_is_answered_before_something_is_asked(self, client: Client) -> None:
        page = client.get("/ui/plan").raise_for_status().text
        assert 'id="answer"' not in page
        assert "<script" not in page

    def test_the_address_fills_the_fields(self, client: Client) -> None:
        page = client.get("/ui/plan?targets=mlp_2,mlp_4&methods=imp&level=3&hours.mlp_4=2.5&price=3").text
        assert ">mlp_2 mlp_4</textarea>" in page
        assert re.search(r'id="level" name="level" value="3"', page)
        assert re.search(r'id="hours.mlp_4" name="hours.mlp_4" value="2.5"', page)
        assert re.findall(r'value="(\w+)" checked', page) == ["imp"]

    def test_hours_of_a_network_that_is_planned_no_longer_are_left_out(self, client: Client) -> None:
        page = client.get("/ui/plan?targets=mlp_2&hours.mlp_4=2.5&hours.mlp_2=1").text
        assert "hours.mlp_4" not in page
        assert 'id="chart-title"' in page


class TestRecipe:
    FIELDS = re.compile(r'name="recipe\.(\w+)" value="([^"]*)" inputmode="\w+"(?: placeholder="([^"]*)")?')

    def fields(self, client: Client, query: str) -> dict[str, tuple[str, str]]:
        page = client.get(f"/ui/plan?{query}").raise_for_status().text
        return {name: (value, usual) for name, value, usual in self.FIELDS.findall(page)}

    @pytest.mark.parametrize(
        ("query", "usual"),
        [
            ("", ("40ep", "128", "0it")),
            ("dataset=cifar10&targets=cifar_resnet_20", ("160ep", "128", "1000it")),
            ("recipe.preset=imagenet_resnet", ("90ep", "1024", "5ep")),
            ("targets=nothing", ("", "", "")),
            ("targets=", ("", "", "")),
            ("dataset=nowhere", ("", "", "")),
        ],
    )
    def test_the_defaults_are_shown_in_the_empty_fields(
        self, client: Client, query: str, usual: tuple[str, ...]
    ) -> None:
        names = ("length", "batch", "rewind")
        assert self.fields(client, query) == {
            name: ("", default) for name, default in zip(names, usual, strict=True)
        }

    def test_the_address_fills_them_and_the_answer_is_the_api_s(self, client: Client) -> None:
        query = "targets=mlp_2&methods=imp&recipe.length=20&recipe.batch=64&recipe.rewind=2ep"
        found = self.fields(client, query)
        assert {name: value for name, (value, _) in found.items()} == {
            "length": "20",
            "batch": "64",
            "rewind": "2ep",
        }
        recipe = {"length": "20ep", "batch": 64, "rewind": "2ep"}
        body = {"targets": ["mlp_2"], "dataset": "digits", "methods": ["imp"], "recipe": recipe}
        (way,) = client.post("/plans", json=body).raise_for_status().json()["plans"]
        said = text(client.get(f"/ui/plan?{query}").text)
        assert f" {way['steps']:,} " in said
        assert f" {way['steps']:,} " not in text(client.get("/ui/plan?targets=mlp_2&methods=imp").text)

    def test_a_rewind_point_behind_the_end_is_said_at_the_recipe(self, client: Client) -> None:
        page = client.get("/ui/plan?targets=mlp_2&recipe.length=2&recipe.rewind=3").text
        note = re.search(r'id="recipe-note" class="note"><strong>([^<]+)</strong>', page)
        assert note is not None
        assert "tickets restart at step" in note[1]


class TestAppendixB:
    def test_the_paper_s_example_is_a_link_to_its_hours_and_money(self, client: Client) -> None:
        page = client.get(paper(client)).raise_for_status().text
        said = text(page)
        for hours in ("83.8 h", "89.8 h", "94.6 h", "208.6 h", "149 h"):
            assert hours in said
        assert "elth from imagenet_resnet_26 9 964,040 89.8 85.37 718.4 1,796" in said
        assert "trained 5 times as long as the recipe says" in said

    def test_the_cheapest_is_marked_in_the_chart_and_in_the_table(self, client: Client) -> None:
        page = client.get(paper(client)).text
        marked = re.findall(r'class="best">\s*<(?:span|th scope="row")>([^<]+?) <span', page)
        assert marked == ["elth from imagenet_resnet_18"] * 2

    def test_the_bars_are_as_long_as_the_hours(self, client: Client) -> None:
        page = client.get(paper(client)).text
        widths = [float(width) for width in re.findall(r'class="bar-fill" width="([\d.]+)%"', page)]
        assert widths == pytest.approx(
            [100 * hours / 208.6 for hours in (83.8, 89.8, 94.6, 208.6, 149)], abs=1e-3
        )

    def test_it_answers_as_the_api_does(self, client: Client) -> None:
        asked = parse_qsl(urlsplit(paper(client)).query)
        fields = dict(asked)
        body = {
            "targets": fields["targets"].split(),
            "dataset": fields["dataset"],
            "level": int(fields["level"]),
            "methods": [value for name, value in asked if name == "methods"],
            "devices": int(fields["devices"]),
            "price": float(fields["price"]),
            "hours": {n.removeprefix("hours."): float(v) for n, v in asked if n.startswith("hours.")},
        }
        answer = client.post("/plans", json=body).raise_for_status().json()
        said = text(client.get(paper(client)).text)
        for way in answer["plans"]:
            assert f"{way['steps']:,} {way['hours']:g}" in said
        assert all(sentence in said for sentence in answer["assumptions"])


class TestProblems:
    @pytest.mark.parametrize(
        ("query", "field", "said"),
        [
            ("targets=", "targets", "at least 1"),
            ("targets=mlp_2+nothing", "targets", "unknown architecture 'nothing'"),
            ("targets=mlp_2&source=cifar_resnet_20", "source", "stay in their family"),
            ("targets=mlp_2&level=many", "level", "valid integer"),
            ("targets=mlp_2&hours.mlp_2=-1", "hours.mlp_2", "greater than 0"),
            ("targets=mlp_2&price=x", "price", "valid number"),
            ("targets=mlp_2&currency=euros", "currency", "pattern"),
            ("targets=mlp_2&methods=magic", "methods", "unknown method 'magic'"),
            ("targets=mlp_2&dataset=elsewhere", "dataset", "unknown dataset 'elsewhere'"),
            ("targets=mlp_2&recipe.length=0", "recipe.length", "match pattern"),
            ("targets=mlp_2&recipe.batch=0", "recipe.batch", "greater than or equal to 1"),
            ("targets=mlp_2&recipe.rewind=soon", "recipe.rewind", "match pattern"),
            ("targets=mlp_2&recipe.preset=mine", "recipe.preset", "cifar_resnet"),
        ],
    )
    def test_each_stands_at_its_field(self, client: Client, query: str, field: str, said: str) -> None:
        page = client.get(f"/ui/plan?{query}").raise_for_status().text
        note = re.search(rf'id="{re.escape(field)}-note" class="note"><strong>([^<]+)</strong>', page)
        assert note is not None
        assert said in html.unescape(note[1])
        assert 'id="chart-title"' not in page
        assert page.count(f'aria-describedby="{field}-note"') == 1

    def test_hostile_text_is_text(self, client: Client, hostile: str) -> None:
        names = (
            "targets",
            "dataset",
            "methods",
            "level",
            "currency",
            "source",
            "recipe.length",
            "recipe.preset",
        )
        page = client.get("/ui/plan", params=dict.fromkeys(names, hostile)).raise_for_status().text
        assert "<script>" not in page


class TestMeasured:
    def test_a_training_from_before_images_were_counted_is_no_obstacle(
        self, client: Client, catalog: "Catalog"
    ) -> None:
        job = catalog.queued()
        catalog.running(job)
        assert "images" not in RUN["speed"]
        catalog.succeeded(job, runs=[catalog.trained(speed=RUN["speed"])])
        assert "guessed" in client.get("/ui/plan?targets=mlp_2").raise_for_status().text
