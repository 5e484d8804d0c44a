"""A ticket's anatomy, and the proposal that can be posted as it is."""

import io

import httpx
import numpy as np
import pytest

from core.families import architecture
from core.families.definition import made_definition
from core.families.posted import posted_architecture
from core.tickets import Metadata, Ticket, write


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def posted_file(stages: list[dict[str, object]]) -> bytes:
    """A ticket of a family that comes with it."""
    tensors = {"in.weight": [4, 4], "b.0.weight": [4, 4], "b.1.weight": [4, 4], "out.weight": [2, 4]}
    network = posted_architecture(
        made_definition({"name": "chain", "prunable": ["*"], "stages": stages, "tensors": tensors})
    )
    ones = {spec.name: np.ones(spec.shape, np.float32) for spec in network.tensors}
    masks = {spec.name: np.eye(*spec.shape, dtype=bool) for spec in network.prunable}
    stream = io.BytesIO()
    write(Ticket.from_dense(network, 0, masks, ones), Metadata(), stream)
    return stream.getvalue()


class TestAnatomy:
    def test_of_a_built_in_family(self, client: httpx.Client, upload):
        ticket = upload(name="cifar_resnet_14", shape=(3, 8, 8))
        body = client.get(f"/tickets/{ticket}/anatomy").raise_for_status().json()
        network = architecture("cifar_resnet_14", [3, 8, 8], 10)
        assert body["architecture"] == "cifar_resnet_14"
        assert body["fixed"] == list(network.anatomy.fixed)
        for stage, expected in zip(body["stages"], network.anatomy.stages, strict=True):
            assert (stage["name"], stage["units"]) == (expected.name, list(expected.units))
            assert [e["tensors"] for e in stage["entries"]] == [dict(e.tensors) for e in expected.entries]

    def test_the_proposal_can_be_posted(self, client: httpx.Client, upload):
        ticket = upload(name="cifar_resnet_14", shape=(3, 8, 8))
        proposal = client.get(f"/tickets/{ticket}/anatomy").json()["proposal"]
        assert proposal["name"] == "like_cifar_resnet"
        answer = client.post("/architectures", json=proposal)
        assert answer.status_code == 201
        network = architecture("cifar_resnet_14", [3, 8, 8], 10)
        assert answer.json()["name"] == "like_cifar_resnet:2-2-2"
        assert [t["name"] for t in answer.json()["tensors"]] == [t.name for t in network.tensors]
        assert answer.json()["prunable"] == network.prunable_weights

    def test_of_a_posted_family_it_is_the_definition(self, client: httpx.Client):
        stages = [{"name": "b", "pattern": "b.{unit}."}]
        ticket = client.post("/tickets", content=posted_file(stages)).raise_for_status().json()
        assert ticket["architecture"] == "chain:2"
        body = client.get(f"/tickets/{ticket['id']}/anatomy").json()
        assert [stage["units"] for stage in body["stages"]] == [[0, 1]]
        assert client.post("/architectures", json=body["proposal"]).status_code == 200

    def test_of_one_without_stages_it_is_what_repeats(self, client: httpx.Client):
        ticket = client.post("/tickets", content=posted_file([])).raise_for_status().json()
        body = client.get(f"/tickets/{ticket['id']}/anatomy").json()
        assert (body["stages"], len(body["fixed"])) == ([], 4)
        assert body["proposal"]["stages"] == [{"name": "b", "pattern": "b.{unit}."}]
        assert client.post("/architectures", json=body["proposal"]).status_code == 201

    def test_of_no_ticket(self, client: httpx.Client):
        assert client.get(f"/tickets/{'0' * 64}/anatomy").status_code == 404
