"""What a dry run of an upload says, and that nothing is kept of it."""

import io
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from core.families import architecture
from core.tickets import read, ticket_id


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def left(settings):
    """What lies in the store and in its scratch folders."""

    def names() -> list[str]:
        return [path.name for path in settings.artifact_directory.rglob("*") if path.is_file()]

    return names


def sparse(seed: int = 0, **more: np.ndarray) -> bytes:
    """A safetensors file of `mlp_2` with zeros, as another tool leaves it."""
    network, numbers = architecture("mlp_2", (1, 8, 8), 10), np.random.default_rng(seed)
    tensors = {spec.name: numbers.random(spec.shape, np.float32) for spec in network.tensors}
    kept = {name: np.where(values < 0.7, 0, values).astype(np.float32) for name, values in tensors.items()}
    return save(kept | more)


def recognised(client, content: bytes, **said: object):
    return client.post("/tickets", content=content, params={"dry_run": "true", **said})


class TestTicketFile:
    def test_is_told_and_not_entered(self, client, make_ticket, tmp_path: Path, rows, left):
        (path := tmp_path / "t").write_bytes(content := make_ticket(3, name="mlp_2", level=7))
        body = recognised(client, content).raise_for_status().json()
        ticket = read(path).ticket
        assert (body["outcome"], body["format"], body["size"]) == ("ticket", "elasticket", len(content))
        (found,) = body["tickets"]
        assert (found["id"], found["here"]) == (ticket_id(ticket), False)
        assert (found["architecture"], found["survivors"]) == ("mlp_2", ticket.survivors)
        assert found["sparsity"] == ticket.sparsity
        assert (found["dataset"], found["seed"], found["level"]) == ("digits", 3, 7)
        assert (rows(), left()) == (0, [])

    def test_that_is_here_already(self, client, make_ticket, upload):
        upload(3)
        (found,) = recognised(client, make_ticket(3)).json()["tickets"]
        assert found["here"]

    def test_is_refused_as_an_upload_is(self, client, make_ticket):
        content = make_ticket()[:-10]
        dry, real = recognised(client, content), client.post("/tickets", content=content)
        assert (dry.status_code, dry.json()) == (422, real.json())


class TestForeign:
    def test_what_a_job_would_make_of_it(self, client, rows, left):
        body = recognised(client, content := sparse()).raise_for_status().json()
        assert (body["outcome"], body["format"], body["size"]) == ("import", "dense", len(content))
        assert body["unsaid"] == ["dataset", "seed", "level"]
        (found,) = body["tickets"]
        network, numbers = architecture("mlp_2", (1, 8, 8), 10), np.random.default_rng(0)
        drawn = {spec.name: numbers.random(spec.shape, np.float32) for spec in network.tensors}
        survivors = sum(int((drawn[spec.name] >= 0.7).sum()) for spec in network.prunable)
        assert (found["architecture"], found["survivors"]) == ("mlp_2", survivors)
        assert (rows(), left()) == (0, [])
        assert client.get("/jobs").json()["items"] == []

    def test_what_is_said_of_it_is_part_of_it(self, client):
        body = recognised(client, sparse(), dataset="digits", seed=4, level=2, input="1,8,8").json()
        (found,) = body["tickets"]
        assert (found["dataset"], found["seed"], found["level"]) == ("digits", 4, 2)
        assert body["unsaid"] == []

    def test_a_network_that_is_not_known_is_proposed(self, client):
        body = recognised(client, save({"a.weight": np.ones((3, 2), np.float32)})).json()
        (found,) = body["tickets"]
        assert found["architecture"].startswith("net_")
        assert found["prunable"] == 6
        assert "input" in body["unsaid"]

    def test_one_that_is_not_what_it_is_said_to_be(self, client):
        answer = recognised(client, sparse(), architecture="mlp_3", input="1,8,8")
        assert answer.status_code == 422
        assert answer.json()["reason"] in ("tensor-missing", "tensor-shape")

    @pytest.mark.parametrize("content", [b"nonsense", b"PK\x03\x04nonsense", b"\x80\x02."])
    def test_what_is_no_ticket_has_the_reason(self, client, content, left):
        answer = recognised(client, content)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["what"]
        assert left() == []

    def test_a_torch_file(self, client, left):
        torch = pytest.importorskip("torch")
        network = architecture("mlp_2", (1, 8, 8), 10)
        state = {spec.name: torch.rand(spec.shape).round() for spec in network.tensors}
        torch.save(state, stream := io.BytesIO())
        (found,) = recognised(client, stream.getvalue()).json()["tickets"]
        assert found["survivors"] == sum(int(state[spec.name].sum()) for spec in network.prunable)
        assert left() == []
