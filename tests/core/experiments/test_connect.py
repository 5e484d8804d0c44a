"""Linear mode connectivity, beside networks interpolated by hand."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from core.datasets import load
from core.experiments.connect import between
from core.families import architecture
from core.jobs.inputs import TrainedNetwork
from core.jobs.methods import RandomParameters
from core.jobs.recipes import RecipeChoice
from core.jobs.specs import ConnectSpec, FindSpec, TrainingRef, TrainSpec
from core.models import build
from core.tickets.weights import read_weights

if TYPE_CHECKING:
    from tests.core.experiments.conftest import Bench

SPEC = ConnectSpec(
    trainings=[TrainingRef(job="a" * 32), TrainingRef(job="a" * 32, run=1)], points=5, dataset="digits"
)


@pytest.fixture
def ends(bench: "Bench") -> list[TrainedNetwork]:
    """Two trainings of one ticket under two data orders."""
    parameters = RandomParameters(survivors=20_000)
    found = FindSpec(
        architecture="mlp_2", dataset="digits", method="random", parameters=parameters, seeds=[3]
    )
    bench.run(found.complete("mlp"))
    spec = TrainSpec(
        tickets=list(bench.tickets), dataset="digits", order_seeds=[1, 2], recipe=RecipeChoice(length="3ep")
    )
    outcome = bench.run(spec.complete("mlp"))
    return [
        TrainedNetwork(
            str(bench.diary.artifacts.path(run.weights_digest)),
            "mlp_2",
            (1, 8, 8),
            10,
            run.ticket_id,
            run.seed,
        )
        for run in outcome.runs
    ]


class TestConnect:
    def test_counts_at_every_point_are_those_of_the_interpolated_network(
        self, bench: "Bench", ends: list[TrainedNetwork], tmp_path
    ) -> None:
        outcome = bench.run(SPEC, ends)
        assert [row.alpha for row in outcome.results] == [0, 0.25, 0.5, 0.75, 1]
        dataset = load("digits", tmp_path)
        images = (dataset.test_images.float() - torch.tensor(dataset.mean).view(-1, 1, 1)) / torch.tensor(
            dataset.std
        ).view(-1, 1, 1)
        first, second = (read_weights(end.path) for end in ends)
        model = build(architecture("mlp_2", (1, 8, 8), 10)).eval()
        for row in outcome.results:
            mixed = {
                name: torch.tensor(
                    (1 - row.alpha) * first[name] + row.alpha * second[name], dtype=torch.float32
                )
                for name in first
            }
            model.load_state_dict(mixed)
            with torch.no_grad():
                hits = int((model(images).argmax(1) == dataset.test_labels).sum())
            assert abs(row.correct - hits) <= 1  # a logit may tie in the last bit
            assert (row.point, row.total) == ("between", 360)

    def test_results_belong_to_the_ticket_and_its_seed(
        self, bench: "Bench", ends: list[TrainedNetwork]
    ) -> None:
        (ticket,) = bench.tickets
        assert {(row.ticket_id, row.seed) for row in bench.run(SPEC, ends).results} == {(ticket, 3)}

    def test_progress_reaches_its_end(self, bench: "Bench", ends: list[TrainedNetwork]) -> None:
        bench.run(SPEC, ends)
        assert bench.diary.steps[-1][:2] == (5, 5)


class TestBetween:
    def test_the_ends_are_the_networks_themselves(self) -> None:
        first = {"w": np.array([0.1, -0.0], np.float32), "n": np.array(3)}
        second = {"w": np.array([0.7, 1e-30], np.float32), "n": np.array(9)}
        assert between(first, second, 0.0)["w"].tobytes() == first["w"].tobytes()
        assert between(first, second, 1.0)["w"].tobytes() == second["w"].tobytes()

    def test_statistics_are_mixed_and_counters_are_not(self) -> None:
        first = {"bn.running_var": np.array([1.0], np.float32), "bn.num_batches_tracked": np.array(3)}
        second = {"bn.running_var": np.array([3.0], np.float32), "bn.num_batches_tracked": np.array(9)}
        middle = between(first, second, 0.5)
        assert middle["bn.running_var"].tolist() == [2.0]
        assert middle["bn.num_batches_tracked"] == 3
