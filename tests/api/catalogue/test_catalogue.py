"""What this installation says it can do."""

import pytest

from core.families import FAMILIES, architecture
from core.jobs.datasets import DATASETS
from core.jobs.methods import METHODS
from core.jobs.recipes import PRESETS, Recipe


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


class TestCatalogue:
    def test_families_come_with_the_recipe_of_their_name(self, client):
        items = client.get("/architectures").json()["items"]
        assert [item["name"] for item in items] == list(FAMILIES)
        for item in items:
            assert Recipe.model_validate(item["recipe"]) == PRESETS[item["name"]]

    def test_an_architecture_is_described_exactly(self, client):
        body = client.get("/architectures/cifar_resnet_14?dataset=cifar10").json()
        network = architecture("cifar_resnet_14", [3, 32, 32], 10)
        assert body["prunable"] == network.prunable_weights
        assert [tensor["name"] for tensor in body["tensors"]] == [spec.name for spec in network.tensors]
        assert [stage["units"] for stage in body["stages"]] == [[1]] * 3
        assert body["stages"][0]["entries"][0]["fixed"] is True
        assert client.get("/architectures/lenet_300_100?dataset=digits").json()["name"] == "mlp_1"

    def test_datasets_and_methods(self, client):
        datasets = {item["name"]: item for item in client.get("/datasets").json()["items"]}
        assert datasets.keys() == DATASETS.keys()
        assert datasets["mnist"]["input"] == [1, 28, 28]
        methods = {item["name"]: item for item in client.get("/methods").json()["items"]}
        assert methods.keys() == METHODS.keys()
        assert (methods["imp"]["defaults"], methods["imp"]["trainings"]) == (
            {"level": 10, "fraction": 0.2, "scope": "global", "rewind": "point"},
            10,
        )
        assert [name for name, method in methods.items() if method["request"] == "train"] == [
            "rigl",
            "set",
            "static",
        ]
        assert all(method["source"] and method["cost"] for method in methods.values())
        assert methods["grasp"]["parameters"]["properties"]["per_class"]["default"] == 25
