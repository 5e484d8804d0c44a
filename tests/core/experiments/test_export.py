"""Tickets converted by a job."""

import tarfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import load_file

from core.families.definition import Definition
from core.families.posted import posted_architecture
from core.interchange.exports.source import Unavailable
from core.jobs.inputs import InputTicket
from core.jobs.methods import ImpParameters, RandomParameters
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import ExportSpec, FindSpec
from core.tickets import Metadata, Ticket, ticket_id, write

if TYPE_CHECKING:
    from tests.core.experiments.conftest import Bench


@pytest.fixture
def identity(bench: "Bench") -> str:
    parameters = RandomParameters(survivors=5_000)
    spec = FindSpec(architecture="mlp_1", dataset="digits", method="random", parameters=parameters)
    bench.run(spec.complete("mlp"))
    return next(iter(bench.tickets))


class TestExport:
    def test_the_copy_holds_the_ticket_and_says_whose_it_is(self, bench: "Bench", identity: str) -> None:
        (copy,) = bench.run(ExportSpec(ticket=identity, format="safetensors")).copies
        assert (copy.ticket_id, copy.format) == (identity, "safetensors")
        found = load_file(bench.diary.artifacts.path(copy.digest))
        ticket = bench.ticket(identity)
        assert all((found[name] == values).all() for name, values in ticket.weights().items())
        assert all((found[f"{name}_mask"] == mask).all() for name, mask in ticket.bool_masks().items())

    def test_the_same_ticket_gives_the_same_bytes(self, bench: "Bench", identity: str) -> None:
        one, again = (bench.run(ExportSpec(ticket=identity, format="torch_prune")).copies[0] for _ in "12")
        assert one.digest == again.digest

    def test_the_card_tells_accuracies_and_ancestors(self, bench: "Bench", identity: str) -> None:
        about = {
            "figures": [{"dataset": "digits", "point": "last", "count": 1, "mean": 0.97, "std": None}],
            "lineage": [{"identity": "f" * 64, "architecture": "mlp_4", "sparsity": 0.5, "method": "imp"}],
        }
        (copy,) = bench.run(ExportSpec(ticket=identity, format="huggingface"), about=about).copies
        text = bench.diary.artifacts.path(copy.digest).read_bytes()
        assert b"97.00" in text
        assert b"f" * 64 in text

    def test_a_step_is_written_in_the_epochs_of_its_training(self, bench: "Bench") -> None:
        found = FindSpec(
            architecture="mlp_1",
            dataset="digits",
            parameters=ImpParameters(level=1),
            recipe=RecipeChoice(length="3ep", rewind="20it", batch=128),
        )
        bench.run(found.complete("mlp"))
        (copy,) = bench.run(ExportSpec(ticket=next(iter(bench.tickets)), format="open_lth")).copies
        with tarfile.open(bench.diary.artifacts.path(copy.digest)) as archive:
            # 1,437 images are 12 steps an epoch.
            assert any(name.endswith("model_ep1_it8.pth") for name in archive.getnames())

    def test_a_posted_network_has_no_graph_to_export(self, bench: "Bench") -> None:
        definition = Definition.model_validate({"name": "one", "prunable": ["w"], "tensors": {"w": [2, 2]}})
        network = posted_architecture(definition)
        ticket = Ticket.from_dense(network, 0, {"w": np.eye(2) > 0}, {"w": np.eye(2, dtype=np.float32)})
        digest = bench.diary.store(lambda stream: write(ticket, Metadata(), stream))
        bench.tickets[ticket_id(ticket)] = InputTicket(
            str(bench.diary.artifacts.path(digest)), None, None, None
        )
        with pytest.raises(Unavailable, match="onnx"):
            bench.run(ExportSpec(ticket=ticket_id(ticket), format="onnx"))
