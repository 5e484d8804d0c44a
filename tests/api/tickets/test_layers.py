"""What of a ticket's mask does any work, counted from its file."""

import io
from collections.abc import Mapping

import httpx
import numpy as np
import pytest

from core.families import architecture
from core.families.architecture import Architecture
from core.families.definition import made_definition
from core.families.posted import posted_architecture
from core.tickets import Metadata, Ticket, write


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def sent(client: httpx.Client, network: Architecture, masks: Mapping[str, np.ndarray]) -> str:
    """Upload a ticket of these masks; its id."""
    weights = {
        spec.name: np.ones(spec.shape, np.int64 if spec.dtype == "I64" else np.float32)
        for spec in network.tensors
    }
    stream = io.BytesIO()
    write(Ticket.from_dense(network, 0, masks, weights), Metadata(), stream)
    identity: str = client.post("/tickets", content=stream.getvalue()).raise_for_status().json()["id"]
    return identity


def ones(network: Architecture) -> dict[str, np.ndarray]:
    return {spec.name: np.ones(spec.shape, bool) for spec in network.prunable}


class TestEffective:
    def test_what_no_path_takes_is_counted(self, client: httpx.Client):
        network = architecture("mlp_1_3_2", (1, 1, 4), 2)
        masks = ones(network)
        # The second hidden neuron hears nothing of the input, the third is not listened to.
        masks["fc_layers.0.weight"][1] = False
        masks["fc_layers.1.weight"][:, 2] = False
        body = client.get(f"/tickets/{sent(client, network, masks)}/layers").raise_for_status().json()
        found = {layer["name"]: layer for layer in body["layers"]}
        assert [layer["survivors"] for layer in body["layers"]] == [8, 4, 4]
        assert [layer["effective_survivors"] for layer in body["layers"]] == [4, 2, 4]
        assert [layer["dead_channels"] for layer in body["layers"]] == [2, 0, 0]
        assert [layer["channels"] for layer in body["layers"]] == [3, 2, 2]
        assert (body["effective_survivors"], body["unreachable"]) == (10, 6)
        assert body["effective_sparsity"] == 1 - 10 / network.prunable_weights
        assert body["empty_layers"] == []
        assert found["fc_layers.0.weight"]["density"] == 8 / 12

    def test_an_empty_layer_is_named_and_takes_all_that_follow_along(self, client: httpx.Client):
        network = architecture("mlp_1_3_2", (1, 1, 4), 2)
        masks = ones(network)
        masks["fc_layers.1.weight"][:] = False
        body = client.get(f"/tickets/{sent(client, network, masks)}/layers").json()
        assert body["empty_layers"] == ["fc_layers.1.weight"]
        assert (body["effective_sparsity"], body["unreachable"]) == (1.0, 12 + 4)


class TestUnknownWiring:
    def test_nothing_is_guessed(self, client: httpx.Client):
        definition = {"name": "chain", "prunable": ["*"], "tensors": {"a": [2, 3], "b": [1, 2]}}
        network = posted_architecture(made_definition(definition))
        masks = ones(network)
        masks["b"][:] = False
        body = client.get(f"/tickets/{sent(client, network, masks)}/layers").json()
        names = ("effective_survivors", "effective_sparsity", "unreachable")
        assert [body[name] for name in names] == [None] * 3
        assert body["empty_layers"] == ["b"]
        assert [(layer["dead_channels"], layer["density"]) for layer in body["layers"]] == [
            (None, 1),
            (None, 0),
        ]
