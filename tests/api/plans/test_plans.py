"""Plans over HTTP: E-LTH's appendix B to the decimal, and every refusal."""

from __future__ import annotations

from typing import Any

import pytest

from api.plans import examples

PAPER = {**examples.ASKED, "source": None}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def planned(client):
    """Asks for a plan; its ways by name."""

    def ask(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
        answer = client.post("/plans", json=body)
        assert answer.status_code == 200, answer.text
        return {plan["name"]: plan for plan in answer.json()["plans"]}

    return ask


class TestAppendixB:
    def test_the_answer_has_the_paper_s_hours(self, planned):
        hours = {name: plan["hours"] for name, plan in planned(PAPER).items()}
        assert hours == {
            "elth from imagenet_resnet_18": 83.8,
            "elth from imagenet_resnet_26": 89.8,
            "elth from imagenet_resnet_34": 94.6,
            "imp": 208.6,
            "rigl": 149.0,
        }

    def test_the_cheapest_way_and_source_are_named(self, client):
        answer = client.post("/plans", json=PAPER).json()
        assert answer["cheapest"] == "elth from imagenet_resnet_18"
        assert answer["cheapest_source"] == "imagenet_resnet_18"
        assert answer["currency"] == "USD"
        assert any("first 6,260 of 112,680 steps" in told for told in answer["assumptions"])
        assert any("5 times as long" in told for told in answer["assumptions"])

    def test_the_documented_example_is_what_comes_back(self, client):
        found = client.post("/plans", json=examples.ASKED).json()
        shown, (way, *_) = examples.ANSWER["plans"][0], found["plans"]
        assert way == {**shown, "networks": way["networks"]}
        assert way["networks"][0] == shown["networks"][0]
        assert examples.ANSWER["assumptions"][0] in found["assumptions"]

    def test_another_multiplier_is_rigl_s(self, planned):
        assert planned(PAPER | {"multiplier": 1})["rigl"]["hours"] == 29.8


class TestMeasured:
    def test_without_hours_nor_trainings_it_is_a_guess_that_says_so(self, client):
        answer = client.post("/plans", json=examples.MEASURED).json()
        assert all(plan["hours"] > 0 for plan in answer["plans"])
        assert [plan["source"] for plan in answer["plans"] if plan["method"] == "elth"] == [
            "mlp_2",
            "mlp_3",
            "mlp_4",
        ]
        assert any("guessed" in told for told in answer["assumptions"])
        assert answer["currency"] is None
        assert all(plan["money"] is None for plan in answer["plans"])


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "where", "said"),
        [
            ({"targets": []}, "/targets", "at least 1"),
            ({"targets": ["imagenet_resnet_19"]}, "/targets", "needs D one of 18"),
            ({"targets": ["nothing"]}, "/targets", "unknown architecture 'nothing'"),
            ({"targets": ["imagenet_resnet_18"] * 2}, "/targets", "each may be given once"),
            ({"targets": ["imagenet_resnet_18", "mlp_2"]}, "/targets", "imagenet_resnet, mlp"),
            ({"targets": ["lenet_300_100"], "hours": {}}, "/targets", "call it mlp_1"),
            ({"source": "mlp_2"}, "/source", "stay in their family"),
            ({"sources": ["mlp_2"]}, "/sources", "stay in their family"),
            ({"source": "imagenet_resnet_50", "sources": ["imagenet_resnet_50"]}, "/sources", "either"),
            ({"dataset": "imagenette"}, "/dataset", "unknown dataset"),
            ({"level": 0}, "/level", "greater than or equal to 1"),
            ({"methods": ["magic"]}, "/methods", "accepted: elth, dense, imp"),
            ({"methods": ["imp", "imp"]}, "/methods", "each may be given once"),
            ({"hours": {"imagenet_resnet_50": 20}}, "/hours", "imagenet_resnet_50 is not planned"),
            ({"hours": {"imagenet_resnet_18": 0}}, "/hours/imagenet_resnet_18", "greater than 0"),
            ({"price": -1}, "/price", "greater than or equal to 0"),
            ({"devices": 0}, "/devices", "greater than or equal to 1"),
            ({"currency": "euros"}, "/currency", "pattern"),
            ({"recipe": {"length": "5ep"}}, "/recipe", "tickets restart at step 6260"),
            ({"recipe": {"optimizer": "adam"}}, "/recipe", "adam has no momentum"),
            ({"recipe": {"lr": 0}}, "/recipe/lr", "greater than 0"),
            ({"budget": 5}, "/budget", "not permitted"),
        ],
    )
    def test_each_says_where_and_what(self, client, change, where, said):
        answer = client.post("/plans", json=PAPER | change)
        assert answer.status_code == 422
        problem = answer.json()
        assert problem["type"] == "urn:elasticket:problem:invalid-request"
        assert where in [flaw["where"] for flaw in problem["errors"]]
        assert said in problem["detail"] or said in str(problem["errors"])

    def test_an_unknown_parameter_of_the_query_is_refused(self, client):
        assert client.post("/plans?hours=9", json=PAPER).status_code == 422
