"""Architectures that are posted as data, over HTTP."""

from typing import Any

import httpx
import pytest

from core.families import FAMILIES


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def chain(depth: int = 3, **changes: Any) -> dict[str, Any]:
    return {
        "name": "chain",
        "input": [1, 28, 28],
        "classes": 10,
        "prunable": ["*.weight"],
        "stages": [{"name": "b", "pattern": "b.{unit}."}],
        "tensors": {
            "z.weight": [4, 4],
            **{f"b.{i}.weight": [4, 4] for i in range(depth)},
            "a.weight": [9, 4],
        },
    } | changes


class TestPost:
    def test_a_new_one_is_created_and_described(self, client: httpx.Client):
        answer = client.post("/architectures", json=chain())
        assert (answer.status_code, answer.headers["Location"]) == (201, "/architectures/chain:3")
        body = answer.json()
        assert body == client.get(answer.headers["Location"]).json()
        assert (body["name"], body["family"], body["input"]) == ("chain:3", "chain", [1, 28, 28])
        assert [tensor["name"] for tensor in body["tensors"]] == list(chain()["tensors"])
        assert (body["prunable"], body["stages"][0]["units"]) == (4 * 16 + 36, [0, 1, 2])

    def test_the_same_again_is_the_same(self, client: httpx.Client):
        client.post("/architectures", json=chain())
        again = client.post("/architectures", json=chain(dense=[]))
        assert (again.status_code, again.headers["Location"]) == (200, "/architectures/chain:3")

    def test_what_is_shown_of_it_can_be_posted_again(self, client: httpx.Client):
        body = client.post("/architectures", json=chain()).json()
        assert client.post("/architectures", json=body["definition"]).status_code == 200

    def test_another_one_under_the_name_is_a_conflict(self, client: httpx.Client):
        client.post("/architectures", json=chain())
        answer = client.post("/architectures", json=chain(4))
        assert answer.status_code == 409
        assert answer.json()["type"] == "urn:elasticket:problem:name-taken"
        assert answer.json()["errors"][0]["where"] == "/name"
        assert len(client.get("/architectures/chain").json()["tensors"]) == 5

    def test_a_key_makes_it_once(self, client: httpx.Client):
        headers = {"Idempotency-Key": "a"}
        first, again = (client.post("/architectures", json=chain(), headers=headers) for _ in range(2))
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert again.json() == first.json()
        other = client.post("/architectures", json=chain(4), headers=headers)
        assert (other.status_code, other.json()["type"]) == (
            422,
            "urn:elasticket:problem:idempotency-key-reused",
        )

    @pytest.mark.parametrize(
        ("changes", "where"),
        [
            ({"name": "mlp_2"}, "/name"),
            ({"stages": [{"name": "b", "pattern": "c.{unit}."}]}, "/stages/0/pattern"),
            ({"stages": [{"name": "b", "pattern": "b.{unit}.", "fixed": [1]}]}, "/stages/0/fixed"),
            ({"prunable": ["*.bias"]}, "/prunable"),
            ({"classes": 0}, "/classes"),
            ({"tensors": {"a.weight": [50_000, 50_000]}, "stages": []}, ""),
            ({"code": 1}, "/code"),
        ],
    )
    def test_a_bad_one_is_refused_where_it_is_wrong(self, client: httpx.Client, changes, where):
        answer = client.post("/architectures", json=chain(**changes))
        assert (answer.status_code, answer.json()["errors"][0]["where"]) == (422, where)
        assert client.get("/architectures/chain").status_code in (404, 422)

    def test_a_megabyte_is_accepted_and_two_are_not(self, client: httpx.Client):
        name = "b.{}." + "n" * 180
        large = {name.format(i): [2, 2] for i in range(8000)}
        answer = client.post("/architectures", json=chain(tensors=large, stages=[], prunable=["*"]))
        assert answer.status_code == 201
        larger = {name.format(i): [2, 2] for i in range(10_000)}
        answer = client.post(
            "/architectures", json=chain(tensors=larger, stages=[], prunable=["*"], name="l")
        )
        assert (answer.status_code, answer.json()["errors"][0]["what"]) == (422, "too long")
        assert client.post("/architectures", content=b" " * (5 << 20)).status_code in (413, 415)


class TestShow:
    def test_a_name_with_counts(self, client: httpx.Client):
        client.post("/architectures", json=chain())
        body = client.get("/architectures/chain:12").json()
        assert (body["name"], len(body["tensors"])) == ("chain:12", 14)

    @pytest.mark.parametrize("name", ["chain:1-1", "chain:30000", "other", "other:3"])
    def test_no_such_member(self, client: httpx.Client, name: str):
        client.post("/architectures", json=chain())
        assert client.get(f"/architectures/{name}", params={"dataset": "mnist"}).status_code == 404

    def test_posted_twice_it_must_be_said_which(self, client: httpx.Client):
        for definition in (chain(), chain(classes=5, input=None)):
            client.post("/architectures", json=definition).raise_for_status()
        refused = client.get("/architectures/chain")
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["accepted"] == "[0, 0, 0], 5 classes; [1, 28, 28], 10 classes"
        assert client.get("/architectures/chain", params={"classes": 5}).json()["input"] == [0, 0, 0]
        shown = client.get("/architectures/chain", params={"dataset": "mnist"}).json()
        assert (shown["classes"], shown["dataset"]) == (10, "mnist")
        assert client.get("/architectures/chain", params={"classes": 7}).status_code == 422
        assert client.get("/architectures/chain", params={"dataset": "moon"}).status_code == 422

    @pytest.mark.parametrize("query", [{}, {"dataset": "moon"}])
    def test_a_built_in_one_needs_a_dataset(self, client: httpx.Client, query: dict[str, str]):
        answer = client.get("/architectures/mlp_2", params=query)
        assert (answer.status_code, answer.json()["errors"][0]["where"]) == (422, "dataset")


class TestList:
    def test_the_built_in_ones_first_then_pages_of_posted_ones(self, client: httpx.Client):
        for name in ("e", "c", "d"):
            client.post("/architectures", json=chain(name=name)).raise_for_status()
        client.post("/architectures", json=chain(name="c", classes=2)).raise_for_status()
        first = client.get("/architectures", params={"limit": 2})
        assert [item["name"] for item in first.json()["items"]] == [*FAMILIES, "c", "d"]
        assert first.json()["items"][-2]["posted"] == [
            {"input": [1, 28, 28], "classes": 2},
            {"input": [1, 28, 28], "classes": 10},
        ]
        assert first.json()["items"][-1]["recipe"] is None
        assert first.headers["Link"] == f'<{first.json()["next"]}>; rel="next"'
        second = client.get(first.json()["next"]).json()
        assert ([item["name"] for item in second["items"]], second["next"]) == (["e"], None)

    @pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 501}, {"after": "A B"}, {"page": 2}])
    def test_a_bad_query(self, client: httpx.Client, query: dict[str, Any]):
        assert client.get("/architectures", params=query).status_code == 422
